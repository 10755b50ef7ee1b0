//! An [`AdversarialBatch`] as named arrays: what `ADV.npz` files and run folders hold.

use ndarray::{Array1, ArrayD, Ix4};
use serde::de::DeserializeOwned;

use super::Flags;
use super::record::{AdversarialBatch, AttackRecord};
use crate::data::npy::NpyArray;
use crate::data::npz::Arrays;
use crate::decision::Verdict;
use crate::threat::Distances;

/// Stands for the class of an image without a verdict.
const ABSTAINED: i64 = -1;
/// Stands for the class of a rejected image.
const REJECTED: i64 = -2;

/// Arrays are no adversarial batch.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
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

impl AdversarialBatch {
    /// Every list as an array with one entry an image: `x_adv` float32
    /// `(n, c, h, w)`, `id` uint64, classes int64 (`y`, `attacked_label`, `target`,
    /// `clean_prediction`, `prediction`; -1 where there was no answer), distances float64, steps and
    /// restarts uint64, `success` and flags bool; `record` is JSON in UTF-8.
    ///
    /// # Errors
    /// [`SavedError::Record`] where a number of the record cannot be written.
    pub fn to_arrays(&self) -> Result<Arrays, SavedError> {
        let rows = 0..self.n();
        let each = |value: fn(&Distances) -> f64| -> NpyArray {
            self.distances.iter().map(value).collect::<Vec<_>>().into()
        };
        let flag = |value: fn(&Flags) -> bool| bools(self.flags.iter().map(value));
        let counts = |values: &[u32]| -> NpyArray {
            let wide: Vec<u64> = values.iter().map(|&v| v.into()).collect();
            wide.into()
        };
        let mut arrays = Arrays::from([
            ("x_adv".to_owned(), self.x_adv.clone().into()),
            ("id".to_owned(), self.ids.clone().into()),
            ("y".to_owned(), classes(&self.labels)),
            ("attacked_label".to_owned(), classes(&self.attacked_labels)),
            (
                "clean_prediction".to_owned(),
                verdicts(&self.clean_verdicts),
            ),
            ("prediction".to_owned(), verdicts(&self.verdicts)),
            ("linf".to_owned(), each(|d| d.linf)),
            ("l2".to_owned(), each(|d| d.l2)),
            ("l1".to_owned(), each(|d| d.l1)),
            ("l0".to_owned(), each(|d| d.l0 as f64)),
            ("steps".to_owned(), counts(&self.n_steps)),
            ("restart".to_owned(), counts(&self.restarts)),
            ("zero_gradient".to_owned(), flag(|f| f.zero_gradient)),
            (
                "no_admissible_pair".to_owned(),
                flag(|f| f.no_admissible_pair),
            ),
            ("non_finite".to_owned(), flag(|f| f.non_finite)),
            (
                "success".to_owned(),
                bools(rows.clone().map(|row| self.success(row))),
            ),
            (
                "initially_correct".to_owned(),
                bools(rows.clone().map(|row| self.initially_correct(row))),
            ),
            (
                "record".to_owned(),
                serde_json::to_vec(&self.record)?.into(),
            ),
        ]);
        if let Some(targets) = &self.targets {
            let reached = rows.map(|row| self.target_reached(row) == Some(true));
            arrays.insert("target".to_owned(), classes(targets));
            arrays.insert("target_reached".to_owned(), bools(reached));
        }
        Ok(arrays)
    }

    /// The batch that [`AdversarialBatch::to_arrays`] wrote; other arrays are left alone.
    ///
    /// # Errors
    /// [`SavedError`] naming the array that is missing or of another kind.
    pub fn from_arrays(arrays: &Arrays) -> Result<Self, SavedError> {
        let from = Reader(arrays);
        let ids = from.counts("id", None)?;
        let n = Some(ids.len());
        let narrow = |name| from.integers::<u32>(name, n, "integers from 0 below 2^32");
        let distances = [
            from.numbers("linf", n)?,
            from.numbers("l2", n)?,
            from.numbers("l1", n)?,
            from.numbers("l0", n)?,
        ];
        let flags = [
            from.bools("zero_gradient", n)?,
            from.bools("no_admissible_pair", n)?,
            from.bools("non_finite", n)?,
        ];
        let targeted = arrays.contains_key("target");
        Ok(Self {
            x_adv: from.images("x_adv", ids.len())?,
            labels: from.classes("y", n)?,
            attacked_labels: from.classes("attacked_label", n)?,
            targets: targeted.then(|| from.classes("target", n)).transpose()?,
            clean_verdicts: from.verdicts("clean_prediction", n)?,
            verdicts: from.verdicts("prediction", n)?,
            distances: (0..ids.len())
                .map(|row| Distances {
                    linf: distances[0][row],
                    l2: distances[1][row],
                    l1: distances[2][row],
                    l0: distances[3][row] as u64,
                })
                .collect(),
            n_steps: narrow("steps")?,
            restarts: narrow("restart")?,
            flags: (0..ids.len())
                .map(|row| Flags {
                    zero_gradient: flags[0][row],
                    no_admissible_pair: flags[1][row],
                    non_finite: flags[2][row],
                })
                .collect(),
            record: from.json::<AttackRecord>("record")?,
            ids,
        })
    }
}

fn classes(values: &[usize]) -> NpyArray {
    let signed: Vec<i64> = values.iter().map(|&class| class as i64).collect();
    signed.into()
}

fn bools(values: impl Iterator<Item = bool>) -> NpyArray {
    Array1::from_iter(values).into()
}

fn verdicts(values: &[Verdict]) -> NpyArray {
    let class = |verdict: &Verdict| match verdict {
        Verdict::Class(class) => *class as i64,
        Verdict::Abstain => ABSTAINED,
        Verdict::Rejected => REJECTED,
    };
    values.iter().map(class).collect::<Vec<i64>>().into()
}

/// Arrays with the words to refuse them in.
pub struct Reader<'a>(pub &'a Arrays);

impl Reader<'_> {
    fn get(&self, name: &str) -> Result<&NpyArray, SavedError> {
        let found = self.0.get(name);
        found.ok_or_else(|| SavedError::Missing(name.to_owned()))
    }

    fn kind(&self, name: &str, allowed: &str) -> SavedError {
        SavedError::Kind {
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
    ) -> Result<Vec<T>, SavedError> {
        let fits = |array: &&ArrayD<T>| array.ndim() == 1 && n.is_none_or(|n| array.len() == n);
        match array.filter(fits) {
            Some(array) => Ok(array.iter().cloned().collect()),
            None => Err(self.kind(name, &of_shape(kind, n))),
        }
    }

    /// The float64 numbers called `name`, `n` of them if given.
    ///
    /// # Errors
    /// [`SavedError::Missing`], [`SavedError::Kind`]; so for all others.
    pub fn numbers(&self, name: &str, n: Option<usize>) -> Result<Vec<f64>, SavedError> {
        let array = match self.get(name)? {
            NpyArray::F64(array) => Some(array),
            _ => None,
        };
        self.list(name, array, n, "float64")
    }

    /// The unsigned integers called `name`.
    ///
    /// # Errors
    /// As [`Reader::numbers`].
    pub fn counts(&self, name: &str, n: Option<usize>) -> Result<Vec<u64>, SavedError> {
        self.integers(name, n, "integers from 0")
    }

    /// The booleans called `name`.
    ///
    /// # Errors
    /// As [`Reader::numbers`].
    pub fn bools(&self, name: &str, n: Option<usize>) -> Result<Vec<bool>, SavedError> {
        let array = match self.get(name)? {
            NpyArray::Bool(array) => Some(array),
            _ => None,
        };
        self.list(name, array, n, "bool")
    }

    /// The integers called `name`, which are `allowed`.
    fn integers<T: TryFrom<i128>>(
        &self,
        name: &str,
        n: Option<usize>,
        allowed: &str,
    ) -> Result<Vec<T>, SavedError> {
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
    /// As [`Reader::numbers`].
    pub fn classes(&self, name: &str, n: Option<usize>) -> Result<Vec<usize>, SavedError> {
        self.integers(name, n, "classes from 0")
    }

    fn verdicts(&self, name: &str, n: Option<usize>) -> Result<Vec<Verdict>, SavedError> {
        let verdict = |class: i64| match (usize::try_from(class), class) {
            (Ok(class), _) => Ok(Verdict::Class(class)),
            (_, ABSTAINED) => Ok(Verdict::Abstain),
            (_, REJECTED) => Ok(Verdict::Rejected),
            _ => Err(self.kind(name, "classes from 0, -1 or -2")),
        };
        self.integers(name, n, "integers")?
            .into_iter()
            .map(verdict)
            .collect()
    }

    fn images(&self, name: &str, n: usize) -> Result<ndarray::Array4<f32>, SavedError> {
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
    /// As [`Reader::numbers`], and [`SavedError::Record`].
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, SavedError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::noise::NoiseMode;
    use crate::attack::oracle::Cost;
    use crate::attack::record::{Counts, Origin};
    use crate::attack::{Dialect, LabelSource};
    use crate::classifier::Randomness;
    use crate::decision::Decision;
    use crate::threat::{Budget, Goal, Norm, PixelRange};
    use ndarray::Array4;

    fn batch() -> AdversarialBatch {
        let (norm, eps) = (Norm::Linf, 0.3);
        AdversarialBatch {
            x_adv: Array4::from_shape_fn((2, 1, 1, 3), |(i, .., w)| (i + w) as f32 * 0.1),
            ids: vec![7, 9],
            labels: vec![1, 0],
            attacked_labels: vec![1, 2],
            targets: Some(vec![0, 1]),
            clean_verdicts: vec![Verdict::Class(1), Verdict::Abstain],
            verdicts: vec![Verdict::Class(0), Verdict::Rejected],
            distances: vec![Distances::default(); 2],
            n_steps: vec![3, 40],
            restarts: vec![0, 1],
            flags: vec![Flags::default(); 2],
            record: AttackRecord {
                attack: "pgd(eps=0.3)".into(),
                dialect: Dialect::CleverHans21,
                labels: LabelSource::Predicted,
                goal: Goal::Targeted,
                targets: Some(Origin::Own),
                start: Origin::Own,
                randomness: Randomness::PerExample,
                noise: NoiseMode::Eot(20),
                seed: 3,
                n_restarts: 2,
                decision: Decision::Mean(50),
                budget: Budget { norm, eps },
                range: PixelRange::default(),
                cost: Cost::default(),
                complete: true,
                counts: Counts::default(),
            },
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let arrays = batch().to_arrays().unwrap();
        let read = AdversarialBatch::from_arrays(&arrays).unwrap();
        assert_eq!(read.to_arrays().unwrap(), arrays);
        assert_eq!(read.record, batch().record);
        assert_eq!(read.verdicts, batch().verdicts);
        assert_eq!(read.x_adv, batch().x_adv);
    }

    #[test]
    fn integers_of_any_width_are_read() {
        let mut arrays = batch().to_arrays().unwrap();
        arrays.insert("id".to_owned(), vec![7_u32, 9].into());
        arrays.insert("y".to_owned(), vec![1_i16, 0].into());
        arrays.insert("attacked_label".to_owned(), vec![1_u8, 2].into());
        let read = AdversarialBatch::from_arrays(&arrays).unwrap();
        assert_eq!(read.to_arrays().unwrap(), batch().to_arrays().unwrap());
        for (name, wrong, allowed) in [
            ("id", vec![-1_i64, 9], "integers from 0 of shape (n)"),
            ("y", vec![1, -1], "classes from 0 of shape (2)"),
            ("y", vec![1], "classes from 0 of shape (2)"),
        ] {
            let mut arrays = arrays.clone();
            arrays.insert(name.to_owned(), wrong.into());
            let error = AdversarialBatch::from_arrays(&arrays).unwrap_err();
            assert!(error.to_string().ends_with(allowed), "{error}");
        }
    }

    #[test]
    fn what_is_missing_or_of_another_kind_is_named() {
        let message = |arrays: &Arrays| {
            AdversarialBatch::from_arrays(arrays)
                .unwrap_err()
                .to_string()
        };
        let mut arrays = batch().to_arrays().unwrap();
        arrays.insert("l2".to_owned(), vec![1.0f64].into());
        assert_eq!(
            message(&arrays),
            "array \"l2\" is float64 of shape [1], expected float64 of shape (2)"
        );
        arrays.remove("l2");
        assert_eq!(message(&arrays), "array \"l2\" is missing");
    }
}
