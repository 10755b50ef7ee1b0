//! What is refused, and stopping.

use quaver::attack::noise::NoiseMode;
use quaver::attack::run::{Inputs, Options, run};
use quaver::attack::{Access, Dialect, REGISTRY, build};
use quaver::classifier::Randomness;
use quaver::decision::Decision;
use quaver::observe::Observer;

use super::contract::{N, flat, options};
use super::models::Small;
use super::{Cases, attack};

#[test]
fn a_classifier_without_gradient_is_refused_in_words() {
    let model = Small {
        has_gradient: false,
        ..Small::tanh()
    };
    let cases = Cases::of(&model, 2);
    for entry in REGISTRY {
        let result = attack(entry.id, &model, &cases.inputs(), &Options::default());
        if entry.access != Access::WhiteBox {
            assert_eq!(result.unwrap().n(), 2, "{}", entry.id);
            continue;
        }
        let words = result.unwrap_err().to_string();
        assert!(
            words.starts_with(entry.id) && words.contains("needs input gradients"),
            "{words}"
        );
    }
}

#[test]
fn bad_options_and_inputs_are_refused() {
    let model = Small::tanh();
    let cases = Cases::of(&model, 3);
    let refused = |change: &dyn Fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        attack("fgsm", &model, &cases.inputs(), &options)
            .unwrap_err()
            .to_string()
    };
    refused(&|o| o.n_restarts = 0);
    refused(&|o| o.batch_size = 0);
    refused(&|o| o.decision = Decision::Mean(0));
    refused(&|o| o.range.low = f32::NAN);
    refused(&|o| o.range.high = 0.0);
    assert!(refused(&|o| o.dialect = Dialect::Art).contains("allowed: corrected, cleverhans-2.1"));
    assert!(refused(&|o| o.range.high = 0.5).contains("allowed: 0 to 0.5"));

    let mut broken = cases.clone();
    broken.x[[1, 0, 0, 0]] = f32::NAN;
    assert_eq!(
        message(&model, &broken.inputs()),
        "image 1 holds the pixel NaN; allowed: 0 to 1"
    );
    broken = cases.clone();
    broken.labels[2] = 5;
    assert_eq!(
        message(&model, &broken.inputs()),
        "label of image 2 is 5; allowed: 0 to 4"
    );
    broken = cases.clone();
    broken.ids.pop();
    assert_eq!(
        message(&model, &broken.inputs()),
        "expected 3 ids, one an image, got 2"
    );
    let targets = [1, 2, 3];
    let mut inputs = cases.inputs();
    inputs.targets = Some(&targets);
    assert_eq!(
        message(&model, &inputs),
        "fgsm takes no targets here; its goal is untargeted"
    );
    inputs = cases.inputs();
    inputs.start = Some(cases.x.view());
    assert!(message(&model, &inputs).contains("fgsm takes no start images"));
    let wide = ndarray::Array4::zeros((3, 1, 3, 3));
    inputs = cases.inputs();
    inputs.x = wide.view();
    assert_eq!(
        message(&model, &inputs),
        "expected image of shape [2, 3, 3], got [1, 3, 3]"
    );
}

fn message(model: &Small, inputs: &Inputs<'_>) -> String {
    attack("fgsm", model, inputs, &Options::default())
        .unwrap_err()
        .to_string()
}

struct StopAfter(std::sync::atomic::AtomicU64, u64);

impl Observer for StopAfter {
    fn progress(&self, done: u64, _: &str) {
        self.0.store(done, std::sync::atomic::Ordering::Relaxed);
    }
    fn go_on(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed) < self.1
    }
}

#[test]
fn a_stopped_run_returns_the_finished_images() {
    let model = Small::noisy(Randomness::PerExample);
    let cases = Cases::of(&model, N);
    let options = Options {
        batch_size: 2,
        ..options(NoiseMode::PerStep)
    };
    let whole = attack("fgsm", &model, &cases.inputs(), &options).unwrap();
    for (stop, finished) in [(0, 0), (1, 2), (4, 4), (9, 9)] {
        let observer = StopAfter(0.into(), stop);
        let fgsm = build("fgsm").unwrap();
        let part = run(fgsm.as_ref(), &model, &cases.inputs(), &options, &observer).unwrap();
        assert_eq!(part.n(), finished);
        assert_eq!(part.x_adv.dim().0, finished);
        assert_eq!(part.record.complete, finished == N);
        assert!((0..finished).all(|row| flat(&part, row) == flat(&whole, row)));
    }
}
