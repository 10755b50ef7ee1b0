//! The suite of this program.

use serde::Deserialize;

use crate::attack::ascent::EPS;
use crate::attack::noise::NoiseMode;
use crate::attack::surrogate::SurrogateRule;
use crate::classifier::Randomness;
use crate::spec::{Allowed, Parameter, SpecError, Values};

use super::{BUDGET, Ball, Entry, Facts, Member, Plan, Search, fab, in_ball};

const NORM: Parameter = Parameter {
    name: "norm",
    default: "linf",
    allowed: Allowed::OneOf(&["linf", "l2"]),
    about: "how lengths are measured",
};

/// The attacks that are strongest for their cost on quantized and randomized networks: PGD whose
/// surrogates are searched for, targeted PGD, FAB, and attacks that ask for no gradient.
pub(super) const ENTRY: Entry = Entry {
    id: "quaver",
    title: "attacks that are strongest for their cost, with surrogates searched for",
    paper: "",
    parameters: &[EPS, NORM, BUDGET],
    plan,
};

#[derive(Deserialize)]
struct Params {
    #[serde(flatten)]
    ball: Ball,
    budget: Budget,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Budget {
    Quick,
    Standard,
    Thorough,
}

fn rule(text: &str) -> Result<SurrogateRule, SpecError> {
    text.parse()
}

fn plan(values: &Values, facts: &Facts) -> Result<Plan, SpecError> {
    let Params { ball, budget } = values.read()?;
    match (facts.has_gradient, facts.randomness) {
        (true, Randomness::None) => deterministic(&ball, budget, facts),
        (true, _) => randomized(&ball, budget, facts),
        (false, _) => scores(&ball, budget, facts),
    }
}

/// Steps and restarts of a budget.
impl Budget {
    fn pick<T: Copy>(self, [quick, standard, thorough]: [T; 3]) -> T {
        match self {
            Self::Quick => quick,
            Self::Standard => standard,
            Self::Thorough => thorough,
        }
    }
}

/// Surrogates that the search tries; those of restarts take turns.
const SURROGATES: [&str; 9] = [
    "auto",
    "auto(width=0.5)",
    "auto(width=2)",
    "auto(shape=approx-sign,width=0.35)",
    "auto(shape=approx-sign,width=0.6)",
    "auto(shape=approx-sign,width=1)",
    "auto(shape=tanh,width=0.3)",
    "auto(shape=hardtanh,width=0.3)",
    "model",
];
/// Surrogates that take turns where too few images stand for a search.
const FIRST: &str = "auto(shape=approx-sign,width=0.4)|auto|auto(width=0.6)";
/// Surrogates of the restarts at the end, whatever the search chose.
const ENSEMBLE: &str = "auto(shape=approx-sign,width=0.4)|auto|auto(shape=tanh,width=0.3)|\
                        auto(width=0.6)|auto(shape=approx-sign,width=0.8)|auto(width=1.6)";
/// Losses that the search tries.
const LOSSES: [&str; 3] = ["log-odds", "margin", "dlr"];
/// Lengths of a step that the search tries, in parts of eps.
const STEPS: [f64; 3] = [0.1, 0.25, 0.04];

fn search(base: Member, after: usize, facts: &Facts) -> Result<Search, SpecError> {
    let surrogates = match facts.is_binarized {
        true => &SURROGATES[..],
        false => &SURROGATES[..1],
    };
    let surrogates: Result<_, _> = surrogates.iter().map(|text| rule(text)).collect();
    let losses = match facts.n_classes {
        ..3 => &LOSSES[..2],
        _ => &LOSSES[..],
    };
    Ok(Search {
        after,
        otherwise: rule(FIRST)?,
        base,
        surrogates: surrogates?,
        losses: losses.iter().map(|loss| (*loss).to_owned()).collect(),
        steps: STEPS.to_vec(),
    })
}

/// A member that follows the search.
fn member(attack: &str, ball: &Ball, more: &str, n_restarts: u32) -> Result<Member, SpecError> {
    Ok(Member {
        attack: in_ball(attack, ball, more)?,
        n_restarts,
        surrogate: None,
        noise: NoiseMode::Off,
        follows_search: false,
    })
}

fn deterministic(ball: &Ball, budget: Budget, facts: &Facts) -> Result<Plan, SpecError> {
    let first = Member {
        surrogate: Some(SurrogateRule::default()),
        ..member("pgd", ball, "n_steps=40", 1)?
    };
    let tried = member("pgd", ball, "n_steps=20", 1)?;
    let found = Member {
        follows_search: true,
        ..member("pgd", ball, "n_steps=100", budget.pick([2, 10, 40]))?
    };
    let mut members = vec![first, found];
    if facts.n_classes > 3 {
        let n_targets = (facts.n_classes - 1).min(9) as u32;
        let rounds = budget.pick([1, 1, 3]);
        let more = format!("n_steps=100,loss=dlr,n_target_classes={n_targets}");
        members.push(member("apgd", ball, &more, n_targets * rounds)?);
        members.push(Member {
            attack: fab(ball, n_targets)?,
            ..member("pgd", ball, "", n_targets * rounds)?
        });
    }
    if facts.is_binarized {
        members.push(Member {
            surrogate: Some(rule(ENSEMBLE)?),
            ..member("pgd", ball, "n_steps=100", budget.pick([6, 24, 96]))?
        });
    }
    Ok(Plan {
        members,
        search: Some(search(tried, 1, facts)?),
    })
}

fn randomized(ball: &Ball, budget: Budget, facts: &Facts) -> Result<Plan, SpecError> {
    let eot = |n_draws: u32, member: Member| Member {
        noise: NoiseMode::Eot(n_draws),
        ..member
    };
    let first = Member {
        surrogate: Some(SurrogateRule::default()),
        ..eot(10, member("pgd", ball, "n_steps=40", 1)?)
    };
    let tried = eot(5, member("pgd", ball, "n_steps=20", 1)?);
    let n_draws = budget.pick([10, 40, 40]);
    let long = |loss: &str| -> Result<Member, SpecError> {
        let more = format!("n_steps=100,schedule=cosine,loss={loss}");
        let n_restarts = budget.pick([1, 1, 4]);
        Ok(eot(n_draws, member("pgd", ball, &more, n_restarts)?))
    };
    Ok(Plan {
        members: vec![first, long("mean-margin")?, long("log-odds")?],
        search: Some(Search {
            losses: vec!["log-odds".to_owned(), "mean-margin".to_owned()],
            ..search(tried, 1, facts)?
        }),
    })
}

/// Where there is no gradient.
fn scores(ball: &Ball, budget: Budget, facts: &Facts) -> Result<Plan, SpecError> {
    let n_queries = budget.pick([1000, 5000, 20_000]);
    let square = member("square", ball, &format!("n_queries={n_queries}"), 1)?;
    let noise = match facts.randomness {
        Randomness::None => NoiseMode::Off,
        _ => NoiseMode::Eot(10),
    };
    Ok(Plan {
        members: vec![Member { noise, ..square }],
        search: None,
    })
}
