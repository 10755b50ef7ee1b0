//! Model files in and out.

pub mod safetensors;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path` by way of [`partial_path`] in the same folder, so that a process
/// killed at any moment leaves the old file, the new file or none, never a part. The name of
/// the partial file is fixed, so the next attempt takes it over.
///
/// # Errors
/// What the file system says: no such folder, no permission, no space.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = partial_path(path);
    let written = File::create(&partial)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        // The first failure is the one to report; a partial file that stays is harmless.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// Where [`write_atomically`] keeps the bytes of `path` until they are complete.
pub fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}
