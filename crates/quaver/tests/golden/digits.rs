//! The digits that `make.py` works on.

use quaver::data::{Split, digits};
use quaver::observe::Silent;

use crate::reference::{Reference, folder_of_subset};

#[test]
fn the_digits_of_the_references_are_still_drawn() {
    let (x, labels) = Reference::images_and_labels(&folder_of_subset());
    let drawn = digits::draw(0, Split::Test, labels.len(), &Silent).unwrap();
    assert_eq!(drawn.labels(), labels);
    assert_eq!(drawn.images(0..labels.len()), x);
}
