//! Logistic regression against other programs, by its conditions, and at its limits.

use super::newton::sigmoid;
use super::*;

fn samples(scores: &[f64], adversarial: &[u8]) -> Vec<Sample> {
    let pairs = scores.iter().zip(adversarial).enumerate();
    pairs
        .map(|(i, (&score, &label))| Sample {
            source: i as u64,
            features: vec![score],
            adversarial: label == 1,
        })
        .collect()
}

fn uncertainties() -> Vec<Sample> {
    samples(
        &[
            0.001, 0.002, 0.0005, 0.004, 0.003, 0.01, 0.02, 0.0015, 0.012, 0.006, 0.002, 0.03,
        ],
        &[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1],
    )
}

fn assert_close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-10, "{got} is not {expected}");
}

/// scikit-learn 1.9.1, `LogisticRegression(C=1, solver="newton-cholesky", tol=1e-14)`,
/// without and with `StandardScaler`.
#[test]
fn it_finds_what_scikit_learn_finds() {
    let raw = LogisticRegression::unscaled();
    let fitted = raw.fit_numbers(&uncertainties()).unwrap();
    assert_close(fitted.weight[0], 0.033_492_370_717_273_69);
    assert_close(fitted.intercept, -0.000_256_774_839_115_454_83);
    assert!((sigmoid(fitted.suspicion(&[0.001])) - 0.499_944_18).abs() < 1e-8);
    let fitted = LogisticRegression::default()
        .fit_numbers(&uncertainties())
        .unwrap();
    assert_close(fitted.weight[0], 1.244_222_905_616_204_2);
    assert_close(fitted.intercept, 0.146_201_163_637_838_1);
}

/// What it gave when it read one score, not a vector.
#[test]
fn one_feature_gives_the_bits_of_the_first_version() {
    for (detector, expected) in [
        (
            LogisticRegression::default(),
            [
                0x3f7f_6715_29a4_85cd,
                0x3f81_d88c_5374_0737,
                0x3ff3_e856_4708_e423,
                0x3fc2_b6b8_403b_17c2,
                0x3faa_1dec_cd8d_6a0c,
            ],
        ),
        (
            LogisticRegression::unscaled(),
            [
                0,
                0x3ff0_0000_0000_0000,
                0x3fa1_25e9_79ca_da8a,
                0xbf30_d3f7_8953_e9b5,
                0xbef7_69b1_4028_20e8,
            ],
        ),
    ] {
        let fitted = detector.fit_numbers(&uncertainties()).unwrap();
        let numbers = [
            fitted.mean[0],
            fitted.deviation[0],
            fitted.weight[0],
            fitted.intercept,
            fitted.suspicion(&[0.007]),
        ];
        assert_eq!(numbers.map(f64::to_bits), expected);
    }
}

/// There the gradient is zero; two equal features share a weight.
#[test]
fn several_features_meet_the_conditions_of_the_minimum() {
    let mut rng = crate::rng::Rng::new(0, "test", 1);
    let samples: Vec<Sample> = (0..60)
        .map(|source| {
            let adversarial = source % 2 == 1;
            let shift = if adversarial { 1.0 } else { 0.0 };
            let [a, b] = [rng.normal() + shift, 3.0 * rng.normal() - shift];
            Sample {
                source,
                features: vec![a, b, a],
                adversarial,
            }
        })
        .collect();
    let detector = LogisticRegression {
        c: 2.0,
        standardize: false,
    };
    let fitted = detector.fit_numbers(&samples).unwrap();
    let mut slopes: Vec<f64> = fitted.weight.iter().map(|w| w / 2.0).collect();
    slopes.push(0.0);
    for sample in &samples {
        let error =
            sigmoid(fitted.suspicion(&sample.features)) - f64::from(u8::from(sample.adversarial));
        for (slope, z) in slopes.iter_mut().zip(sample.features.iter().chain([&1.0])) {
            *slope += error * z;
        }
    }
    assert!(slopes.iter().all(|slope| slope.abs() < 1e-8), "{slopes:?}");
    assert_close(fitted.weight[0], fitted.weight[2]);
    assert_eq!(fitted.gradient(&[0.0; 3]), Some(fitted.weight.clone()));
}

#[test]
fn without_information_only_the_intercept_is_left() {
    let same = samples(&[0.5; 4], &[1, 1, 1, 0]);
    let fitted = LogisticRegression::default().fit_numbers(&same).unwrap();
    assert_close(fitted.weight[0], 0.0);
    assert_close(fitted.intercept, 3f64.ln());
    assert_close(sigmoid(fitted.suspicion(&[0.5])), 0.75);
}

#[test]
fn separable_scores_converge_and_the_sign_follows_the_data() {
    for (label_low, sign) in [(0, 1.0), (1, -1.0)] {
        let labels = [label_low, label_low, 1 - label_low, 1 - label_low];
        let apart = samples(&[0.0, 0.1, 10.0, 11.0], &labels);
        for c in [1e-3, 1.0, 1e6] {
            let detector = LogisticRegression {
                c,
                standardize: true,
            };
            let fitted = detector.fit_numbers(&apart).unwrap();
            assert_eq!(fitted.weight[0].signum(), sign);
        }
    }
}

#[test]
fn bad_samples_and_parameters_are_refused_in_words() {
    let fit = |samples: &[Sample]| LogisticRegression::default().fit_numbers(samples);
    let error = fit(&samples(&[0.1, 0.2], &[0, 0])).unwrap_err().to_string();
    assert!(error.contains("2 clean and 0 adversarial"), "{error}");
    let error = fit(&samples(&[0.1, f64::NAN], &[0, 1])).unwrap_err();
    assert!(error.to_string().contains("source image 1: got NaN"));
    let refused = |text: &str| super::super::build(text).err().unwrap().to_string();
    for c in ["0", "-1", "1e7"] {
        let error = refused(&format!("logistic-regression(c={c})"));
        assert!(error.contains("above 0 to 1000000"), "{error}");
    }
    assert!(refused("logistic-regression(penalty=1)").contains("penalty"));
    let mut uneven = samples(&[0.1, 0.2], &[0, 1]);
    uneven[1].features.push(0.3);
    let error = fit(&uneven).unwrap_err().to_string();
    assert!(
        error.contains("source image 1: got 2 numbers, the others have 1"),
        "{error}"
    );
    for (deviation, weight) in [(vec![0.0], vec![1.0]), (vec![1.0], vec![1.0, 2.0])] {
        let broken = FittedLogisticRegression {
            mean: vec![0.0],
            deviation,
            weight,
            intercept: 0.0,
        };
        assert!((ENTRY.load)(broken.parameters()).is_err());
    }
}

/// Log-normal scores, from far below 1 to far above, overlapping to far apart, few to many.
#[test]
fn scores_of_every_scale_converge() {
    for case in 0..300u64 {
        let mut rng = crate::rng::Rng::new(0, "test", case);
        let scale = [1e-9, 1e-3, 1.0, 1e6][case as usize % 4];
        let shift = [0.0, 1.0, 8.0][case as usize % 3];
        let n = 2 + rng.below(150) as u64;
        let samples: Vec<Sample> = (0..n)
            .map(|source| Sample {
                source,
                features: vec![scale * libm::exp(2.0 * rng.normal() + shift * (source % 2) as f64)],
                adversarial: source % 2 == 1,
            })
            .collect();
        for standardize in [false, true] {
            let detector = LogisticRegression {
                c: 1.0,
                standardize,
            };
            let fitted = detector.fit_numbers(&samples);
            assert!(fitted.is_ok(), "case {case}: {fitted:?}");
        }
    }
}
