//! Attacks: search near an image for one that is classified wrongly.
//!
//! An attack is a file here and a line in [`REGISTRY`]; it is built from a spec string and run
//! by [`run::run`], the only caller of [`Attack::perturb`]. What attacks share lies below them:
//! [`objective`] (what is pushed up), [`noise`] and [`oracle`] (how the classifier is asked),
//! [`active`] (images not yet finished), [`ascent`] (gradient steps), [`walk`] (steps by classes).

use serde::{Deserialize, Serialize};

use crate::spec::{Parameter, Spec, SpecError, Values, find_name};
use crate::threat::{Bound, Norm, PixelRange};

pub mod active;
pub mod adam;
pub mod ascent;
pub mod ball;
pub mod best;
pub mod descent;
pub mod hyperplane;
pub mod noise;
pub mod objective;
pub mod oracle;
pub mod outputs;
pub mod planes;
pub mod record;
pub mod run;
pub mod saved;
pub mod smallest;
pub mod surrogate;
pub mod walk;
pub mod weight;

mod dialect;
mod error;

pub use dialect::{Dialect, LabelSource};
pub use error::AttackError;

use objective::Aim;
use oracle::Oracle;

plug_ins! {
    /// All attacks.
    pub const REGISTRY: Entry = [
        fgsm,
        bim,
        pgd,
        mim,
        apgd,
        deepfool,
        ddn,
        fmn,
        fab,
        cw,
        ead,
        square,
        jsma,
        sigma_zero,
        pgd_l0,
        coordinate_search,
        hop_skip_jump,
        boundary,
    ];
}

/// What an attack must know of a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Gradients.
    WhiteBox,
    /// Outputs.
    ScoreBased,
    /// The class alone.
    DecisionBased,
}

impl Access {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WhiteBox => "white-box",
            Self::ScoreBased => "score-based",
            Self::DecisionBased => "decision-based",
        }
    }

    /// Whether an attack with this access may ask what one with `other` may.
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        self as u8 <= other as u8
    }
}

/// Where an attack begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the clean image, or where it draws itself.
    Own,
    /// The same, or at an image that is given.
    Optional,
    /// At an image that is already classified as the attack wants: the given one, else one that
    /// the runner finds.
    Adversarial,
}

/// What is known of an attack before it is built.
#[derive(Debug)]
pub struct Entry {
    /// Name in spec strings.
    pub id: &'static str,
    /// Name in tables, as `FGSM`.
    pub short: &'static str,
    /// Name in texts.
    pub title: &'static str,
    /// Title and year of its paper; empty where there is none.
    pub paper: &'static str,
    /// What it must know of the classifier.
    pub access: Access,
    /// Norms it can be bounded in.
    pub norms: &'static [Norm],
    /// Dialects it knows.
    pub dialects: &'static [Dialect],
    /// Where it begins.
    pub start: Start,
    /// Whether it cannot do without a target class.
    pub always_targeted: bool,
    /// What its spec takes.
    pub parameters: &'static [Parameter],
    /// Builds it from their values.
    pub build: fn(&Values) -> Result<Box<dyn Attack>, SpecError>,
}

/// Builds an attack from a spec string such as `pgd(eps=0.3,step_size=0.01,n_steps=40)`.
///
/// # Errors
/// [`SpecError`]: no spec, no such attack, no such parameter, or a value out of range.
///
/// # Example
/// ```
/// let attack = quaver::attack::build("fgsm(eps=0.1)")?;
/// assert_eq!(attack.entry().id, "fgsm");
/// # Ok::<(), quaver::spec::SpecError>(())
/// ```
pub fn build(text: &str) -> Result<Box<dyn Attack>, SpecError> {
    let spec: Spec = text.parse()?;
    let names: Vec<&str> = REGISTRY.iter().map(|entry| entry.id).collect();
    let entry = REGISTRY[find_name("attack", &spec.name, &names)?];
    (entry.build)(&spec.values(entry.parameters)?)
}

/// What is the same for all images of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Pixels (times channels) of an image, N.
    pub n_features: usize,
    /// Values a pixel may take.
    pub range: PixelRange,
    /// Whose details to follow.
    pub dialect: Dialect,
}

/// A batch to attack. Checked by the runner: shapes, pixel range, finiteness, classes.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Clean pixels, image after image, each `(c, h, w)`.
    pub pixels: &'a [f32],
    /// `[c, h, w]`.
    pub shape: [usize; 3],
    /// Keys of each image's randomness, `(n)`.
    pub ids: &'a [u64],
    /// What is aimed at, `(n)`.
    pub aims: &'a [Aim],
    /// Pixels to begin from, in range: those that were given, or that the runner found for an
    /// attack that needs adversarial ones (the clean image where it found none).
    pub start: Option<&'a [f32]>,
    /// What all images share.
    pub setting: Setting,
    /// Seed of the attack's own randomness.
    pub seed: u64,
    /// Number of the restart, from 0; randomness differs between restarts.
    pub restart: u32,
}

impl Case<'_> {
    /// Pixels of one image.
    #[must_use]
    pub const fn n_features(&self) -> usize {
        self.setting.n_features
    }

    /// Clean pixels of image `row`.
    #[must_use]
    pub fn image(&self, row: usize) -> &[f32] {
        let d = self.n_features();
        &self.pixels[row * d..][..d]
    }
}

/// What went wrong while one image was attacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// The gradient was zero everywhere at some step: nothing moved there.
    pub zero_gradient: bool,
    /// No pixel pair would have helped at some step.
    pub no_admissible_pair: bool,
    /// A gradient or a result was not finite; the last finite image is returned.
    pub non_finite: bool,
    /// The attack needs an adversarial image to begin from, and none was found.
    pub no_start: bool,
    /// Where a gradient was asked for, the softmax was so sure of a class that single precision
    /// takes it for 1: the gradient of cross-entropy as frameworks compute it is zero there.
    pub saturated: bool,
}

impl Flags {
    /// What is set in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            zero_gradient: self.zero_gradient || other.zero_gradient,
            no_admissible_pair: self.no_admissible_pair || other.no_admissible_pair,
            non_finite: self.non_finite || other.non_finite,
            no_start: self.no_start || other.no_start,
            saturated: self.saturated || other.saturated,
        }
    }
}

/// What an attack found.
#[derive(Clone, Debug)]
pub struct Perturbed {
    /// Candidates, image after image. They may overshoot: the runner projects them.
    pub pixels: Vec<f32>,
    /// Steps taken, `(n)`.
    pub n_steps: Vec<u32>,
    /// `(n)`.
    pub flags: Vec<Flags>,
}

impl Perturbed {
    /// `n` images that nothing has happened to yet.
    #[must_use]
    pub fn unchanged(pixels: Vec<f32>, n: usize) -> Self {
        Self {
            pixels,
            n_steps: vec![0; n],
            flags: vec![Flags::default(); n],
        }
    }

    /// Replaces image `row`.
    pub fn set(&mut self, row: usize, image: &[f32]) {
        self.pixels[row * image.len()..][..image.len()].copy_from_slice(image);
    }
}

/// An attack with checked parameters.
pub trait Attack: Send + Sync {
    /// Its registry entry.
    fn entry(&self) -> &'static Entry;
    /// All parameters in force under a dialect.
    ///
    /// # Errors
    /// [`SpecError`] if the parameters cannot be written as a spec.
    fn spec(&self, dialect: Dialect) -> Result<Spec, SpecError>;
    /// What a user should know of its parameters before it runs, one sentence each.
    fn warnings(&self, _: Dialect) -> Vec<String> {
        Vec::new()
    }
    /// What limits its results.
    fn bound(&self, setting: Setting) -> Bound;
    /// The most steps it takes for an image.
    fn n_steps(&self, setting: Setting) -> u32;
    /// Candidates for the images of `case`. What happens to an image depends on its pixels, its
    /// id and its aim, never on the other images.
    ///
    /// # Errors
    /// What the classifier refuses, and parameters that do not fit it.
    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError>;
}
