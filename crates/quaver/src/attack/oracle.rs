//! [`Oracle`]: how an attack asks a classifier. It hands out what the attack's access allows,
//! under a noise mode, and counts for each image what was asked.

use std::ops::AddAssign;
use std::sync::OnceLock;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::classifier::{Classifier, Images, Noise, Purpose, Randomness, Tap, pixels};
use crate::rng::Rng;
use crate::threat::Goal;

use super::active::Active;
use super::noise::NoiseMode;
use super::objective::Loss;
use super::outputs::Outputs;
use super::surrogate::Opened;
use super::{Access, AttackError, Case, Entry};

/// What an attack asked of the classifier, in images times passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Forward passes.
    pub n_forward: u64,
    /// Backward passes.
    pub n_backward: u64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, more: Self) {
        self.n_forward += more.n_forward;
        self.n_backward += more.n_backward;
    }
}

/// Which question of an attack about an image this is. The noise is drawn by the image's id and
/// by this, so an attack that asks several times in a step numbers its queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// The step, from 0 to the attack's number of steps.
    pub step: u32,
    /// Number of the query within the step, from 0.
    pub number: u32,
}

impl From<u32> for Query {
    /// The only query of a step.
    fn from(step: u32) -> Self {
        let number = 0;
        Self { step, number }
    }
}

/// What an attack asked, and what was seen on the way.
pub(super) struct Asked {
    /// For each image.
    pub(super) costs: Vec<Cost>,
    /// For each: whether its softmax saturated where a gradient was asked for.
    pub(super) saturated: Vec<bool>,
    /// Logits of the clean images if they were asked for and the classifier is not random.
    pub(super) logits: Option<Array2<f32>>,
}

/// Gradients at the outputs for one image, laid out as those are.
type Upstreams = Vec<Vec<f32>>;

/// A classifier under one noise mode, as one attack sees it.
pub struct Oracle<'a> {
    model: &'a dyn Classifier,
    /// Those that are asked for gradients, in turn from step to step.
    gradients: &'a [Opened],
    entry: &'static Entry,
    noise: NoiseMode,
    seed: u64,
    first_pass: u32,
    /// For each image of the case.
    costs: Vec<Cost>,
    /// For each: whether its softmax saturated where a gradient was asked for.
    saturated: Vec<bool>,
    /// Pixels of the clean images, whose logits are kept once they are asked for.
    clean: Option<&'a [f32]>,
    logits: Option<Array2<f32>>,
}

impl<'a> Oracle<'a> {
    /// For the attack of `entry` on `case`. Draws are keyed by the case's seed and number from
    /// `first_pass` on. A classifier that is not random is asked once a step, whatever the mode.
    #[must_use]
    pub fn new(
        model: &'a dyn Classifier,
        entry: &'static Entry,
        noise: NoiseMode,
        case: &Case<'a>,
        first_pass: u32,
    ) -> Self {
        let deterministic = model.randomness() == Randomness::None;
        Self {
            model,
            gradients: &[],
            entry,
            noise: if deterministic { NoiseMode::Off } else { noise },
            seed: case.seed,
            first_pass,
            costs: vec![Cost::default(); case.ids.len()],
            saturated: vec![false; case.ids.len()],
            clean: deterministic.then_some(case.pixels),
            logits: None,
        }
    }

    /// The same with gradients of `others`, which have the same outputs, in turn from step to
    /// step.
    pub(super) fn with_gradients(self, others: &'a [Opened]) -> Self {
        Self {
            gradients: others,
            ..self
        }
    }

    /// Which classifier is asked for the gradient of a step.
    fn of_step(&self, step: u32) -> &'a dyn Classifier {
        let other = match self.gradients {
            [] => None,
            others => others[step as usize % others.len()].as_deref(),
        };
        other.unwrap_or(self.model)
    }

    /// What was asked.
    pub(super) fn finish(self) -> Asked {
        Asked {
            costs: self.costs,
            saturated: self.saturated,
            logits: self.logits,
        }
    }

    /// The noise mode in force; off for a classifier without randomness.
    #[must_use]
    pub const fn noise(&self) -> NoiseMode {
        self.noise
    }

    /// Whether the classifier always gives an image the same answer, so that one that meets its
    /// aim has met it for good.
    #[must_use]
    pub const fn is_deterministic(&self) -> bool {
        self.clean.is_some()
    }

    /// Number of classes.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.model.n_classes()
    }

    /// Classes of the active images by their mean softmax over the draws of `query`, `None` where
    /// an output is not a number. What a decision-based attack may ask.
    ///
    /// # Errors
    /// What the classifier refuses.
    pub fn classes<S>(
        &mut self,
        active: &Active<'_, S>,
        query: impl Into<Query>,
    ) -> Result<Vec<Option<usize>>, AttackError> {
        let outputs = self.ask(active, query.into(), &[])?;
        Ok((0..active.rows.len()).map(|i| outputs.class(i)).collect())
    }

    /// Logits of the active images under the draws of `query`, and the layer outputs that `loss`
    /// reads. What a score-based attack may ask, of losses that read logits alone.
    ///
    /// # Errors
    /// [`AttackError::Access`], [`AttackError::TooFewClasses`] for the loss, and what the
    /// classifier refuses.
    pub fn outputs<S>(
        &mut self,
        active: &Active<'_, S>,
        query: impl Into<Query>,
        loss: &Loss,
    ) -> Result<Outputs, AttackError> {
        match loss.taps() {
            [] => self.allow(Access::ScoreBased, "scores")?,
            _ => self.allow(Access::WhiteBox, "layer outputs")?,
        }
        self.check_classes(active, loss)?;
        self.ask(active, query.into(), loss.taps())
    }

    /// The same, and the gradient of `loss` with respect to the pixels, image after image. What a
    /// white-box attack may ask.
    ///
    /// # Errors
    /// [`AttackError::Access`], [`AttackError::TooFewClasses`] for the loss, and what the
    /// classifier refuses.
    pub fn gradient<S: Sync>(
        &mut self,
        active: &Active<'_, S>,
        query: impl Into<Query>,
        loss: &Loss,
    ) -> Result<(Outputs, Vec<f32>), AttackError> {
        self.allow(Access::WhiteBox, "gradients")?;
        self.check_classes(active, loss)?;
        let query = query.into();
        let backward = match self.noise {
            NoiseMode::PerBackward => vec![Noise::draw(
                self.query_seed(query),
                Purpose::AttackBackward,
                self.first_pass + query.step,
            )],
            _ => self.draws(query),
        };
        self.count(active, 1, 1, backward.len());
        // Where a draw's upstream gradient follows from that draw alone, one forward pass is enough.
        let joined = loss.joins_draws() && backward.len() > 1;
        let known = if self.noise == NoiseMode::PerBackward || joined {
            Some(self.upstream(active, query, loss)?)
        } else {
            None
        };
        let (n, taps) = (active.rows.len(), loss.taps());
        let seen: Vec<OnceLock<Vec<f32>>> = match (&known, backward.len()) {
            (Some(_), _) | (None, 1) => Vec::new(),
            (None, n_draws) => vec![OnceLock::new(); n * n_draws],
        };
        let weight = 1.0 / backward.len() as f64;
        let vjp = self.of_step(query.step).vjp(
            active.batch()?,
            &backward,
            &with_logits(taps),
            &|row, k, outputs, upstream| {
                if let Some((_, known)) = &known {
                    let known = &known[row][k * upstream.len()..];
                    let each = upstream.iter_mut().zip(known);
                    return each.for_each(|(up, known)| up.copy_from_slice(known));
                }
                if let Some(seen) = seen.get(k * n + row) {
                    seen.get_or_init(|| outputs.concat());
                }
                loss.gradient(&active.view(row, taps, outputs), weight, upstream);
            },
        )?;
        let outputs = match known {
            Some((outputs, _)) => outputs,
            None if seen.is_empty() => Outputs::new(taps, vjp.outputs),
            None => Outputs::new(taps, collect_draws(&seen, n, &vjp.outputs)),
        };
        for (place, row) in active.rows.iter().enumerate() {
            self.saturated[*row] |= outputs.saturates(place);
        }
        self.keep(active, &outputs)?;
        let mut gradient = flat(vjp.gradient);
        if loss.reads_pixels() && n > 0 {
            let d = gradient.len() / n;
            for (place, gradient) in gradient.chunks_mut(d).enumerate() {
                let of_image = outputs.of_image(place);
                loss.pixel_gradient(&active.view(place, taps, &of_image), gradient);
            }
        }
        Ok((outputs, gradient))
    }

    /// Outputs under the draws of `query`, and for each image the gradient of `loss` at each.
    fn upstream<S>(
        &mut self,
        active: &Active<'_, S>,
        query: Query,
        loss: &Loss,
    ) -> Result<(Outputs, Vec<Upstreams>), AttackError> {
        let outputs = self.ask(active, query, loss.taps())?;
        let of_image = |place: usize| {
            let seen = outputs.of_image(place);
            let mut upstream: Vec<Vec<f32>> = seen.iter().map(|z| vec![0.0; z.len()]).collect();
            let mut slices: Vec<&mut [f32]> = upstream.iter_mut().map(Vec::as_mut_slice).collect();
            loss.gradient(&active.view(place, loss.taps(), &seen), 1.0, &mut slices);
            upstream
        };
        let upstream = (0..active.rows.len()).map(of_image).collect();
        Ok((outputs, upstream))
    }

    /// A forward pass under each draw of `query`.
    fn ask<S>(
        &mut self,
        active: &Active<'_, S>,
        query: Query,
        taps: &[String],
    ) -> Result<Outputs, AttackError> {
        let noises = self.draws(query);
        self.count(active, 1, 0, noises.len());
        let batch = active.batch()?;
        let mut arrays = Vec::new();
        for noise in noises {
            match taps {
                [] => arrays.push(self.model.logits(batch, noise)?),
                _ => arrays.extend(self.model.outputs(batch, noise, &with_logits(taps))?),
            }
        }
        let outputs = Outputs::new(taps, arrays);
        self.keep(active, &outputs)?;
        Ok(outputs)
    }

    fn allow(&self, needed: Access, asked: &'static str) -> Result<(), AttackError> {
        let access = self.entry.access;
        if access.includes(needed) {
            return Ok(());
        }
        Err(AttackError::Access {
            attack: self.entry.id,
            access,
            asked,
        })
    }

    fn check_classes<S>(&self, active: &Active<'_, S>, loss: &Loss) -> Result<(), AttackError> {
        let goal = match active.aims.iter().any(|aim| aim.target.is_some()) {
            true => Goal::Targeted,
            false => Goal::Untargeted,
        };
        let (got, allowed) = (self.n_classes(), loss.min_classes(goal));
        if got >= allowed {
            return Ok(());
        }
        Err(AttackError::TooFewClasses {
            what: format!("the loss {loss}"),
            got,
            allowed,
        })
    }

    fn count<S>(
        &mut self,
        active: &Active<'_, S>,
        n_forward: u64,
        n_backward: u64,
        n_draws: usize,
    ) {
        let n_draws = n_draws as u64;
        for row in &active.rows {
            self.costs[*row] += Cost {
                n_forward: n_forward * n_draws,
                n_backward: n_backward * n_draws,
            };
        }
    }

    fn keep<S>(&mut self, active: &Active<'_, S>, outputs: &Outputs) -> Result<(), AttackError> {
        let Some(clean) = self.clean.filter(|_| self.logits.is_none()) else {
            return Ok(());
        };
        if *pixels(active.batch()?.x) == *clean {
            self.logits = Some(outputs.logits().clone());
        }
        Ok(())
    }

    /// Queries after the first of a step draw from seeds of their own.
    fn query_seed(&self, query: Query) -> u64 {
        match query.number {
            0 => self.seed,
            number => Rng::new(self.seed, "attack-query", number.into()).next_u64(),
        }
    }

    fn draws(&self, query: Query) -> Vec<Noise> {
        let (n_draws, seed) = (self.noise.n_draws(), self.query_seed(query));
        let draw = |k| match self.noise {
            NoiseMode::Off => Noise::Off,
            NoiseMode::Fixed => Noise::draw(self.seed, Purpose::Attack, 0),
            _ => Noise::draw(
                seed,
                Purpose::Attack,
                self.first_pass + query.step * n_draws + k,
            ),
        };
        (0..n_draws).map(draw).collect()
    }
}

fn with_logits(taps: &[String]) -> Vec<Tap<'_>> {
    let layers = taps.iter().map(|tap| Tap::Layer(tap));
    std::iter::once(Tap::Logits).chain(layers).collect()
}

/// Pixels image after image; copied only if they do not lie so already.
fn flat(images: Images) -> Vec<f32> {
    if images.is_standard_layout() {
        images.into_raw_vec_and_offset().0
    } else {
        images.iter().copied().collect()
    }
}

/// Arrays of the outputs seen of `n` images, draw after draw, shaped as those of `last`; what the
/// classifier never showed is not a number.
fn collect_draws(seen: &[OnceLock<Vec<f32>>], n: usize, last: &[Array2<f32>]) -> Vec<Array2<f32>> {
    let mut arrays = Vec::new();
    for rows in seen.chunks(n) {
        let mut from = 0;
        for like in last {
            let width = like.ncols();
            arrays.push(Array2::from_shape_fn((n, width), |(row, column)| {
                let value = rows[row].get().and_then(|all| all.get(from + column));
                value.copied().unwrap_or(f32::NAN)
            }));
            from += width;
        }
    }
    arrays
}
