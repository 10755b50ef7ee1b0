//! Files that are either wholly there or not there at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".partial";

/// Writes `bytes` to `path` by way of `path` + `.partial` in the same folder, so that a
/// process killed at any moment leaves the old file, the new file or none, never a part.
/// The name of the partial file is fixed, so the next attempt takes it over.
///
/// # Errors
/// What the file system says: no such folder, no permission, no space.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = partial_path(path);
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let done = written.and_then(|()| fs::rename(&partial, path));
    if done.is_err() {
        // The first failure is the one to report; a partial file that stays is harmless.
        let _ = fs::remove_file(&partial);
    }
    done
}

/// Where [`write()`] keeps the bytes of `path` until they are complete.
#[must_use]
pub fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SUFFIX);
    PathBuf::from(name)
}

/// Whether `path` is the partial file of another.
#[must_use]
pub fn is_partial(path: &Path) -> bool {
    path.as_os_str()
        .as_encoded_bytes()
        .ends_with(SUFFIX.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_old_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        fs::write(partial_path(&path), b"left by a killed process").unwrap();
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(is_partial(&partial_path(&path)) && !is_partial(&path));
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        fs::create_dir(&path).unwrap();
        assert!(write(&path, b"a folder stands here").is_err());
        assert!(!partial_path(&path).exists());
        assert!(write(&folder.path().join("absent/a"), b"").is_err());
    }
}
