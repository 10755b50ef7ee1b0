//! [`Columns`]: named arrays of one entry an image, as files of a run hold them.

use super::npy::NpyArray;
use super::npz::Arrays;
use ndarray::{Array4, ArrayD, Ix4};
use serde::de::DeserializeOwned;

/// Arrays are not those that were written.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// One is missing.
    #[error("array {0:?} is missing")]
    Missing(String),
    /// One is of another kind or length.
    #[error("array {name:?} is {got}, expected {allowed}")]
    Kind {
        /// Its name.
        name: String,
        /// What it is.
        got: String,
        /// What it should be.
        allowed: String,
    },
    /// The record does not parse.
    #[error("the record does not parse: {0}")]
    Record(#[from] serde_json::Error),
}

/// Arrays with the words to refuse them in.
pub struct Columns<'a>(pub &'a Arrays);

impl Columns<'_> {
    fn get(&self, name: &str) -> Result<&NpyArray, ColumnError> {
        let found = self.0.get(name);
        found.ok_or_else(|| ColumnError::Missing(name.to_owned()))
    }

    /// The refusal of the array called `name`, which should be `allowed`.
    pub(crate) fn kind(&self, name: &str, allowed: &str) -> ColumnError {
        ColumnError::Kind {
            name: name.to_owned(),
            got: self
                .0
                .get(name)
                .map_or_else(String::new, NpyArray::describe),
            allowed: allowed.to_owned(),
        }
    }

    fn list<T: Clone>(
        &self,
        name: &str,
        array: Option<&ArrayD<T>>,
        n: Option<usize>,
        kind: &str,
    ) -> Result<Vec<T>, ColumnError> {
        let fits = |array: &&ArrayD<T>| array.ndim() == 1 && n.is_none_or(|n| array.len() == n);
        match array.filter(fits) {
            Some(array) => Ok(array.iter().cloned().collect()),
            None => Err(self.kind(name, &of_shape(kind, n))),
        }
    }

    /// The float64 numbers called `name`, `n` of them if given.
    ///
    /// # Errors
    /// [`ColumnError::Missing`], [`ColumnError::Kind`]; so for all others.
    pub fn numbers(&self, name: &str, n: Option<usize>) -> Result<Vec<f64>, ColumnError> {
        let array = match self.get(name)? {
            NpyArray::F64(array) => Some(array),
            _ => None,
        };
        self.list(name, array, n, "float64")
    }

    /// The unsigned integers called `name`.
    ///
    /// # Errors
    /// As [`Columns::numbers`].
    pub fn counts(&self, name: &str, n: Option<usize>) -> Result<Vec<u64>, ColumnError> {
        self.integers(name, n, "integers from 0")
    }

    /// The booleans called `name`.
    ///
    /// # Errors
    /// As [`Columns::numbers`].
    pub fn bools(&self, name: &str, n: Option<usize>) -> Result<Vec<bool>, ColumnError> {
        let array = match self.get(name)? {
            NpyArray::Bool(array) => Some(array),
            _ => None,
        };
        self.list(name, array, n, "bool")
    }

    /// The integers called `name`, which are `allowed`.
    pub(crate) fn integers<T: TryFrom<i128>>(
        &self,
        name: &str,
        n: Option<usize>,
        allowed: &str,
    ) -> Result<Vec<T>, ColumnError> {
        let array = self.get(name)?;
        let values = match array.shape() {
            [len] if n.is_none_or(|n| n == *len) => array.integers(),
            _ => None,
        };
        let fits = values.map(|values| values.map(T::try_from).collect());
        match fits {
            Some(Ok(values)) => Ok(values),
            _ => Err(self.kind(name, &of_shape(allowed, n))),
        }
    }

    /// The classes called `name`.
    ///
    /// # Errors
    /// As [`Columns::numbers`].
    pub fn classes(&self, name: &str, n: Option<usize>) -> Result<Vec<usize>, ColumnError> {
        self.integers(name, n, "classes from 0")
    }

    /// The float32 images `(n, c, h, w)` called `name`.
    pub(crate) fn images(&self, name: &str, n: usize) -> Result<Array4<f32>, ColumnError> {
        let array = match self.get(name)? {
            NpyArray::F32(array) if array.shape().first() == Some(&n) => Some(array.clone()),
            _ => None,
        };
        let images = array.and_then(|array| array.into_dimensionality::<Ix4>().ok());
        images.ok_or_else(|| self.kind(name, &format!("float32 of shape ({n}, c, h, w)")))
    }

    /// The JSON called `name`.
    ///
    /// # Errors
    /// As [`Columns::numbers`], and [`ColumnError::Record`].
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, ColumnError> {
        let array = match self.get(name)? {
            NpyArray::U8(array) => Some(array),
            _ => None,
        };
        Ok(serde_json::from_slice(
            &self.list(name, array, None, "uint8")?,
        )?)
    }
}

fn of_shape(kind: &str, n: Option<usize>) -> String {
    let n = n.map_or_else(|| "n".to_owned(), |n| n.to_string());
    format!("{kind} of shape ({n})")
}
