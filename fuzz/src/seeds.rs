//! Writes the first inputs of every fuzz target into `corpus/TARGET/`, made by what writes such
//! files here. Run in this folder: `cargo run --release --bin seeds`.

#[allow(dead_code)]
#[path = "../../crates/quaver-nn/src/format/onnx/message.rs"]
mod message;
mod operators;

// What is compiled for fuzzing counts its branches in there.
use libfuzzer_sys as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use ndarray::{Array1, Array4};
use quaver::data::npy::NpyArray;
use quaver::data::npz::{self, Arrays};
use quaver::detect::Saved;
use quaver_nn::arch::{Spec, TOPOLOGIES};
use quaver_nn::format::{onnx, safetensors};
use quaver_nn::model::{Info, Model};
use rawzip::{CompressionMethod, ZipArchiveWriter};
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    idx()?;
    pictures()?;
    arrays()?;
    networks()?;
    texts()
}

fn folder(target: &str) -> std::io::Result<PathBuf> {
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn write(target: &str, name: &str, bytes: &[u8]) -> Outcome {
    Ok(fs::write(folder(target)?.join(name), bytes)?)
}

fn idx() -> Outcome {
    let images = [
        0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 9, 8, 7, 6, 5, 4,
    ];
    let labels = [0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9];
    for (name, bytes) in [("images", &images[..]), ("labels", &labels)] {
        write("idx", name, bytes)?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes)?;
        write("idx", &format!("{name}.gz"), &encoder.finish()?)?;
    }
    Ok(())
}

/// In every form of pixel that PNG has, and a JPEG.
fn pictures() -> Outcome {
    let record = [&[3][..], &[128; 3072]].concat();
    write("cifar", "one", &record)?;
    write("cifar", "two", &record.repeat(2))?;
    let image = DynamicImage::ImageRgb8(RgbImage::from_fn(9, 7, |x, y| Rgb([x as u8, y as u8, 3])));
    let forms = [
        ("grey", image.to_luma8().into()),
        ("grey-alpha", image.to_luma_alpha8().into()),
        ("rgba", image.to_rgba8().into()),
        ("grey-16", image.to_luma16().into()),
        ("rgb-16", image.to_rgb16().into()),
        ("rgb", image),
    ];
    for (name, image) in forms {
        image.save_with_format(folder("picture")?.join(name), ImageFormat::Png)?;
        if let DynamicImage::ImageLuma8(_) | DynamicImage::ImageRgb8(_) = &image {
            let path = folder("picture")?.join(format!("{name}-jpeg"));
            image.save_with_format(path, ImageFormat::Jpeg)?;
        }
    }
    Ok(())
}

fn arrays() -> Outcome {
    let images = || Array4::from_elem((2, 1, 2, 2), 0.5_f32);
    let all: [(&str, NpyArray); 6] = [
        ("x", images().into()),
        ("start", images().into()),
        ("y", vec![1_i64, 2].into()),
        ("id", vec![3_u64, 4].into()),
        ("success", vec![true, false].into()),
        ("l2", Array1::from_vec(vec![0.5_f64, f64::NAN]).into()),
    ];
    for (name, array) in &all {
        write("npy", name, &array.to_bytes()?)?;
    }
    let arrays = Arrays::from(all.map(|(name, array)| (name.to_owned(), array)));
    let stored = npz::to_bytes(&arrays, Path::new("arrays"))?;
    write("npz", "stored", &stored)?;
    // The same, compressed, as NumPy's `savez_compressed` writes it.
    let mut zip = ZipArchiveWriter::new(Vec::new());
    for (name, array) in &arrays {
        let file = format!("{name}.npy");
        let file = zip
            .new_file(&file)
            .compression_method(CompressionMethod::DEFLATE);
        let (mut entry, config) = file.start()?;
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
        writer.write_all(&array.to_bytes()?)?;
        let (encoder, descriptor) = writer.finish()?;
        encoder.finish()?;
        entry.finish(descriptor)?;
    }
    write("npz", "deflated", &zip.finish()?)
}

/// Every topology at the size of a stamp, and every operator that the import knows.
fn networks() -> Outcome {
    for topology in TOPOLOGIES {
        let spec = Spec {
            arch: "cleverhans-cnn(filters=1)".into(),
            precision: topology.precision()?,
            dropout: topology.dropout,
            dropout_placement: Default::default(),
            input: vec![1, 28, 28],
            n_classes: 2,
        };
        let model = Model::new(spec.graph()?, info(), 0);
        let path = folder("model")?.join(topology.name);
        safetensors::save(&path, &model, None)?;
        if let Some(packed) = model.packed() {
            safetensors::save(
                &folder("model")?.join(format!("{}-packed", topology.name)),
                &packed,
                None,
            )?;
        }
        safetensors::export(&folder("weights")?.join(topology.name), &model)?;
        write("onnx", topology.name, &onnx::to_bytes(&model)?)?;
    }
    for (name, file) in operators::files() {
        write("onnx", &name, &file)?;
        // What is constant, or no network alone, is refused.
        if let Ok(imported) = onnx::read(file, &onnx::Options::default()) {
            safetensors::save(&folder("model")?.join(name), &imported.model, None)?;
        }
    }
    Ok(())
}

fn info() -> Info {
    Info {
        arch: "cleverhans-cnn".into(),
        classes: vec!["0".into(), "1".into()],
        input_range: [0.0, 1.0],
        ..Info::default()
    }
}

fn texts() -> Outcome {
    let features = [
        ("variance", r#"{"feature": "variance", "fitted": null}"#),
        (
            "kde",
            r#"{"feature": "kde(bandwidth=0.5,layer=2)", "fitted": {"layer": "2", "width": 2,
                "classes": ["3f8000003f000000", "0000000000000000"]}}"#,
        ),
    ];
    for (name, feature) in features {
        let text = format!(
            r#"{{"schema": 2, "model": "0123", "decision": {{"vote": [50, 0.001]}},
            "features": [{feature}], "detector": {{"id": "logistic-regression", "parameters":
            {{"mean": [0.1], "deviation": [2.0], "weight": [-1.5], "intercept": 0.25}}}},
            "clean": [-0.5, 0.25, 1.0]}}"#
        );
        let saved = Saved::from_json(&text)?;
        saved.load()?;
        write("detector", name, saved.to_json()?.as_bytes())?;
    }
    let specs = [
        "fgsm(eps=0.3,norm=l2,loss=margin)",
        "pgd(eps=0.3,step_size=0.01,n_steps=40)",
        "jsma(theta=1,gamma=0.1,jacobian=log-probs)",
        "bim",
        "logistic-regression(c=1,standardize=true)",
        "eot:20",
        "k-bit(2)",
        "a(b=c(d=1,e=f),g=-1e-3)",
        "cleverhans-2.1",
    ];
    for (i, spec) in specs.iter().enumerate() {
        write("spec", &i.to_string(), spec.as_bytes())?;
    }
    let train = "epochs = 3\nquiet = true\nlearning_rate = 0.5\nweights = 'k-bit(bits=2)'\n";
    let detect = "fpr = [0.01, 0.05]\nseed = 1 # of all\n\"threads\" = 2\n";
    write("config", "train", train.as_bytes())?;
    write("config", "detect", detect.as_bytes())
}
