//! Dropout that exporters left out, put back for Monte-Carlo passes.

use super::builder::Builder;
use super::error::OnnxError;
use crate::op::Dropout;
use std::collections::BTreeMap;

/// Op and number among those of every layer: `dense:1`, `dense:2`.
pub(super) fn numbers(build: &Builder) -> Vec<String> {
    let mut counts = BTreeMap::new();
    let mut number = |name: &'static str| {
        let n = counts.entry(name).or_insert(0);
        *n += 1;
        format!("{name}:{n}")
    };
    build.layers.iter().map(|l| number(l.op.name())).collect()
}

/// Largest probability of all dropout layers, 0 without any.
pub(super) fn largest(build: &Builder) -> f64 {
    let ops = build.layers.iter().map(|layer| layer.op.as_any());
    ops.filter_map(|op| op.downcast_ref::<Dropout>())
        .fold(0.0, |p, op| p.max(op.p))
}

/// Puts dropout before the layers that `text` names.
pub(super) fn insert(build: &mut Builder, text: &str) -> Result<(), OnnxError> {
    let wrong = |reason: String| OnnxError::Option {
        what: "dropout",
        reason,
    };
    let known = numbers(build);
    let mut places = BTreeMap::new();
    for clause in text.split(';').map(str::trim).filter(|c| !c.is_empty()) {
        let parts = clause.split_once("before").and_then(|(p, names)| {
            let p: f64 = p.trim().strip_prefix("p=")?.trim().parse().ok()?;
            Some((p, names))
        });
        let (p, names) = parts.ok_or_else(|| {
            wrong(format!(
                "{clause:?} must read like \"p=0.5 before dense:2,dense:3\""
            ))
        })?;
        if !(0.0..1.0).contains(&p) {
            return Err(wrong(format!("p must be in [0, 1), got {p}")));
        }
        for name in names.split(',').map(str::trim) {
            let at = known.iter().position(|known| known == name);
            let at = at.ok_or_else(|| {
                let known = known.join(", ");
                wrong(format!("no layer {name:?}, there are {known}"))
            })?;
            if places.insert(at, p).is_some() {
                return Err(wrong(format!("{name} is named twice")));
            }
        }
    }
    // From behind, so that the places before stay what they are.
    for (&at, &p) in places.iter().rev() {
        build.insert(at, Box::new(Dropout { p }));
    }
    Ok(())
}
