//! Where data sets can be downloaded from, and the checksums that tell the right files.
//! The library only knows; the command downloads.

/// One file of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// File name, on the mirrors and in the cache.
    pub name: &'static str,
    /// SHA-256 of the gzip file, lower-case hexadecimal.
    pub sha256: &'static str,
}

/// A data set that can be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// Name of the data set.
    pub dataset: &'static str,
    /// Its files.
    pub files: [RemoteFile; 4],
    /// Base addresses, best first; a file's address is base + name.
    pub mirrors: &'static [&'static str],
}

/// All data sets that can be downloaded. Checksums: those of MNIST are also in
/// TensorFlow Datasets (`url_checksums/mnist.txt`), those of Fashion-MNIST (Xiao, Rasul and
/// Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
/// Algorithms", 2017) are from its `url_checksums/fashion_mnist.txt`.
pub static ALL: [Mirrored; 2] = [
    Mirrored {
        dataset: "mnist",
        files: files([
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ]),
        mirrors: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
    },
    Mirrored {
        dataset: "fashion-mnist",
        files: files([
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ]),
        // The first has no encryption; the checksum is what vouches for the file.
        mirrors: &[
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ],
    },
];

/// The data set of this name, if it can be downloaded.
#[must_use]
pub fn find(dataset: &str) -> Option<&'static Mirrored> {
    ALL.iter().find(|mirrored| mirrored.dataset == dataset)
}

const fn files(sha256: [&'static str; 4]) -> [RemoteFile; 4] {
    let [train_images, train_labels, test_images, test_labels] = sha256;
    [
        RemoteFile {
            name: "train-images-idx3-ubyte.gz",
            sha256: train_images,
        },
        RemoteFile {
            name: "train-labels-idx1-ubyte.gz",
            sha256: train_labels,
        },
        RemoteFile {
            name: "t10k-images-idx3-ubyte.gz",
            sha256: test_images,
        },
        RemoteFile {
            name: "t10k-labels-idx1-ubyte.gz",
            sha256: test_labels,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_complete() {
        for mirrored in &ALL {
            assert_eq!(find(mirrored.dataset), Some(mirrored));
            assert!(
                mirrored
                    .mirrors
                    .iter()
                    .all(|base| base.starts_with("http") && base.ends_with('/'))
            );
            for file in mirrored.files {
                assert_eq!(file.sha256.len(), 64);
                let hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
                assert!(file.sha256.chars().all(hex), "{}", file.name);
            }
        }
        assert_eq!(find("digits"), None);
    }
}
