//! `evaluate --image`: one picture and the verdict on it.

use crate::fixture::{picture, save_model, square, test_digits};
use crate::folder::Folder;
use image::{GrayImage, Luma};

/// The first test digit, white on black.
fn digit() -> GrayImage {
    let x = test_digits(1).images(0..1);
    GrayImage::from_fn(28, 28, |column, row| {
        Luma([(255.0 * x[[0, 0, row as usize, column as usize]]).round() as u8])
    })
}

#[test]
fn a_picture_is_judged_as_the_same_image_of_a_data_set() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "bnn");
    folder.write("digit.png", picture(digit(), "digit.png"));
    let line = "evaluate m --passes 9 --seed 4";
    let verdict = folder.json(&format!("{line} --image digit.png --out p.npz"));
    folder.done(&format!("{line} --dataset digits --n 1 --out d.npz"));
    let array = |file: &str, name: &str| {
        let npz = quaver::data::npz::NpzReader::open(&folder.path(file)).unwrap();
        npz.require(name).unwrap()
    };
    for name in ["logits", "mc_mean", "variance", "multi"] {
        assert_eq!(array("p.npz", name), array("d.npz", name), "{name}");
    }
    assert_eq!(verdict["vote"]["n"], 9);
    assert_eq!(verdict["probabilities"].as_array().unwrap().len(), 10);
    assert!(verdict["uncertainty"]["mutual-information"].is_f64());
    assert_eq!(verdict["hints"], serde_json::json!([]));
    let class = verdict["class"].as_str().unwrap();
    let text = folder.done(&format!("{line} --image digit.png"));
    assert!(text.starts_with(&format!("digit.png: {class}\n")), "{text}");
    assert!(
        text.contains("of 9 passes name it, ") && text.contains('['),
        "{text}"
    );
}

#[test]
fn what_a_user_should_know_is_a_hint() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "bnn");
    save_model(&folder.path("n"), "full-precision");
    let mut paper = digit();
    image::imageops::invert(&mut paper);
    folder.write("paper.png", picture(paper, "paper.png"));
    folder.write("digit.png", picture(digit(), "digit.png"));
    let text = folder.done("evaluate m --image paper.png --passes 2");
    assert!(text.contains("hint: the picture is dark on light") && text.contains("--invert"));
    let inverted = folder.json("evaluate m --image paper.png --invert --passes 2");
    let plain = folder.json("evaluate m --image digit.png --passes 2");
    assert_eq!(inverted["probabilities"], plain["probabilities"]);
    folder.write("red.jpg", picture(square(28, [200, 0, 0], 0), "red.jpg"));
    let text = folder.done("evaluate m --image red.jpg --passes 2");
    assert!(text.contains("hint: colors became grey"), "{text}");
}

#[test]
fn pictures_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    save_model(&folder.path("m"), "full-precision");
    folder.write("large.png", picture(square(40, [9; 3], 0), "large.png"));
    let line = "evaluate m --passes 2 --image";
    folder.refuses(
        &format!("{line} large.png"),
        &[
            "large.png",
            "40 by 40 pixels, expected 28 by 28",
            "--resize 28x28",
        ],
    );
    folder.done(&format!("{line} large.png --resize 28x28"));
    folder.refuses(&format!("{line} none.png"), &["none.png", "No such file"]);
    folder.write("text.png", "no picture");
    folder.refuses(
        &format!("{line} text.png"),
        &["text.png", "not a readable PNG"],
    );
    folder.refuses(&format!("{line} large.png --n 4"), &["--image", "--n"]);
    folder.refuses(
        &format!("{line} large.png --input in.npz"),
        &["--image", "--input"],
    );
    folder.refuses("evaluate m --invert", &["--image"]);
}
