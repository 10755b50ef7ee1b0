use super::*;

fn aims() -> [Aim; 2] {
    [None, Some(3)].map(|target| Aim { label: 1, target })
}

/// The value of an objective at one draw.
fn value(name: &str, logits: &[f32], aim: Aim) -> f64 {
    let loss: Loss = name.parse().unwrap();
    loss.value(&View {
        aim,
        clean: &[],
        pixels: &[],
        taps: &[],
        outputs: &[logits],
    })
}

#[test]
fn hand_computed_values() {
    let logits = [1.0, 3.0, 0.0, -1.0];
    let [away, toward] = aims();
    let total: f64 = logits.iter().map(|z| f64::from(*z).exp()).sum();
    let log_odds = |z: f64| (total - z.exp()).ln() - z;
    for (name, aim, expected) in [
        ("margin", away, -2.0),
        ("margin", toward, -4.0),
        ("mean-margin", away, -2.0),
        ("mean-margin", toward, -4.0),
        ("log-odds", away, log_odds(3.0)),
        ("log-odds", toward, -log_odds(-1.0)),
        ("prob-margin", away, (1.0_f64.exp() - 3.0_f64.exp()) / total),
        ("logit", away, -3.0),
        ("rest-logits", away, 0.0),
        ("rest-logits", toward, -4.0),
        // (1 - 3) / (3 - 0) and (-1 - 3) / (3 - (0 - 1) / 2).
        ("dlr", away, -2.0 / 3.0),
        ("dlr", toward, -4.0 / 3.5),
        ("variance", away, 0.0),
        ("2*logit+margin", away, -8.0),
    ] {
        let got = value(name, &logits, aim);
        assert!((got - expected).abs() < 1e-9, "{name}: {got}");
    }
    let even = value("cross-entropy", &[0.0; 4], away);
    assert!((even - 4.0_f64.ln()).abs() < 1e-12);
    // Two draws that are sure of different classes: probabilities 0 and 1, variance 1/4 each.
    let loss: Loss = "variance".parse().unwrap();
    let view = View {
        aim: away,
        clean: &[],
        pixels: &[],
        taps: &[],
        outputs: &[&[90.0, 0.0], &[0.0, 90.0]],
    };
    assert!((loss.value(&view) - 0.25).abs() < 1e-9);
}

#[test]
fn gradients_are_slopes_of_values() {
    let draws = [[0.3, 1.1, -0.4, 0.9, 0.1], [0.2, -0.3, 0.6, 0.5, 0.8]];
    let step = 1.0_f32 / 1024.0;
    for entry in REGISTRY {
        let loss: Loss = entry.id.parse().unwrap();
        for aim in aims() {
            let value = |draws: &[[f32; 5]; 2]| {
                loss.value(&View {
                    aim,
                    clean: &[],
                    pixels: &[],
                    taps: &[],
                    outputs: &[&draws[0], &draws[1]],
                })
            };
            let mut upstream = [[0.0; 5]; 2];
            let [first, second] = &mut upstream;
            let view = View {
                aim,
                clean: &[],
                pixels: &[],
                taps: &[],
                outputs: &[&draws[0], &draws[1]],
            };
            loss.gradient(&view, 2.0, &mut [first, second]);
            for (k, c) in (0..10).map(|i| (i / 5, i % 5)) {
                let (mut up, mut down) = (draws, draws);
                up[k][c] += step;
                down[k][c] -= step;
                let slope = (value(&up) - value(&down)) / f64::from(up[k][c] - down[k][c]);
                let got = f64::from(upstream[k][c]);
                let id = entry.id;
                assert!(
                    (got - 2.0 * slope).abs() < 1e-4 + 1e-3 * slope.abs(),
                    "{id} {aim:?} {k} {c}: {got}"
                );
            }
        }
    }
}

#[test]
fn a_confident_network_still_has_a_gradient() {
    let aim = Aim {
        label: 0,
        target: None,
    };
    let mut upstream = [0.0; 2];
    let exact = cross_entropy_f64::CrossEntropyF64;
    LogitObjective::gradient(&exact, &[60.0, 0.0], aim, 1.0, &mut upstream);
    assert!(upstream[0] < 0.0 && upstream[1] > 0.0, "{upstream:?}");
    for gap in [60.0, 130.0, 2000.0] {
        for id in ["cross-entropy-f64", "log-odds", "mean-margin", "margin"] {
            let loss: Loss = id.parse().unwrap();
            let (mut first, mut second) = ([0.0; 3], [0.0; 3]);
            let view = View {
                aim,
                clean: &[],
                pixels: &[],
                taps: &[],
                outputs: &[&[gap, 1.0, 0.0], &[gap, 0.0, -1.0]],
            };
            loss.gradient(&view, 1.0, &mut [&mut first, &mut second]);
            assert!(
                first[0] < -1e-21 && first[1] > 1e-21,
                "{id} {gap}: {first:?}"
            );
            assert!(loss.value(&view).is_finite(), "{id} {gap}");
        }
    }
    let mut upstream = [0.0; 2];
    let rounded = cross_entropy::CrossEntropy;
    LogitObjective::gradient(&rounded, &[60.0, 0.0], aim, 1.0, &mut upstream);
    assert!(upstream[0] == 0.0 && upstream[1] > 0.0, "{upstream:?}");
}

#[test]
fn broken_logits_give_no_number() {
    let [away, _] = aims();
    assert!(value("cross-entropy", &[f32::NAN, 0.0], away).is_nan());
}
