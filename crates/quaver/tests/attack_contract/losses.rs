//! Gradients of losses with respect to pixels, through draws, layer outputs and distances, held
//! against differences of their values.

use std::sync::Arc;

use quaver::attack::active::Active;
use quaver::attack::build;
use quaver::attack::noise::NoiseMode;
use quaver::attack::objective::{Loss, Objective, REGISTRY, View};
use quaver::attack::oracle::Oracle;
use quaver::classifier::Randomness;

use super::Cases;
use super::models::Small;

/// Variance over draws of the first hidden number, times the largest logit's mean.
struct Hidden;

impl Objective for Hidden {
    fn taps(&self) -> Vec<String> {
        vec!["hidden".to_owned()]
    }

    fn joins_draws(&self) -> bool {
        true
    }

    fn value(&self, view: &View<'_>) -> f64 {
        let n = view.n_draws();
        let first = |draw| f64::from(view.outputs[view.place_of(draw, "hidden").unwrap()][0]);
        let mean = (0..n).map(first).sum::<f64>() / n as f64;
        (0..n).map(|draw| (first(draw) - mean).powi(2)).sum::<f64>() / n as f64
    }

    fn gradient(&self, view: &View<'_>, weight: f64, upstream: &mut [&mut [f32]]) {
        let n = view.n_draws();
        let first = |draw| f64::from(view.outputs[view.place_of(draw, "hidden").unwrap()][0]);
        let mean = (0..n).map(first).sum::<f64>() / n as f64;
        for draw in 0..n {
            let up = &mut upstream[view.place_of(draw, "hidden").unwrap()];
            up[0] = (2.0 * weight * (first(draw) - mean) / n as f64) as f32;
        }
    }
}

fn losses() -> Vec<Loss> {
    let own = REGISTRY.iter().map(|entry| entry.id);
    let sums = [
        "cross-entropy-f64+-2*variance",
        "mean-margin + 0.5*logit + -0.25*squared-distance",
    ];
    let hidden = Loss::of("hidden", Arc::new(Hidden));
    let both = "margin".parse::<Loss>().unwrap().plus(-3.0, &hidden);
    let parsed = own.chain(sums).map(|text| text.parse().unwrap());
    parsed.chain([hidden, both]).collect()
}

#[test]
fn gradients_are_slopes_of_values() {
    let model = Small::noisy(Randomness::PerExample);
    let cases = Cases::of(&model, 3);
    let mut aims = cases.aims();
    aims[1].target = Some((aims[1].label + 1) % 5);
    let case = cases.case(&aims, 4);
    let fgsm = build("fgsm").unwrap();
    let d = case.n_features();
    // Not the clean images, where the distance has no slope.
    let pixels: Vec<f32> = case.pixels.iter().map(|v| 0.9 * v + 0.01).collect();
    for mode in [NoiseMode::Off, NoiseMode::PerStep, NoiseMode::Eot(3)] {
        for loss in losses() {
            let mut oracle = Oracle::new(&model, fgsm.entry(), mode, &case, 0);
            let mut active = Active::all(&case, pixels.clone(), vec![(); 3]);
            let (_, gradient) = oracle.gradient(&active, 0, &loss).unwrap();
            let mut value = |active: &Active<'_>, place| {
                let outputs = oracle.outputs(active, 0, &loss).unwrap();
                outputs.value(place, &loss, active)
            };
            for at in [0, 7, d + 3, 2 * d + 10] {
                let step = 1.0 / 256.0;
                active.pixels[at] = pixels[at] + step;
                let up = value(&active, at / d);
                active.pixels[at] = pixels[at] - step;
                let down = value(&active, at / d);
                active.pixels[at] = pixels[at];
                let slope = (up - down) / f64::from(2.0 * step);
                let got = f64::from(gradient[at]);
                let close = (got - slope).abs() < 0.004 + 0.01 * slope.abs();
                assert!(close, "{loss} {mode} pixel {at}: {got}, slope {slope}");
            }
        }
    }
}

#[test]
fn sums_are_written_and_read() {
    for (text, canonical) in [
        ("margin", "margin"),
        ("margin + -2*variance", "margin+-2.0*variance"),
        ("0.5*prob+logit", "0.5*prob+logit"),
    ] {
        let loss: Loss = text.parse().unwrap();
        assert_eq!(loss.to_string(), canonical);
        assert_eq!(canonical.parse::<Loss>().unwrap().to_string(), canonical);
        let spec = format!("fgsm(loss={text})");
        let written = build(&spec).unwrap().spec(Default::default()).unwrap();
        assert!(written.to_string().contains(&format!("loss={canonical}")));
    }
    for wrong in [
        "",
        "margin+",
        "x*margin",
        "inf*margin",
        "hinge",
        "margin(a=1)",
    ] {
        assert!(wrong.parse::<Loss>().is_err(), "{wrong:?}");
    }
}
