//! What attacks to come need of the contract: starting points, the smallest distance, answers
//! without gradients, and what was asked about each image.

use quaver::attack::active::Active;
use quaver::attack::noise::NoiseMode;
use quaver::attack::objective::Loss;
use quaver::attack::oracle::{Oracle, Query};
use quaver::attack::run::{Deployed, run, run_against};
use quaver::attack::{
    Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start, build,
};
use quaver::classifier::{Batch, Classifier, Draw, Noise, Purpose, Randomness};
use quaver::decision::Verdict;
use quaver::observe::Silent;
use quaver::spec::{Spec, SpecError};
use quaver::threat::{Bound, Norm};

use super::Cases;
use super::contract::options;
use super::models::Small;

/// Halves the way from the clean image to an adversarial one, by classes alone.
#[derive(Clone, Copy)]
struct Bisection {
    entry: &'static Entry,
    peeks: bool,
}

const ENTRY: Entry = Entry {
    id: "bisection",
    short: "BISECTION",
    title: "bisection",
    paper: "",
    access: Access::DecisionBased,
    norms: &[Norm::L2],
    dialects: &[Dialect::Corrected],
    start: Start::Adversarial,
    always_targeted: false,
    parameters: &[],
    build: |_| Ok(Box::new(HONEST)),
};
const SCORES: Entry = Entry {
    access: Access::ScoreBased,
    ..ENTRY
};
const HONEST: Bisection = Bisection {
    entry: &ENTRY,
    peeks: false,
};

impl Attack for Bisection {
    fn entry(&self) -> &'static Entry {
        self.entry
    }

    fn spec(&self, _: Dialect) -> Result<Spec, SpecError> {
        "bisection".parse()
    }

    fn bound(&self, _: Setting) -> Bound {
        Bound::Smallest { norm: Norm::L2 }
    }

    fn n_steps(&self, _: Setting) -> u32 {
        10
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let start = case.start.unwrap();
        let d = case.n_features();
        let n = case.ids.len();
        let mut found = Perturbed::unchanged(start.to_vec(), n);
        // Shares of the way known to be too short and long enough, and the row they belong to.
        let states = (0..n).map(|row| (0.0, 1.0, row)).collect();
        let mut active = Active::all(case, start.to_vec(), states);
        let loss: Loss = "margin".parse()?;
        if self.peeks {
            oracle.outputs(&active, 0, &loss)?;
            oracle.gradient(&active, 0, &loss)?;
        }
        let classes = oracle.classes(&active, 0)?;
        let begins: Vec<bool> = (0..n).map(|i| active.aims[i].is_met(classes[i])).collect();
        active.retain(&begins);
        for number in 1..=10 {
            for (place, (low, high, row)) in active.states.iter().enumerate() {
                assert_eq!(active.rows[place], *row);
                let share = (low + high) / 2.0;
                let ends = case.image(*row).iter().zip(&start[row * d..][..d]);
                let image = active.pixels[place * d..][..d].iter_mut();
                image
                    .zip(ends)
                    .for_each(|(v, (x, far))| *v = x + share * (far - x));
            }
            let classes = oracle.classes(&active, Query { step: 0, number })?;
            for place in 0..active.rows.len() {
                let (low, high, row) = active.states[place];
                let middle = (low + high) / 2.0;
                let met = active.aims[place].is_met(classes[place]);
                active.states[place] = if met {
                    (low, middle, row)
                } else {
                    (middle, high, row)
                };
                if met {
                    found.set(row, active.image(place));
                }
            }
        }
        Ok(found)
    }
}

#[test]
fn an_attack_by_classes_finds_a_start_and_goes_toward_the_clean_image() {
    let model = Small {
        has_gradient: false,
        ..Small::tanh()
    };
    let cases = Cases::of(&model, 40);
    let run = |cases: &Cases| {
        let options = options(NoiseMode::PerStep);
        run(&HONEST, &model, &cases.inputs(), &options, &Silent).unwrap()
    };
    let batch = run(&cases);
    assert!(
        batch
            .outcomes
            .iter()
            .all(|o| o.success() != o.flags.no_start)
    );
    assert!(
        batch.record.counts.n_success > 30,
        "{:?}",
        batch.record.counts
    );
    let mean = batch.outcomes.iter().map(|o| o.distances.l2).sum::<f64>() / 40.0;
    assert!(mean < 0.7, "{mean}");
    // What was asked depends on the image: how long the search for a start took.
    let asked: Vec<u64> = batch.outcomes.iter().map(|o| o.cost.n_forward).collect();
    assert!(asked.iter().any(|n| n != &asked[0]) && asked.iter().all(|n| *n >= 2));
    assert_eq!(batch.record.cost.n_forward, asked.iter().sum::<u64>());
    assert_eq!(batch.record.cost.n_backward, 0);
    for row in [0, 5, 39] {
        assert_eq!(run(&cases.select(&[row])).outcomes[0], batch.outcomes[row]);
    }
    let json = serde_json::to_string(&batch.record).unwrap();
    assert!(json.contains(r#""budget":{"norm":"l2"}"#), "{json}");
    assert_eq!(
        serde_json::from_str::<quaver::attack::record::AttackRecord>(&json).unwrap(),
        batch.record
    );
}

#[test]
fn restarts_keep_the_smallest_distance() {
    let model = Small::tanh();
    let cases = Cases::of(&model, 20);
    let run = |n_restarts| {
        let options = quaver::attack::run::Options {
            n_restarts,
            ..options(NoiseMode::Off)
        };
        run(&HONEST, &model, &cases.inputs(), &options, &Silent).unwrap()
    };
    let (one, many) = (run(1), run(8));
    for (one, many) in one.outcomes.iter().zip(&many.outcomes) {
        assert!(many.success() && (!one.success() || many.distances.l2 <= one.distances.l2));
    }
    assert!(many.outcomes.iter().any(|o| o.restart > 0));
}

#[test]
fn an_image_without_an_adversarial_start_says_so() {
    // Whatever the pixels, class 0 wins.
    let last = ndarray::array![[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]];
    let model = Small::linear(last, [1, 2, 2]);
    let mut cases = Cases::of(&model, 2);
    cases.labels = vec![0, 0];
    let options = options(NoiseMode::Off);
    let batch = run(&HONEST, &model, &cases.inputs(), &options, &Silent).unwrap();
    assert_eq!(batch.record.counts.n_no_start, 2);
    assert_eq!(batch.x_adv, cases.x);
}

#[test]
fn what_the_access_does_not_include_is_refused() {
    let model = Small::tanh();
    let cases = Cases::of(&model, 2);
    for (entry, message) in [
        (&ENTRY, "bisection is decision-based and asked for scores"),
        (&SCORES, "bisection is score-based and asked for gradients"),
    ] {
        let peeking = Bisection { entry, peeks: true };
        let options = options(NoiseMode::Off);
        let error = run(&peeking, &model, &cases.inputs(), &options, &Silent).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

/// Refuses dark images, and names the class of one pass for the others.
struct RefusesDark<'a>(&'a Small);

impl Deployed for RefusesDark<'_> {
    fn verdicts(
        &self,
        batch: Batch<'_>,
        draw: Draw,
    ) -> Result<Vec<Verdict>, Box<dyn std::error::Error + Send + Sync>> {
        let logits = self.0.logits(batch, Noise::Draw(draw))?;
        let images = batch.x.outer_iter().zip(logits.outer_iter());
        let verdict = |(x, z): (ndarray::ArrayView3<'_, f32>, ndarray::ArrayView1<'_, f32>)| {
            let class = (0..z.len()).max_by(|a, b| z[*a].total_cmp(&z[*b]));
            match x.sum() < 9.0 {
                true => Verdict::Rejected,
                false => class.map_or(Verdict::Abstain, Verdict::Class),
            }
        };
        Ok(images.map(verdict).collect())
    }
}

#[test]
fn what_is_deployed_answers_and_a_refusal_is_no_success() {
    let model = Small::noisy(Randomness::PerExample);
    let cases = Cases::of(&model, 60);
    let pgd = build("pgd(eps=0.4,step_size=0.1,n_steps=5)").unwrap();
    let options = quaver::attack::run::Options {
        n_restarts: 4,
        decision: quaver::decision::Decision::First,
        ..options(NoiseMode::PerStep)
    };
    let deployed = RefusesDark(&model);
    let (inputs, some) = (cases.inputs(), Some(&deployed as &dyn Deployed));
    let guarded = run_against(some, &*pgd, &model, &inputs, &options, &Silent).unwrap();
    let bare = run(&*pgd, &model, &inputs, &options, &Silent).unwrap();
    assert!(guarded.record.guarded && !bare.record.guarded);
    let draw = Draw {
        seed: options.seed,
        purpose: Purpose::Success,
        pass: 0,
    };
    let batch = Batch {
        x: guarded.x_adv.view(),
        ids: &cases.ids,
    };
    let verdicts = deployed.verdicts(batch, draw).unwrap();
    let mut refused = 0;
    for (outcome, verdict) in guarded.outcomes.iter().zip(verdicts) {
        assert_eq!(outcome.perturbed, verdict);
        refused += u64::from(verdict == Verdict::Rejected);
        assert!(verdict != Verdict::Rejected || !outcome.success());
    }
    let n_success = guarded.record.counts.n_success;
    assert!(refused > 0 && n_success > 0 && n_success < bare.record.counts.n_success);
}
