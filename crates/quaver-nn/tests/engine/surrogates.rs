//! Every quantizer with every surrogate against the papers' formulas.

use crate::reference::quantizer::{quantize, surrogate};
use quaver_nn::Simd;
use quaver_nn::noise::{Draw, Purpose};
use quaver_nn::quantizer::Quantization;
use serde_json::{Value, json};

const SURROGATES: [&str; 10] = [
    "hardtanh",
    "identity",
    "value-clip",
    "approx-sign",
    "swish-sign",
    "tanh(scale=1.5)",
    "hardtanh(width=0.5)",
    "approx-sign(width=2)",
    "swish-sign(scale=0.5)",
    "none",
];

fn configs() -> Vec<(&'static str, Value)> {
    vec![
        ("sign", json!({})),
        ("k-bit", json!({ "bits": 1 })),
        ("k-bit", json!({ "bits": 3 })),
        ("linear", json!({ "step": 0.25, "min": -0.75, "max": 1.25 })),
        ("stochastic-sign", json!({})),
        ("stochastic-sign", json!({ "test_weights": "sign" })),
        ("stochastic-sign", json!({ "test_weights": "real" })),
    ]
}

/// From -2.01 to 2.01, zero, and the ends of the grids.
fn latent() -> Vec<f32> {
    let spread = (-67..=67).map(|i| i as f32 * 0.03);
    spread.chain([0.0, -0.0, 1.0, -1.0, -0.75, 1.25]).collect()
}

#[test]
fn formulas_hold() {
    let latent = latent();
    let wide: Vec<f64> = latent.iter().map(|&r| f64::from(r)).collect();
    for (name, config) in configs() {
        for kind in SURROGATES {
            let mut config = config.clone();
            config["surrogate"] = kind.into();
            let quantizer = Quantization::from_config(name, config).unwrap();
            let draws = [None, Some(Purpose::Train), Some(Purpose::Passes)];
            for draw in draws.map(|purpose| {
                let of = |purpose| {
                    Draw {
                        seed: 2,
                        purpose,
                        pass: 1,
                    }
                    .of_layer("w")
                };
                purpose.map(of)
            }) {
                let mut got = vec![0.0; latent.len()];
                quantizer.get().quantize(&latent, draw, &mut got);
                for (i, e) in quantize(&quantizer, &wide, draw).into_iter().enumerate() {
                    let off = (f64::from(got[i]) - e).abs();
                    assert!(
                        off < 1e-6,
                        "{name} {draw:?} of {}: {} not {e}",
                        latent[i],
                        got[i]
                    );
                }
            }
            for g in [2.5_f32, -0.4] {
                let mut got = vec![g; latent.len()];
                quantizer.pull(Simd::best(), &latent, &mut got);
                for (r, got) in latent.iter().zip(got) {
                    let e = surrogate(&quantizer, f64::from(*r), f64::from(g));
                    let off = (f64::from(got) - e).abs();
                    assert!(off < 1e-5, "{name} {kind} of {g} at {r}: {got} not {e}");
                }
            }
        }
    }
}
