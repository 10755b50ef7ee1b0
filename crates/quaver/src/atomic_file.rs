//! Files that are either wholly there or not there at all.

pub use quaver_nn::format::{partial_path, write_atomically as write};

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn replaces_the_old_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        fs::write(partial_path(&path), b"left by a killed process").unwrap();
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
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
