//! CIFAR-10 in its binary form: records of one byte of label and 3 × 32 × 32 bytes of pixels,
//! the red plane first.

use super::super::{DataError, Dataset, Pixels, Split, check_labels};
use super::{Entry, Files, Origin, Supply};
use ndarray::Array4;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

pub(super) const ENTRY: Entry = Entry {
    id: "cifar10",
    title: "photographs",
    source: "Krizhevsky, \"Learning multiple layers of features from tiny images\", 2009",
    image_shape: Some([3, 32, 32]),
    class_names: &[
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ],
    n_images: Some([50_000, 10_000]),
    is_papers: false,
    origin: Origin::Files(Files {
        supply: Supply::ByHand(
            "unpack cifar-10-binary.tar.gz of www.cs.toronto.edu/~kriz/cifar.html",
        ),
        unpacked: Some("cifar-10-batches-bin"),
        find,
        read,
    }),
};

const PIXELS: usize = 3 * 32 * 32;
const RECORD: usize = 1 + PIXELS;
/// Ten times as many images as a file of the data set has.
const MAX_BYTES: usize = 100_000 * RECORD;

fn find(folder: &Path, split: Split) -> Option<Vec<PathBuf>> {
    let names = match split {
        Split::Train => (1..=5).map(|i| format!("data_batch_{i}.bin")).collect(),
        Split::Test => vec!["test_batch.bin".to_owned()],
    };
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    paths.iter().all(|path| path.is_file()).then_some(paths)
}

/// Reads the files of a split, one after the other.
fn read(entry: &Entry, files: &[PathBuf], split: Split) -> Result<Dataset, DataError> {
    let (mut labels, mut pixels) = (Vec::new(), Vec::new());
    for path in files {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(DataError::io(path))?;
        file.take(MAX_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(DataError::io(path))?;
        parse(&bytes, path, &mut labels, &mut pixels)?;
    }
    let (path, n) = (
        files.first().map_or(Path::new(entry.id), PathBuf::as_path),
        labels.len(),
    );
    let pixels =
        Array4::from_shape_vec((n, 3, 32, 32), pixels).map_err(|_| records(path, n * PIXELS))?;
    Dataset::new(
        entry.id,
        split,
        Pixels::Bytes(pixels),
        labels,
        entry.classes(),
    )
}

/// Adds the records of a file to `labels` `(n)` and `pixels` `(n, 3, 32, 32)`; `path` is for
/// messages.
///
/// # Errors
/// [`DataError::Records`] when `bytes` are not whole records, [`DataError::Label`].
pub fn parse(
    bytes: &[u8],
    path: &Path,
    labels: &mut Vec<usize>,
    pixels: &mut Vec<u8>,
) -> Result<(), DataError> {
    if bytes.is_empty() || bytes.len() > MAX_BYTES || !bytes.len().is_multiple_of(RECORD) {
        return Err(records(path, bytes.len()));
    }
    let own: Vec<usize> = bytes
        .chunks_exact(RECORD)
        .map(|record| record[0].into())
        .collect();
    check_labels(path, &own, ENTRY.class_names.len())?;
    labels.extend(own);
    for record in bytes.chunks_exact(RECORD) {
        pixels.extend_from_slice(&record[1..]);
    }
    Ok(())
}

fn records(path: &Path, got: usize) -> DataError {
    DataError::Records {
        path: path.to_owned(),
        record: RECORD,
        limit: MAX_BYTES,
        got,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(label: u8, first: [u8; 3]) -> Vec<u8> {
        let mut record = vec![label];
        for value in first {
            record.push(value);
            record.resize(record.len() + 1023, 0);
        }
        record
    }

    #[test]
    fn planes_follow_the_label() {
        let top = tempfile::tempdir().unwrap();
        for i in 1..=5 {
            let path = top.path().join(format!("data_batch_{i}.bin"));
            let records = [record(i, [i, 2, 3]), record(9, [0, 0, 255])].concat();
            std::fs::write(path, records).unwrap();
        }
        assert_eq!(find(top.path(), Split::Test), None);
        let files = find(top.path(), Split::Train).unwrap();
        let data = read(&ENTRY, &files, Split::Train).unwrap();
        assert_eq!((data.len(), data.image_shape()), (10, [3, 32, 32]));
        assert_eq!(data.labels(), [1, 9, 2, 9, 3, 9, 4, 9, 5, 9]);
        assert_eq!(data.class_names()[9], "truck");
        let image = data.images(2..3);
        let corner = [0, 1, 2].map(|c| (255.0 * image[[0, c, 0, 0]]).round());
        assert_eq!(corner, [2.0, 2.0, 3.0]);
    }

    #[test]
    fn what_is_no_whole_record_is_refused() {
        let parse = |bytes: &[u8]| {
            let path = Path::new("test_batch.bin");
            parse(bytes, path, &mut Vec::new(), &mut Vec::new())
                .unwrap_err()
                .to_string()
        };
        let whole = record(3, [0; 3]);
        for bytes in [&[][..], &whole[..3072], &[&whole[..], &[0]].concat()] {
            let text = parse(bytes);
            assert!(text.contains("records of 3073 bytes"), "{text}");
        }
        assert_eq!(
            parse(&record(10, [0; 3])),
            "test_batch.bin: label 10 of row 0 is out of range; allowed are 0 to 9"
        );
    }
}
