//! Made-up results for tests: complete in kind, with numbers missing here and there.

mod claims_and_pictures;

use std::collections::BTreeMap;

use crate::results::*;
use claims_and_pictures::{claims, examples, figure};

/// (id, title, dropout, control, voted accuracies in % on clean, FGSM, JSMA, PGD, clean uncertainty).
type Line = (&'static str, &'static str, f64, bool, [f64; 4], f64);

const LINES: [Line; 9] = [
    (
        "rand-bnn",
        "Rand BNN",
        0.05,
        false,
        [96.5, 8.0, 8.0, 3.0],
        4.5e-3,
    ),
    (
        "rand-bnn",
        "Rand BNN",
        0.0,
        false,
        [96.5, 13.0, 8.0, 2.0],
        4.1e-3,
    ),
    ("bnn", "BNN", 0.5, false, [97.5, 26.0, 6.0, 4.0], 2.3e-3),
    (
        "quantized-2bit",
        "Quantized 2 bit",
        0.5,
        false,
        [99.0, 8.0, 4.0, 0.0],
        9.3e-4,
    ),
    (
        "quantized-3bit",
        "Quantized 3 bit",
        0.5,
        false,
        [98.5, 16.0, 3.0, 2.0],
        1.2e-3,
    ),
    (
        "quantized-4bit",
        "Quantized 4 bit",
        0.5,
        false,
        [99.0, 23.0, 3.0, 1.0],
        1.1e-3,
    ),
    (
        "full-precision",
        "Full precision",
        0.5,
        false,
        [99.5, 20.0, 4.0, 2.0],
        9.3e-4,
    ),
    (
        "full-precision-bn",
        "Full precision + BN",
        0.5,
        true,
        [99.0, 14.0, 5.0, 1.0],
        1.0e-3,
    ),
    (
        "bnn-weights",
        "BNN, weights only",
        0.5,
        true,
        [98.5, 17.0, 6.0, 2.0],
        1.5e-3,
    ),
];

const ATTACKS: [(&str, &str, &str); 3] = [
    ("fgsm", "FGSM", "fgsm(eps=0.3)"),
    ("jsma", "JSMA", "jsma(gamma=0.1,theta=1)"),
    ("pgd", "PGD", "pgd(eps=0.3,n_steps=40,step_size=0.01)"),
];

/// One seed.
pub(crate) fn results() -> Results {
    Results {
        schema: SCHEMA,
        version: "0.1.0".into(),
        dataset: "digits".into(),
        arch: "lenet5".into(),
        quick: true,
        command: "quaver reproduce --dataset digits --quick --seed 0".into(),
        n: 200,
        n_passes: 20,
        seeds: vec![0],
        configuration: configuration(),
        attacks: ATTACKS.map(attack_info).into(),
        topologies: LINES.iter().map(|line| topology(line, &[0])).collect(),
        honest_columns: honest_columns(),
        claims: claims(),
        figure: Some(figure()),
        examples: Some(examples()),
        warnings: vec![
            "The dataset is not the paper's: its numbers stand beside for orientation only.".into(),
        ],
    }
}

/// Two seeds, with means and deviations.
pub(crate) fn two_seeds() -> Results {
    let seeds = vec![0, 1];
    let topologies = LINES.iter().map(|line| topology(line, &seeds)).collect();
    Results {
        seeds,
        topologies,
        ..results()
    }
}

fn configuration() -> Vec<Setting> {
    [
        ("training", "epochs", "3"),
        ("training", "batch", "64"),
        ("training", "lr", "0.001"),
        ("attack", "dialect", "cleverhans-2.1"),
        ("attack", "noise", "per-step"),
        ("inference", "passes", "20"),
    ]
    .map(|(group, name, value)| Setting {
        group: group.into(),
        name: name.into(),
        value: value.into(),
    })
    .into()
}

fn attack_info((id, title, spec): (&str, &str, &str)) -> AttackInfo {
    AttackInfo {
        id: id.into(),
        title: title.into(),
        spec: spec.into(),
        noise: "per-step".into(),
        labels: "predicted".into(),
    }
}

fn honest_columns() -> Vec<HonestColumn> {
    let mut columns = Vec::new();
    for (id, title, spec) in ATTACKS {
        for (noise, words, n) in [("off", "noise off", 200), ("eot(20)", "EOT 20", 100)] {
            columns.push(HonestColumn {
                id: format!("{id}-{noise}"),
                title: format!("{title}, {words}"),
                attack: spec.into(),
                noise: noise.into(),
                labels: "true".into(),
                n,
            });
        }
    }
    columns
}

fn topology(line: &Line, seeds: &[u64]) -> TopologyResults {
    let (id, title, dropout, control, voted, uncertainty) = *line;
    TopologyResults {
        topology: Topology {
            id: id.into(),
            title: title.into(),
            dropout,
            control,
        },
        seeds: seeds
            .iter()
            .map(|&seed| seed_results(seed, id, voted, uncertainty))
            .collect(),
        across_seeds: (seeds.len() > 1).then(|| across(seeds.len() as u64, voted, uncertainty)),
    }
}

fn percent(value: f64) -> Option<Rate> {
    Rate::new((value * 2.0).round() as u64, 200)
}

fn seed_results(seed: u64, id: &str, voted: [f64; 4], uncertainty: f64) -> SeedResults {
    let mut inputs = vec![input(CLEAN, voted[0], uncertainty)];
    inputs.extend(
        ATTACKS
            .iter()
            .zip(&voted[1..])
            .map(|((attack, ..), &v)| input(attack, v, uncertainty * 8.0)),
    );
    if id == "bnn" {
        // JSMA was interrupted on this network.
        inputs[2].single = None;
        inputs[2].mean_single = None;
        inputs[2].uncertainty = None;
        inputs[2].detection = None;
    }
    SeedResults {
        seed,
        training: Training {
            n: 6_000,
            epochs: 3,
            loss: Some(0.0812),
            accuracy: (id != "bnn").then_some(0.974),
        },
        test_accuracy: percent(voted[0] - 0.5),
        test_voted: percent(voted[0]),
        inputs,
        honest: honest_columns()
            .into_iter()
            .enumerate()
            .map(|(i, column)| HonestCell {
                column: column.id,
                accuracy: if i == 5 {
                    None
                } else {
                    percent(voted[1 + i / 2] / 2.0)
                },
            })
            .collect(),
        checks: checks(id),
    }
}

fn input(id: &str, voted: f64, uncertainty: f64) -> InputResults {
    let attacked = id != CLEAN;
    let single = percent((voted - 1.0).max(0.0));
    let spread = |mean: f64| Spread {
        n: 200,
        mean,
        low: 0.9 * mean,
        high: 1.1 * mean,
        standard_deviation: mean / 2.0,
        variance: mean * mean / 4.0,
    };
    InputResults {
        input: id.into(),
        single,
        multi: percent(voted),
        mean_single: single.map(|rate| Estimate {
            n: 200,
            value: rate.value,
            low: rate.low,
            high: rate.high,
        }),
        uncertainty: Some(spread(uncertainty)),
        measures: ["margin", "mutual-information", "predictive-entropy"]
            .map(|measure| (measure.to_owned(), spread(uncertainty * 10.0)))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        detection: attacked.then(|| Detectors {
            paper: Some(detection(400, true)),
            honest: Some(detection(100, id != "jsma")),
        }),
        attack: attacked.then(|| outcome(id, voted)),
    }
}

fn detection(n: u64, successful: bool) -> Detection {
    Detection {
        n_fit: n / 2,
        n_scored: n / 2,
        all: performance(n),
        successful: successful.then(|| performance(n - 10)),
    }
}

fn performance(n: u64) -> Performance {
    Performance {
        n_clean: n / 2,
        n_adversarial: n / 2,
        accuracy: Rate::new(n * 4 / 5, n),
        auroc: Some(Estimate {
            n: n / 2,
            value: 0.871,
            low: 0.832,
            high: 0.905,
        }),
        at_fpr: vec![OperatingPoint {
            max_fpr: 0.05,
            threshold: 0.61,
            score: Some(3.2e-3),
            tpr: Rate::new(n / 4, n / 2),
            fpr: Rate::new(n / 40, n / 2),
        }],
    }
}

fn outcome(id: &str, voted: f64) -> AttackOutcome {
    AttackOutcome {
        success: percent(100.0 - voted),
        success_of_correct: percent(99.5 - voted),
        target_reached: (id == "jsma").then(|| Rate::new(150, 200)).flatten(),
        mean_linf: Some(if id == "jsma" { 1.0 } else { 0.3 }),
        mean_l2: Some(4.9),
        mean_l0: None,
        n_zero_gradient: 0,
        n_non_finite: 1,
        n_forward: 8_000,
        n_backward: 8_000,
    }
}

fn checks(id: &str) -> Vec<CheckResult> {
    use CheckStatus::{Fail, NotApplicable, Pass, Warn};
    let check = |id: &str, title: &str, status, sentence: &str| CheckResult {
        id: id.into(),
        title: title.into(),
        status,
        sentence: sentence.into(),
    };
    let random = id == "rand-bnn";
    vec![
        check(
            "C1",
            "clean accuracy",
            Pass,
            "Clean accuracy is 97.5 % of 200 images",
        ),
        check(
            "C2",
            "budget and box",
            Pass,
            "All 600 attacked images lie within the budget and in [0, 1]",
        ),
        check(
            "C4",
            "iterative against single-step",
            if random { Fail } else { Pass },
            "PGD leaves 3.0 %, FGSM 8.0 %",
        ),
        check(
            "C10",
            "zero gradients",
            Warn,
            "2 of 200 images have a zero gradient; attack with another surrogate",
        ),
        check(
            "C16",
            "randomized model",
            if random { Warn } else { Pass },
            "Two clean passes differ; use EOT",
        ),
        check(
            "C18",
            "fixed randomness",
            NotApplicable,
            "No control attack was run",
        ),
    ]
}

fn across(k: u64, voted: [f64; 4], uncertainty: f64) -> AcrossSeeds {
    let moments = |mean: f64, deviation: f64| {
        Some(Moments {
            k,
            mean,
            deviation: Some(deviation),
        })
    };
    let inputs = std::iter::once(CLEAN)
        .chain(ATTACKS.map(|(id, ..)| id))
        .zip(voted);
    AcrossSeeds {
        test_accuracy: moments(0.97, 0.004),
        test_voted: moments(0.98, 0.004),
        inputs: inputs
            .map(|(id, voted)| InputMoments {
                input: id.into(),
                single: moments((voted - 1.5).max(0.0) / 100.0, 0.005),
                multi: moments(voted / 100.0, 0.005),
                mean_single: None,
                uncertainty_mean: moments(uncertainty, uncertainty / 9.0),
                uncertainty_variance: moments(
                    uncertainty * uncertainty,
                    uncertainty * uncertainty / 9.0,
                ),
                detector_paper: (id != CLEAN).then(|| moments(0.81, 0.02)).flatten(),
                detector_honest: (id != CLEAN).then(|| moments(0.79, 0.03)).flatten(),
                auroc: (id != CLEAN).then(|| moments(0.85, 0.03)).flatten(),
            })
            .collect(),
        honest: honest_columns()
            .into_iter()
            .map(|column| HonestMoments {
                column: column.id,
                accuracy: moments(0.05, 0.01),
            })
            .collect(),
    }
}
