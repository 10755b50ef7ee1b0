//! Small inputs of every kind.

use flate2::{Compression, write::GzEncoder};
use quaver::data::npy::NpyArray;
use quaver::data::npz::{Arrays, to_bytes};
use quaver::data::{Dataset, Pixels, Split, digits};
use quaver::observe::Silent;
use quaver_nn::arch::{DropoutPlacement, Spec, Topology};
use quaver_nn::format::safetensors::save;
use quaver_nn::model::{Info, Model};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

/// Writes an untrained LeNet-5 of a topology.
pub(crate) fn save_model(path: &Path, topology: &str) {
    let known = Topology::find(topology).unwrap();
    let spec = Spec {
        arch: "lenet5".into(),
        precision: known.precision().unwrap(),
        dropout: known.dropout,
        dropout_placement: DropoutPlacement::Dense,
        input: vec![1, 28, 28],
        n_classes: 10,
    };
    let info = Info {
        arch: "lenet5".into(),
        topology: topology.into(),
        dropout: known.dropout,
        classes: (0..10).map(|class| class.to_string()).collect(),
        input_range: [0.0, 1.0],
        training: None,
        ..Info::default()
    };
    save(path, &Model::new(spec.graph().unwrap(), info, 1), None).unwrap();
}

/// A safetensors file with its header changed; the tensors stay.
pub(crate) fn with_header(file: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let size = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let (header, tensors) = file[8..].split_at(size);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    change(&mut header);
    let header = header.to_string();
    let size = (header.len() as u64).to_le_bytes();
    [&size, header.as_bytes(), tensors].concat()
}

/// The same with the metadata of this program changed.
pub(crate) fn with_metadata(file: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    with_header(file, |header| {
        let place = &mut header["__metadata__"]["quaver"];
        let mut metadata: Value = serde_json::from_str(place.as_str().unwrap()).unwrap();
        change(&mut metadata);
        *place = metadata.to_string().into();
    })
}

pub(crate) fn test_digits(n: usize) -> Dataset {
    digits::draw(0, Split::Test, n, &Silent).unwrap()
}

/// `x` and `y` of the first test digits.
pub(crate) fn images(n: usize) -> Arrays {
    let digits = test_digits(n);
    let labels: Vec<i64> = digits.labels().iter().map(|&label| label as i64).collect();
    Arrays::from([
        ("x".into(), digits.images(0..n).into()),
        ("y".into(), labels.into()),
    ])
}

/// An npz file of `arrays` with some replaced or added.
pub(crate) fn npz(mut arrays: Arrays, others: &[(&str, NpyArray)]) -> Vec<u8> {
    for (name, array) in others {
        arrays.insert((*name).into(), array.clone());
    }
    to_bytes(&arrays, Path::new("fixture")).unwrap()
}

/// Bytes of every row of an array.
pub(crate) fn rows(array: &NpyArray) -> Vec<Vec<u8>> {
    let file = array.to_bytes().unwrap();
    let data = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    let size = (file.len() - data) / array.shape()[0];
    file[data..].chunks(size).map(<[u8]>::to_vec).collect()
}

/// An IDX file: sizes and one byte a value.
pub(crate) fn idx(sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes
        .iter()
        .for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(values);
    file
}

/// Bytes of a picture in PNG, or JPEG where the name says so.
pub(crate) fn picture(image: impl Into<image::DynamicImage>, name: &str) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let format = image::ImageFormat::from_path(name).unwrap();
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A square of one color, a little different in each file.
pub(crate) fn square(side: u32, color: [u8; 3], i: u8) -> image::RgbImage {
    let color = color.map(|v| v.saturating_add(i));
    image::RgbImage::from_fn(side, side, |x, y| match (x + y) % 9 {
        0 => image::Rgb([0; 3]),
        _ => image::Rgb(color),
    })
}

/// A CIFAR-10 file of `n` records whose labels count up from 0.
pub(crate) fn cifar(n: usize) -> Vec<u8> {
    let record = |i: usize| {
        let mut record = vec![(i % 10) as u8];
        record.extend((0..3072).map(|p| ((p * 7 + i * 31) % 251) as u8));
        record
    };
    (0..n).flat_map(record).collect()
}

/// IDX files of images and labels of the first test digits.
pub(crate) fn idx_digits(n: usize) -> (Vec<u8>, Vec<u8>) {
    let digits = test_digits(n);
    let Pixels::Bytes(pixels) = digits.pixels() else {
        panic!("digits are bytes")
    };
    let labels: Vec<u8> = digits.labels().iter().map(|&label| label as u8).collect();
    let n = n as u32;
    (
        idx(&[n, 28, 28], pixels.as_slice().unwrap()),
        idx(&[n], &labels),
    )
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
