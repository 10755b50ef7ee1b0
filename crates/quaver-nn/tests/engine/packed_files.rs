//! Model files that hold binary weights as bits.

use crate::agreement::{Case, DRAWN, engine};
use crate::packed::outputs_of;
use quaver_nn::Simd;
use quaver_nn::arch::{DropoutPlacement, Spec, Topology};
use quaver_nn::format::safetensors::{load, save};
use std::sync::Arc;
use tempfile::TempDir;

/// A small network of the topology, with what files say of it.
fn lenet(topology: &str) -> Case {
    let spec = Spec {
        arch: "lenet5".into(),
        precision: Topology::find(topology).unwrap().precision().unwrap(),
        dropout: 0.5,
        dropout_placement: DropoutPlacement::All,
        input: vec![1, 28, 28],
        n_classes: 10,
    };
    let mut case = Case::new(spec.graph().unwrap(), 19);
    case.x.iter_mut().for_each(|x| *x *= 30.0);
    case
}

#[test]
fn files_of_bits_give_the_same_outputs_and_gradients() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    for topology in ["bnn", "bnn-weights"] {
        let case = lenet(topology);
        let packed = case.model.packed().unwrap();
        save(&path("whole"), &case.model, None).unwrap();
        save(&path("bits"), &packed, None).unwrap();
        let (again, state) = load(&path("bits")).unwrap();
        assert_eq!((again.params == packed.params, state), (true, None));
        assert!(again.info.packed && !case.model.info.packed);
        let loaded = Case {
            model: Arc::new(again),
            x: case.x.clone(),
            ids: case.ids.clone(),
        };
        let engine = engine(1, Simd::best());
        assert!(outputs_of(&case, &engine, false) == outputs_of(&loaded, &engine, false));
        let (whole, bits) = (case.run(&engine, DRAWN), loaded.run(&engine, DRAWN));
        assert!((whole.outputs, whole.gradient) == (bits.outputs, bits.gradient));
        // 60 870 weights of 61 706 parameters, and statistics.
        let size = |name: &str| std::fs::metadata(path(name)).unwrap().len();
        assert!(
            size("whole") > 4 * 61_000 && size("bits") < 61_000 / 8 + 14_000,
            "{}",
            size("bits")
        );
        save(&path("again"), &loaded.model, None).unwrap();
        assert_eq!(
            std::fs::read(path("bits")).unwrap(),
            std::fs::read(path("again")).unwrap()
        );
    }
    for topology in ["rand-bnn", "quantized-2bit", "full-precision"] {
        assert!(lenet(topology).model.packed().is_none(), "{topology}");
    }
}

#[test]
fn broken_files_of_bits_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bits");
    let packed = lenet("bnn").model.packed().unwrap();
    save(&path, &packed, None).unwrap();
    let file = std::fs::read(&path).unwrap();
    let refused = |file: &[u8]| {
        std::fs::write(&path, file).unwrap();
        load(&path).unwrap_err().to_string()
    };
    let header = 8 + u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let edited = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let mut places = file.windows(from.len());
        let at = places.position(|at| at == from.as_bytes()).unwrap();
        let mut changed = file.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        changed
    };
    let kind = refused(&edited(
        "\"dtype\":\"U8\",\"shape\":[120,50]",
        "\"dtype\":\"I8\",\"shape\":[120,50]",
    ));
    assert!(
        kind.ends_with("expected U8 of shape [120, 50], got I8 of shape [120, 50]"),
        "{kind}"
    );
    let shape = refused(&edited("\"shape\":[120,50]", "\"shape\":[50,120]"));
    assert!(shape.contains("expected U8 of shape [120, 50]"), "{shape}");
    let unsaid = refused(&edited("\\\"packed\\\":true", "\\\"packed\\\":!rue"));
    assert!(unsaid.contains("does not parse"), "{unsaid}");
    // Rows of 150 weights end with two bits of 0.
    let metadata: serde_json::Value = serde_json::from_slice(&file[8..header]).unwrap();
    let first = metadata["5.weight"]["data_offsets"][0].as_u64().unwrap() as usize;
    let mut changed = file.clone();
    changed[header + first + 18] |= 0x80;
    let bit = refused(&changed);
    assert!(bit.ends_with("a bit behind the end of a row is 1"), "{bit}");
    for part in 0..10 {
        let cut = refused(&file[..file.len() * part / 10]);
        assert!(cut.contains("no whole safetensors file"), "{cut}");
    }
}
