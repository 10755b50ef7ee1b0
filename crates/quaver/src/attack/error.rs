//! [`AttackError`].

use crate::classifier::ClassifierError;
use crate::decision::DecisionError;
use crate::spec::SpecError;

use super::{Access, Dialect};

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
    /// The deployed rule cannot answer.
    #[error(transparent)]
    Deployed(Box<dyn std::error::Error + Send + Sync>),
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
    /// A target that an image has already reached.
    #[error("target of image {image} is {label}, which is its label; allowed: any other class")]
    TargetIsLabel {
        /// Row of the image.
        image: usize,
        /// Its label.
        label: usize,
    },
    /// A white-box attack met a classifier without gradients.
    #[error(
        "{attack} needs input gradients, and this classifier has none; allowed: score-based and decision-based attacks"
    )]
    NeedsGradient {
        /// The attack.
        attack: &'static str,
    },
    /// An attack asked for what its access does not include.
    #[error("{attack} is {} and asked for {asked}", access.name())]
    Access {
        /// The attack.
        attack: &'static str,
        /// What its entry says that it must know.
        access: Access,
        /// What it asked for.
        asked: &'static str,
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
