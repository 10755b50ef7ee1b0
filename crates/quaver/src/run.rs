//! [`RunFolder`]: a folder of finished steps, each found again by what went into it.
//!
//! A step is a file whose name ends in its [`Key`]. A step that is there is never computed
//! again; files appear whole, so a run that was killed at any moment goes on where it was
//! and ends in the same bytes. Neither clock nor thread count enters a step.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::atomic_file;
use crate::data::DataError;
use crate::data::npy::NpyArray;
use crate::data::npz::{self, Arrays, NpzReader};

/// Version of the layout of run folders and of the files in them; another one is refused.
pub const SCHEMA: u32 = 2;

/// Version of all that decides the bits of a step (engine, training, attacks, random
/// numbers). It is part of every key: raise it with any change that makes other bits.
pub const NUMERICS: u32 = 3;

/// Name of the file that says what a run folder is about.
pub const IDENTITY_FILE: &str = "run.json";

/// Name of the array that holds [`SCHEMA`] in the npz files of a run.
const SCHEMA_ARRAY: &str = "schema";

/// Characters of a key in a file name: 64 bits.
const KEY_LENGTH: usize = 16;

/// What all steps of a folder share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the data set, as `mnist`.
    pub dataset: String,
    /// Digest of its images and labels.
    pub fingerprint: String,
    /// Name of the architecture, as `lenet5`.
    pub arch: String,
}

/// A run folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder holds something else.
    #[error("{path} is no run folder and not empty; choose another folder")]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// Its description does not parse.
    #[error("{path} does not parse: {source}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Another version wrote it.
    #[error("{path} has schema {got}, this program reads {SCHEMA}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        got: u64,
    },
    /// It is about something else.
    #[error("{path} holds a run of {what} {got}, asked for {asked}; choose another folder")]
    Other {
        /// The folder.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the folder holds.
        got: String,
        /// What was asked for.
        asked: String,
    },
    /// Another process works in it.
    #[error("{path} is in use by another process")]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A step's file does not read or write.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl RunError {
    /// For `map_err`: what went wrong at `path`.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// What a step depends on, as a short digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key(String);

impl Key {
    /// The key of `inputs` under [`NUMERICS`]. The order of fields and maps does not matter.
    #[must_use]
    pub fn of(inputs: &serde_json::Value) -> Self {
        let text = serde_json::json!({ "inputs": inputs, "numerics": NUMERICS }).to_string();
        let mut digest = digest(&[text.as_bytes()]);
        digest.truncate(KEY_LENGTH);
        Self(digest)
    }

    /// As it stands in file names.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of `parts` one after the other, in hexadecimal.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// An open run folder. No other process can open it meanwhile.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    identity: Identity,
    _lock: Option<File>,
}

impl RunFolder {
    /// Opens the run of `identity` at `path`, or begins it in an empty or absent folder.
    /// What a killed process left half-written is removed, and so is a new folder that nothing can
    /// be written to.
    ///
    /// # Errors
    /// [`RunError`] when the folder holds something else, another run or another schema, is
    /// in use, or cannot be written.
    pub fn open(path: &Path, identity: &Identity) -> Result<Self, RunError> {
        let existing = Self::identity_at(path)?;
        match &existing {
            Some(found) => check_same(path, found, identity)?,
            None => check_empty(path)?,
        }
        let is_new = !path.exists();
        fs::create_dir_all(path).map_err(RunError::io(path))?;
        let folder = Self {
            path: path.to_owned(),
            identity: identity.clone(),
            _lock: lock(path)?,
        };
        remove_partial(path)?;
        if existing.is_none() {
            let begun = folder.write_json(IDENTITY_FILE, identity);
            if begun.is_err() && is_new {
                // Best effort: what counts is why it could not be begun.
                let _ = fs::remove_dir(path);
            }
            begun?;
        }
        Ok(folder)
    }

    /// What the run at `path` is about; `None` where there is none.
    ///
    /// # Errors
    /// [`RunError::Schema`], [`RunError::Format`], [`RunError::Io`].
    pub fn identity_at(path: &Path) -> Result<Option<Identity>, RunError> {
        let file = path.join(IDENTITY_FILE);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RunError::io(&file)(error)),
        };
        let format = |source| RunError::Format {
            path: file.clone(),
            source,
        };
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(format)?;
        if let Some(got) = value[SCHEMA_ARRAY]
            .as_u64()
            .filter(|&got| got != u64::from(SCHEMA))
        {
            return Err(RunError::Schema { path: file, got });
        }
        serde_json::from_value(value).map(Some).map_err(format)
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is about.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The file of a step: `FOLDER/NAME-KEY.EXTENSION` in the run; its folder is made.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn step(
        &self,
        folder: &str,
        name: &str,
        key: &Key,
        extension: &str,
    ) -> Result<PathBuf, RunError> {
        let folder = self.path.join(folder);
        fs::create_dir_all(&folder).map_err(RunError::io(&folder))?;
        Ok(folder.join(format!("{name}-{}.{extension}", key.as_str())))
    }

    /// Writes a file that is not a step, such as a report, wholly or not at all.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let path = self.path.join(name);
        atomic_file::write(&path, bytes).map_err(RunError::io(&path))
    }

    /// Writes `value` as indented JSON under `name`.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Format`].
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), RunError> {
        let text = serde_json::to_string_pretty(value).map_err(|source| RunError::Format {
            path: self.path.join(name),
            source,
        })?;
        self.write(name, (text + "\n").as_bytes())
    }
}

/// The arrays of a finished step; `None` where it is not finished.
///
/// # Errors
/// [`RunError::Schema`], or [`RunError::Data`] when the file is damaged.
pub fn read_arrays(path: &Path) -> Result<Option<Arrays>, RunError> {
    if !path.is_file() {
        return Ok(None);
    }
    let npz = NpzReader::open(path)?;
    let schema = match npz.require(SCHEMA_ARRAY)? {
        NpyArray::U64(values) => values.first().copied().unwrap_or_default(),
        _ => 0,
    };
    if schema != u64::from(SCHEMA) {
        return Err(RunError::Schema {
            path: path.to_owned(),
            got: schema,
        });
    }
    let mut arrays = Arrays::new();
    for name in npz.names() {
        if name != SCHEMA_ARRAY {
            arrays.insert(name.clone(), npz.require(&name)?);
        }
    }
    Ok(Some(arrays))
}

/// Writes the arrays of a finished step with the schema.
///
/// # Errors
/// [`RunError::Data`].
pub fn write_arrays(path: &Path, mut arrays: Arrays) -> Result<Arrays, RunError> {
    let schema = NpyArray::from(vec![u64::from(SCHEMA)]);
    arrays.insert(SCHEMA_ARRAY.to_owned(), schema);
    npz::write(path, &arrays)?;
    arrays.remove(SCHEMA_ARRAY);
    Ok(arrays)
}

fn check_same(path: &Path, found: &Identity, asked: &Identity) -> Result<(), RunError> {
    let differing = [
        ("data set", &found.dataset, &asked.dataset),
        ("architecture", &found.arch, &asked.arch),
        ("data with digest", &found.fingerprint, &asked.fingerprint),
    ]
    .into_iter()
    .find(|(_, found, asked)| found != asked);
    match differing {
        None => Ok(()),
        Some((what, got, asked)) => Err(RunError::Other {
            path: path.to_owned(),
            what,
            got: got.clone(),
            asked: asked.clone(),
        }),
    }
}

/// Whether `path` is absent or holds nothing but what a run killed at birth left.
fn check_empty(path: &Path) -> Result<(), RunError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RunError::io(path)(error)),
    };
    for entry in entries {
        let name = entry.map_err(RunError::io(path))?.path();
        if name != atomic_file::partial_path(&path.join(IDENTITY_FILE)) {
            let path = path.to_owned();
            return Err(RunError::Foreign { path });
        }
    }
    Ok(())
}

/// A lock that ends with the process. Where the system cannot lock a folder there is none.
fn lock(path: &Path) -> Result<Option<File>, RunError> {
    let Ok(folder) = File::open(path) else {
        return Ok(None);
    };
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => Err(RunError::Busy {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Removes partial files from a folder and those in it.
fn remove_partial(path: &Path) -> Result<(), RunError> {
    for entry in fs::read_dir(path).map_err(RunError::io(path))? {
        let entry = entry.map_err(RunError::io(path))?;
        let kind = entry.file_type().map_err(RunError::io(path))?;
        let path = entry.path();
        if kind.is_dir() {
            remove_partial(&path)?;
        } else if kind.is_file() && atomic_file::is_partial(&path) {
            fs::remove_file(&path).map_err(RunError::io(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
