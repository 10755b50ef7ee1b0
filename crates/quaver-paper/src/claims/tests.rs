use super::answers::{Input, Network};
use super::*;
use crate::rows::by_precision;
use ndarray::Array2;

const N: usize = 200;

/// One row of a made-up table: accuracies in percent, uncertainties in thousandths.
#[derive(Clone, Copy)]
struct Line {
    test: f64,
    gain: f64,
    fgsm: f64,
    pgd: f64,
    clean: f64,
    attacked: f64,
    on_pgd: f64,
}

/// The first images are right, as many as the accuracy asks for; uncertainties spread evenly
/// over the mean, between none of it and twice as much.
fn input(voted: f64, gain: f64, thousandths: f64) -> Input {
    let right = |percent: f64| -> Vec<f64> {
        let n_right = (percent / 100.0 * N as f64).round() as usize;
        (0..N)
            .map(|i| if i < n_right { 100.0 } else { 0.0 })
            .collect()
    };
    let spread = |i: usize| (i * 37 % N) as f64 / (N - 1) as f64;
    Input {
        voted: right(voted),
        single: right(voted - gain),
        uncertainty: (0..N).map(|i| 2e-3 * thousandths * spread(i)).collect(),
        hits: None,
    }
}

fn network(line: Line) -> Network {
    let attacks = [
        ("fgsm", input(line.fgsm, line.gain, line.attacked)),
        ("jsma", input(line.fgsm, line.gain, line.attacked)),
        ("pgd", input(line.pgd, 0.0, line.on_pgd)),
    ];
    Network {
        test: input(line.test, 0.0, line.clean),
        clean: input(line.test, 0.0, line.clean),
        attacks: attacks.map(|(id, input)| (id.to_owned(), input)).into(),
        honest: [
            ("fgsm-off", 1.0),
            ("fgsm-eot", 2.0),
            ("pgd-off", 0.0),
            ("pgd-eot", 0.5),
        ]
        .map(|(id, percent)| (id.to_owned(), input(percent, 0.0, 0.0).voted))
        .into(),
        draws_weights: false,
    }
}

/// `line` gets the place in the order of precision with the controls, from 0 to 8.
fn answers(n_seeds: usize, line: impl Fn(usize, usize) -> Line) -> Answers {
    let mut all = Answers {
        n_seeds,
        ..Answers::default()
    };
    for (precision, &place) in by_precision(true).iter().enumerate() {
        for seed in 0..n_seeds {
            let network = network(line(precision, seed));
            all.networks.insert((place, seed), network);
        }
    }
    all
}

/// Everything is as the paper says.
fn agreeing(precision: usize) -> Line {
    let p = precision as f64;
    Line {
        test: if precision == 0 { 40.0 } else { 80.0 + 2.0 * p },
        gain: 20.0 - 2.0 * p,
        fgsm: 60.0 - 4.0 * p,
        pgd: 0.0,
        clean: 10.0 - p,
        attacked: 12.0,
        on_pgd: 10.0 - p,
    }
}

/// Everything is the other way round.
fn contradicting(precision: usize) -> Line {
    let p = precision as f64;
    Line {
        test: 98.0 - 3.0 * p,
        gain: -10.0,
        fgsm: 20.0 + 4.0 * p,
        pgd: 30.0,
        clean: 2.0 + p,
        attacked: 12.0 / (1.0 + p),
        on_pgd: 40.0,
    }
}

fn verdicts_of(claims: &[Claim]) -> Vec<Verdict> {
    claims.iter().map(|claim| claim.verdict).collect()
}

#[test]
fn what_the_paper_says_is_supported_where_it_is_so() {
    let claims = verdicts(&answers(1, |precision, _| agreeing(precision)), 0);
    let ids: Vec<&str> = claims.iter().map(|claim| claim.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d", "e", "f", "g"]);
    for claim in &claims {
        assert_eq!(claim.verdict, Verdict::Supported, "{claim:?}");
        assert_eq!(claim.scope, Scope::Networks);
        let all = if matches!(claim.id.as_str(), "f" | "g") {
            1
        } else {
            2
        };
        assert_eq!(claim.readings.len(), all);
        assert!(!claim.readings[0].with_controls);
    }
    let slope = claims[1].readings[0].tests[0].clone();
    // Controls lie between the paper's rows, whose FGSM accuracies are then not evenly spaced.
    assert!((slope.statistic.unwrap() + 5.0).abs() < 1.0, "{slope:?}");
    assert_eq!((slope.n, slope.criterion.as_str()), (200, "< 0"));
    assert!(
        claims[1]
            .honest
            .as_ref()
            .unwrap()
            .contains("noisy gradients")
    );
}

#[test]
fn the_contrary_is_not_supported() {
    let claims = verdicts(&answers(1, |precision, _| contradicting(precision)), 0);
    for claim in &claims {
        assert_eq!(claim.verdict, Verdict::NotSupported, "{claim:?}");
    }
}

#[test]
fn what_lies_on_the_threshold_is_undecided() {
    // Slopes are 0, the loss by dropout is 10 points, and 5 % survive PGD.
    let flat = [70.0, 80.0, 75.0, 75.0, 75.0, 75.0, 75.0, 80.0, 70.0];
    let line = |precision: usize, _| Line {
        test: flat[precision],
        gain: 0.0,
        fgsm: 30.0,
        pgd: 5.0,
        clean: 3.0,
        attacked: 9.0,
        on_pgd: 3.0,
    };
    let claims = verdicts(&answers(1, line), 0);
    for claim in claims.iter().filter(|claim| claim.id != "a") {
        assert_eq!(claim.verdict, Verdict::Undecided, "{claim:?}");
    }
}

#[test]
fn from_five_seeds_on_seeds_are_counted() {
    let line = |precision: usize, seed: usize| Line {
        fgsm: 60.0 - 4.0 * precision as f64 + ((seed + precision) % 3) as f64,
        ..agreeing(precision)
    };
    let claims = verdicts(&answers(5, line), 0);
    let b = &claims[1];
    assert_eq!((b.scope, b.verdict), (Scope::Topology, Verdict::Supported));
    assert_eq!(b.readings[0].tests[0].n, 5);
    let claims = verdicts(&answers(4, line), 0);
    assert_eq!(claims[1].scope, Scope::Networks);
}

#[test]
fn a_missing_network_leaves_claims_undecided() {
    let mut all = answers(1, |precision, _| agreeing(precision));
    all.networks.remove(&(4, 0));
    let claims = verdicts(&all, 0);
    assert!(
        verdicts_of(&claims)
            .iter()
            .all(|v| *v == Verdict::Undecided)
    );
    let test = &claims[0].readings[0].tests[0];
    assert_eq!((test.statistic, test.p, test.n), (None, None, 0));
    assert!(claims[0].readings[0].sentence.contains("not measured"));
    assert!(verdicts(&Answers::default(), 0).len() == CLAIMS.len());
}

/// All passes of half of the draws are wrong in the first two rows, whatever the image.
fn drawing_weights() -> Answers {
    let mut all = answers(1, |precision, _| agreeing(precision));
    for &place in &by_precision(true)[..2] {
        let network = all.networks.get_mut(&(place, 0)).unwrap();
        network.draws_weights = true;
        let attacked = network.attacks.values_mut();
        for input in attacked.chain([&mut network.test, &mut network.clean]) {
            input.hits = Some(Array2::from_shape_fn((N, 20), |(_, pass)| pass % 2 == 0));
            input.single = vec![50.0; N];
        }
    }
    all
}

#[test]
fn drawn_weights_widen_what_single_passes_decide() {
    let claims = verdicts(&drawing_weights(), 0);
    let test = |claim: usize, test: usize| &claims[claim].readings[0].tests[test];
    let (single, voted) = (test(0, 0), test(0, 1));
    assert_eq!(single.over, "images and drawn weights");
    assert_eq!(voted.over, "images, at the weights that were drawn");
    assert_eq!(
        test(2, 0).over,
        "images and, in single passes, drawn weights"
    );
    assert!(
        claims[0].readings[0]
            .sentence
            .contains("interval over images and drawn weights")
    );
    let mut frozen = drawing_weights();
    for network in frozen.networks.values_mut() {
        network.draws_weights = false;
        let attacked = network.attacks.values_mut();
        for input in attacked.chain([&mut network.test, &mut network.clean]) {
            input.hits = None;
        }
    }
    let frozen = verdicts(&frozen, 0);
    let narrow = &frozen[0].readings[0].tests[0];
    let width = |test: &ClaimTest| test.high.unwrap() - test.low.unwrap();
    assert_eq!(narrow.over, "images");
    assert_eq!(narrow.statistic, single.statistic);
    assert!(width(single) > 1.5 * width(narrow), "{single:?} {narrow:?}");
}

#[test]
fn honest_sentences_carry_intervals_and_say_no_more_than_these_allow() {
    let honest = |answers: &Answers, claim: usize| {
        let claims = verdicts(answers, 0);
        claims[claim].honest.clone().unwrap()
    };
    let flat = answers(1, |precision, _| agreeing(precision));
    let gone = honest(&flat, 1);
    assert!(
        gone.contains("+0.00 (95 % interval +0.00 to +0.00)"),
        "{gone}"
    );
    assert!(gone.contains("it is gone"), "{gone}");
    assert!(honest(&flat, 5).contains("95 % interval"));
    let mut faint = flat.clone();
    for (precision, &place) in by_precision(true).iter().enumerate() {
        let network = faint.networks.get_mut(&(place, 0)).unwrap();
        for id in ["fgsm-off", "fgsm-eot"] {
            let right = 30.0 - 0.2 * precision as f64;
            let shifted = |i: usize| (i * 7 + precision * 31) % N;
            let values = (0..N).map(|i| {
                if (shifted(i) as f64) < 2.0 * right {
                    100.0
                } else {
                    0.0
                }
            });
            network.honest.insert(id.to_owned(), values.collect());
        }
    }
    let sentence = honest(&faint, 1);
    assert!(
        sentence.contains("cannot tell whether it stays"),
        "{sentence}"
    );
}
