//! IDX files, plain or gzip (told by their first bytes, not by their name).
//!
//! Header, big-endian: magic `00 00 08 r` (bytes, r axes), then r sizes of 32 bits, then one
//! byte a value. Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
//! A header is never believed: what it declares is held against the length of the file
//! before anything of that size is allocated.

use super::DataError;
use flate2::bufread::MultiGzDecoder;
use ndarray::Array4;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;
/// No image of a data set of this kind is larger.
const MAX_SIDE: u64 = 4096;
/// 2 GiB: forty times MNIST, and less than a small machine has.
const MAX_BYTES: u64 = 1 << 31;
/// Deflate spends at least two bits on 258 bytes, so k bytes hold at most 1032 k.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// Reads images as `(n, 1, h, w)`.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Magic`], [`DataError::Header`], [`DataError::Length`],
/// [`DataError::Compressed`].
pub fn read_images(path: &Path) -> Result<Array4<u8>, DataError> {
    let (reader, len) = open(path)?;
    parse_images(reader, len, path)
}

/// Reads labels `(n)`, unchecked: how many classes there are is not in the file.
///
/// # Errors
/// As [`read_images`].
pub fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    let (reader, len) = open(path)?;
    parse_labels(reader, len, path)
}

fn open(path: &Path) -> Result<(BufReader<File>, u64), DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    let len = file.metadata().map_err(DataError::io(path))?.len();
    Ok((BufReader::new(file), len))
}

/// [`read_images`] of a source of `len` bytes; `path` is for messages.
pub(super) fn parse_images(
    source: impl BufRead,
    len: u64,
    path: &Path,
) -> Result<Array4<u8>, DataError> {
    let (sizes, data) = parse(source, len, path, "images", IMAGES_MAGIC)?;
    let [n, h, w] = [0, 1, 2].map(|axis| sizes.get(axis).map_or(0, |&size| size as usize));
    let declared = (n * h * w) as u64;
    let got = data.len();
    Array4::from_shape_vec((n, 1, h, w), data).map_err(|_| DataError::Length {
        path: path.to_owned(),
        declared,
        got: got.to_string(),
    })
}

/// [`read_labels`] of a source of `len` bytes; `path` is for messages.
pub(super) fn parse_labels(
    source: impl BufRead,
    len: u64,
    path: &Path,
) -> Result<Vec<u8>, DataError> {
    Ok(parse(source, len, path, "labels", LABELS_MAGIC)?.1)
}

fn parse(
    mut source: impl BufRead,
    len: u64,
    path: &Path,
    expected: &'static str,
    magic: u32,
) -> Result<(Vec<u64>, Vec<u8>), DataError> {
    let is_gzip = source
        .fill_buf()
        .map_err(DataError::io(path))?
        .starts_with(&[0x1f, 0x8b]);
    let content = Content {
        path,
        expected,
        magic,
    };
    if is_gzip {
        content.parse(
            MultiGzDecoder::new(source),
            len.saturating_mul(MAX_DEFLATE_RATIO),
            true,
        )
    } else {
        content.parse(source, len, false)
    }
}

/// What an IDX stream should hold.
struct Content<'a> {
    path: &'a Path,
    expected: &'static str,
    magic: u32,
}

impl Content<'_> {
    /// Parses a stream that cannot be longer than `longest`.
    fn parse(
        &self,
        mut source: impl Read,
        longest: u64,
        is_gzip: bool,
    ) -> Result<(Vec<u64>, Vec<u8>), DataError> {
        let got = self.read_u32(&mut source, is_gzip)?;
        if got != self.magic {
            let (path, expected) = (self.path.to_owned(), self.expected);
            return Err(DataError::Magic {
                path,
                expected,
                expected_magic: self.magic,
                got,
            });
        }
        let n_axes = (self.magic & 0xff) as usize;
        let mut sizes = Vec::with_capacity(n_axes);
        for _ in 0..n_axes {
            sizes.push(u64::from(self.read_u32(&mut source, is_gzip)?));
        }
        let declared = self.check_sizes(&sizes)?;
        let room = longest.saturating_sub(4 * (1 + n_axes as u64));
        if declared > room {
            return Err(self.length(declared, format!("at most {room}")));
        }
        // Grows with what is really there, never to what is only declared.
        let mut data = Vec::new();
        let mut bounded = source.take(declared + 1);
        bounded
            .read_to_end(&mut data)
            .map_err(|problem| self.broken(problem, is_gzip))?;
        match data.len() as u64 {
            got if got == declared => Ok((sizes, data)),
            got if got > declared => Err(self.length(declared, "more".to_owned())),
            got => Err(self.length(declared, got.to_string())),
        }
    }

    /// Bytes declared, when the sizes make sense.
    fn check_sizes(&self, sizes: &[u64]) -> Result<u64, DataError> {
        let sides_fit = sizes
            .iter()
            .skip(1)
            .all(|side| (1..=MAX_SIDE).contains(side));
        let declared = sizes
            .iter()
            .try_fold(1_u64, |product, &size| product.checked_mul(size));
        match declared {
            Some(declared) if sides_fit && (1..=MAX_BYTES).contains(&declared) => Ok(declared),
            _ => Err(DataError::Header {
                path: self.path.to_owned(),
                got: sizes.to_vec(),
                limit: MAX_BYTES,
            }),
        }
    }

    fn read_u32(&self, source: &mut impl Read, is_gzip: bool) -> Result<u32, DataError> {
        let mut bytes = [0; 4];
        source.read_exact(&mut bytes).map_err(|problem| {
            if problem.kind() == io::ErrorKind::UnexpectedEof && !is_gzip {
                let declared = 4 * (1 + u64::from(self.magic & 0xff));
                return self.length(declared, "less than this header".to_owned());
            }
            self.broken(problem, is_gzip)
        })?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn broken(&self, problem: io::Error, is_gzip: bool) -> DataError {
        let path = self.path.to_owned();
        if is_gzip {
            DataError::Compressed { path, problem }
        } else {
            DataError::Io { path, problem }
        }
    }

    fn length(&self, declared: u64, got: String) -> DataError {
        DataError::Length {
            path: self.path.to_owned(),
            declared,
            got,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    /// Two images of 1 × 3.
    const TWO: [u8; 22] = [
        0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60,
    ];
    const LABELS: [u8; 11] = [0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9];

    fn images(bytes: &[u8]) -> Result<Array4<u8>, DataError> {
        parse_images(bytes, bytes.len() as u64, Path::new("f"))
    }

    fn labels(bytes: &[u8]) -> Result<Vec<u8>, DataError> {
        parse_labels(bytes, bytes.len() as u64, Path::new("f"))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn header(sizes: [u32; 3]) -> Vec<u8> {
        let words = [&[IMAGES_MAGIC][..], &sizes].concat();
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn reads_plain_and_gzip_alike() {
        let x = images(&TWO).unwrap();
        assert_eq!(x.dim(), (2, 1, 1, 3));
        assert_eq!(x.as_slice().unwrap(), [10, 20, 30, 40, 50, 60]);
        assert_eq!(images(&gzip(&TWO)).unwrap(), x);
        assert_eq!(labels(&LABELS).unwrap(), [7, 8, 9]);
        assert_eq!(labels(&gzip(&LABELS)).unwrap(), [7, 8, 9]);
    }

    #[test]
    fn every_truncation_and_every_extra_byte_is_refused() {
        for whole in [TWO.to_vec(), gzip(&TWO)] {
            for end in 0..whole.len() {
                assert!(images(&whole[..end]).is_err(), "{end} of {}", whole.len());
            }
            let longer = [&whole[..], &[0]].concat();
            assert!(images(&longer).is_err());
        }
    }

    #[test]
    fn a_mislabeled_file_says_what_it_is() {
        let error = images(&LABELS).unwrap_err().to_string();
        let wanted = "f: expected an IDX file of images (magic 0x00000803), got magic 0x00000801";
        assert_eq!(error, wanted);
        assert!(matches!(
            labels(&TWO),
            Err(DataError::Magic { got: 0x0803, .. })
        ));
    }

    #[test]
    fn a_header_is_not_believed() {
        for sizes in [
            [0, 1, 3],
            [2, 0, 3],
            [2, 5000, 3],
            [u32::MAX; 3],
            [1 << 20, 4096, 4096],
        ] {
            assert!(
                matches!(images(&header(sizes)), Err(DataError::Header { .. })),
                "{sizes:?}"
            );
        }
        let plain = images(&header([1 << 20, 32, 32])).unwrap_err().to_string();
        assert_eq!(
            plain,
            "f: the header declares 1073741824 bytes of data, the file holds at most 0"
        );
        let bomb = images(&gzip(&header([1 << 20, 32, 32]))).unwrap_err();
        assert!(matches!(bomb, DataError::Length { .. }), "{bomb}");
    }

    #[test]
    fn a_gzip_bomb_is_read_no_further_than_declared() {
        let mut bytes = TWO.to_vec();
        bytes.resize(8 << 20, 0);
        let error = images(&gzip(&bytes)).unwrap_err().to_string();
        assert_eq!(
            error,
            "f: the header declares 6 bytes of data, the file holds more"
        );
    }

    #[test]
    fn a_flipped_bit_in_gzip_is_noticed() {
        let mut bytes = gzip(&TWO);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        assert!(images(&bytes).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), gz in any::<bool>()) {
            let bytes = if gz { gzip(&bytes) } else { bytes };
            let _ = (images(&bytes), labels(&bytes));
        }

        #[test]
        fn no_mutation_panics(at in 0..80_usize, with in any::<u8>(), gz in any::<bool>()) {
            let mut bytes = if gz { gzip(&TWO) } else { TWO.to_vec() };
            let at = at % bytes.len();
            bytes[at] = with;
            if let Ok(x) = images(&bytes) {
                prop_assert_eq!(x.len(), 6);
            }
        }
    }
}
