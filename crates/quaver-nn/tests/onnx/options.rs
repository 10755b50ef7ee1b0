//! What an import is told beside the file.

use crate::networks::branches;
use quaver_nn::format::onnx::{Options, read, to_bytes};
use quaver_nn::model::{Info, Model};

#[test]
fn pixels_are_normalized_and_dropout_is_put_back() {
    let model = Model::new(branches(), Info::default(), 3);
    let bytes = to_bytes(&model).unwrap();
    let options = Options {
        dropout: "p=0.5 before dense:1; p=0.1 before flatten:1".into(),
        mean: vec![0.5],
        std: vec![0.25],
        ..Options::default()
    };
    let imported = read(bytes, &options).unwrap();
    let names: Vec<_> = imported.layers.iter().map(|l| l.number.as_str()).collect();
    assert_eq!(names[..2], ["affine:1", "affine:2"]);
    assert_eq!(
        names[names.len() - 5..],
        [
            "dropout:1",
            "flatten:1",
            "dropout:2",
            "dropout:3",
            "dense:1"
        ]
    );
    assert_eq!(imported.model.info.dropout, 0.5);
    let first = &imported.model.graph.nodes()[0].op.config();
    assert_eq!(
        *first,
        serde_json::json!({ "scale": [4.0], "shift": [-2.0] })
    );
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let bytes = to_bytes(&Model::new(branches(), Info::default(), 3)).unwrap();
    let dropout = |text: &str| Options {
        dropout: text.into(),
        ..Options::default()
    };
    let normal = |mean: &[f64], std: &[f64]| Options {
        mean: mean.to_vec(),
        std: std.to_vec(),
        ..Options::default()
    };
    for (options, said) in [
        (dropout("p=0.5"), "must read like"),
        (dropout("p=1 before dense:1"), "p must be in [0, 1), got 1"),
        (
            dropout("p=0.5 before dense:2"),
            "no layer \"dense:2\", there are affine:1",
        ),
        (
            normal(&[0.0; 3], &[1.0; 3]),
            "3 means and 3 deviations, allowed are one or 2",
        ),
        (normal(&[0.0], &[0.0]), "std must be 1e-6 to 1e6"),
        (normal(&[f64::NAN], &[1.0]), "mean must be finite"),
    ] {
        let error = read(bytes.clone(), &options).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
