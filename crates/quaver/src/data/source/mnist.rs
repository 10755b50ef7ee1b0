//! MNIST.

use super::{Entry, NUMERALS, Origin, Remote, RemoteFile, idx_pairs};

/// Checksums: also in TensorFlow Datasets (`url_checksums/mnist.txt`).
const FILES: [RemoteFile; 4] = idx_pairs::files([
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
]);

pub(super) const ENTRY: Entry = Entry {
    id: "mnist",
    title: "handwritten digits",
    source: "LeCun, Cortes and Burges, \"The MNIST database of handwritten digits\", 1998",
    image_shape: Some([1, 28, 28]),
    class_names: &NUMERALS,
    n_images: Some([60_000, 10_000]),
    is_papers: true,
    origin: Origin::Files(idx_pairs::from(Remote {
        files: &FILES,
        mirrors: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
    })),
};
