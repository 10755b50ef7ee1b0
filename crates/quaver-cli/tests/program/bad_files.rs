//! IDX, gzip and npz files that are refused.

use crate::fixture::{gzip, idx, idx_digits, images, npz, save_model, test_digits};
use crate::folder::Folder;
use ndarray::Array4;

const IMAGES: &str = "mnist/t10k-images-idx3-ubyte";
const LABELS: &str = "mnist/t10k-labels-idx1-ubyte";

/// A folder with a model and an MNIST of 40 images.
fn with_mnist() -> Folder {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    let (images, labels) = idx_digits(40);
    folder.write(IMAGES, images);
    folder.write(LABELS, labels);
    folder
}

const READ: &str = "evaluate m --dataset mnist --data-dir . --passes 2 --out e.npz";

#[test]
fn whole_idx_files_are_read() {
    let folder = with_mnist();
    folder.done(READ);
    for name in [IMAGES, LABELS] {
        let file = folder.read(name);
        folder.write(name, gzip(&file));
    }
    let plain = folder.read("e.npz");
    folder.done(READ);
    assert!(folder.read("e.npz") == plain);
}

#[test]
fn idx_images() {
    let folder = with_mnist();
    let whole = folder.read(IMAGES);
    let packed = gzip(&whole);
    let flipped: Vec<u8> = (0..packed.len())
        .map(|i| packed[i] ^ u8::from(i == packed.len() / 2))
        .collect();
    let pixels = &whole[16..];
    let cases: [(Vec<u8>, &[&str]); 12] = [
        (Vec::new(), &["less than this header"]),
        (whole[..7].to_vec(), &["less than this header"]),
        (whole[..1000].to_vec(), &["31360 bytes", "at most 984"]),
        ([&whole[..], &[0]].concat(), &["31360 bytes", "more"]),
        (folder.read(LABELS), &["images", "0x00000801"]),
        (
            b"\x89PNG\r\n\x1a\n0000".to_vec(),
            &["0x00000803", "0x89504e47"],
        ),
        (idx(&[u32::MAX; 3], pixels), &["4294967295", "2147483648"]),
        (idx(&[40, 0, 28], pixels), &["[40, 0, 28]"]),
        (packed[..packed.len() / 2].to_vec(), &["compressed"]),
        (flipped, &["t10k-images"]),
        (gzip(&idx(&[1 << 20, 28, 28], &[])), &["declares 822083584"]),
        (gzip(&folder.read(LABELS)), &["images", "0x00000801"]),
    ];
    for (file, parts) in cases {
        folder.write(IMAGES, file);
        folder.refuses(READ, parts);
        folder.refuses(READ, &["t10k-images-idx3-ubyte"]);
    }
    folder.write(IMAGES, idx(&[40, 20, 20], &pixels[..16_000]));
    let parts = ["mnist", "expected images of (1, 28, 28), got (1, 20, 20)"];
    folder.refuses(READ, &parts);
}

#[test]
fn idx_labels() {
    let folder = with_mnist();
    let whole = folder.read(LABELS);
    let mut out_of_range = whole.clone();
    out_of_range[8 + 7] = 10;
    let cases: [(Vec<u8>, &[&str]); 4] = [
        (out_of_range, &["label 10 of row 7", "0 to 9"]),
        (idx(&[39], &whole[8..47]), &["expected 40 labels", "got 39"]),
        (whole[..20].to_vec(), &["40 bytes", "at most 12"]),
        (folder.read(IMAGES), &["labels", "0x00000803"]),
    ];
    for (file, parts) in cases {
        folder.write(LABELS, file);
        folder.refuses(READ, parts);
        folder.refuses(READ, &["t10k-labels-idx1-ubyte"]);
    }
}

#[test]
fn absent_mnist_says_where_it_looked_and_how_to_get_it() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    let ways = [
        "quaver data fetch mnist",
        "--data-dir DIR",
        "QUAVER_DATA_DIR",
    ];
    let lines = [
        ("evaluate m --dataset mnist", "/nowhere/cache/quaver/mnist"),
        ("train --dataset mnist --out n", "/nowhere/cache/quaver"),
        ("attack m --attack fgsm --dataset mnist --out a", "/nowhere"),
        (
            "data show --dataset mnist --data-dir here --out s",
            "here/mnist",
        ),
    ];
    for (line, place) in lines {
        folder.refuses(line, &[&ways[..], &[place]].concat());
    }
    // A folder that was named is meant: the cache does not take its place.
    let told = folder
        .run("data show --dataset mnist --data-dir here --out s")
        .stderr;
    assert!(!String::from_utf8(told).unwrap().contains("/nowhere"));
}

#[test]
fn too_few_images() {
    let folder = with_mnist();
    folder.refuses(&format!("{READ} --n 41"), &["41 images", "mnist has 40"]);
}

#[test]
fn npz_archives() {
    let folder = with_mnist();
    let whole = npz(images(20), &[]);
    let mut declared = whole.clone();
    let at = declared.windows(2).position(|w| w == b"(2").unwrap();
    declared[at + 1] = b'9';
    let mut damaged = whole.clone();
    damaged[5000] ^= 1;
    let cases: [(&[u8], &str); 7] = [
        (b"", "npz"),
        (b"\x89PNG\r\n\x1a\n", "npz"),
        (&whole[..whole.len() / 2], "npz"),
        (&whole[..whole.len() - 1], "npz"),
        (&declared, "in.npz"),
        (&damaged, "in.npz"),
        (&gzip(&whole), "npz"),
    ];
    for (file, part) in cases {
        folder.write("in.npz", file);
        folder.refuses("evaluate m --input in.npz --out e.npz", &["in.npz", part]);
        let attack = "attack m --attack fgsm --input in.npz --out a.npz";
        folder.refuses(attack, &["in.npz", part]);
    }
    folder.refuses("evaluate m --input . --out e.npz", &["directory"]);
    folder.refuses("evaluate m --input none.npz", &["none.npz", "No such file"]);
}

#[test]
fn npz_images() {
    let folder = with_mnist();
    let digits = test_digits(4).images(0..4);
    let x = |x: Array4<f32>, parts: &[&str]| {
        folder.write("in.npz", npz(images(4), &[("x", x.into())]));
        for line in [
            "evaluate m --input in.npz --out e.npz",
            "attack m --attack fgsm --input in.npz --out a.npz",
            "detect fit m --clean in.npz --adversarial in.npz --out d",
        ] {
            folder.refuses(line, parts);
        }
    };
    let with = |value: f32| {
        let mut x = digits.clone();
        x[[2, 0, 5, 5]] = value;
        x
    };
    x(&digits * 255.0, &["in.npz", "255", "[0, 1]"]);
    x(with(1.001), &["image 2", "1.001", "[0, 1]"]);
    x(with(-0.1), &["image 2", "-0.1", "[0, 1]"]);
    x(with(f32::NAN), &["image 2", "NaN", "[0, 1]"]);
    x(with(f32::INFINITY), &["image 2", "inf", "[0, 1]"]);
    x(
        Array4::zeros((4, 3, 32, 32)),
        &["expected images of (1, 28, 28), got (3, 32, 32)"],
    );
    x(Array4::zeros((0, 1, 28, 28)), &["at least one image"]);
    folder.write("in.npz", npz(images(4), &[("x", vec![0.5_f32; 4].into())]));
    folder.refuses("evaluate m --input in.npz", &["`x`", "(n, c, h, w)", "[4]"]);
}

#[test]
fn npz_labels_and_more() {
    let folder = with_mnist();
    let digits = test_digits(3).images(0..3);
    let with = |name: &'static str, array: quaver::data::npy::NpyArray, parts: &[&str]| {
        folder.write("in.npz", npz(images(4), &[(name, array)]));
        let line = "attack m --attack pgd --targeted --input in.npz --out a.npz";
        folder.refuses(line, &[&["in.npz"], parts].concat());
    };
    with(
        "y",
        vec![0_i64, 10, 2, 3].into(),
        &["label 10 of row 1", "0 to 9"],
    );
    with("y", vec![0_i64, -1, 2, 3].into(), &["label -1 of row 1"]);
    with(
        "y",
        vec![0.0_f64; 4].into(),
        &["`y`", "integers", "float64"],
    );
    with(
        "y",
        vec![0_i64; 3].into(),
        &["expected 4 rows of `y`", "got 3"],
    );
    with(
        "target",
        vec![0_i64, 1, 2, 10].into(),
        &["label 10 of row 3"],
    );
    with("start", digits.into(), &["expected 4", "`start`", "got 3"]);
    with("id", vec![0_i64, 1, -2, 3].into(), &["id -2 of row 2"]);
    let mut unlabeled = images(4);
    unlabeled.remove("y");
    folder.write("in.npz", npz(unlabeled, &[]));
    folder.done("evaluate m --input in.npz --passes 2");
    let gradient = "evaluate m --input in.npz --out e.npz --gradient";
    folder.refuses(gradient, &["in.npz", "--gradient", "`y`"]);
    let attack = "attack m --attack fgsm --input in.npz --out a.npz";
    folder.refuses(attack, &["in.npz", "`y`"]);
    let own = images(4).remove("y").unwrap();
    folder.write("in.npz", npz([("y".into(), own)].into(), &[]));
    folder.refuses("evaluate m --input in.npz", &["no array named `x`", "y"]);
}
