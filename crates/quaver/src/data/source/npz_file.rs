//! One's own npz file.

use super::super::arrays;
use super::super::npz::NpzReader;
use super::{Entry, Origin, Own};
use std::path::{MAIN_SEPARATOR, Path};

pub(super) const ENTRY: Entry = Entry {
    id: "npz",
    title: "an npz file",
    source: "",
    image_shape: None,
    class_names: &[],
    n_images: None,
    is_papers: false,
    origin: Origin::Path(Own {
        // A path that is not there is refused as a file, which says so.
        accepts: |name| {
            let path = Path::new(name);
            let is_npz = path
                .extension()
                .is_some_and(|end| end.eq_ignore_ascii_case("npz"));
            !path.is_dir() && (is_npz || name.contains(MAIN_SEPARATOR) || path.exists())
        },
        has_both_splits: |path| Ok(arrays::has_both_splits(&NpzReader::open(path)?.names())),
        read: |path, split, _| arrays::read(path, split),
    }),
};
