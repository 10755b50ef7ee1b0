//! A network without its randomness.

use super::{Entry, Wrapper};

pub(super) const ENTRY: Entry = Entry {
    id: "without-noise",
    title: "The network without its randomness",
    paper: "",
    parameters: &[],
    build: |_| Ok(Wrapper::Model(Box::new(|model| Ok(model.without_noise()?)))),
};
