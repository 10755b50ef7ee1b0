//! [`Loss`]: a weighted sum of objectives.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::spec::{Spec, SpecError, find_name, split_sum};
use crate::threat::Goal;

use super::{Objective, REGISTRY, View};

/// What an attack pushes up: a weighted sum of objectives. Written as specs with their weights,
/// such as `cross-entropy` or `margin+-2*variance`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Loss {
    text: String,
    terms: Vec<(f64, Arc<dyn Objective>)>,
    taps: Vec<String>,
}

impl Loss {
    /// One objective, called `name` in records.
    #[must_use]
    pub fn of(name: &str, objective: Arc<dyn Objective>) -> Self {
        Self {
            text: name.to_owned(),
            taps: objective.taps(),
            terms: vec![(1.0, objective)],
        }
    }

    /// The sum of both, `other` times `weight`.
    #[must_use]
    pub fn plus(mut self, weight: f64, other: &Self) -> Self {
        for (factor, objective) in &other.terms {
            self.terms.push((weight * factor, Arc::clone(objective)));
        }
        let new = |tap: &&String| !self.taps.contains(tap);
        let new: Vec<String> = other.taps.iter().filter(new).cloned().collect();
        self.taps.extend(new);
        let weighted = if weight == 1.0 {
            other.text.clone()
        } else {
            format!("{weight:?}*{}", other.text)
        };
        self.text = format!("{}+{weighted}", self.text);
        self
    }

    /// The fewest classes all objectives are defined for.
    #[must_use]
    pub fn min_classes(&self, goal: Goal) -> usize {
        let each = self.terms.iter().map(|(_, term)| term.min_classes(goal));
        each.max().unwrap_or(2)
    }

    /// Layer outputs that are read beside the logits.
    #[must_use]
    pub fn taps(&self) -> &[String] {
        &self.taps
    }

    /// As [`Objective::joins_draws`].
    #[must_use]
    pub fn joins_draws(&self) -> bool {
        self.terms.iter().any(|(_, term)| term.joins_draws())
    }

    /// As [`Objective::reads_pixels`].
    #[must_use]
    pub fn reads_pixels(&self) -> bool {
        self.terms.iter().any(|(_, term)| term.reads_pixels())
    }

    /// As [`Objective::value`].
    #[must_use]
    pub fn value(&self, view: &View<'_>) -> f64 {
        match &self.terms[..] {
            [(weight, term)] => weight * term.value(view),
            terms => terms
                .iter()
                .map(|(weight, term)| weight * term.value(view))
                .sum(),
        }
    }

    /// As [`Objective::gradient`].
    pub fn gradient(&self, view: &View<'_>, weight: f64, upstream: &mut [&mut [f32]]) {
        if let [(factor, term)] = &self.terms[..] {
            return term.gradient(view, weight * factor, upstream);
        }
        for (factor, term) in &self.terms {
            let mut parts: Vec<Vec<f32>> = upstream.iter().map(|up| vec![0.0; up.len()]).collect();
            let mut slices: Vec<&mut [f32]> = parts.iter_mut().map(Vec::as_mut_slice).collect();
            term.gradient(view, weight * factor, &mut slices);
            for (up, part) in upstream.iter_mut().zip(&parts) {
                up.iter_mut().zip(part).for_each(|(up, part)| *up += part);
            }
        }
    }

    /// As [`Objective::pixel_gradient`].
    pub fn pixel_gradient(&self, view: &View<'_>, gradient: &mut [f32]) {
        for (weight, term) in &self.terms {
            term.pixel_gradient(view, *weight, gradient);
        }
    }
}

impl FromStr for Loss {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let syntax = || SpecError::Syntax {
            got: text.to_owned(),
            allowed: "objectives with their weights, such as margin+-2*variance",
        };
        let mut sum: Option<Self> = None;
        for term in split_sum(text).ok_or_else(syntax)? {
            let (weight, spec) = match term.split_once('*') {
                None => (1.0, term),
                Some((weight, spec)) => (weight.trim().parse().map_err(|_| syntax())?, spec),
            };
            let spec: Spec = spec.parse()?;
            let ids: Vec<&str> = REGISTRY.iter().map(|entry| entry.id).collect();
            let entry = REGISTRY[find_name("objective", &spec.name, &ids)?];
            let one = Self::of(
                &spec.to_string(),
                Arc::from((entry.build)(&spec.values(entry.parameters)?)?),
            );
            sum = Some(match sum {
                Some(sum) => sum.plus(weight, &one),
                None if weight == 1.0 => one,
                None => Self {
                    text: format!("{weight:?}*{}", one.text),
                    terms: vec![(weight, Arc::clone(&one.terms[0].1))],
                    taps: one.taps,
                },
            });
        }
        let sum = sum.ok_or_else(syntax)?;
        let finite = sum.terms.iter().all(|(weight, _)| weight.is_finite());
        finite.then_some(sum).ok_or_else(syntax)
    }
}

impl TryFrom<String> for Loss {
    type Error = SpecError;

    fn try_from(text: String) -> Result<Self, SpecError> {
        text.parse()
    }
}

impl From<Loss> for String {
    fn from(loss: Loss) -> Self {
        loss.text
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
