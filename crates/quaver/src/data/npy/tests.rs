//! Arrays that come back as written, and headers that are refused.

use super::*;
use ndarray::{arr2, array};
use proptest::prelude::*;

fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}}}\n");
    let len = (text.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &len[..], text.as_bytes(), data].concat()
}

#[test]
fn every_type_comes_back_as_written() {
    let arrays: [NpyArray; 8] = [
        arr2(&[[1.5_f32, -0.0], [f32::MAX, 0.1]]).into(),
        vec![0.1_f64].into(),
        vec![0_u8, 255].into(),
        vec![true, false].into(),
        vec![i16::MIN, 7].into(),
        vec![i64::MIN].into(),
        vec![u32::MAX].into(),
        vec![u64::MAX].into(),
    ];
    for array in arrays {
        let bytes = array.to_bytes().unwrap();
        assert_eq!(bytes, array.to_bytes().unwrap());
        assert_eq!(NpyArray::from_bytes(&bytes), Ok(array));
    }
}

#[test]
fn integers_widen_and_fortran_order_is_respected() {
    let wider: [(&str, &[u8], NpyArray); 4] = [
        ("'|i1'", &[1, 0xff], vec![1_i16, -1].into()),
        (
            "'<i4'",
            &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            vec![1_i64, -1].into(),
        ),
        ("'<u2'", &[1, 0, 0xff, 0xff], vec![1_u32, 0xffff].into()),
        ("'<i2'", &[1, 0, 0xff, 0xff], vec![1_i16, -1].into()),
    ];
    for (descr, data, expected) in wider {
        let bytes = npy(descr, "False", "(2,)", data);
        let values: Vec<i128> = expected.integers().unwrap().collect();
        assert_eq!(values, [1, if descr == "'<u2'" { 0xffff } else { -1 }]);
        assert_eq!(NpyArray::from_bytes(&bytes), Ok(expected), "{descr}");
    }
    assert!(NpyArray::from(vec![true]).integers().is_none());
    let columns = npy("'|u1'", "True", "(2, 2)", &[1, 3, 2, 4]);
    assert_eq!(
        NpyArray::from_bytes(&columns),
        Ok(array![[1_u8, 2], [3, 4]].into())
    );
}

#[test]
fn what_is_declared_must_be_there() {
    for (shape, data) in [("(3,)", 2), ("(1,)", 2), ("(18446744073709551615, 16)", 4)] {
        let bytes = npy("'|u1'", "False", shape, &vec![0; data]);
        assert!(
            matches!(NpyArray::from_bytes(&bytes), Err(NpyError::Length { .. })),
            "{shape}"
        );
    }
    let whole = NpyArray::from(vec![1.0_f32]).to_bytes().unwrap();
    for end in 0..whole.len() {
        assert!(NpyArray::from_bytes(&whole[..end]).is_err());
    }
}

#[test]
fn foreign_types_and_headers_are_refused() {
    for descr in ["'>f4'", "'|O'", "'<c8'", "'<f2'", "[('a', '<f4')]"] {
        let error = NpyArray::from_bytes(&npy(descr, "False", "(0,)", &[])).unwrap_err();
        assert!(
            matches!(&error, NpyError::Type { .. } | NpyError::Header { .. }),
            "{error}"
        );
    }
    let axes = npy("'|u1'", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1)", &[0]);
    assert_eq!(NpyArray::from_bytes(&axes), Err(NpyError::Axes { got: 9 }));
    let long = "1, ".repeat(80);
    for hostile in [&"(".repeat(100), "{{1", &long] {
        let header = npy(hostile, "False", "(1,)", &[0]);
        assert!(matches!(
            NpyArray::from_bytes(&header),
            Err(NpyError::Header { .. })
        ));
    }
    let widest = npy("'|u1'", "False", &format!("(1,{})", " 1,".repeat(7)), &[0]);
    assert_eq!(NpyArray::from_bytes(&widest).unwrap().shape(), [1; 8]);
    let two = npy("'|b1'", "False", "(1,)", &[2]);
    assert_eq!(NpyArray::from_bytes(&two), Err(NpyError::Bool { got: 2 }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_panics(edits in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4)) {
        let mut bytes = npy("'<f4'", "False", "(1, 2)", &[0; 8]);
        for (at, with) in edits {
            let at = at % bytes.len();
            bytes[at] = with;
        }
        let _ = NpyArray::from_bytes(&bytes);
    }

    #[test]
    fn no_header_text_panics(text in "[\\[\\](){}',:<>|fui0-9 a-z]{0,60}") {
        let len = (text.len() as u16 + 1).to_le_bytes();
        let bytes = [b"\x93NUMPY\x01\x00", &len[..], text.as_bytes(), b"\n"].concat();
        let _ = NpyArray::from_bytes(&bytes);
    }
}
