//! AutoAttack.

use serde::Deserialize;

use crate::attack::ascent::EPS;
use crate::attack::noise::NoiseMode;
use crate::attack::surrogate::SurrogateRule;
use crate::spec::{Allowed, Parameter, Spec, SpecError, Values};

use super::{Ball, Entry, Facts, Member, Plan, fab, in_ball};

const NORM: Parameter = Parameter {
    name: "norm",
    default: "linf",
    allowed: Allowed::OneOf(&["linf", "l2", "l1"]),
    about: "how lengths are measured",
};
const VERSION: Parameter = Parameter {
    name: "version",
    default: "standard",
    allowed: Allowed::OneOf(&["standard", "plus", "rand"]),
    about: "which members: standard, more of them (plus), or those for randomized networks (rand)",
};

/// AutoAttack: its members in its order, each on the images that the others left. Differs: members
/// are those of this program, which avoid known weaknesses, and surrogate gradients are the
/// model's own, as they are for others who run it.
pub(super) const ENTRY: Entry = Entry {
    id: "autoattack",
    title: "AutoAttack's members in its order",
    paper: "Reliable evaluation of adversarial robustness with an ensemble of diverse \
            parameter-free attacks (2020)",
    parameters: &[EPS, NORM, VERSION],
    plan,
};

#[derive(Deserialize)]
struct Params {
    #[serde(flatten)]
    ball: Ball,
    version: String,
}

/// Targets of APGD-T and FAB-T.
const N_TARGETS: usize = 9;
/// Draws that gradients of randomized networks average.
const N_DRAWS: u32 = 20;

fn plan(values: &Values, facts: &Facts) -> Result<Plan, SpecError> {
    let Params { ball, version } = values.read()?;
    let targets = (facts.n_classes - 1).min(N_TARGETS) as u32;
    let many = facts.n_classes > 3;
    let mut members = Vec::new();
    let mut add = |attack: Spec, n_restarts: u32| {
        members.push(Member {
            attack,
            n_restarts,
            surrogate: Some(SurrogateRule::model()),
            noise: NoiseMode::Eot(N_DRAWS),
            follows_search: false,
        });
    };
    let restarts = if version == "plus" { 5 } else { 1 };
    let apgd = |more: &str| in_ball("apgd", &ball, &format!("n_steps=100,loss={more}"));
    add(apgd("cross-entropy-f64")?, restarts);
    if version != "standard" && facts.n_classes > 2 {
        add(apgd("dlr")?, restarts);
    }
    if version == "plus" {
        add(fab(&ball, 0)?, restarts);
        add(in_ball("square", &ball, "n_queries=5000")?, 1);
    }
    if version != "rand" && many {
        add(apgd(&format!("dlr,n_target_classes={targets}"))?, targets);
        add(fab(&ball, targets)?, targets);
    }
    if version == "standard" {
        add(in_ball("square", &ball, "n_queries=5000")?, 1);
    }
    let search = None;
    Ok(Plan { members, search })
}
