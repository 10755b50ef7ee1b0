//! Data sets: what is known of each, and how one split of it is opened.
//!
//! A data set is found by its name, and its files in folders; or by its path, if it is one's own;
//! or it is drawn. [`REGISTRY`] has them all.

mod idx_pairs;

plug_ins! {
    /// All data sets, in the order in which lists show them.
    pub const REGISTRY: Entry = [mnist, fashion_mnist, cifar10, digits, npz_file, image_folder];
}

use super::image_file::Decoding;
use super::{DataError, Dataset, Split};
use crate::observe::Observer;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The data set that is taken where none is named: it needs no files.
pub const DEFAULT: &Entry = &digits::ENTRY;

/// Class names of digits.
const NUMERALS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// A data set, or a kind of data set of one's own.
#[derive(Debug)]
pub struct Entry {
    /// `mnist`: what it is asked for by, unless by its path.
    pub id: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// Who made it: authors, title, year; empty for one's own.
    pub source: &'static str,
    /// `[c, h, w]` of an image, where all are alike.
    pub image_shape: Option<[usize; 3]>,
    /// Names of the classes, by label; none where the files say them.
    pub class_names: &'static [&'static str],
    /// Training and test images, where all files of it have as many; of drawn ones, how many there
    /// are unless asked otherwise.
    pub n_images: Option<[usize; 2]>,
    /// Whether the paper's numbers are of it.
    pub is_papers: bool,
    /// Where its images come from.
    pub origin: Origin,
}

/// Where images come from.
#[derive(Debug)]
pub enum Origin {
    /// Files of fixed names, looked for in folders.
    Files(Files),
    /// A file or folder of one's own, named by its path.
    Path(Own),
    /// The program draws split, seed and number of images.
    Drawn(fn(Split, u64, usize) -> Box<dyn SplitReader>),
}

/// How files of fixed names are found and read.
#[derive(Debug)]
pub struct Files {
    /// How they come to a machine.
    pub supply: Supply,
    /// Name of the folder that its archive unpacks to, if any.
    pub unpacked: Option<&'static str>,
    /// The files of a split, if all lie in this folder.
    pub find: fn(&Path, Split) -> Option<Vec<PathBuf>>,
    /// Reads the files that `find` found.
    pub read: fn(&Entry, &[PathBuf], Split) -> Result<Dataset, DataError>,
}

/// How files come to a machine.
#[derive(Clone, Copy, Debug)]
pub enum Supply {
    /// The command downloads them.
    Download(Remote),
    /// The user does, told so in these words.
    ByHand(&'static str),
}

/// Files that can be downloaded. The library only knows; the command downloads.
#[derive(Clone, Copy, Debug)]
pub struct Remote {
    /// The files.
    pub files: &'static [RemoteFile],
    /// Base addresses, best first; a file's address is base + name.
    pub mirrors: &'static [&'static str],
}

/// One file that can be downloaded.
#[derive(Clone, Copy, Debug)]
pub struct RemoteFile {
    /// File name, on the mirrors and in the cache.
    pub name: &'static str,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: &'static str,
}

/// How a file or folder of one's own is told and read.
#[derive(Debug)]
pub struct Own {
    /// Whether this is the path of one.
    pub accepts: fn(&str) -> bool,
    /// Whether it holds training and test images apart.
    pub has_both_splits: fn(&Path) -> Result<bool, DataError>,
    /// Reads a split.
    pub read: fn(&Path, Split, Decoding) -> Result<Dataset, DataError>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// [`Entry::id`], or the path of a data set of one's own.
    pub name: &'a str,
    /// Folders to look in, best first. Each may hold the files themselves or a folder named
    /// like the data set that does.
    pub look_in: &'a [PathBuf],
    /// Seed of drawn images; files have none.
    pub seed: u64,
    /// How many images to draw, how many first ones of a file to keep; all where not given.
    pub n: Option<usize>,
    /// How pictures of a folder become images.
    pub decoding: Decoding,
}

/// One split of a data set, read slice by slice. What is drawn is drawn when it is asked for, so
/// that any number of images takes no memory.
pub trait SplitReader: Send + Sync {
    /// Name of the data set.
    fn name(&self) -> String;

    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[c, h, w]` of an image.
    fn image_shape(&self) -> [usize; 3];

    /// Names of the classes, by label.
    fn class_names(&self) -> Vec<String>;

    /// The images of `rows`; a range past the end is cut. Draws in the caller's rayon pool.
    ///
    /// # Errors
    /// None for rows that fit memory.
    fn rows(&self, rows: Range<usize>) -> Result<Dataset, DataError>;

    /// All images. The observer is told how far drawing is, and not asked to go on.
    ///
    /// # Errors
    /// [`DataError::TooMany`].
    fn all(self: Box<Self>, observer: &dyn Observer) -> Result<Dataset, DataError>;
}

impl SplitReader for Dataset {
    fn name(&self) -> String {
        self.name().to_owned()
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn image_shape(&self) -> [usize; 3] {
        self.image_shape()
    }

    fn class_names(&self) -> Vec<String> {
        self.class_names().to_vec()
    }

    fn rows(&self, rows: Range<usize>) -> Result<Dataset, DataError> {
        let end = rows.end.min(self.len());
        self.subset(&(rows.start.min(end)..end).collect::<Vec<usize>>())
    }

    fn all(self: Box<Self>, _: &dyn Observer) -> Result<Dataset, DataError> {
        Ok(*self)
    }
}

impl Entry {
    /// How it can be downloaded, if it can.
    #[must_use]
    pub fn remote(&self) -> Option<&Remote> {
        match &self.origin {
            Origin::Files(Files {
                supply: Supply::Download(remote),
                ..
            }) => Some(remote),
            _ => None,
        }
    }

    /// Whether it is asked for by its name.
    #[must_use]
    pub fn is_named(&self) -> bool {
        !matches!(self.origin, Origin::Path(_))
    }

    fn classes(&self) -> Vec<String> {
        self.class_names.iter().map(|&name| name.into()).collect()
    }

    /// The first of the folders in which the files of a split lie: each itself, and the one in it
    /// that is named like the data set, and what the archive unpacks to in both.
    fn find(
        &self,
        files: &Files,
        look_in: &[PathBuf],
        split: Split,
    ) -> Result<Vec<PathBuf>, DataError> {
        let places = look_in.iter().flat_map(|at| [at.clone(), at.join(self.id)]);
        let looked_in: Vec<PathBuf> = places
            .flat_map(|at| {
                let unpacked = files.unpacked.map(|folder| at.join(folder));
                std::iter::once(at).chain(unpacked)
            })
            .collect();
        let found = looked_in.iter().find_map(|at| (files.find)(at, split));
        found.ok_or_else(|| DataError::NotFound {
            dataset: self.id.to_owned(),
            looked_in,
            remedy: match files.supply {
                Supply::Download(_) => format!("get them by `quaver data fetch {}`", self.id),
                Supply::ByHand(words) => words.to_owned(),
            },
        })
    }
}

/// The data set asked for by this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    let mut named = REGISTRY.iter().filter(|entry| entry.is_named());
    named.find(|entry| entry.id == name).copied()
}

/// The data set of this name or path.
fn entry(name: &str) -> Result<&'static Entry, DataError> {
    let accepts = |entry: &&&Entry| match &entry.origin {
        Origin::Path(own) => (own.accepts)(name),
        _ => false,
    };
    let found = find(name).or_else(|| REGISTRY.iter().find(accepts).copied());
    found.ok_or_else(|| {
        let (named, own): (Vec<&Entry>, Vec<&Entry>) =
            REGISTRY.iter().partition(|entry| entry.is_named());
        let ids: Vec<&str> = named.iter().map(|entry| entry.id).collect();
        let kinds: Vec<&str> = own.iter().map(|entry| entry.title).collect();
        DataError::UnknownDataset {
            got: name.to_owned(),
            allowed: format!("{}, and {} by its path", ids.join(", "), kinds.join(" or ")),
        }
    })
}

/// Opens one split of a data set.
///
/// # Errors
/// [`DataError::UnknownDataset`], [`DataError::NotFound`] when no folder holds all files of
/// the split, and all that the file formats say of a file that is there.
pub fn open(source: &Source<'_>, split: Split) -> Result<Box<dyn SplitReader>, DataError> {
    let entry = entry(source.name)?;
    let dataset = match &entry.origin {
        Origin::Drawn(draw) => {
            let all = entry.n_images.map_or(0, |[train, test]| match split {
                Split::Train => train,
                Split::Test => test,
            });
            return Ok(draw(split, source.seed, source.n.unwrap_or(all)));
        }
        Origin::Files(files) => {
            let paths = entry.find(files, source.look_in, split)?;
            (files.read)(entry, &paths, split)?
        }
        Origin::Path(own) => (own.read)(Path::new(source.name), split, source.decoding)?,
    };
    Ok(Box::new(match source.n {
        Some(n) => dataset.first(n),
        None => dataset,
    }))
}

/// Refuses a data set of one's own that serves as both splits: what was learned from would be
/// tested on.
///
/// # Errors
/// [`DataError::OnePart`], [`DataError::UnknownDataset`], and what reading a file's table of
/// contents says.
pub fn check_splits(name: &str) -> Result<(), DataError> {
    let path = PathBuf::from(name);
    match &entry(name)?.origin {
        Origin::Path(own) if !(own.has_both_splits)(&path)? => Err(DataError::OnePart { path }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
