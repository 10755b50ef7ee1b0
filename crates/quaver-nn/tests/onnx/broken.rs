//! Broken files and those that ask for too much.

use crate::networks::branches;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use quaver_nn::format::onnx::{Options, import, read, to_bytes};
use quaver_nn::graph::Graph;
use quaver_nn::model::{Info, Model};
use quaver_nn::op::Flatten;
use std::sync::OnceLock;

/// A small file with every kind of message in it.
fn seed() -> &'static [u8] {
    static SEED: OnceLock<Vec<u8>> = OnceLock::new();
    SEED.get_or_init(|| to_bytes(&Model::new(branches(), Info::default(), 3)).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn changed_bytes_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = seed().to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = read(bytes, &Options::default());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(bytes, &Options::default());
    }
}

#[test]
fn structure_that_explodes_is_refused() {
    // A graph of empty nodes: two bytes each in the file, hundreds in memory.
    let nodes = [0x0a, 0x00].repeat(1 << 20);
    let mut bytes = vec![0x3a, 0x80, 0x80, 0x80, 0x01];
    bytes.extend(nodes);
    let error = read(bytes, &Options::default()).unwrap_err().to_string();
    assert!(error.starts_with("decoded structure takes"), "{error}");
    let error = read(seed()[..seed().len() / 2].to_vec(), &Options::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "no ONNX file: the file is cut short"
    );
    // A small file whose network has a class for each pixel of a large image.
    let graph = Graph::sequential(vec![1, 300, 300], vec![Box::new(Flatten {})]).unwrap();
    let large = to_bytes(&Model::new(graph, Info::default(), 0)).unwrap();
    let error = read(large, &Options::default()).unwrap_err().to_string();
    assert!(
        error.starts_with("the network's output takes 90000"),
        "{error}"
    );
}

#[test]
fn numbers_may_lie_in_a_file_beside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    // A graph whose one constant is `beside` the file: field 13 and 14 of its tensor.
    let entry = |key: &str, value: &str| {
        let text = |tag: u8, s: &str| [&[tag, s.len() as u8], s.as_bytes()].concat();
        let both = [text(0x0a, key), text(0x12, value)].concat();
        [&[0x6a, both.len() as u8][..], &both].concat()
    };
    let bytes = |location: &str, offset: &str| {
        let parts = [entry("location", location), entry("offset", offset)].concat();
        let tensor = [
            &[0x08, 2, 0x08, 2, 0x10, 1, 0x42, 1, b'w'][..],
            &parts,
            &[0x70, 1],
        ]
        .concat();
        let dim = |d: &[u8]| [&[0x0a, d.len() as u8][..], d].concat();
        let shape = [dim(&[]), dim(&[0x08, 2])].concat();
        let shape = [&[0x12, shape.len() as u8][..], &shape].concat();
        let shape = [&[0x08, 1], &shape[..]].concat();
        let kind = [&[0x0a, shape.len() as u8][..], &shape].concat();
        let kind = [&[0x0a, 1, b'x', 0x12, kind.len() as u8][..], &kind].concat();
        let node = [
            &[0x0a, 1, b'x', 0x0a, 1, b'w', 0x12, 1, b'y', 0x22, 6][..],
            b"MatMul",
        ]
        .concat();
        let field = |tag: u8, of: &[u8]| [&[tag, of.len() as u8][..], of].concat();
        let output = [0x0a, 1, b'y'];
        let graph = [
            field(0x0a, &node),
            field(0x2a, &tensor),
            field(0x5a, &kind),
            field(0x62, &output),
        ]
        .concat();
        [
            &[
                0x3a,
                0x80 | (graph.len() & 127) as u8,
                (graph.len() >> 7) as u8,
            ][..],
            &graph,
            &[0x42, 2, 0x10, 17],
        ]
        .concat()
    };
    let numbers: Vec<u8> = [9.0_f32, 1.0, 2.0, 3.0, 4.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    std::fs::write(folder.path().join("net.data"), numbers).unwrap();
    let read = |location: &str, offset: &str| {
        std::fs::write(&path, bytes(location, offset)).unwrap();
        import(&path, &Options::default())
    };
    let imported = read("net.data", "4").unwrap().model;
    // Turned, as dense layers here are (out, in).
    assert_eq!(imported.params[0][0], [1.0, 3.0, 2.0, 4.0]);
    for (location, offset, said) in [
        ("net.data", "12", "shape [2, 2], but 2 numbers"),
        ("net.data", "99", "which has 20"),
        ("../net.data", "4", "only files in the model's own folder"),
        ("other", "0", "its numbers lie in"),
    ] {
        let error = read(location, offset).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
