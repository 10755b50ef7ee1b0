//! One's own folder of images.

use super::super::folder;
use super::{Entry, Origin, Own};
use std::path::Path;

pub(super) const ENTRY: Entry = Entry {
    id: "folder",
    title: "a folder of images",
    source: "",
    image_shape: None,
    class_names: &[],
    n_images: None,
    is_papers: false,
    origin: Origin::Path(Own {
        accepts: |name| Path::new(name).is_dir(),
        has_both_splits: |path| Ok(folder::has_both_splits(path)),
        read: folder::read,
    }),
};
