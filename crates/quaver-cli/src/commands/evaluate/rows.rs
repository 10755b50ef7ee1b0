//! What `--out` holds: one row an image of everything.

use crate::images::Images;
use ndarray::{Array1, Array2, Array4};
use quaver::attack::objective::cross_entropy::CrossEntropy;
use quaver::attack::objective::{Aim, LogitObjective};
use quaver::classifier::{Batch, Classifier, Noise, Tap};
use quaver::data::npz::Arrays;
use quaver::decision::Decision;
use quaver::evaluate::summary::Answers;
use quaver::uncertainty::MEASURES;
use quaver_nn::loss::softmax;
use std::collections::BTreeMap;

/// Rows so far, every list in image order; a number that is missing is NaN.
#[derive(Default)]
pub(super) struct Rows {
    logits: Vec<f32>,
    probs: Vec<f64>,
    mc_mean: Vec<f64>,
    mc_variance: Vec<f64>,
    single: Vec<i64>,
    multi: Vec<i64>,
    measures: BTreeMap<String, Vec<f64>>,
    labels: Vec<i64>,
    ids: Vec<u64>,
    gradient: Vec<f32>,
}

impl Rows {
    pub(super) fn add(
        &mut self,
        network: &dyn Classifier,
        images: &Images,
        answers: &Answers,
        gradient: bool,
    ) -> anyhow::Result<()> {
        for row in answers.logits.outer_iter() {
            let logits = row.to_vec();
            self.probs.extend(softmax(&logits));
            self.logits.extend(logits);
        }
        for seen in &answers.images {
            self.mc_mean.extend(seen.mean());
            let n = f64::from(seen.n());
            self.mc_variance.extend(seen.m2().iter().map(|m2| m2 / n));
            let class = |decision: Decision| -> i64 {
                let verdict = decision.verdict(seen.tally());
                verdict.class().map_or(-1, |class| class as i64)
            };
            self.single.push(class(Decision::First));
            self.multi.push(class(Decision::Mean(seen.n())));
            for measure in MEASURES {
                let scores = self.measures.entry(measure.id.replace('-', "_"));
                let score = measure.of(seen).unwrap_or(f64::NAN);
                scores.or_default().push(score);
            }
        }
        self.ids.extend(&images.ids);
        let labels = images.labels.iter().flatten();
        self.labels.extend(labels.map(|&label| label as i64));
        if gradient {
            self.gradient.extend(input_gradient(network, images)?);
        }
        Ok(())
    }

    pub(super) fn into_arrays(self, network: &dyn Classifier) -> anyhow::Result<Arrays> {
        let (n, n_classes) = (self.ids.len(), network.n_classes());
        let table = |values: Vec<f64>| Array2::from_shape_vec((n, n_classes), values);
        let mut arrays = Arrays::from([
            (
                "logits".into(),
                Array2::from_shape_vec((n, n_classes), self.logits)?.into(),
            ),
            ("probs".into(), table(self.probs)?.into()),
            ("mc_mean".into(), table(self.mc_mean)?.into()),
            ("mc_variance".into(), table(self.mc_variance)?.into()),
            ("single".into(), self.single.into()),
            ("multi".into(), self.multi.into()),
            ("id".into(), self.ids.into()),
        ]);
        for (name, scores) in self.measures {
            arrays.insert(name, scores.into());
        }
        if !self.labels.is_empty() {
            arrays.insert("y".into(), Array1::from(self.labels).into());
        }
        if !self.gradient.is_empty() {
            let [c, h, w] = network.input_shape();
            let gradient = Array4::from_shape_vec((n, c, h, w), self.gradient)?;
            arrays.insert("input_gradient".into(), gradient.into());
        }
        Ok(arrays)
    }
}

/// Of each image's own loss with its true label, noise off.
fn input_gradient(network: &dyn Classifier, images: &Images) -> anyhow::Result<Vec<f32>> {
    let labels = images.require_labels("--gradient")?;
    let batch = Batch {
        x: images.x.view(),
        ids: &images.ids,
    };
    // In the precision of the frameworks, with whose gradients it will be compared.
    let vjp = network.vjp(
        batch,
        &[Noise::Off],
        &[Tap::Logits],
        &|row, _, outputs, upstream| {
            let aim = Aim {
                label: labels[row],
                target: None,
            };
            CrossEntropy.gradient(outputs[0], aim, 1.0, upstream[0]);
        },
    )?;
    Ok(vjp.gradient.into_iter().collect())
}
