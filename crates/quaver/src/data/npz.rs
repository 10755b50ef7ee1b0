//! Named arrays in NumPy's npz format (a zip archive of npy files).
//! Read lazily and with bounds; written sorted, uncompressed and dated 1980-01-01, so that
//! the same arrays give the same bytes.

use super::DataError;
use super::npy::NpyArray;
use crate::atomic_file;
use flate2::read::DeflateDecoder;
use rawzip::{
    CompressionMethod, FileReader, RECOMMENDED_BUFFER_SIZE, ReaderAt, ZipArchive,
    ZipArchiveEntryWayfinder, ZipLocator,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use zip::ZipWriter;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;

/// 8 GiB: a quarter of a million float images of 3 × 100 × 100.
const MAX_BYTES: u64 = 1 << 33;
/// Deflate's bound; a stored entry has ratio 1.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// Arrays by name, in the order they are written.
pub type Arrays = BTreeMap<String, NpyArray>;

/// An open npz file; arrays are read when they are asked for.
#[derive(Debug)]
pub struct NpzReader<R = FileReader> {
    path: PathBuf,
    archive: ZipArchive<R>,
    /// Where each array is, by its name; the last of several, as NumPy takes it.
    entries: BTreeMap<String, (CompressionMethod, ZipArchiveEntryWayfinder)>,
}

impl NpzReader {
    /// Opens a file and reads its table of contents.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::Archive`].
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let io = DataError::io(path);
        if path.is_dir() {
            return Err(io(ErrorKind::IsADirectory.into()));
        }
        let open = || {
            let file = File::open(path)?;
            Ok((file.metadata()?.len(), file))
        };
        let (len, file) = open().map_err(io)?;
        Self::new(FileReader::from(file), len, path)
    }
}

impl<R: ReaderAt> NpzReader<R> {
    /// Reads the table of contents of an archive of `len` bytes.
    fn new(source: R, len: u64, path: &Path) -> Result<Self, DataError> {
        let read = || {
            let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
            let archive = ZipLocator::new()
                .locate_in_reader(source, &mut buffer, len)
                .map_err(|(_, problem)| problem)?;
            let mut entries = BTreeMap::new();
            let mut table = archive.entries(&mut buffer);
            while let Some(entry) = table.next_entry()? {
                let file = entry.file_path();
                let name = str::from_utf8(file.as_ref()).ok();
                if let Some(name) = name.and_then(|name| name.strip_suffix(".npy")) {
                    let place = (entry.compression_method(), entry.wayfinder());
                    entries.insert(name.to_owned(), place);
                }
            }
            Ok((archive, entries))
        };
        match read() {
            Ok((archive, entries)) => Ok(Self {
                path: path.to_owned(),
                archive,
                entries,
            }),
            Err::<_, rawzip::Error>(problem) => Err(DataError::archive(path)(problem)),
        }
    }

    /// The file, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the arrays, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// The array of this name, or `None` when there is none.
    ///
    /// # Errors
    /// [`DataError::Archive`], [`DataError::Length`] when more bytes are declared than can be
    /// there, [`DataError::Compressed`], [`DataError::Array`].
    pub fn read(&self, name: &str) -> Result<Option<NpyArray>, DataError> {
        let Some(&(method, place)) = self.entries.get(name) else {
            return Ok(None);
        };
        let bytes = self.unpack(method, place)?;
        let array = NpyArray::from_bytes(&bytes).map_err(|problem| DataError::Array {
            path: self.path.clone(),
            name: name.to_owned(),
            problem,
        })?;
        Ok(Some(array))
    }

    fn unpack(
        &self,
        method: CompressionMethod,
        place: ZipArchiveEntryWayfinder,
    ) -> Result<Vec<u8>, DataError> {
        let path = &self.path;
        let declared = place.uncompressed_size_hint();
        let room = place
            .compressed_size_hint()
            .min(self.archive.end_offset())
            .saturating_mul(MAX_DEFLATE_RATIO)
            .min(MAX_BYTES);
        if declared > room {
            let got = format!("at most {room}");
            return Err(DataError::Length {
                path: path.clone(),
                declared,
                got,
            });
        }
        let entry = self.archive.get_entry(place);
        let entry = entry.map_err(DataError::archive(path))?;
        let packed: Box<dyn Read> = match method {
            CompressionMethod::STORE => Box::new(entry.reader()),
            CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(entry.reader())),
            other => {
                let problem = format!("compression {other}, allowed are store and deflate");
                return Err(DataError::archive(path)(problem));
            }
        };
        let mut bytes = Vec::new();
        let reserved = bytes.try_reserve_exact(declared as usize);
        let taken = reserved
            .map_err(Into::into)
            .and_then(|()| entry.verifying_reader(packed).read_to_end(&mut bytes));
        match taken {
            Ok(_) => Ok(bytes),
            Err(problem) => Err(DataError::Compressed {
                path: path.clone(),
                problem,
            }),
        }
    }

    /// The array of this name.
    ///
    /// # Errors
    /// [`DataError::MissingArray`], and those of [`NpzReader::read`].
    pub fn require(&self, name: &str) -> Result<NpyArray, DataError> {
        match self.read(name)? {
            Some(array) => Ok(array),
            None => Err(DataError::MissingArray {
                path: self.path.clone(),
                name: name.to_owned(),
                present: self.names().join(", "),
            }),
        }
    }
}

/// The npz archive of `arrays`: the same bytes for the same arrays.
///
/// # Errors
/// [`DataError::Array`] when a shape cannot be written, [`DataError::Archive`] when an array
/// is above 4 GiB; `path` is for messages.
pub fn to_bytes(arrays: &Arrays, path: &Path) -> Result<Vec<u8>, DataError> {
    let archive = |problem: ZipError| DataError::archive(path)(problem);
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in arrays {
        let bytes = array.to_bytes().map_err(|problem| DataError::Array {
            path: path.to_owned(),
            name: name.clone(),
            problem,
        })?;
        zip.start_file(format!("{name}.npy"), options)
            .map_err(archive)?;
        zip.write_all(&bytes)
            .map_err(|problem| archive(problem.into()))?;
    }
    Ok(zip.finish().map_err(archive)?.into_inner())
}

/// Writes `arrays` to `path`, wholly or not at all.
///
/// # Errors
/// Those of [`to_bytes`], and [`DataError::Io`].
pub fn write(path: &Path, arrays: &Arrays) -> Result<(), DataError> {
    let bytes = to_bytes(arrays, path)?;
    atomic_file::write(path, &bytes).map_err(DataError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use proptest::prelude::*;

    fn arrays() -> Arrays {
        Arrays::from([
            ("y".to_owned(), vec![3_i64, 1].into()),
            ("success".to_owned(), vec![true, false].into()),
            ("x".to_owned(), ndarray::arr2(&[[0.5_f32], [1.0]]).into()),
        ])
    }

    fn reader(bytes: &[u8]) -> Result<NpzReader<&[u8]>, DataError> {
        NpzReader::new(bytes, bytes.len() as u64, Path::new("f.npz"))
    }

    /// What a writer that cannot go back gives: sizes stand behind the content.
    fn deflated(name: &str, content: &[u8]) -> Vec<u8> {
        let mut zip = rawzip::ZipArchiveWriter::new(Vec::new());
        let file = zip
            .new_file(name)
            .compression_method(CompressionMethod::DEFLATE);
        let (mut entry, config) = file.start().unwrap();
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
        writer.write_all(content).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
        zip.finish().unwrap()
    }

    #[test]
    fn arrays_come_back_and_the_bytes_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        write(&path, &arrays()).unwrap();
        assert_eq!(
            std::fs::read(&path).unwrap(),
            to_bytes(&arrays(), &path).unwrap()
        );
        let reader = NpzReader::open(&path).unwrap();
        assert_eq!(reader.names(), ["success", "x", "y"]);
        for (name, array) in arrays() {
            assert_eq!(reader.require(&name).unwrap(), array);
        }
        assert_eq!(reader.read("target").unwrap(), None);
        let missing = reader.require("target").unwrap_err().to_string();
        assert!(missing.ends_with("a.npz: no array named `target`; there are success, x, y"));
    }

    #[test]
    fn entries_are_dated_1980() {
        let bytes = to_bytes(&arrays(), Path::new("f")).unwrap();
        let archive = ZipArchive::from_slice(&bytes).unwrap();
        let mut n = 0;
        for entry in archive.entries() {
            let date = entry.unwrap().last_modified();
            assert_eq!((date.year(), date.month(), date.day()), (1980, 1, 1));
            n += 1;
        }
        assert_eq!(n, arrays().len());
    }

    #[test]
    fn compressed_archives_are_read() {
        let array = NpyArray::from(vec![7_u64; 1000]);
        let bytes = deflated("x.npy", &array.to_bytes().unwrap());
        assert!(bytes.len() < 1000);
        assert_eq!(reader(&bytes).unwrap().require("x").unwrap(), array);
    }

    #[test]
    fn every_truncation_is_refused() {
        let whole = to_bytes(&arrays(), Path::new("f")).unwrap();
        for end in 0..whole.len() {
            assert!(reader(&whole[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_damaged_entry_is_noticed() {
        let mut bytes = to_bytes(&arrays(), Path::new("f")).unwrap();
        let needle = 0.5_f32.to_le_bytes();
        let at = bytes
            .windows(4)
            .rposition(|window| window == needle)
            .unwrap();
        bytes[at] ^= 1;
        assert!(matches!(
            reader(&bytes).unwrap().read("x"),
            Err(DataError::Compressed { .. })
        ));
    }

    #[test]
    fn a_huge_declared_size_allocates_nothing() {
        let mut bytes = deflated("x.npy", b"\x93NUMPY");
        let central = bytes
            .windows(4)
            .rposition(|window| window == b"PK\x01\x02")
            .unwrap();
        // The size when unpacked, then the packed size, which would allow for it.
        for field in [24, 20] {
            bytes[central + field..][..4].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
            assert!(matches!(
                reader(&bytes).unwrap().read("x"),
                Err(DataError::Length { .. })
            ));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_mutation_panics(edits in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..5), packed in any::<bool>()) {
            let mut bytes = if packed {
                deflated("x.npy", &NpyArray::from(vec![1_u8; 40]).to_bytes().unwrap())
            } else {
                to_bytes(&arrays(), Path::new("f")).unwrap()
            };
            for (at, with) in edits {
                let at = at % bytes.len();
                bytes[at] = with;
            }
            if let Ok(reader) = reader(&bytes) {
                let _ = (reader.read("x"), reader.read("y"));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(reader(&bytes).is_err());
        }
    }
}
