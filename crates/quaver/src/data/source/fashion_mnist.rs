//! Fashion-MNIST.

use super::{Entry, Origin, Remote, RemoteFile, idx_pairs};

/// Checksums: from TensorFlow Datasets (`url_checksums/fashion_mnist.txt`).
const FILES: [RemoteFile; 4] = idx_pairs::files([
    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
]);

pub(super) const ENTRY: Entry = Entry {
    id: "fashion-mnist",
    title: "clothes",
    source: "Xiao, Rasul and Vollgraf, \"Fashion-MNIST: a Novel Image Dataset for Benchmarking \
             Machine Learning Algorithms\", 2017",
    image_shape: Some([1, 28, 28]),
    class_names: &[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    n_images: Some([60_000, 10_000]),
    is_papers: false,
    origin: Origin::Files(idx_pairs::from(Remote {
        files: &FILES,
        // The first has no encryption; the checksum is what vouches for the file.
        mirrors: &[
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ],
    })),
};
