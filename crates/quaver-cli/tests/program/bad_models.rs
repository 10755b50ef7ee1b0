//! Model and detector files that are refused.

use crate::fixture::{images, npz, save_model, with_header, with_metadata};
use crate::folder::Folder;
use serde_json::{Value, json};

fn with_model() -> (Folder, Vec<u8>) {
    let folder = Folder::new();
    save_model(&folder.path("m"), "bnn");
    folder.write("in.npz", npz(images(4), &[]));
    let model = folder.read("m");
    (folder, model)
}

/// Every command that reads a model must refuse `model`.
fn refused(folder: &Folder, model: &[u8], parts: &[&str]) {
    folder.write("m", model);
    let parts = [&["m: "], parts].concat();
    folder.refuses("evaluate m --n 2 --out e.npz", &parts);
    folder.refuses("attack m --attack fgsm --n 2 --out a.npz", &parts);
    folder.refuses("model export m --out w", &parts);
    folder.refuses("model show m", &parts);
}

#[test]
fn cut_short_or_foreign() {
    let (folder, model) = with_model();
    for length in [0, 4, 8, 100, model.len() / 2, model.len() - 1] {
        refused(&folder, &model[..length], &["safetensors"]);
    }
    refused(&folder, &[&model[..], &[0]].concat(), &["safetensors"]);
    refused(&folder, b"PK\x03\x04 no model at all", &["safetensors"]);
    let mut huge = model;
    huge[..8].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
    refused(&folder, &huge, &["safetensors", "header"]);
    let line = "evaluate none --n 2";
    folder.refuses(line, &["none: No such file or directory"]);
    folder.refuses("evaluate . --n 2", &["directory"]);
}

#[test]
fn tensors_that_do_not_fit() {
    let (folder, model) = with_model();
    let tensor = |change: &dyn Fn(&mut Value), parts: &[&str]| {
        refused(&folder, &with_header(&model, change), parts);
    };
    tensor(
        &|header| header["0.weight"]["shape"] = json!([5, 5, 1, 6]),
        &[
            "\"0.weight\"",
            "expected shape [6, 1, 5, 5]",
            "[5, 5, 1, 6]",
        ],
    );
    tensor(
        &|header| header["0.weight"]["shape"] = json!([6, 1, 5, 4]),
        &["safetensors"],
    );
    tensor(
        &|header| header["0.weight"]["shape"] = json!([1_u64 << 62, 1, 5, 5]),
        &["safetensors"],
    );
    tensor(
        &|header| header["0.weight"]["dtype"] = json!("I32"),
        &["\"0.weight\"", "expected F32", "I32"],
    );
    tensor(
        &|header| {
            let taken = header.as_object_mut().unwrap().remove("0.weight");
            header["conv.weight"] = taken.unwrap();
        },
        &["\"0.weight\"", "missing"],
    );
    let mut nan = model.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    refused(&folder, &nan, &["NaN", "finite"]);
}

#[test]
fn graphs_that_cannot_be() {
    let (folder, model) = with_model();
    let graph = |change: &dyn Fn(&mut Value), parts: &[&str]| {
        let changed = with_metadata(&model, |metadata| change(&mut metadata["graph"]));
        refused(&folder, &changed, parts);
    };
    let last = |graph: &mut Value| graph["nodes"].as_array().unwrap().len() - 1;
    graph(
        &|graph| graph["nodes"][0]["op"] = json!("teleport"),
        &["\"teleport\"", "conv2d"],
    );
    graph(
        &|graph| graph["nodes"][0]["config"]["kernel"] = json!([0, 5]),
        &["node \"0\"", "kernel"],
    );
    graph(
        &|graph| graph["nodes"][0]["config"]["out_channels"] = json!(1_u64 << 40),
        &["node \"0\"", "out_channels", "1099511627776"],
    );
    graph(
        &|graph| graph["nodes"][0]["config"]["out_channels"] = json!(10_000),
        &["2^22"],
    );
    graph(
        &|graph| graph["input"] = json!([1, 1_u64 << 31, 1_u64 << 31]),
        &["2^22"],
    );
    graph(&|graph| graph["input"] = json!([]), &["2^22"]);
    graph(
        &|graph| graph["nodes"][1]["inputs"] = json!(["9"]),
        &["node \"1\"", "\"9\"", "no earlier node"],
    );
    graph(
        &|graph| graph["nodes"][1]["name"] = json!("0"),
        &["\"0\" is taken"],
    );
    graph(&|graph| graph["nodes"] = json!([]), &["at least 1"]);
    graph(&|graph| graph["color"] = json!("red"), &["`color`"]);
    graph(
        &|graph| {
            let at = last(graph);
            graph["nodes"][at]["config"]["out_features"] = json!(3);
        },
        &["10 class names"],
    );
}

#[test]
fn metadata_that_is_not_ours() {
    let (folder, model) = with_model();
    let text = |text: Value, parts: &[&str]| {
        let changed = with_header(&model, |header| header["__metadata__"]["quaver"] = text);
        refused(&folder, &changed, parts);
    };
    text(json!("{"), &["does not parse"]);
    text(json!("[".repeat(5000)), &["does not parse"]);
    text(json!("[".repeat(100_000)), &["header would take"]);
    text(json!("{\"schema\":3}"), &["schema 3", "reads 1 to 2"]);
    text(json!("{\"schema\":1}"), &["graph"]);
    folder.write("m", &model);
    folder.done("model export m --out w");
    refused(&folder, &folder.read("w"), &["quaver model import"]);
}

#[test]
fn a_model_of_something_else() {
    let (folder, model) = with_model();
    // The pooling rounds down, so the parameters still fit.
    let features = with_header(&model, |header| {
        let text = header["__metadata__"]["quaver"].as_str().unwrap();
        let mut metadata: Value = serde_json::from_str(text).unwrap();
        metadata["graph"]["input"] = json!([1, 28, 29]);
        header["__metadata__"]["quaver"] = metadata.to_string().into();
    });
    folder.write("m", features);
    let parts = ["digits", "expected images of (1, 28, 29), got (1, 28, 28)"];
    folder.refuses("evaluate m --n 2", &parts);
    folder.write("m", &model);
    folder.done("model export m --out w");
    let import = "model import w --out i";
    folder.refuses(import, &["w: ", "full-precision"]);
    folder.refuses(
        &format!("{import} --arch lenet-caffe --topology bnn"),
        &[
            "no tensors for layer 0 (conv2d) with weight [20, 1, 5, 5]",
            "\"0\" (weight [6, 1, 5, 5])",
        ],
    );
    folder.refuses("model import in.npz --out i", &["in.npz", "safetensors"]);
    folder.refuses("model import none --out i", &["none: No such file"]);
}

#[test]
fn detectors_of_something_else() {
    let (folder, _) = with_model();
    let score = |file: &[u8], parts: &[&str]| {
        folder.write("d", file);
        folder.refuses("detect score m d --input in.npz --out s.npz", parts);
    };
    score(
        b"\xff\xfe",
        &["d is no file that `quaver detect fit` wrote"],
    );
    score(b"{}", &["quaver detect fit", "schema"]);
    score(b"{\"schema\": 1}", &["schema 1", "reads 2"]);
    let foreign = json!({
        "schema": 2, "model": null, "decision": { "mean": 2 }, "clean": [],
        "features": [{ "feature": "variance", "fitted": null }],
        "detector": { "id": "oracle", "parameters": {} },
    });
    score(
        foreign.to_string().as_bytes(),
        &["\"oracle\"", "logistic-regression"],
    );
}
