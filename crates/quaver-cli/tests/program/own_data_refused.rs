//! Image folders, CIFAR-10 files and npz data sets that are refused.

use crate::fixture::{cifar, images, npz, picture, save_model, square, with_metadata};
use crate::folder::Folder;

#[test]
fn folders_of_images() {
    let folder = Folder::new();
    let train = |parts: &[&str]| {
        folder.refuses("train --epochs 1 --dataset own --out m", parts);
    };
    folder.write("own/notes.txt", "");
    train(&["own", "at least two folders"]);
    folder.write(
        "own/train/a/1.png",
        picture(square(28, [90; 3], 0), "1.png"),
    );
    train(&["own", "at least two folders"]);
    folder.write("own/train/b/notes.txt", "");
    folder.write(
        "own/train/b/2.png",
        picture(square(30, [90; 3], 0), "2.png"),
    );
    train(&[
        "b/2.png",
        "30 by 30 pixels, expected 28 by 28",
        "--resize 28x28",
    ]);
    let whole = picture(square(28, [90; 3], 0), "2.png");
    let mut huge = whole.clone();
    huge[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
    let broken: [(&[u8], &str); 4] = [
        (b"no picture", "b/2.png"),
        (&whole[..whole.len() / 2], "b/2.png"),
        (&huge, "b/2.png"),
        (b"", "b/2.png"),
    ];
    for (file, part) in broken {
        folder.write("own/train/b/2.png", file);
        train(&[part, "not a readable PNG or JPEG"]);
    }
    folder.write("own/train/b/2.png", whole);
    save_model(&folder.path("m"), "full-precision");
    folder.refuses(
        "evaluate m --dataset own",
        &["own", "no folder `test` or `val`"],
    );
    folder.refuses(
        "evaluate m --dataset own/train",
        &["expected images of the classes 0, 1", "a, b"],
    );
    folder.refuses("evaluate m --dataset ./none", &["none", "No such file"]);
    folder.refuses(
        "evaluate m --dataset own --resize 28",
        &["--resize", "28x28"],
    );
    folder.refuses("evaluate m --dataset own --resize 0x9999", &["1 to 4096"]);
}

#[test]
fn cifar_files() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    let evaluate = "evaluate m --dataset cifar10 --data-dir c";
    folder.refuses(
        evaluate,
        &[
            "no cifar10 files in c",
            "c/cifar10/cifar-10-batches-bin",
            "cifar-10-binary.tar.gz",
            "--data-dir",
        ],
    );
    let whole = cifar(4);
    let mut label = whole.clone();
    label[3073] = 10;
    for (file, part) in [
        (&whole[..whole.len() - 1], "records of 3073 bytes"),
        (&[], "records of 3073 bytes"),
        (&label[..], "label 10 of row 1"),
    ] {
        folder.write("c/test_batch.bin", file);
        folder.refuses(evaluate, &["test_batch.bin", part]);
    }
    folder.write("c/test_batch.bin", whole);
    folder.refuses(
        evaluate,
        &["cifar10", "expected images of (1, 28, 28), got (3, 32, 32)"],
    );
}

#[test]
fn npz_data_sets() {
    let folder = Folder::new();
    let mut unlabeled = images(4);
    unlabeled.remove("y");
    folder.write("x.npz", npz(unlabeled, &[]));
    let train = |data: &str, parts: &[&str]| {
        folder.refuses(&format!("train --epochs 1 --dataset {data} --out m"), parts);
    };
    train("x.npz", &["x.npz", "no array named `y`; there are x"]);
    train("none.npz", &["none.npz", "No such file"]);
    folder.write(
        "bad.npz",
        npz(images(4), &[("y", vec![0_i64, 1, 2, -3].into())]),
    );
    train("bad.npz", &["bad.npz", "label -3 of row 3"]);
    let wide = ndarray::Array4::from_elem((4, 1, 28, 28), 255.0_f32);
    folder.write("bad.npz", npz(images(4), &[("x", wide.into())]));
    train("bad.npz", &["bad.npz", "a pixel of 255"]);
    let last = ndarray::Array4::<u8>::zeros((4, 32, 32, 3));
    folder.write("bad.npz", npz(images(4), &[("x", last.into())]));
    train("bad.npz", &["bad.npz", "channels before height and width"]);
}

#[test]
fn models_of_another_pixel_range() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    let other = with_metadata(&folder.read("m"), |metadata| {
        metadata["info"]["input_range"] = serde_json::json!([-1.0, 1.0]);
    });
    folder.write("n", other);
    for line in [
        "evaluate n --n 4",
        "attack n --attack fgsm --n 4 --out a.npz",
    ] {
        folder.refuses(line, &["n: ", "expects pixels in [-1, 1]", "[0, 1]"]);
    }
}
