//! Attacks: search near an image for one that is classified wrongly.
//!
//! An attack is a file here and a line in [`REGISTRY`]; it is built from a spec string and run
//! by [`run::run`], the only caller of [`Attack::perturb`]. What attacks share lies below them:
//! [`objective`] (what is pushed up), [`noise`] and [`oracle`] (how the classifier is asked),
//! [`active`] (images not yet finished), [`ascent`] (gradient steps), [`pairs`] (best pixel pair).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::classifier::ClassifierError;
use crate::decision::DecisionError;
use crate::spec::{Parameter, Spec, SpecError, Values, find_name};
use crate::threat::{Budget, Norm, PixelRange};

pub mod active;
pub mod ascent;
pub mod noise;
pub mod objective;
pub mod oracle;
pub mod pairs;
pub mod record;
pub mod run;
pub mod saved;

use objective::Aim;
use oracle::Oracle;

plug_ins! {
    /// All attacks.
    pub const REGISTRY: Entry = [fgsm, bim, pgd, jsma];
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

/// Whose details an attack follows where implementations of it differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialect {
    /// Ours: without the known weaknesses of the others.
    #[default]
    #[serde(rename = "corrected")]
    Corrected,
    /// CleverHans 2.1 to 3.0.
    #[serde(rename = "cleverhans-2.1")]
    CleverHans21,
    /// CleverHans 3.1.
    #[serde(rename = "cleverhans-3.1")]
    CleverHans31,
    /// Adversarial Robustness Toolbox.
    #[serde(rename = "art")]
    Art,
    /// Torchattacks.
    #[serde(rename = "torchattacks")]
    Torchattacks,
}

impl Dialect {
    const ALL: [Self; 5] = [
        Self::Corrected,
        Self::CleverHans21,
        Self::CleverHans31,
        Self::Art,
        Self::Torchattacks,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::CleverHans21 => "cleverhans-2.1",
            Self::CleverHans31 => "cleverhans-3.1",
            Self::Art => "art",
            Self::Torchattacks => "torchattacks",
        }
    }

    /// Which labels it attacks unless told.
    #[must_use]
    pub const fn labels(self) -> LabelSource {
        match self {
            Self::Corrected | Self::Torchattacks => LabelSource::True,
            Self::CleverHans21 | Self::CleverHans31 | Self::Art => LabelSource::Predicted,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        Ok(Self::ALL[find_name("dialect", text, &Self::ALL.map(Self::name))?])
    }
}

/// Which class an attack takes for that of a clean image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelSource {
    /// The label.
    #[default]
    True,
    /// The class that one pass of the classifier names.
    Predicted,
}

/// What is known of an attack before it is built.
#[derive(Debug)]
pub struct Entry {
    /// Name in spec strings.
    pub id: &'static str,
    /// Name in texts.
    pub title: &'static str,
    /// Title and year of its paper.
    pub paper: &'static str,
    /// What it must know of the classifier.
    pub access: Access,
    /// Norms it can be bounded in.
    pub norms: &'static [Norm],
    /// Dialects it knows.
    pub dialects: &'static [Dialect],
    /// Whether it can begin from given images.
    pub takes_start: bool,
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
    /// Pixels to begin from instead of a random start, in range.
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
}

impl Flags {
    /// What is set in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            zero_gradient: self.zero_gradient || other.zero_gradient,
            no_admissible_pair: self.no_admissible_pair || other.no_admissible_pair,
            non_finite: self.non_finite || other.non_finite,
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
    /// The ball its results lie in.
    fn budget(&self, setting: Setting) -> Budget;
    /// The most steps it takes for an image.
    fn n_steps(&self, setting: Setting) -> u32;
    /// Candidates for the images of `case`. What happens to an image depends on its pixels, its
    /// id and its aim, never on the other images.
    ///
    /// # Errors
    /// What the classifier refuses, and parameters that do not fit it.
    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError>;
}

/// An attack cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AttackError {
    /// The classifier refused.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// A parameter or option is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The decision rule is wrong.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// Pixels do not fill the images.
    #[error("pixels do not fill the images: {0}")]
    Layout(#[from] ndarray::ShapeError),
    /// Images of another shape than the classifier's.
    #[error("expected {what} of shape {allowed:?}, got {got:?}")]
    Shape {
        /// Which images.
        what: &'static str,
        /// Their shape.
        got: Vec<usize>,
        /// The shape they should have.
        allowed: Vec<usize>,
    },
    /// A list does not have one entry an image.
    #[error("expected {allowed} {what}, one an image, got {got}")]
    Length {
        /// Which list.
        what: &'static str,
        /// Its length.
        got: usize,
        /// Number of images.
        allowed: usize,
    },
    /// A pixel is out of range or not finite.
    #[error("{what} {image} holds the pixel {got}; allowed: {low} to {high}")]
    Pixel {
        /// Which images.
        what: &'static str,
        /// Row of the image.
        image: usize,
        /// The pixel.
        got: f32,
        /// Lowest value allowed.
        low: f32,
        /// Highest value allowed.
        high: f32,
    },
    /// There is no such class.
    #[error("{what} of image {image} is {got}; allowed: 0 to {}", n_classes - 1)]
    Class {
        /// Label or target.
        what: &'static str,
        /// Row of the image.
        image: usize,
        /// The class.
        got: usize,
        /// Number of classes.
        n_classes: usize,
    },
    /// A white-box attack met a classifier without gradients.
    #[error(
        "{attack} needs input gradients, and this classifier has none; allowed: score-based and decision-based attacks"
    )]
    NeedsGradient {
        /// The attack.
        attack: &'static str,
    },
    /// The attack does not know the dialect.
    #[error("{attack} has no dialect {got}; allowed: {allowed}")]
    Dialect {
        /// The attack.
        attack: &'static str,
        /// The dialect asked for.
        got: Dialect,
        /// Its dialects.
        allowed: String,
    },
    /// Something was given that the attack would ignore.
    #[error("{attack} takes no {what} here; {reason}")]
    NotTaken {
        /// The attack.
        attack: &'static str,
        /// What was given.
        what: &'static str,
        /// Why it is of no use.
        reason: &'static str,
    },
    /// The classifier has too few classes.
    #[error("{what} needs at least {allowed} classes, and the classifier has {got}")]
    TooFewClasses {
        /// What needs them.
        what: String,
        /// Number of classes.
        got: usize,
        /// Fewest classes.
        allowed: usize,
    },
    /// Steps, draws and restarts together are more than draws can be numbered.
    #[error("{got} draws of noise in one attack; allowed: up to {}", u32::MAX)]
    TooManyDraws {
        /// Steps times draws times restarts.
        got: u64,
    },
}
