//! What can be timed, and how it is run.

use super::{Images, Rate, Settings, Subject, profile, rate};
use anyhow::bail;
use ndarray::s;
use quaver::attack::run::Inputs;
use quaver::attack::{self, Attack};
use quaver::classifier::{Batch, Classifier, Draw, Noise, Purpose, Tap};
use quaver::network::Network;
use quaver::observe::Silent;
use quaver::uncertainty::monte_carlo;
use quaver_nn::Pixels;
use quaver_nn::engine::Engine;
use quaver_nn::loss::cross_entropy;
use quaver_nn::optim::Adam;
use quaver_nn::train::{CrossEntropy, Step, Trainer};
use std::sync::Arc;

/// Steps after which a network in training starts again.
const STEPS: u32 = 100;

/// A kind of work.
pub(crate) enum Work {
    /// Steps of the optimizer.
    Training,
    /// Logits.
    Forward,
    /// Gradients with respect to the input, noise on.
    Gradient,
    /// So many Monte-Carlo passes, and what is kept of them.
    Passes(u32),
    /// An attack and its judgement, called as it was asked for.
    Attack(Box<dyn Attack>, String),
}

impl Work {
    /// The work of a name, attacks by their spec.
    ///
    /// # Errors
    /// An unknown name.
    pub(crate) fn find(name: &str, passes: u32) -> anyhow::Result<Self> {
        Ok(match name {
            "training" => Self::Training,
            "forward" => Self::Forward,
            "gradient" => Self::Gradient,
            "passes" => Self::Passes(passes),
            spec => match attack::build(spec) {
                Ok(attack) => Self::Attack(attack, spec.into()),
                Err(error) => bail!(
                    "--work takes training, forward, gradient, passes, or an attack; got {spec:?}: {error}"
                ),
            },
        })
    }

    /// What tables call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Training => "training".into(),
            Self::Forward => "forward".into(),
            Self::Gradient => "input gradient".into(),
            Self::Passes(passes) => format!("{passes} passes"),
            Self::Attack(_, spec) => spec.clone(),
        }
    }
}

/// A subject on its engine.
pub(super) struct Bench<'a> {
    subject: &'a Subject,
    images: &'a Images,
    settings: &'a Settings,
    engine: &'a Arc<Engine>,
    network: Network,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        subject: &'a Subject,
        images: &'a Images,
        settings: &'a Settings,
        engine: &'a Arc<Engine>,
    ) -> anyhow::Result<Self> {
        let network = Network::new(Arc::new(subject.model.clone()), Arc::clone(engine))?;
        Ok(Self {
            subject,
            images,
            settings,
            engine,
            network,
        })
    }

    /// Multiply-adds that `work` needs for an image.
    pub(super) fn products(&self, work: &Work) -> Option<f64> {
        let products = self.network.layer_products();
        let total: u64 = products.iter().sum();
        let first = products.iter().copied().find(|&p| p > 0).unwrap_or(0);
        let noisy = self.network.noisy_products();
        let products = match work {
            // Forward, weight gradients, and input gradients of all layers but the first.
            Work::Training => 3 * total - first,
            Work::Forward => total,
            Work::Gradient => 2 * total,
            Work::Passes(passes) => total - noisy + u64::from(*passes) * noisy,
            Work::Attack(..) => return None,
        };
        Some(products as f64)
    }

    /// Images a second of `work` on the first `n` images.
    pub(super) fn rate(&self, work: &Work, n: usize) -> anyhow::Result<Rate> {
        let x = self.images.x.slice(s![..n, .., .., ..]);
        let (ids, labels) = (&self.images.ids[..n], &self.images.labels[..n]);
        let batch = Batch { x, ids };
        let seconds = self.settings.seconds;
        match work {
            Work::Training => {
                let mut trainer = self.trainer();
                let mut step = self.steps(n);
                let steps = || {
                    step(&mut trainer);
                    Ok(())
                };
                self.engine.install(|| rate(n, seconds, steps))
            }
            Work::Forward => rate(n, seconds, || {
                self.network.logits(batch, Noise::Off)?;
                Ok(())
            }),
            Work::Gradient => {
                let noise = [Noise::draw(0, Purpose::Bench, 0)];
                let loss =
                    |row: usize, _: usize, outputs: &[&[f32]], upstream: &mut [&mut [f32]]| {
                        cross_entropy(outputs[0], labels[row], 1.0, upstream[0]);
                    };
                rate(n, seconds, || {
                    self.network.vjp(batch, &noise, &[Tap::Logits], &loss)?;
                    Ok(())
                })
            }
            Work::Passes(passes) => rate(n, seconds, || self.passes(batch, *passes)),
            Work::Attack(attack, _) => rate(n, seconds, || self.attack(&**attack, batch, labels)),
        }
    }

    fn passes(&self, batch: Batch<'_>, passes: u32) -> anyhow::Result<()> {
        let draw = Draw {
            seed: 0,
            purpose: Purpose::Bench,
            pass: 0,
        };
        self.engine
            .install(|| monte_carlo(&self.network, batch, draw, passes, &Silent))?;
        Ok(())
    }

    fn attack(
        &self,
        attack: &dyn Attack,
        batch: Batch<'_>,
        labels: &[usize],
    ) -> anyhow::Result<()> {
        let targets = self.images.targets.as_ref();
        let targets = targets.filter(|_| attack.entry().always_targeted);
        let inputs = Inputs {
            x: batch.x,
            ids: batch.ids,
            labels,
            targets: targets.map(|targets| &targets[..labels.len()]),
            calibration: None,
            start: None,
        };
        let options = &self.settings.attacks;
        self.engine
            .install(|| attack::run::run(attack, &self.network, &inputs, options, &Silent))?;
        Ok(())
    }

    /// Where the time of steps on `n` images goes.
    pub(super) fn profile(&self, n: usize, thread_gflops: f64) -> Vec<profile::Row> {
        let subject = profile::Subject {
            arch: &self.subject.arch,
            topology: &self.subject.topology,
            batch: n,
            products: &self.network.layer_products(),
            threads: self.engine.threads(),
            thread_gflops,
        };
        profile::profile(
            &subject,
            &mut self.trainer(),
            self.settings.seconds,
            self.steps(n),
        )
    }

    fn trainer(&self) -> Trainer {
        let engine = Arc::clone(self.engine);
        Trainer::new(
            self.subject.model.clone(),
            engine,
            Box::new(Adam::default()),
            None,
        )
    }

    /// Training steps on the first `n` images, one after another. From time to time training
    /// begins anew: a network that knows its few images has gradients that real ones never have.
    fn steps(&self, n: usize) -> impl FnMut(&mut Trainer) {
        let pixels: Vec<f32> = self.images.x.iter().copied().collect();
        let ids: Vec<u64> = (0..n as u64).collect();
        let labels = &self.images.labels[..n];
        let mut pass = 0;
        move |trainer| {
            if pass == STEPS {
                trainer.restart(self.subject.model.clone());
                pass = 0;
            }
            pass += 1;
            let draw = Draw {
                seed: 0,
                purpose: Purpose::Train,
                pass,
            };
            let batch = quaver_nn::Batch {
                pixels: Pixels::F32(&pixels),
                rows: None,
                ids: &ids,
            };
            // The plain step asks for no layer, which alone could fail.
            let _ = CrossEntropy.run(trainer, &batch, labels, draw);
        }
    }
}
