//! An [`AdversarialBatch`] as named arrays: what `ADV.npz` files and run folders hold.

use ndarray::Array1;

use super::Flags;
use super::oracle::Cost;
use super::record::{AdversarialBatch, AttackRecord, Outcome};
use crate::data::columns::{ColumnError, Columns};
use crate::data::npy::NpyArray;
use crate::data::npz::Arrays;
use crate::decision::Verdict;
use crate::threat::Distances;

/// Stands for the class of an image without a verdict.
const ABSTAINED: i64 = -1;
/// Stands for the class of a rejected image.
const REJECTED: i64 = -2;

impl AdversarialBatch {
    /// As [`outcomes_to_arrays`], with `x_adv` float32 `(n, c, h, w)`.
    ///
    /// # Errors
    /// [`ColumnError::Record`] where a number of the record cannot be written.
    pub fn to_arrays(&self) -> Result<Arrays, ColumnError> {
        let mut arrays = outcomes_to_arrays(&self.outcomes, &self.record)?;
        arrays.insert("x_adv".to_owned(), self.x_adv.clone().into());
        Ok(arrays)
    }

    /// The batch that [`AdversarialBatch::to_arrays`] wrote; other arrays are left alone.
    ///
    /// # Errors
    /// [`ColumnError`] naming the array that is missing or of another kind.
    pub fn from_arrays(arrays: &Arrays) -> Result<Self, ColumnError> {
        let (outcomes, record) = outcomes_from_arrays(arrays)?;
        Ok(Self {
            x_adv: Columns(arrays).images("x_adv", outcomes.len())?,
            outcomes,
            record,
        })
    }
}

/// Outcomes as arrays with one entry an image: `id` uint64, classes int64 (`y`,
/// `attacked_label`, `target`, `clean_prediction`, `prediction`; -1 where there was no answer),
/// distances float64, steps and restarts uint64, `success` and flags bool; `record` is JSON in
/// UTF-8.
///
/// # Errors
/// [`ColumnError::Record`] where a number of the record cannot be written.
pub fn outcomes_to_arrays(rows: &[Outcome], record: &AttackRecord) -> Result<Arrays, ColumnError> {
    let bools = |of: fn(&Outcome) -> bool| -> NpyArray {
        rows.iter().map(of).collect::<Array1<bool>>().into()
    };
    let numbers =
        |of: fn(&Outcome) -> f64| -> NpyArray { rows.iter().map(of).collect::<Vec<_>>().into() };
    let counts =
        |of: fn(&Outcome) -> u64| -> NpyArray { rows.iter().map(of).collect::<Vec<_>>().into() };
    let classes =
        |of: fn(&Outcome) -> i64| -> NpyArray { rows.iter().map(of).collect::<Vec<_>>().into() };
    let mut arrays = Arrays::from([
        ("id".to_owned(), counts(|o| o.id)),
        ("y".to_owned(), classes(|o| o.label as i64)),
        (
            "attacked_label".to_owned(),
            classes(|o| o.attacked_label as i64),
        ),
        ("clean_prediction".to_owned(), classes(|o| written(o.clean))),
        ("prediction".to_owned(), classes(|o| written(o.perturbed))),
        ("linf".to_owned(), numbers(|o| o.distances.linf)),
        ("l2".to_owned(), numbers(|o| o.distances.l2)),
        ("l1".to_owned(), numbers(|o| o.distances.l1)),
        ("l0".to_owned(), numbers(|o| o.distances.l0 as f64)),
        ("in_range".to_owned(), bools(|o| o.in_range)),
        ("steps".to_owned(), counts(|o| o.n_steps.into())),
        ("restart".to_owned(), counts(|o| o.restart.into())),
        (
            "member".to_owned(),
            classes(|o| o.member.map_or(ABSTAINED, i64::from)),
        ),
        ("zero_gradient".to_owned(), bools(|o| o.flags.zero_gradient)),
        (
            "no_admissible_pair".to_owned(),
            bools(|o| o.flags.no_admissible_pair),
        ),
        ("non_finite".to_owned(), bools(|o| o.flags.non_finite)),
        ("no_start".to_owned(), bools(|o| o.flags.no_start)),
        ("saturated".to_owned(), bools(|o| o.flags.saturated)),
        ("forward".to_owned(), counts(|o| o.cost.n_forward)),
        ("backward".to_owned(), counts(|o| o.cost.n_backward)),
        ("success".to_owned(), bools(Outcome::success)),
        ("initially_correct".to_owned(), bools(Outcome::right_before)),
        ("record".to_owned(), serde_json::to_vec(record)?.into()),
    ]);
    if record.targets.is_some() {
        let target = |o: &Outcome| o.target.map_or(ABSTAINED, |target| target as i64);
        arrays.insert("target".to_owned(), classes(target));
        let reached = bools(|o| o.target_reached() == Some(true));
        arrays.insert("target_reached".to_owned(), reached);
    }
    Ok(arrays)
}

/// What [`outcomes_to_arrays`] wrote; other arrays are left alone.
///
/// # Errors
/// [`ColumnError`] naming the array that is missing or of another kind.
pub fn outcomes_from_arrays(arrays: &Arrays) -> Result<(Vec<Outcome>, AttackRecord), ColumnError> {
    let from = Columns(arrays);
    let ids = from.counts("id", None)?;
    let n = Some(ids.len());
    let narrow = |name| from.integers::<u32>(name, n, "integers from 0 below 2^32");
    let (distances, flags) = (distances(&from, n)?, flags(&from, n)?);
    let in_range = from.bools("in_range", n)?;
    let (labels, attacked) = (from.classes("y", n)?, from.classes("attacked_label", n)?);
    let clean = verdicts(&from, "clean_prediction", n)?;
    let perturbed = verdicts(&from, "prediction", n)?;
    let (steps, restarts) = (narrow("steps")?, narrow("restart")?);
    let members = from.integers::<i64>("member", n, "integers")?;
    let members: Vec<_> = members.into_iter().map(|m| u32::try_from(m).ok()).collect();
    let (forward, backward) = (from.counts("forward", n)?, from.counts("backward", n)?);
    let record: AttackRecord = from.json("record")?;
    let targeted = record.targets.map(|_| from.classes("target", n));
    let targets = targeted.transpose()?;
    let outcome = |(row, &id): (usize, &u64)| Outcome {
        id,
        label: labels[row],
        attacked_label: attacked[row],
        target: targets.as_ref().map(|targets| targets[row]),
        clean: clean[row],
        perturbed: perturbed[row],
        distances: distances[row],
        in_range: in_range[row],
        n_steps: steps[row],
        restart: restarts[row],
        member: members[row],
        flags: flags[row],
        cost: Cost {
            n_forward: forward[row],
            n_backward: backward[row],
        },
    };
    Ok((ids.iter().enumerate().map(outcome).collect(), record))
}

fn distances(from: &Columns<'_>, n: Option<usize>) -> Result<Vec<Distances>, ColumnError> {
    let (linf, l2) = (from.numbers("linf", n)?, from.numbers("l2", n)?);
    let (l1, l0) = (from.numbers("l1", n)?, from.numbers("l0", n)?);
    let of_row = |row: usize| Distances {
        linf: linf[row],
        l2: l2[row],
        l1: l1[row],
        l0: l0[row] as u64,
    };
    Ok((0..linf.len()).map(of_row).collect())
}

fn flags(from: &Columns<'_>, n: Option<usize>) -> Result<Vec<Flags>, ColumnError> {
    let zero_gradient = from.bools("zero_gradient", n)?;
    let no_admissible_pair = from.bools("no_admissible_pair", n)?;
    let non_finite = from.bools("non_finite", n)?;
    let no_start = from.bools("no_start", n)?;
    let saturated = from.bools("saturated", n)?;
    let of_row = |row: usize| Flags {
        zero_gradient: zero_gradient[row],
        no_admissible_pair: no_admissible_pair[row],
        non_finite: non_finite[row],
        no_start: no_start[row],
        saturated: saturated[row],
    };
    Ok((0..non_finite.len()).map(of_row).collect())
}

/// The class of a verdict, or what stands for none.
fn written(verdict: Verdict) -> i64 {
    match verdict {
        Verdict::Class(class) => class as i64,
        Verdict::Abstain => ABSTAINED,
        Verdict::Rejected => REJECTED,
    }
}

/// The verdicts called `name`.
fn verdicts(from: &Columns<'_>, name: &str, n: Option<usize>) -> Result<Vec<Verdict>, ColumnError> {
    let verdict = |class: i64| match (usize::try_from(class), class) {
        (Ok(class), _) => Ok(Verdict::Class(class)),
        (_, ABSTAINED) => Ok(Verdict::Abstain),
        (_, REJECTED) => Ok(Verdict::Rejected),
        _ => Err(from.kind(name, "classes from 0, -1 or -2")),
    };
    from.integers(name, n, "integers")?
        .into_iter()
        .map(verdict)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::noise::NoiseMode;
    use crate::attack::record::{Counts, Origin};
    use crate::attack::surrogate::SurrogateRule;
    use crate::attack::{Dialect, LabelSource};
    use crate::classifier::Randomness;
    use crate::classifier::Surrogate;
    use crate::decision::Decision;
    use crate::threat::{Bound, Budget, Goal, Norm, PixelRange};
    use ndarray::Array4;

    fn outcomes() -> Vec<Outcome> {
        vec![
            Outcome {
                id: 7,
                label: 1,
                attacked_label: 1,
                target: Some(0),
                clean: Verdict::Class(1),
                perturbed: Verdict::Class(0),
                distances: Distances::default(),
                in_range: true,
                n_steps: 3,
                restart: 0,
                member: None,
                flags: Flags::default(),
                cost: Cost {
                    n_forward: 3,
                    n_backward: 2,
                },
            },
            Outcome {
                id: 9,
                label: 0,
                attacked_label: 2,
                target: Some(1),
                clean: Verdict::Abstain,
                perturbed: Verdict::Rejected,
                distances: Distances {
                    linf: 0.1,
                    l2: 0.2,
                    l1: 0.3,
                    l0: 4,
                },
                in_range: false,
                n_steps: 40,
                restart: 1,
                member: None,
                flags: Flags {
                    non_finite: true,
                    ..Flags::default()
                },
                cost: Cost::default(),
            },
        ]
    }

    fn batch() -> AdversarialBatch {
        let (norm, eps) = (Norm::Linf, 0.3);
        AdversarialBatch {
            x_adv: Array4::from_shape_fn((2, 1, 1, 3), |(i, .., w)| (i + w) as f32 * 0.1),
            outcomes: outcomes(),
            record: AttackRecord {
                attack: "pgd(eps=0.3)".into(),
                dialect: Dialect::CleverHans21,
                labels: LabelSource::Predicted,
                goal: Goal::Targeted,
                targets: Some(Origin::Own),
                start: Origin::Own,
                randomness: Randomness::PerExample,
                noise: NoiseMode::Eot(20),
                surrogate: SurrogateRule::default(),
                surrogates: vec![("sign1".into(), Surrogate::SwishSign { scale: 0.5 })],
                seed: 3,
                n_restarts: 2,
                decision: Decision::Mean(50),
                guarded: false,
                bound: Bound::Ball(Budget { norm, eps }),
                range: PixelRange::default(),
                cost: Cost::default(),
                complete: true,
                counts: Counts::default(),
                notes: vec!["short".into()],
                members: Vec::new(),
                search: None,
            },
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let arrays = batch().to_arrays().unwrap();
        let read = AdversarialBatch::from_arrays(&arrays).unwrap();
        assert_eq!(read.to_arrays().unwrap(), arrays);
        assert_eq!(read.record, batch().record);
        assert_eq!(read.outcomes, batch().outcomes);
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
