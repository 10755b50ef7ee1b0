//! Models with something around them.

use crate::fixture::{images, npz, save_model, with_metadata};
use crate::folder::Folder;
use serde_json::json;

fn folder() -> Folder {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    folder.write("x.npz", npz(images(6), &[]));
    folder
}

#[test]
fn what_is_around_a_model_is_kept_and_counts() {
    let folder = folder();
    let shown = folder.done("model wrap m --with bit-depth --with gaussian-noise(sigma=1) --out w");
    assert!(
        shown.contains("\ninside bit-depth(backward=through,bits=1)\n"),
        "{shown}"
    );
    folder.done("model wrap w --with temperature(t=4) --out again");
    let show = folder.json("model show again");
    let wrappers = [
        "bit-depth(backward=through,bits=1)",
        "gaussian-noise(sigma=1)",
        "temperature(t=4)",
    ];
    assert_eq!(show["info"]["wrappers"], json!(wrappers));
    let evaluate = |model: &str| folder.json(&format!("evaluate {model} --input x.npz --passes 3"));
    let uncertainty = |model: &str| evaluate(model)["uncertainty"]["variance"]["mean"].clone();
    assert_eq!(evaluate("again")["model"]["wrappers"], json!(wrappers));
    assert!(uncertainty("m") != uncertainty("w") && uncertainty("w") != uncertainty("again"));
    // Through one bit there is no gradient, around it there is.
    for (spec, zero) in [("bit-depth", true), ("bit-depth(backward=around)", false)] {
        folder.done(&format!("model wrap m --with {spec} --out one"));
        let attack = "attack one --attack fgsm --labels true --input x.npz --out a.npz";
        let record = folder.json(attack);
        let flagged = &record["record"]["counts"]["n_zero_gradient"];
        assert_eq!(*flagged != 0, zero, "{spec}: {record}");
    }
    let detector = "detect fit w --clean x.npz --adversarial a.npz --passes 2 --out d";
    folder.done(detector);
    folder.done("detect score w d --input x.npz");
}

#[test]
fn layers_of_a_file_stand_for_what_is_around_where_they_can() {
    let folder = folder();
    folder.done("model wrap m --with bit-depth(bits=2) --with temperature(t=4) --out w");
    folder.done("model wrap w --with quantized-activations(max=4) --out layers");
    folder.done("model export layers --out n.onnx");
    folder.done("model import n.onnx --out back");
    let logits = |model: &str| {
        folder.done(&format!(
            "evaluate {model} --input x.npz --passes 2 --out {model}.npz"
        ));
        folder.read(&format!("{model}.npz"))
    };
    assert_eq!(logits("layers").len(), logits("back").len());
    folder.done("model wrap w --with gaussian-noise --out noisy");
    folder.refuses(
        "model export noisy --out n.onnx",
        &["gaussian-noise(sigma=0.25) cannot"],
    );
}

#[test]
fn wrappers_that_are_unknown_or_do_not_fit_are_refused() {
    let folder = folder();
    let wrap = |spec: &str, parts: &[&str]| {
        folder.refuses(&format!("model wrap m --with {spec} --out w"), parts);
    };
    wrap("bit-dept", &["\"bit-dept\"", "did you mean \"bit-depth\""]);
    wrap(
        "bit-depth(bits=9)",
        &["bits = 9", "whole numbers from 1 to 8"],
    );
    wrap(
        "bit-depth(backward=over)",
        &["backward = over", "through, around"],
    );
    wrap("gaussian-noise(sigma=0)", &["sigma = 0", "above 0"]);
    wrap("temperature(t=nan)", &["t = nan"]);
    save_model(&folder.path("b"), "bnn");
    let spec = "--with quantized-activations --out w";
    folder.refuses(&format!("model wrap b {spec}"), &["has no rectifier"]);
    folder.refuses("model wrap m --out w", &["--with"]);
    let model = folder.read("m");
    let unknown = |metadata: &mut serde_json::Value| {
        metadata["info"]["wrappers"] = json!(["resize-pad(max=32)"]);
    };
    folder.write("new", with_metadata(&model, unknown));
    let parts = [
        "new",
        "unknown wrapper \"resize-pad\"",
        "there are bit-depth",
    ];
    folder.refuses("evaluate new --input x.npz", &parts);
    folder.done("model wrap m --with temperature --out w");
    folder.refuses("bench w --seconds 0.01", &["wrapped in temperature(t=1)"]);
}
