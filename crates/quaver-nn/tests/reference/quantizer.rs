//! Formulas of quantizers and surrogate gradients, written from the papers.

use quaver_nn::noise::{LayerDraw, Purpose};
use quaver_nn::quantizer::Quantization;
use serde_json::Value;

fn number(config: &Value, key: &str) -> f64 {
    config[key].as_f64().expect("a number")
}

fn sign(r: f64) -> f64 {
    if r >= 0.0 { 1.0 } else { -1.0 }
}

/// Grid values of `latent`.
pub(crate) fn quantize(
    quantizer: &Quantization,
    latent: &[f64],
    draw: Option<LayerDraw>,
) -> Vec<f64> {
    let config = quantizer.get().config();
    let each = |f: &dyn Fn(f64) -> f64| latent.iter().map(|&r| f(r)).collect();
    match quantizer.get().name() {
        "sign" => each(&sign),
        "k-bit" => {
            let levels = 2.0_f64.powf(number(&config, "bits") - 1.0);
            each(&|r| ((r * levels).round_ties_even() / levels).clamp(-1.0, 1.0))
        }
        "linear" => {
            let [step, min, max] = ["step", "min", "max"].map(|key| number(&config, key));
            each(&|r| ((r / step).round_ties_even() * step).clamp(min, max))
        }
        "stochastic-sign" => stochastic_sign(&config, latent, draw),
        other => panic!("no formula for {other}"),
    }
}

fn stochastic_sign(config: &Value, latent: &[f64], draw: Option<LayerDraw>) -> Vec<f64> {
    let rule = config["test_weights"].as_str().expect("a rule");
    let drawn = draw.filter(|draw| draw.purpose == Purpose::Train || rule == "resample");
    let Some(draw) = drawn else {
        let fixed = |&r: &f64| if rule == "real" { r } else { sign(r) };
        return latent.iter().map(fixed).collect();
    };
    let mut uniforms = vec![0.0; latent.len()];
    draw.uniforms(&mut uniforms);
    let pairs = latent.iter().zip(uniforms);
    let hard_sigmoid = |r: f64| ((r + 1.0) / 2.0).clamp(0.0, 1.0);
    pairs
        .map(|(&r, u)| sign(hard_sigmoid(r) - f64::from(u) - f64::MIN_POSITIVE))
        .collect()
}

/// Gradient with respect to the latent value `r` from `g`, the one with respect to its grid value.
pub(crate) fn surrogate(quantizer: &Quantization, r: f64, g: f64) -> f64 {
    let config = quantizer.get().config();
    let (min, max) = match quantizer.get().name() {
        "linear" => (number(&config, "min"), number(&config, "max")),
        _ => (-1.0, 1.0),
    };
    let text = config["surrogate"].as_str().expect("a surrogate");
    let (name, number) = text.split_once('(').unwrap_or((text, "=1)"));
    let number: f64 = number[number.find('=').expect("a number") + 1..number.len() - 1]
        .parse()
        .expect("a number");
    let (middle, half) = (f64::midpoint(min, max), (max - min) / 2.0);
    match name {
        "hardtanh" if (r - middle).abs() <= number * half => g,
        "hardtanh" | "none" => 0.0,
        "tanh" => g * number * (1.0 - (number * r).tanh().powi(2)),
        "identity" => g,
        "value-clip" => g.clamp(-1.0, 1.0),
        "approx-sign" if r.abs() < number => g * 2.0 * (1.0 - r.abs() / number) / number,
        "approx-sign" => 0.0,
        "swish-sign" if text == name => g * swish_sign_slope(r, 5.0),
        "swish-sign" => g * swish_sign_slope(r, number),
        other => panic!("no formula for {other}"),
    }
}

/// Derivative of 2σ(βr)(1 + βr(1 − σ(βr))) − 1 in r.
fn swish_sign_slope(r: f64, beta: f64) -> f64 {
    let z = beta * r;
    let s = 1.0 / (1.0 + (-z).exp());
    let slope = s * (1.0 - s);
    beta * 2.0 * (slope * (1.0 + z * (1.0 - s)) + s * ((1.0 - s) - z * slope))
}
