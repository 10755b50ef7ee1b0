//! [`Config`]: everything that decides the results of a run but the data.

use quaver_nn::arch::{Architecture, DropoutPlacement};
use serde::{Deserialize, Serialize};

use super::PaperError;
use quaver::attack::noise::{MAX_DRAWS, NoiseMode};
use quaver::attack::{self, Dialect, LabelSource};
use quaver::spec::{SpecError, check_range};

/// The experiment of the paper. Keys are kebab-case, named like the command's flags.
///
/// # Parameters
/// | name | default | quick | range | meaning |
/// |---|---|---|---|---|
/// | `arch` | lenet5 | | the engine's architectures | layers of all networks |
/// | `dropout-placement` | dense | | dense, all | where dropout stands |
/// | `seed` | 0 | | all | first seed |
/// | `seeds` | 1 | | 1 to 1000 | seeds, counted up from `seed` |
/// | `train-images` | 60000 | 40000 | from 2 | training images, the first of the data |
/// | `test-images` | 10000 | 1000 | from 1 | test images, the first of the data |
/// | `epochs` | 15 | 3 | 1 to 10000 | epochs of training |
/// | `batch-size` | 64 | 32 | 2 to 100000 | images a training step |
/// | `learning-rate` | 0.001 | | above 0 to 1 | of Adam |
/// | `n` | 500 | 200 | from 1 | attacked images, the first of the test data |
/// | `passes` | 50 | 20 | 2 to 10000 | Monte-Carlo passes T |
/// | `attacks` | fgsm, jsma, pgd | | spec strings | attacks of the tables |
/// | `dialect` | cleverhans-2.1 | | those of the attacks | whose details they follow |
/// | `labels` | predicted | | true, predicted | class they get away from |
/// | `noise` | per-step | | any noise mode | randomness they see |
/// | `honest-n` | 10000 | 200 | from 0 | images of the honest reading with the noise off |
/// | `eot-n` | 1000 | 200 | from 0 | images of the honest reading over the noise |
/// | `eot-draws` | 20 | 10 | 1 to 1000 | draws each of its gradients averages |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Layers of all networks.
    pub arch: String,
    /// Where dropout stands.
    pub dropout_placement: DropoutPlacement,
    /// Whether this is the small run that only shows that everything works; every output says so.
    pub quick: bool,
    /// First seed.
    pub seed: u64,
    /// Seeds, counted up from `seed`.
    pub seeds: u32,
    /// Training images.
    pub train_images: usize,
    /// Test images.
    pub test_images: usize,
    /// Epochs of training.
    pub epochs: u32,
    /// Images a training step.
    pub batch_size: usize,
    /// Of Adam.
    pub learning_rate: f64,
    /// Attacked images.
    pub n: usize,
    /// Monte-Carlo passes.
    pub passes: u32,
    /// Attacks of the tables, as spec strings.
    pub attacks: Vec<String>,
    /// Whose details they follow.
    pub dialect: Dialect,
    /// Class they get away from.
    pub labels: LabelSource,
    /// Randomness they see.
    pub noise: NoiseMode,
    /// Images of the honest reading with the noise off.
    pub honest_n: usize,
    /// Images of the honest reading over the noise.
    pub eot_n: usize,
    /// Draws each gradient of the honest reading averages.
    pub eot_draws: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            arch: "lenet5".into(),
            dropout_placement: DropoutPlacement::Dense,
            quick: false,
            seed: 0,
            seeds: 1,
            train_images: 60_000,
            test_images: 10_000,
            epochs: 15,
            batch_size: 64,
            learning_rate: 1e-3,
            n: 500,
            passes: 50,
            attacks: vec![
                "fgsm(eps=0.3)".into(),
                "jsma(gamma=0.1,theta=1)".into(),
                "pgd(eps=0.3,n_steps=40,step_size=0.01)".into(),
            ],
            dialect: Dialect::CleverHans21,
            labels: LabelSource::Predicted,
            noise: NoiseMode::PerStep,
            honest_n: 10_000,
            eot_n: 1_000,
            eot_draws: 20,
        }
    }
}

impl Config {
    /// The small run: everything is reached, numbers say little.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            quick: true,
            train_images: 40_000,
            test_images: 1_000,
            epochs: 3,
            // Many small steps: in fewer the Rand BNNs learn next to nothing.
            batch_size: 32,
            n: 200,
            passes: 20,
            honest_n: 200,
            eot_n: 200,
            eot_draws: 10,
            ..Self::default()
        }
    }

    /// Whether every value is in range and every spec string is one.
    ///
    /// # Errors
    /// [`PaperError`] naming the first that is not.
    pub fn check(&self) -> Result<(), PaperError> {
        Architecture::find(&self.arch)?;
        check_range("seeds", self.seeds, 1..=1000, "1 to 1000")?;
        let last = u64::from(self.seeds) - 1;
        check_range("seed", self.seed, ..=u64::MAX - last, "below 2^64")?;
        check_range("train-images", self.train_images, 2.., "from 2")?;
        check_range("test-images", self.test_images, 1.., "from 1")?;
        check_range("epochs", self.epochs, 1..=10_000, "1 to 10000")?;
        check_range("batch-size", self.batch_size, 2..=100_000, "2 to 100000")?;
        let rates = f64::MIN_POSITIVE..=1.0;
        check_range("learning-rate", self.learning_rate, rates, "above 0 to 1")?;
        let allowed = format!("1 to the {} test images", self.test_images);
        check_range("n", self.n, 1..=self.test_images, &allowed)?;
        check_range("passes", self.passes, 2..=10_000, "2 to 10000")?;
        check_range("eot-draws", self.eot_draws, 1..=MAX_DRAWS, "1 to 1000")?;
        if self.attacks.is_empty() {
            return Err(PaperError::NoAttacks);
        }
        for text in &self.attacks {
            let attack = attack::build(text)?;
            if !attack.entry().dialects.contains(&self.dialect) {
                let known = attack.entry().dialects.iter().map(|d| d.name());
                return Err(PaperError::Spec(SpecError::WrongValue {
                    of: attack.entry().id.to_owned(),
                    name: "dialect".to_owned(),
                    got: self.dialect.to_string(),
                    reason: format!("it knows {}", known.collect::<Vec<_>>().join(", ")),
                }));
            }
        }
        Ok(())
    }

    /// The seeds in the order run.
    #[must_use]
    pub fn all_seeds(&self) -> Vec<u64> {
        (0..u64::from(self.seeds)).map(|k| self.seed + k).collect()
    }

    /// The command line that repeats the run: the flags that differ from their defaults.
    #[must_use]
    pub fn command(&self, dataset: &str) -> String {
        // Digits of another seed name it, as `digits(seed=3)`.
        let seeded = dataset
            .strip_prefix("digits(seed=")
            .and_then(|rest| rest.strip_suffix(')'));
        let mut line = match seeded {
            Some(seed) => format!("quaver reproduce --dataset digits --data-seed {seed}"),
            None => format!("quaver reproduce --dataset {dataset}"),
        };
        let usual = if self.quick {
            line.push_str(" --quick");
            Self::quick()
        } else {
            Self::default()
        };
        let fields = |config: &Self| serde_json::to_value(config).unwrap_or_default();
        let (here, usual) = (fields(self), fields(&usual));
        for (name, value) in here.as_object().into_iter().flatten() {
            if usual.get(name) == Some(value) {
                continue;
            }
            match value.as_array() {
                Some(values) => values
                    .iter()
                    .for_each(|value| flag(&mut line, name.trim_end_matches('s'), value)),
                None => flag(&mut line, name, value),
            }
        }
        line
    }
}

fn flag(line: &mut String, name: &str, value: &serde_json::Value) {
    let text = value.as_str().map_or_else(|| value.to_string(), quoted);
    line.push_str(&format!(" --{name} {text}"));
}

/// As a shell reads it back.
fn quoted(text: &str) -> String {
    if text.contains(['(', ' ']) {
        format!("\"{text}\"")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range() {
        Config::default().check().unwrap();
        Config::quick().check().unwrap();
        let text = serde_json::to_string(&Config::quick()).unwrap();
        assert_eq!(
            serde_json::from_str::<Config>(&text).unwrap(),
            Config::quick()
        );
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let message = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(message(|c| c.arch = "lenet6".into()).contains("did you mean \"lenet5\""));
        assert!(message(|c| c.n = 10_001).contains("n = 10001"));
        assert!(message(|c| c.learning_rate = f64::NAN).contains("learning-rate"));
        assert!(message(|c| c.attacks = vec!["pgd(eps=-1)".into()]).contains("eps = -1"));
        assert!(message(|c| c.attacks.clear()).contains("attack"));
        assert!(message(|c| c.dialect = Dialect::Art).contains("dialect = art"));
    }

    #[test]
    fn the_command_names_what_differs() {
        let mut config = Config::quick();
        assert_eq!(
            config.command("digits"),
            "quaver reproduce --dataset digits --quick"
        );
        config.seeds = 3;
        config.attacks = vec!["fgsm(eps=0.1)".into()];
        assert_eq!(
            config.command("digits"),
            "quaver reproduce --dataset digits --quick --attack \"fgsm(eps=0.1)\" --seeds 3"
        );
    }
}
