//! Data sets of one's own: folders of images, npz files, CIFAR-10.

use crate::fixture::{cifar, images, npz, picture, save_model, square, with_header};
use crate::folder::Folder;
use ndarray::Array3;
use quaver::data::npy::NpyArray;
use quaver::data::npz::{Arrays, NpzReader, to_bytes};
use serde_json::{Value, json};
use std::path::Path;

/// `pets` with two classes, 20 colored pictures to learn from and 6 to test on.
fn pets(folder: &Folder) {
    for (class, color) in [("cat", [200, 20, 20]), ("dog", [20, 20, 200])] {
        for (part, n) in [("train", 10), ("test", 3)] {
            for i in 0..n {
                let end = if i % 2 == 0 { "png" } else { "jpg" };
                let name = format!("pets/{part}/{class}/{i}.{end}");
                folder.write(&name, picture(square(32, color, i), &name));
            }
        }
    }
}

const TRAIN: &str = "train --epochs 2 --batch-size 10 --topology full-precision-bn --out m";

#[test]
fn a_folder_of_images_goes_through_every_command() {
    let folder = Folder::new();
    pets(&folder);
    let trained = folder.json(&format!("{TRAIN} --dataset pets"));
    assert_eq!(trained["info"]["classes"], json!(["cat", "dog"]));
    assert_eq!(trained["info"]["training"]["dataset"], "pets");
    assert_eq!(trained["info"]["training"]["n"], 20);
    assert_eq!(folder.json("model show m")["input"], json!([3, 32, 32]));
    let evaluated = folder.json("evaluate m --dataset pets --passes 3 --out e.npz");
    assert_eq!(
        (&evaluated["n"], &evaluated["images"]),
        (&6.into(), &"pets".into())
    );
    let attack = "attack m --attack fgsm(eps=0.1) --labels true --passes 3 --out a.npz";
    assert_eq!(
        folder.json(&format!("{attack} --dataset ./pets/ --n 4"))["n"],
        4
    );
    folder.done("data show --dataset pets --per-class 2 --out sheet.png");
    folder.done("data export --dataset pets --out in.npz");
    let again = folder.json("evaluate m --input in.npz --passes 3");
    assert_eq!(again["multi"], evaluated["multi"]);
    // One class alone keeps its number: the model knows it by name.
    let name = "one/dog/1.png";
    folder.write(name, picture(square(32, [20, 20, 200], 1), name));
    folder.write("one/cat/readme.txt", "none here");
    let one = folder.json("evaluate m --dataset one --passes 3 --out one.npz");
    assert_eq!(one["n"], 1);
    // What is grey is read as the model needs it; another size only when asked to.
    let name = "grey/cat/1.png";
    folder.write(name, picture(image::GrayImage::new(8, 9), name));
    folder.write("grey/dog/1.png", picture(image::GrayImage::new(8, 9), name));
    folder.refuses(
        "evaluate m --dataset grey",
        &["grey", "expected images of (3, 32, 32), got (3, 9, 8)"],
    );
    folder.done("evaluate m --dataset grey --resize 32x32 --passes 2");
}

#[test]
fn the_paper_runs_on_data_of_ones_own() {
    let folder = Folder::new();
    pets(&folder);
    let run = "reproduce --dataset pets --quick --epochs 1 --passes 2 --n 4 --honest-n 2 --eot-n 2 \
               --eot-draws 2 --batch-size 10 --attack fgsm --out run";
    let results = folder.json(run);
    assert_eq!(results["dataset"], "pets");
    folder.refuses(
        "reproduce --dataset pets/train --quick --out other",
        &["pets/train", "one part only", "x_train", "train/CLASS"],
    );
    for (flag, has) in [("--train-images", "20 train"), ("--test-images", "6 test")] {
        let line = format!("reproduce --dataset pets --quick --n 4 {flag} 100 --out other");
        folder.refuses(&line, &[flag, "100", has]);
    }
    let line = format!("{TRAIN} --dataset pets --train-images 21");
    folder.refuses(&line, &["21 images asked for", "20"]);
}

#[test]
fn cifar10_is_read_from_its_binary_files() {
    let folder = Folder::new();
    for i in 1..=5 {
        folder.write(
            &format!("c/cifar10/cifar-10-batches-bin/data_batch_{i}.bin"),
            cifar(8),
        );
    }
    folder.write("c/cifar10/cifar-10-batches-bin/test_batch.bin", cifar(12));
    for arch in ["lenet5", "cleverhans-cnn"] {
        let line = format!(
            "train --arch {arch} --topology bnn --epochs 1 --dataset cifar10 --data-dir c --out m"
        );
        let trained = folder.json(&line);
        assert_eq!(trained["info"]["classes"][9], "truck");
        assert_eq!(trained["info"]["training"]["n"], 40);
    }
    let line = "evaluate m --dataset cifar10 --data-dir c --passes 2";
    assert_eq!(folder.json(line)["n"], 12);
    let data = folder.json("data export --dataset cifar10 --data-dir c --n 3 --out in.npz");
    assert_eq!(data["dataset"], "cifar10");
}

#[test]
fn npz_files_are_data_sets() {
    let folder = Folder::new();
    let x = |n: usize| Array3::from_shape_fn((n, 28, 28), |(i, y, _)| (i * 20 + y) as u8);
    let arrays: [(&str, NpyArray); 4] = [
        ("x_train", x(12).into()),
        (
            "y_train",
            vec![0_u8, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2].into(),
        ),
        ("x_test", x(5).into()),
        ("y_test", vec![3_i64, 1, 2, 0, 1].into()),
    ];
    let arrays: Arrays = arrays.map(|(name, array)| (name.to_owned(), array)).into();
    folder.write("own.npz", to_bytes(&arrays, Path::new("own")).unwrap());
    let trained = folder.json("train --epochs 1 --dataset own.npz --out m");
    assert_eq!(trained["info"]["classes"], json!(["0", "1", "2", "3"]));
    assert_eq!(
        folder.json("evaluate m --dataset own.npz --passes 2")["n"],
        5
    );
    folder.done("data export --dataset own.npz --train --out flat.npz");
    // A file of one part serves every command that needs one.
    assert_eq!(
        folder.json("evaluate m --dataset flat.npz --passes 2")["n"],
        12
    );
    folder.refuses(
        "reproduce --dataset flat.npz --quick --out r",
        &["one part only"],
    );
}

/// Names as a module of one's own has them, with the counters of batch norm.
fn renamed(file: &[u8]) -> Vec<u8> {
    with_header(file, |header| {
        let Value::Object(all) = header else {
            panic!("an object")
        };
        let old = std::mem::take(all);
        for (name, tensor) in old {
            let name = match name.rsplit_once('.') {
                Some(("0", leaf)) => format!("conv1.{leaf}"),
                Some(("3", leaf)) => format!("conv2.{leaf}"),
                Some(("7", leaf)) => format!("fc1.{leaf}"),
                Some(("10", leaf)) => format!("fc2.{leaf}"),
                Some(("13", leaf)) => format!("fc3.{leaf}"),
                _ => name,
            };
            all.insert(name, tensor);
        }
    })
}

#[test]
fn state_dicts_of_other_names_are_matched_and_the_mapping_is_shown() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    folder.done("model export m --out w.safetensors");
    folder.write("own.safetensors", renamed(&folder.read("w.safetensors")));
    let imported = folder.json("model import own.safetensors --out n --dataset digits");
    assert!(folder.read("n") == folder.read("m"));
    let mapping = imported["imported"]["mapping"].as_array().unwrap();
    assert!(
        mapping.contains(&json!(["conv1.weight", "0.weight"])),
        "{mapping:?}"
    );
    assert_eq!(mapping.len(), 10);
    // Untrained weights guess, and are told so.
    assert_eq!(imported["imported"]["clean_accuracy"]["n"], 1000);
    let text = folder.done("model import own.safetensors --out n");
    assert!(text.contains("fc3.bias"), "{text}");
    folder.refuses(
        "model import own.safetensors --topology full-precision-bn --out n2",
        &["own.safetensors", "no tensors for layer 2 (batch_norm)"],
    );
    folder.refuses(
        "model import own.safetensors --input-shape 3,32,32 --out n2",
        &["own.safetensors", "weight [6, 3, 5, 5]"],
    );
    folder.refuses(
        "model import own.safetensors --input-shape 3,32 --out n2",
        &["3,32,32"],
    );
}

#[test]
fn weights_that_expect_normalized_pixels_get_them() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    let import = "model import m --out n --mean 0.25 --std 0.5";
    let layers = &folder.json(import)["layers"];
    assert_eq!(layers[0]["op"], "affine");
    // Pixels that the normalization takes back to those of the digits.
    let mut arrays = images(17);
    folder.write("in.npz", npz(arrays.clone(), &[]));
    let Some(NpyArray::F32(x)) = arrays.get_mut("x") else {
        panic!("images are float32")
    };
    x.mapv_inplace(|pixel| pixel * 0.5 + 0.25);
    folder.write("scaled.npz", npz(arrays, &[]));
    let logits = |line: &str| {
        folder.done(&format!("{line} --out o.npz"));
        let npz = NpzReader::open(&folder.path("o.npz")).unwrap();
        match npz.require("logits").unwrap() {
            NpyArray::F32(logits) => logits,
            other => panic!("{}", other.describe()),
        }
    };
    let plain = logits("evaluate m --input in.npz");
    let normalized = logits("evaluate n --input scaled.npz");
    let apart = (&plain - &normalized).mapv(f32::abs);
    assert!(apart.iter().all(|d| *d < 1e-5), "{apart:?}");
    assert!(
        (&plain - &logits("evaluate n --input in.npz"))
            .iter()
            .any(|d| d.abs() > 1e-3)
    );
    // It goes with both formats and changes no name.
    folder.done("model export n --out n.safetensors");
    folder.done("model import n.safetensors --out again --mean 0.25 --std 0.5");
    assert!(folder.read("again") == folder.read("n"));
    let more = "normalization: 2 means and 1 deviations, allowed are one of each";
    folder.refuses("model import m --out n2 --mean 0.1,0.2 --std 0.5", &[more]);
    folder.refuses(
        "model import m --out n2 --std 0.5",
        &["0 means and 1 deviations"],
    );
    folder.refuses("model import m --out n2 --surrogate identity", &["ONNX"]);
}
