//! Suites: attacks one after another, each on the images that the ones before it left standing.
//!
//! A suite is a file here and a line in [`REGISTRY`]; it says which attacks take part, in which
//! order, from what is known of the classifier. [`run::run`] runs it: a spec such as
//! `quaver(eps=8/255)` stands wherever an attack's does.

use crate::attack::noise::NoiseMode;
use crate::attack::surrogate::SurrogateRule;
use crate::attack::{self, AttackError};
use crate::classifier::{Batch, Classifier, Randomness};
use crate::spec::{Allowed, Parameter, Spec, SpecError, Values};
use crate::threat::{Budget, Norm};
use ndarray::Array4;

mod judge;
pub mod run;
mod search;
mod state;

plug_ins! {
    /// All suites.
    pub const REGISTRY: Entry = [autoattack, quaver];
}

/// What is known of a suite before it is built.
#[derive(Debug)]
pub struct Entry {
    /// Name in specs.
    pub id: &'static str,
    /// Name in texts.
    pub title: &'static str,
    /// Title and year of its paper; empty where there is none.
    pub paper: &'static str,
    /// What its spec takes: `eps` and `norm`, as attacks have them, among them.
    pub parameters: &'static [Parameter],
    /// Says what takes part.
    pub plan: fn(&Values, &Facts) -> Result<Plan, SpecError>,
}

/// What a plan depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Number of classes.
    pub n_classes: usize,
    /// How the classifier is random.
    pub randomness: Randomness,
    /// Whether it has gradients.
    pub has_gradient: bool,
    /// Whether those pass layers of binary activations, where they are surrogates.
    pub is_binarized: bool,
}

impl Facts {
    /// Of a classifier.
    ///
    /// # Errors
    /// What the classifier refuses.
    pub fn of(model: &dyn Classifier) -> Result<Self, AttackError> {
        let [c, h, w] = model.input_shape();
        let none = Array4::zeros((0, c, h, w));
        let layers = model.quantized(Batch {
            x: none.view(),
            ids: &[],
        })?;
        Ok(Self {
            n_classes: model.n_classes(),
            randomness: model.randomness(),
            has_gradient: model.has_gradient(),
            is_binarized: layers.iter().any(|layer| layer.is_binary),
        })
    }
}

/// What a suite does to a classifier.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The attacks, in order.
    pub members: Vec<Member>,
    /// Where the search stands among them, if there is one: before this many.
    pub search: Option<Search>,
}

/// An attack of a suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The attack.
    pub attack: Spec,
    /// Runs on each image that stands.
    pub n_restarts: u32,
    /// Surrogate gradients; those of the search where there is none.
    pub surrogate: Option<SurrogateRule>,
    /// Randomness of the classifier that it sees.
    pub noise: NoiseMode,
    /// Whether loss and step size are those that the search found.
    pub follows_search: bool,
}

/// A search for the strongest setting of PGD on some of the images.
#[derive(Clone, Debug)]
pub struct Search {
    /// Members that run before it.
    pub after: usize,
    /// Surrogates of members that leave them to the search, where too few images stand for one.
    pub otherwise: SurrogateRule,
    /// The PGD that is varied.
    pub base: Member,
    /// Surrogates to try; the first is the default.
    pub surrogates: Vec<SurrogateRule>,
    /// Losses to try.
    pub losses: Vec<String>,
    /// Lengths of a step to try, in parts of eps.
    pub steps: Vec<f64>,
}

/// A suite with checked parameters.
#[derive(Clone, Debug)]
pub struct Suite {
    entry: &'static Entry,
    values: Values,
    budget: Budget,
}

impl Suite {
    /// The suite that a spec such as `quaver(eps=8/255)` asks for; `None` where its name is no
    /// suite's.
    ///
    /// # Errors
    /// [`SpecError`]: no spec, no such parameter, or a value out of range.
    pub fn find(text: &str) -> Result<Option<Self>, SpecError> {
        let spec: Spec = text.parse()?;
        let Some(entry) = REGISTRY.iter().find(|entry| entry.id == spec.name) else {
            return Ok(None);
        };
        let values = spec.values(entry.parameters)?;
        let Ball { eps, norm } = values.read_some(&["eps", "norm"])?;
        Ok(Some(Self {
            entry,
            values,
            budget: Budget {
                norm,
                eps: eps as f32,
            },
        }))
    }

    /// Its registry entry.
    #[must_use]
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// All parameters in force.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        self.values.spec()
    }

    /// The ball that perturbed images lie in.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// What it does to a classifier.
    ///
    /// # Errors
    /// What the suite cannot do to such a classifier.
    pub fn plan(&self, facts: &Facts) -> Result<Plan, SpecError> {
        let plan = (self.entry.plan)(&self.values, facts)?;
        for member in &plan.members {
            attack::build(&member.attack.to_string())?;
        }
        Ok(plan)
    }
}

#[derive(serde::Deserialize)]
struct Ball {
    eps: f64,
    norm: Norm,
}

/// Budgets of time.
const BUDGET: Parameter = Parameter {
    name: "budget",
    default: "standard",
    allowed: Allowed::OneOf(&["quick", "standard", "thorough"]),
    about: "how many steps, restarts and queries",
};

/// The spec of FAB, which needs no radius.
fn fab(ball: &Ball, n_target_classes: u32) -> Result<Spec, SpecError> {
    let norm = format!("{:?}", ball.norm).to_lowercase();
    format!("fab(norm={norm},n_target_classes={n_target_classes})").parse()
}

/// The spec of an attack in a ball, with other parameters as a spec gives them.
fn in_ball(attack: &str, ball: &Ball, more: &str) -> Result<Spec, SpecError> {
    let norm = format!("{:?}", ball.norm).to_lowercase();
    let comma = if more.is_empty() { "" } else { "," };
    format!("{attack}(eps={:?},norm={norm}{comma}{more})", ball.eps).parse()
}
