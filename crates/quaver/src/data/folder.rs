//! Image folders: one folder a class with PNG and JPEG files in it, `DIR/train/CLASS/…` and
//! `DIR/test/CLASS/…`, or `DIR/CLASS/…` for images that are one part only.

use super::image_file::{Decoding, EXTENSIONS, Picture};
use super::{DataError, Dataset, Pixels, Split};
use ndarray::Array4;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders of the parts; the second name of the test part counts where the first is not there.
const PARTS: [(Split, &str); 3] = [
    (Split::Train, "train"),
    (Split::Test, "test"),
    (Split::Test, "val"),
];

/// Reads one part of the data set at `root`, or all of it where it has no parts. Classes are the
/// folders' names, sorted, over all parts. Files of a class go by name, and classes take turns in
/// proportion to their files, so that the first images of a part are of all classes. Without
/// [`Decoding::channels`] all are grey unless one is colored.
///
/// Runs in the caller's rayon pool and gives the same bytes in any.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Folder`] when there are no classes, no images or not this
/// part; [`DataError::Picture`]; [`DataError::Size`] where images differ in size.
pub fn read(root: &Path, split: Split, decoding: Decoding) -> Result<Dataset, DataError> {
    let part = part(root, split)?;
    let classes = classes(root)?;
    let files = files(&part, &classes)?;
    if files.is_empty() {
        return Err(refuse(
            &part,
            "no PNG or JPEG files in folders named like classes",
        ));
    }
    let read = |(path, _): &(PathBuf, usize)| {
        let picture = Picture::read(path)?;
        Ok(decoding
            .size
            .map_or(picture.clone(), |size| picture.scaled(size)))
    };
    // Collected first, so that the error is the first file's at any number of threads.
    let read: Vec<Result<Picture, DataError>> = files.par_iter().map(read).collect();
    let pictures = read
        .into_iter()
        .collect::<Result<Vec<Picture>, DataError>>()?;
    let pixels = stack(&files, &pictures, decoding.channels)?;
    let labels = files.iter().map(|(_, label)| *label).collect();
    Dataset::new(&name(root), split, Pixels::Bytes(pixels), labels, classes)
}

/// The pictures with their labels, in the order of [`read`].
fn files(part: &Path, classes: &[String]) -> Result<Vec<(PathBuf, usize)>, DataError> {
    let mut placed = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let folder = part.join(class);
        if folder.is_dir() {
            let paths = pictures(&folder)?;
            let n = paths.len() as f64;
            let place = |i: usize| (i as f64 + 0.5) / n;
            placed.extend(
                paths
                    .into_iter()
                    .enumerate()
                    .map(|(i, path)| (place(i), label, path)),
            );
        }
    }
    placed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    Ok(placed
        .into_iter()
        .map(|(_, label, path)| (path, label))
        .collect())
}

/// The last part of a path: what a data set of one's own is called, wherever it lies.
pub(super) fn name(path: &Path) -> String {
    let whole = path.canonicalize();
    let whole = whole.as_deref().unwrap_or(path);
    let name = whole.file_name().unwrap_or(whole.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Whether the data set at `root` has the two parts in folders of their own.
pub(super) fn has_both_splits(root: &Path) -> bool {
    let is_part =
        |name: &str| subfolders(&root.join(name)).is_ok_and(|classes| !classes.is_empty());
    PARTS.iter().any(|(_, name)| is_part(name))
}

fn part(root: &Path, split: Split) -> Result<PathBuf, DataError> {
    if !has_both_splits(root) {
        return Ok(root.to_owned());
    }
    let mut places = PARTS
        .iter()
        .filter(|(part, _)| *part == split)
        .map(|(_, name)| root.join(name));
    let found = places.find(|place| place.is_dir());
    let reason = match split {
        Split::Train => "no folder `train`, beside the one of the other part",
        Split::Test => "no folder `test` or `val`, beside the one of the other part",
    };
    found.ok_or_else(|| refuse(root, reason))
}

/// Names of the class folders over all parts, sorted.
fn classes(root: &Path) -> Result<Vec<String>, DataError> {
    let mut names = BTreeSet::new();
    if has_both_splits(root) {
        for (_, part) in PARTS {
            let place = root.join(part);
            if place.is_dir() {
                names.extend(subfolders(&place)?);
            }
        }
    } else {
        names.extend(subfolders(root)?);
    }
    if names.len() < 2 {
        let reason = "expected at least two folders, one a class";
        return Err(refuse(root, reason));
    }
    Ok(names.into_iter().collect())
}

fn subfolders(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(DataError::io(folder))? {
        let path = entry.map_err(DataError::io(folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy());
        match name {
            Some(name) if path.is_dir() && !name.starts_with('.') => names.push(name.into_owned()),
            _ => {}
        }
    }
    Ok(names)
}

/// PNG and JPEG files, sorted by name.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(DataError::io(folder))? {
        let path = entry.map_err(DataError::io(folder))?.path();
        let end = path
            .extension()
            .map(|end| end.to_string_lossy().to_lowercase());
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if end.is_some_and(|end| EXTENSIONS.contains(&end.as_str())) && !is_hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn stack(
    files: &[(PathBuf, usize)],
    pictures: &[Picture],
    channels: Option<usize>,
) -> Result<Array4<u8>, DataError> {
    let is_colored = pictures.iter().any(Picture::is_colored);
    let channels = channels.unwrap_or(if is_colored { 3 } else { 1 });
    let expected = pictures.first().map_or([0, 0], Picture::size);
    let mut bytes = Vec::with_capacity(pictures.len() * channels * expected[0] * expected[1]);
    for (picture, (path, _)) in pictures.iter().zip(files) {
        if picture.size() != expected {
            return Err(DataError::Size {
                path: path.clone(),
                expected,
                got: picture.size(),
            });
        }
        bytes.extend(picture.planes(channels));
    }
    let [height, width] = expected;
    let got = bytes.len();
    Array4::from_shape_vec((pictures.len(), channels, height, width), bytes)
        .map_err(|_| refuse(&files[0].0, &format!("{got} bytes of pixels")))
}

fn refuse(path: &Path, reason: &str) -> DataError {
    DataError::Folder {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::image_file::tests::file;
    use super::*;
    use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage};
    use std::fs;

    fn write(root: &Path, name: &str, image: impl Into<image::DynamicImage>) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let format = match name.ends_with("png") {
            true => ImageFormat::Png,
            false => ImageFormat::Jpeg,
        };
        fs::write(path, file(image, format)).unwrap();
    }

    fn grey(value: u8) -> GrayImage {
        GrayImage::from_pixel(3, 2, Luma([value]))
    }

    fn text(root: &Path, split: Split) -> String {
        let error = read(root, split, Decoding::default()).unwrap_err();
        error.to_string()
    }

    #[test]
    fn classes_are_sorted_folders_and_images_sorted_files() {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("pets");
        write(&root, "train/dog/b.PNG.png", grey(20));
        write(&root, "train/dog/a.jpg", grey(10));
        write(&root, "train/cat/z.png", grey(30));
        write(&root, "val/eel/z.jpeg", grey(40));
        fs::write(root.join("train/dog/notes.txt"), "no picture").unwrap();
        fs::write(root.join("train/dog/.hidden.png"), "no picture").unwrap();
        let train = read(&root, Split::Train, Decoding::default()).unwrap();
        assert_eq!(train.class_names(), ["cat", "dog", "eel"]);
        // One cat stands in the middle of two dogs.
        assert_eq!(train.labels(), [1, 0, 1]);
        assert_eq!((train.name(), train.image_shape()), ("pets", [1, 2, 3]));
        let first: Vec<f32> = (0..3)
            .map(|i| 255.0 * train.images(i..i + 1)[[0, 0, 0, 0]])
            .collect();
        assert_eq!(first, [10.0, 30.0, 20.0]);
        let test = read(&root, Split::Test, Decoding::default()).unwrap();
        assert_eq!((test.labels(), test.n_classes()), (&[2][..], 3));
        fs::remove_dir_all(root.join("val")).unwrap();
        assert!(text(&root, Split::Test).contains("no folder `test` or `val`"));
    }

    #[test]
    fn folders_without_parts_are_one_part() {
        let top = tempfile::tempdir().unwrap();
        write(top.path(), "train/a.png", grey(1));
        write(
            top.path(),
            "bus/a.png",
            RgbImage::from_pixel(3, 2, Rgb([1, 2, 3])),
        );
        for split in [Split::Train, Split::Test] {
            let data = read(top.path(), split, Decoding::default()).unwrap();
            assert_eq!(data.class_names(), ["bus", "train"]);
            // One picture has color, so all have.
            assert_eq!(data.image_shape(), [3, 2, 3]);
        }
        let decoding = Decoding {
            channels: Some(1),
            size: Some([5, 4]),
        };
        let data = read(top.path(), Split::Test, decoding).unwrap();
        assert_eq!(data.image_shape(), [1, 5, 4]);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let top = tempfile::tempdir().unwrap();
        assert!(text(top.path(), Split::Test).contains("at least two folders"));
        fs::create_dir_all(top.path().join("a")).unwrap();
        fs::create_dir_all(top.path().join("b")).unwrap();
        assert!(text(top.path(), Split::Test).contains("no PNG or JPEG"));
        write(top.path(), "a/1.png", grey(1));
        write(top.path(), "b/2.png", GrayImage::new(9, 8));
        let size = text(top.path(), Split::Test);
        assert!(size.ends_with("2.png: 8 by 9 pixels, expected 2 by 3 as the images before it; --resize 2x3 scales all alike"), "{size}");
        fs::write(top.path().join("a/1.png"), "broken").unwrap();
        assert!(text(top.path(), Split::Test).contains("1.png: not a readable PNG or JPEG"));
        assert!(text(&top.path().join("none"), Split::Test).contains("No such file"));
    }
}
