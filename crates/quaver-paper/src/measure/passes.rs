//! What one network answers over its Monte-Carlo passes, as it is kept for each image.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering};

use ndarray::{Array2, ArrayView4, Axis, concatenate};

use super::{Halt, Study, Trained};
use quaver::classifier::{Batch, Draw, Purpose};
use quaver::data::columns::{ColumnError, Columns};
use quaver::data::npy::NpyArray;
use quaver::data::npz::Arrays;
use quaver::decision::{Decision, Verdict};
use quaver::observe::Observer;
use quaver::uncertainty::{MEASURES, McOutputs, monte_carlo_classes};

/// Stands for the class of a pass with an output that is not a number.
const UNDECIDED: u16 = u16::MAX;

/// Images over T passes.
#[derive(Clone, Debug)]
pub(crate) struct Passes {
    /// Class of every pass, `(n, T)`; [`UNDECIDED`] where there is none.
    pub(crate) classes: Array2<u16>,
    /// Class voted for, `(n)`; [`UNDECIDED`] where there is none.
    pub(crate) voted: Vec<u16>,
    /// Every measure by id, `(n)`; not a number where it has no value.
    pub(crate) measures: BTreeMap<String, Vec<f64>>,
}

impl Default for Passes {
    fn default() -> Self {
        Self {
            classes: Array2::from_elem((0, 0), UNDECIDED),
            voted: Vec::new(),
            measures: BTreeMap::new(),
        }
    }
}

impl Passes {
    fn new(outputs: &McOutputs, classes: Array2<u16>, n_passes: u32) -> Self {
        let class = |verdict| match verdict {
            Verdict::Class(class) => u16::try_from(class).unwrap_or(UNDECIDED),
            Verdict::Abstain | Verdict::Rejected => UNDECIDED,
        };
        let scores = |measure| -> Vec<f64> {
            let scores = outputs.scores(measure).into_iter();
            scores.map(|score| score.unwrap_or(f64::NAN)).collect()
        };
        let verdicts = outputs.verdicts(Decision::Mean(n_passes));
        Self {
            voted: verdicts.into_iter().map(class).collect(),
            measures: MEASURES
                .iter()
                .map(|measure| (measure.id.to_owned(), scores(*measure)))
                .collect(),
            classes,
        }
    }

    /// Images.
    pub(crate) fn len(&self) -> usize {
        self.voted.len()
    }

    /// The first `n` images.
    pub(crate) fn first(&self, n: usize) -> Self {
        let n = n.min(self.len());
        Self {
            classes: self.classes.slice_axis(Axis(0), (0..n).into()).to_owned(),
            voted: self.voted[..n].to_vec(),
            measures: self
                .measures
                .iter()
                .map(|(id, scores)| (id.clone(), scores[..n].to_vec()))
                .collect(),
        }
    }

    /// Adds the images of `next` behind.
    pub(crate) fn extend(&mut self, next: Self) {
        if self.voted.is_empty() {
            *self = next;
            return;
        }
        // Blocks of one step have as many passes.
        if let Ok(all) = concatenate(Axis(0), &[self.classes.view(), next.classes.view()]) {
            self.classes = all;
        }
        self.voted.extend(next.voted);
        for (id, scores) in next.measures {
            self.measures.entry(id).or_default().extend(scores);
        }
    }

    /// Which images the first pass gets right.
    pub(crate) fn single_right(&self, labels: &[usize]) -> Vec<bool> {
        let first = self.classes.outer_iter().map(|row| row.first().copied());
        let pairs = first.zip(labels);
        pairs
            .map(|(class, &label)| class.is_some_and(|class| usize::from(class) == label))
            .collect()
    }

    /// Which images the vote gets right.
    pub(crate) fn voted_right(&self, labels: &[usize]) -> Vec<bool> {
        let pairs = self.voted.iter().zip(labels);
        pairs
            .map(|(&class, &label)| usize::from(class) == label)
            .collect()
    }

    /// Whether each pass of each image is right, `(n, T)`.
    pub(crate) fn hits(&self, labels: &[usize]) -> Array2<bool> {
        let n = self.classes.nrows().min(labels.len());
        let n_passes = self.classes.ncols();
        Array2::from_shape_fn((n, n_passes), |(row, pass)| {
            usize::from(self.classes[[row, pass]]) == labels[row]
        })
    }

    /// As arrays: `pass_class` `(n, T)` and `voted_class` `(n)` uint64, measures float64.
    pub(crate) fn to_arrays(&self) -> Arrays {
        // One byte a pass where classes allow.
        let small = self.classes.iter().all(|&c| c == UNDECIDED || c < 255);
        let classes: NpyArray = if small {
            self.classes
                .mapv(|class| u8::try_from(class).unwrap_or(u8::MAX))
                .into()
        } else {
            self.classes.mapv(u64::from).into()
        };
        let voted: Vec<u64> = self.voted.iter().map(|&class| class.into()).collect();
        let mut arrays = Arrays::from([
            ("pass_class".to_owned(), classes),
            ("voted_class".to_owned(), voted.into()),
        ]);
        for (id, scores) in &self.measures {
            arrays.insert(id.clone(), scores.clone().into());
        }
        arrays
    }

    pub(crate) fn from_arrays(arrays: &Arrays) -> Result<Self, ColumnError> {
        let from = Columns(arrays);
        let missing = || ColumnError::Missing("pass_class".to_owned());
        let classes = match arrays.get("pass_class") {
            Some(NpyArray::U8(array)) => array.mapv(|class| match class {
                u8::MAX => UNDECIDED,
                class => class.into(),
            }),
            Some(NpyArray::U64(array)) => {
                array.mapv(|class| u16::try_from(class).unwrap_or(UNDECIDED))
            }
            _ => return Err(missing()),
        };
        let classes: Array2<u16> = classes.into_dimensionality().map_err(|_| missing())?;
        let n = Some(classes.nrows());
        let voted = from.counts("voted_class", n)?;
        let narrow = |class: u64| u16::try_from(class).unwrap_or(UNDECIDED);
        let scores = |id: &str| Ok((id.to_owned(), from.numbers(id, n)?));
        Ok(Self {
            classes,
            voted: voted.into_iter().map(narrow).collect(),
            measures: MEASURES
                .iter()
                .map(|measure| scores(measure.id))
                .collect::<Result<_, ColumnError>>()?,
        })
    }
}

impl Study<'_> {
    /// The passes over images, on the draws kept for evaluation.
    pub(super) fn passes(
        &self,
        trained: &Trained,
        x: ArrayView4<'_, f32>,
        ids: &[u64],
        observer: &dyn Observer,
    ) -> Result<Passes, Halt> {
        let draw = Draw {
            seed: trained.seed,
            purpose: Purpose::Passes,
            pass: 0,
        };
        let n_passes = self.config.passes;
        let batch = Batch { x, ids };
        let undecided = || AtomicU16::new(UNDECIDED);
        let cells: Vec<AtomicU16> = (0..ids.len() * n_passes as usize)
            .map(|_| undecided())
            .collect();
        let note = |row: usize, pass: u32, class: Option<usize>| {
            if let Some(class) = class.and_then(|class| u16::try_from(class).ok()) {
                cells[row * n_passes as usize + pass as usize].store(class, Ordering::Relaxed);
            }
        };
        let model = &*trained.model;
        let outputs = monte_carlo_classes(model, batch, draw, n_passes, observer, &note)?;
        if outputs.images.len() < ids.len() {
            return Err(Halt::Stopped);
        }
        let classes = Array2::from_shape_fn((ids.len(), n_passes as usize), |(row, pass)| {
            cells[row * n_passes as usize + pass].load(Ordering::Relaxed)
        });
        Ok(Passes::new(&outputs, classes, n_passes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(n: usize) -> Passes {
        let class = |(row, pass): (usize, usize)| match (row, pass) {
            (1, 1) => UNDECIDED,
            (row, pass) => ((row + pass) % 3) as u16,
        };
        Passes {
            classes: Array2::from_shape_fn((n, 2), class),
            voted: (0..n as u16).collect(),
            measures: MEASURES
                .iter()
                .map(|m| (m.id.to_owned(), (0..n).map(|i| i as f64).collect()))
                .collect(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let written = passes(3).to_arrays();
        let read = Passes::from_arrays(&written).unwrap();
        assert_eq!(read.classes, passes(3).classes);
        assert_eq!(read.to_arrays(), written);
    }

    #[test]
    fn blocks_join_and_cut() {
        let mut all = Passes::default();
        all.extend(passes(2));
        all.extend(passes(3));
        assert_eq!((all.len(), all.classes.dim()), (5, (5, 2)));
        assert_eq!(all.first(2).to_arrays(), passes(2).to_arrays());
        assert_eq!(all.measures["variance"], [0.0, 1.0, 0.0, 1.0, 2.0]);
    }

    #[test]
    fn undecided_passes_are_never_right() {
        let seen = passes(3);
        assert_eq!(seen.single_right(&[0, 1, 0]), [true, true, false]);
        assert_eq!(seen.voted_right(&[0, 2, 2]), [true, false, true]);
    }
}
