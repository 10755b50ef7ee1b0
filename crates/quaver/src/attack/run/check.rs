//! What [`super::run`] refuses.

use ndarray::{ArrayView4, Axis};
use rayon::prelude::*;

use crate::classifier::Classifier;
use crate::spec::check_range;
use crate::threat::{Goal, PixelRange};

use super::{Inputs, Options};
use crate::attack::{Access, Attack, AttackError, Entry, LabelSource, Setting, Start};

const MAX_RESTARTS: u32 = 10_000;

/// Checks everything that goes into a run.
pub(super) fn all(
    attack: &dyn Attack,
    model: &dyn Classifier,
    inputs: &Inputs<'_>,
    options: &Options,
) -> Result<(), AttackError> {
    check_options(options)?;
    check_fit(attack.entry(), model, inputs, options)?;
    check_images("image", inputs.x, model, options.range)?;
    let n = inputs.x.dim().0;
    check_length("ids", inputs.ids.len(), n)?;
    check_classes("label", inputs.labels, n, model.n_classes())?;
    if let Some(targets) = inputs.targets {
        check_classes("target", targets, n, model.n_classes())?;
        check_targets(targets, inputs.labels, options)?;
    }
    if let Some(start) = inputs.start {
        check_images("start image", start, model, options.range)?;
        check_length("start images", start.dim().0, n)?;
    }
    let [c, h, w] = model.input_shape();
    let setting = Setting {
        n_features: c * h * w,
        range: options.range,
        dialect: options.dialect,
    };
    let steps = u64::from(attack.n_steps(setting)) + 1;
    let got = steps * u64::from(options.noise.n_draws()) * u64::from(options.n_restarts);
    if got > u64::from(u32::MAX) {
        Err(AttackError::TooManyDraws { got })
    } else {
        Ok(())
    }
}

fn check_options(options: &Options) -> Result<(), AttackError> {
    options.decision.check()?;
    check_range(
        "n_restarts",
        options.n_restarts,
        1..=MAX_RESTARTS,
        "1 to 10000",
    )?;
    check_range("batch_size", options.batch_size, 1.., "at least 1")?;
    let PixelRange { low, high } = options.range;
    check_range("lowest pixel", low, f32::MIN..f32::MAX, "finite")?;
    check_range(
        "highest pixel",
        high,
        low.next_up()..=f32::MAX,
        "finite and above the lowest",
    )?;
    Ok(())
}

fn check_fit(
    entry: &'static Entry,
    model: &dyn Classifier,
    inputs: &Inputs<'_>,
    options: &Options,
) -> Result<(), AttackError> {
    let attack = entry.id;
    if entry.access == Access::WhiteBox && !model.has_gradient() {
        return Err(AttackError::NeedsGradient { attack });
    }
    if !entry.dialects.contains(&options.dialect) {
        let allowed: Vec<&str> = entry
            .dialects
            .iter()
            .map(|dialect| dialect.name())
            .collect();
        let allowed = allowed.join(", ");
        return Err(AttackError::Dialect {
            attack,
            got: options.dialect,
            allowed,
        });
    }
    if inputs.start.is_some() && entry.start == Start::Own {
        let reason = "it begins from the clean images";
        return Err(AttackError::NotTaken {
            attack,
            what: "start images",
            reason,
        });
    }
    let targeted = entry.always_targeted || options.goal == Goal::Targeted;
    if inputs.targets.is_some() && !targeted {
        let reason = "its goal is untargeted";
        return Err(AttackError::NotTaken {
            attack,
            what: "targets",
            reason,
        });
    }
    if model.n_classes() < 2 {
        let got = model.n_classes();
        return Err(AttackError::TooFewClasses {
            what: attack.to_owned(),
            got,
            allowed: 2,
        });
    }
    Ok(())
}

fn check_images(
    what: &'static str,
    images: ArrayView4<'_, f32>,
    model: &dyn Classifier,
    range: PixelRange,
) -> Result<(), AttackError> {
    let allowed = model.input_shape();
    if images.shape()[1..] != allowed || allowed.contains(&0) {
        let got = images.shape()[1..].to_vec();
        return Err(AttackError::Shape {
            what,
            got,
            allowed: allowed.to_vec(),
        });
    }
    let refused = (0..images.dim().0).into_par_iter().find_map_first(|image| {
        let pixels = images.index_axis(Axis(0), image);
        if pixels.as_slice().is_some_and(|p| range.contains_all(p)) {
            return None;
        }
        let got = pixels.iter().find(|v| !range.contains(**v))?;
        Some(AttackError::Pixel {
            what,
            image,
            got: *got,
            low: range.low,
            high: range.high,
        })
    });
    refused.map_or(Ok(()), Err)
}

fn check_length(what: &'static str, got: usize, allowed: usize) -> Result<(), AttackError> {
    if got == allowed {
        Ok(())
    } else {
        Err(AttackError::Length { what, got, allowed })
    }
}

/// Where labels are what is attacked, no target may be the label: it would be reached by every
/// image that is left alone.
fn check_targets(
    targets: &[usize],
    labels: &[usize],
    options: &Options,
) -> Result<(), AttackError> {
    if options.labels == LabelSource::Predicted {
        return Ok(());
    }
    match targets.iter().zip(labels).position(|(t, label)| t == label) {
        Some(image) => Err(AttackError::TargetIsLabel {
            image,
            label: labels[image],
        }),
        None => Ok(()),
    }
}

fn check_classes(
    what: &'static str,
    classes: &[usize],
    n: usize,
    n_classes: usize,
) -> Result<(), AttackError> {
    let list = if what == "label" { "labels" } else { "targets" };
    check_length(list, classes.len(), n)?;
    match classes.iter().position(|class| *class >= n_classes) {
        Some(image) => Err(AttackError::Class {
            what,
            image,
            got: classes[image],
            n_classes,
        }),
        None => Ok(()),
    }
}
