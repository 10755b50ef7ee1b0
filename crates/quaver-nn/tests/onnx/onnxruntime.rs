//! What is written computes the same elsewhere.

use crate::networks::{branches, outputs, pixels, rearranged, trained};
use quaver_nn::format::onnx::export;
use quaver_nn::model::{Info, Model};
use std::io::Write as _;
use std::process::Command;

/// Runs every network of a folder, N.onnx, on the pixels in N.x and writes its logits to N.y.
const SCRIPT: &str = "
import sys, pathlib, numpy, onnxruntime
for net in pathlib.Path(sys.argv[1]).glob('*.onnx'):
    session = onnxruntime.InferenceSession(net)
    x = numpy.fromfile(net.with_suffix('.x'), numpy.float32)
    x = x.reshape([3] + session.get_inputs()[0].shape[1:])
    session.run(None, {'image': x})[0].tofile(net.with_suffix('.y'))
";

/// Python with onnxruntime: the one that PYTHON names, or python3.
fn python() -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or("python3".into());
    let args = ["-c", "import numpy, onnxruntime"];
    let found = Command::new(&python).args(args).output();
    found
        .is_ok_and(|found| found.status.success())
        .then_some(python)
}

#[test]
fn onnxruntime_computes_the_same() {
    let others = [("branches", branches()), ("rearranged", rearranged())];
    let others = others.map(|(name, graph)| (name.into(), Model::new(graph, Info::default(), 3)));
    let models: Vec<(String, Model)> = trained().into_iter().chain(others).collect();
    let Some(python) = python() else {
        // To the terminal itself: the output of a passing test is hidden.
        let n = models.len();
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {n} exported networks were not run by onnxruntime, which no Python here has \
             (PYTHON names one)"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, end: &str| folder.path().join(format!("{name}.{end}"));
    for (name, model) in &models {
        export(&file(name, "onnx"), model).unwrap();
        let bytes = pixels(model).into_iter().flat_map(f32::to_le_bytes);
        std::fs::write(file(name, "x"), bytes.collect::<Vec<u8>>()).unwrap();
    }
    let mut run = Command::new(python);
    let said = run
        .args(["-c", SCRIPT])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&said.stderr);
    for (name, model) in &models {
        let got = std::fs::read(file(name, "y")).unwrap_or_default();
        let got = got
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let expected = outputs(model);
        assert_eq!(got.len(), expected.len(), "{name}: {said}");
        let largest = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        for (got, e) in got.zip(&expected) {
            assert!((got - e).abs() <= 1e-4 * largest, "{name}: {got} not {e}");
        }
    }
    println!("onnxruntime: ran {} networks", models.len());
}
