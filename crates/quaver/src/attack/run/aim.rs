//! What is aimed at for each image.

use crate::attack::noise::NoiseMode;
use crate::attack::objective::Aim;
use crate::attack::oracle::Cost;
use crate::attack::{AttackError, Dialect, LabelSource};
use crate::classifier::{Noise, Purpose};
use crate::decision::{argmax, softmax};
use crate::rng::Rng;

use super::Runner;

impl Runner<'_, '_> {
    /// The labels to go by. Where the classifier's output is no number the true label stands in.
    pub(super) fn attacked_labels(
        &self,
        clean: &[f32],
        ids: &[u64],
        labels: &[usize],
    ) -> Result<Vec<usize>, AttackError> {
        if self.options.labels == LabelSource::True {
            return Ok(labels.to_vec());
        }
        let noise = match self.noise {
            NoiseMode::Off => Noise::Off,
            _ => Noise::draw(self.options.seed, Purpose::Label, 0),
        };
        let logits = self.model.logits(self.batch(clean, ids)?, noise)?;
        let predicted = logits.outer_iter().map(|z| argmax(&softmax(&z.to_vec())));
        Ok(predicted
            .zip(labels)
            .map(|(class, label)| class.unwrap_or(*label))
            .collect())
    }

    /// What [`Runner::attacked_labels`] asks for each image.
    pub(super) fn cost_of_labels(&self) -> Cost {
        Cost {
            n_forward: u64::from(self.options.labels == LabelSource::Predicted),
            n_backward: 0,
        }
    }

    pub(super) fn aims(
        &self,
        rows: &[usize],
        labels: &[usize],
        ids: &[u64],
        restart: u32,
    ) -> Vec<Aim> {
        let n_classes = self.model.n_classes();
        let target_of = |place: usize| match self.inputs.targets {
            _ if !self.targeted => None,
            Some(targets) => Some(targets[rows[place]]),
            None if self.options.dialect == Dialect::Torchattacks => {
                Some((labels[place] + 1) % n_classes)
            }
            None => {
                let purpose = format!("attack-target-{restart}");
                let mut rng = Rng::new(self.options.seed, &purpose, ids[place]);
                Some((labels[place] + 1 + rng.below(n_classes - 1)) % n_classes)
            }
        };
        let aim = |(place, label): (usize, &usize)| Aim {
            label: *label,
            target: target_of(place),
        };
        labels.iter().enumerate().map(aim).collect()
    }
}
