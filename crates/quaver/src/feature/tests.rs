//! Features on a small network whose numbers can be computed by hand.

use ndarray::{Array2, Array4, array};

use super::*;
use crate::classifier::{Draw, Noise, Purpose, Randomness, Upstream, Vjp};
use crate::observe::Silent;
use crate::rng::Rng;

/// Two pixels (u, v): layer `squares` is (u², 3v), the logits are (u² - 3v + noise, 3v, 0.5).
struct Small;

impl Small {
    fn forward(x: &[f32], id: u64, noise: Noise) -> [Vec<f32>; 2] {
        let shift = match noise {
            Noise::Off => 0.0,
            Noise::Draw(draw) => {
                Rng::new(draw.seed, "test", id * 1000 + u64::from(draw.pass)).normal()
            }
        };
        let hidden = vec![x[0] * x[0], 3.0 * x[1]];
        let logits = vec![hidden[0] - hidden[1] + shift as f32, hidden[1], 0.5];
        [hidden, logits]
    }
}

impl Classifier for Small {
    fn input_shape(&self) -> [usize; 3] {
        [1, 1, 2]
    }
    fn n_classes(&self) -> usize {
        3
    }
    fn randomness(&self) -> Randomness {
        Randomness::PerExample
    }
    fn logits(&self, batch: Batch<'_>, noise: Noise) -> Result<Array2<f32>, ClassifierError> {
        Ok(self.outputs(batch, noise, &[Tap::Logits])?.remove(0))
    }
    fn taps(&self) -> Vec<String> {
        ["squares", "end"].map(str::to_owned).into()
    }
    fn outputs(
        &self,
        batch: Batch<'_>,
        noise: Noise,
        taps: &[Tap<'_>],
    ) -> Result<Vec<Array2<f32>>, ClassifierError> {
        let output = |tap: &Tap<'_>| {
            let place = match tap {
                Tap::Layer("squares") => 0,
                Tap::Logits | Tap::Layer("end") => 1,
                Tap::Layer(got) => {
                    return Err(ClassifierError::UnknownTap {
                        got: (*got).into(),
                        allowed: self.taps().join(", "),
                    });
                }
            };
            let rows = batch.x.outer_iter().zip(batch.ids);
            let rows = rows.flat_map(|(x, &id)| {
                Self::forward(&[x[[0, 0, 0]], x[[0, 0, 1]]], id, noise)[place].clone()
            });
            let width = 2 + place;
            Ok(Array2::from_shape_vec(
                (batch.ids.len(), width),
                rows.collect(),
            )?)
        };
        taps.iter().map(output).collect()
    }
    fn has_gradient(&self) -> bool {
        true
    }
    fn vjp(
        &self,
        batch: Batch<'_>,
        noises: &[Noise],
        taps: &[Tap<'_>],
        upstream: &Upstream<'_>,
    ) -> Result<Vjp, ClassifierError> {
        let mut gradient = Array4::zeros(batch.x.raw_dim());
        for (k, &noise) in noises.iter().enumerate() {
            for (row, x) in batch.x.outer_iter().enumerate() {
                let [hidden, logits] =
                    Self::forward(&[x[[0, 0, 0]], x[[0, 0, 1]]], batch.ids[row], noise);
                let is_hidden = taps[0] == Tap::Layer("squares");
                let output = if is_hidden { hidden } else { logits };
                let mut up = vec![0.0; output.len()];
                upstream(row, k, &[&output], &mut [&mut up]);
                let [first, second] = match up[..] {
                    [a, b, _] => [a, b - a],
                    _ => [up[0], up[1]],
                };
                gradient[[row, 0, 0, 0]] += 2.0 * x[[0, 0, 0]] * first;
                gradient[[row, 0, 0, 1]] += 3.0 * second;
            }
        }
        let outputs = self.outputs(batch, noises[noises.len() - 1], taps)?;
        Ok(Vjp { outputs, gradient })
    }
}

const DRAW: Draw = Draw {
    seed: 7,
    purpose: Purpose::Passes,
    pass: 3,
};

fn features(specs: &[&str]) -> Features {
    let x = Array4::from_shape_vec((4, 1, 1, 2), vec![1.0, 0.0, 2.0, 0.5, 0.0, 1.0, 0.0, 0.0]);
    let x = x.unwrap();
    let batch = Batch {
        x: x.view(),
        ids: &[0, 1, 2, 3],
    };
    let reference = Reference {
        batch,
        labels: &[0, 0, 1, 2],
    };
    let specs: Vec<String> = specs.iter().map(|&spec| spec.to_owned()).collect();
    Features::fit(&specs, &Small, Some(&reference)).unwrap()
}

fn with_seen<T>(features: &Features, x: &Array4<f32>, of: impl Fn(&Seen<'_>) -> T) -> T {
    let ids: Vec<u64> = (0..x.dim().0 as u64).collect();
    let batch = Batch {
        x: x.view(),
        ids: &ids,
    };
    let seen = Seen::ask(&Small, batch, (DRAW, 9), &features.taps(), &Silent);
    of(&seen.unwrap().unwrap())
}

/// At (1, 0), class 0, whose reference outputs are (1, 0) and (4, 1.5).
#[test]
fn density_is_that_of_the_kernels() {
    let kde = features(&["kde(bandwidth=2)"]);
    let x = Array4::from_shape_vec((1, 1, 1, 2), vec![1.0, 0.0]).unwrap();
    let numbers = with_seen(&kde, &x, |seen| kde.numbers(seen).unwrap());
    let expected = -((1.0 + (-(9.0 + 2.25) / 8.0_f64).exp()) / 2.0).ln();
    assert!((numbers[[0, 0]] - expected).abs() < 1e-12, "{numbers}");
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let mut specs: Vec<&str> = MEASURES.iter().map(|measure| measure.id).collect();
    specs.retain(|spec| *spec != "variation-ratio");
    specs.push("kde(bandwidth=1.5,layer=squares)");
    let x = Array4::from_shape_vec((2, 1, 1, 2), vec![0.9, 0.2, 0.4, 0.35]).unwrap();
    for spec in specs {
        let feature = features(&[spec]);
        let numbers =
            |x: &Array4<f32>| with_seen(&feature, x, |seen| feature.numbers(seen).unwrap());
        let upstream = array![[1.0], [-2.0]];
        let gradient = with_seen(&feature, &x, |seen| {
            feature.pull_back(seen, upstream.view()).unwrap()
        });
        for (row, pixel) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let moved = |step: f32| {
                let mut x = x.clone();
                x[[row, 0, 0, pixel]] += step;
                numbers(&x)[[row, 0]]
            };
            let expected = upstream[[row, 0]] * (moved(0.005) - moved(-0.005)) / 0.01;
            let got = f64::from(gradient[[row, 0, 0, pixel]]);
            let error = (got - expected).abs();
            assert!(
                error < 2e-3 * (1.0 + expected.abs()),
                "{spec}: {got} {expected}"
            );
        }
    }
}

#[test]
fn joined_features_are_their_parts_and_come_back_the_same() {
    let joined = features(&["variance", "kde", "margin"]);
    assert_eq!(joined.width(), 3);
    assert_eq!(joined.taps(), [Tap::Logits, Tap::Layer("squares")]);
    let x = Array4::from_shape_fn((3, 1, 1, 2), |(row, .., pixel)| 0.3 * (row + pixel) as f32);
    let numbers = with_seen(&joined, &x, |seen| joined.numbers(seen).unwrap());
    let margin = features(&["margin"]);
    let alone = with_seen(&margin, &x, |seen| margin.numbers(seen).unwrap());
    assert_eq!(numbers.column(2), alone.column(0));
    let loaded = Features::load(&joined.saved()).unwrap();
    let again = with_seen(&loaded, &x, |seen| loaded.numbers(seen).unwrap());
    assert_eq!(numbers, again);
}

#[test]
fn what_cannot_be_used_is_refused_in_words() {
    let refused = |spec: &str, reference| {
        let specs = [spec.to_owned()];
        let error = Features::fit(&specs, &Small, reference).err().unwrap();
        error.to_string()
    };
    assert!(refused("kde", None).contains("kde needs a reference set"));
    assert!(
        refused("density", None).contains("variance") && refused("density", None).contains("kde")
    );
    assert!(refused("variance(n=2)", None).contains("no parameter"));
    let x = Array4::zeros((1, 1, 1, 2));
    let batch = Batch {
        x: x.view(),
        ids: &[0],
    };
    let reference = Reference {
        batch,
        labels: &[1],
    };
    assert!(refused("kde", Some(&reference)).contains("no image of class 0"));
    let bandwidth = kde::ENTRY
        .parameters
        .iter()
        .find(|one| one.name == "bandwidth");
    for value in bandwidth.unwrap().refused() {
        assert!(
            build(&format!("kde(bandwidth={value})")).is_err(),
            "{value}"
        );
    }
    assert!(refused("kde(layer=7)", Some(&reference)).contains("\"7\""));
    let ratio = features(&["variation-ratio"]);
    let pulled = with_seen(&ratio, &x, |seen| {
        ratio.pull_back(seen, array![[1.0]].view()).err()
    });
    assert!(pulled.unwrap().to_string().contains("no gradient"));
    let mut saved = features(&["kde"]).saved();
    saved[0].fitted["width"] = 3.into();
    assert!(
        Features::load(&saved)
            .err()
            .unwrap()
            .to_string()
            .contains("damaged")
    );
}
