//! The attacks beside PyTorch's.

use ndarray::{ArrayView2, Axis};
use quaver::attack::noise::NoiseMode;
use quaver::attack::run::{Inputs, Options, run};
use quaver::attack::surrogate::SurrogateRule;
use quaver::attack::{Dialect, LabelSource, Start, build};
use quaver::classifier::Images;
use quaver::decision::Decision;
use quaver::observe::Silent;

use crate::reference::Reference;

/// Largest difference of pixels that are the same.
const TOLERANCE: f32 = 1e-5;

/// Names of the arrays and the attacks that they are the results of.
pub(crate) const GRADIENT: [(&str, &str); 3] = [
    ("fgsm", "fgsm(eps=0.3,loss=cross-entropy)"),
    (
        "bim",
        "bim(eps=0.3,step_size=0.01,n_steps=40,loss=cross-entropy)",
    ),
    (
        "pgd",
        "pgd(eps=0.3,step_size=0.01,n_steps=40,loss=cross-entropy)",
    ),
];
/// The same for those that go for a target.
pub(crate) const SALIENCY: [(&str, &str); 2] = [
    ("jsma_probs", "jsma(theta=1,gamma=0.1,jacobian=probs)"),
    ("jsma_logits", "jsma(theta=1,gamma=0.1,jacobian=logits)"),
];

/// How the results of an attack compare with the reference's. Classes are those without noise.
pub(crate) struct Agreement {
    pub(crate) n_pixels: usize,
    /// Pixels that differ, for each image.
    pub(crate) off: Vec<Vec<usize>>,
    /// Images put into the class that the reference's result is put into.
    pub(crate) n_same_class: usize,
    /// Images in their target class: ours, the reference's.
    pub(crate) n_reached: [usize; 2],
}

impl Agreement {
    pub(crate) fn n(&self) -> usize {
        self.off.len()
    }

    /// Images without a differing pixel.
    pub(crate) fn n_same(&self) -> usize {
        self.off.iter().filter(|off| off.is_empty()).count()
    }

    /// Share of the pixels that differ.
    pub(crate) fn differing(&self) -> f64 {
        let off: usize = self.off.iter().map(Vec::len).sum();
        off as f64 / (self.n() * self.n_pixels) as f64
    }

    /// The same without the `apart` images that differ most.
    pub(crate) fn differing_but(&self, apart: usize) -> f64 {
        let mut off: Vec<usize> = self.off.iter().map(Vec::len).collect();
        off.sort_unstable_by(|a, b| b.cmp(a));
        let off: usize = off.iter().skip(apart).sum();
        off as f64 / (self.n() * self.n_pixels) as f64
    }
}

/// Runs the attack `spec` without noise and compares with the array `name`.
pub(crate) fn compare(reference: &Reference, (name, spec): (&str, &str)) -> Agreement {
    let ours = attacked(reference, spec);
    let theirs = reference.images(name);
    let off = ours.outer_iter().zip(theirs.outer_iter());
    let off = off.map(|(ours, theirs)| {
        let pixels = ours.iter().zip(&theirs).enumerate();
        let same = |a: f32, b: f32| (a - b).abs() <= TOLERANCE;
        let off = pixels.filter(|(_, (a, b))| !same(**a, **b));
        off.map(|(i, _)| i).collect()
    });
    let logits = [&ours, &theirs].map(|x| reference.logits(x.view()));
    let classes = logits.map(|logits| classes(logits.view()));
    let in_target = |classes: &[usize]| {
        let pairs = classes.iter().zip(&reference.targets);
        pairs.filter(|(class, target)| class == target).count()
    };
    Agreement {
        n_pixels: ours.len() / ours.len_of(Axis(0)),
        off: off.collect(),
        n_same_class: classes[0]
            .iter()
            .zip(&classes[1])
            .filter(|(a, b)| a == b)
            .count(),
        n_reached: [in_target(&classes[0]), in_target(&classes[1])],
    }
}

fn attacked(reference: &Reference, spec: &str) -> Images {
    let attack = build(spec).unwrap();
    let entry = attack.entry();
    let start = (entry.start != Start::Own).then(|| reference.images("pgd_start"));
    let inputs = Inputs {
        x: reference.x.view(),
        ids: &reference.ids,
        labels: &reference.labels,
        targets: entry.always_targeted.then_some(&reference.targets[..]),
        calibration: None,
        start: start.as_ref().map(|start| start.view()),
    };
    let options = Options {
        labels: LabelSource::True,
        noise: NoiseMode::Off,
        surrogate: SurrogateRule::model(),
        // Not read: classes are compared without noise.
        decision: Decision::First,
        ..Options::of(Dialect::Corrected)
    };
    run(&*attack, &reference.network, &inputs, &options, &Silent)
        .unwrap()
        .x_adv
}

/// Class of each row of logits, the first of equals.
pub(crate) fn classes(logits: ArrayView2<'_, f32>) -> Vec<usize> {
    let class = |row: usize| {
        let logits = logits.row(row);
        (1..logits.len()).fold(0, |best, c| if logits[c] > logits[best] { c } else { best })
    };
    (0..logits.nrows()).map(class).collect()
}
