//! The digits that `make.py` works on.

use std::path::Path;

use quaver::data::npz::{self, Arrays};
use quaver::data::{Dataset, Pixels, Split, digits};

use crate::reference::{Reference, folder_of_subset};

const N_TRAIN: usize = 12_000;
const N_TEST: usize = 2_000;
/// Where `write_digits` writes.
const VARIABLE: &str = "QUAVER_DIGITS";

fn bytes(dataset: &Dataset) -> &ndarray::Array4<u8> {
    match dataset.pixels() {
        Pixels::Bytes(x) => x,
        Pixels::Floats(_) => panic!("digits are bytes"),
    }
}

#[test]
#[ignore = "writes what make.py trains on to the file that QUAVER_DIGITS names"]
fn write_digits() {
    let path = std::env::var(VARIABLE).expect(VARIABLE);
    let mut arrays = Arrays::new();
    for (split, n) in [(Split::Train, N_TRAIN), (Split::Test, N_TEST)] {
        let dataset = digits::draw(0, split, n).unwrap();
        let labels: Vec<i64> = dataset.labels().iter().map(|y| *y as i64).collect();
        let name = split.name();
        arrays.insert(format!("{name}_x"), bytes(&dataset).clone().into());
        arrays.insert(format!("{name}_y"), labels.into());
    }
    npz::write(Path::new(&path), &arrays).unwrap();
}

#[test]
fn the_digits_of_the_references_are_still_drawn() {
    let (x, labels) = Reference::images_and_labels(&folder_of_subset());
    let drawn = digits::draw(0, Split::Test, labels.len()).unwrap();
    assert_eq!(drawn.labels(), labels);
    assert_eq!(drawn.images(0..labels.len()), x);
}
