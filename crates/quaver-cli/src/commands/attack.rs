//! `quaver attack`.

use super::detect::open;
use crate::Ending;
use crate::args::Attack;
use crate::context::{Context, check_output, interrupted};
use crate::images::Stream;
use crate::output::{print, rate};
use crate::progress::Timing;
use anyhow::Context as _;
use ndarray::ArrayView4;
use quaver::attack::record::{AdversarialBatch, AttackRecord, Outcome};
use quaver::attack::run::{Deployed, Inputs, Options, run_against};
use quaver::attack::{self, LabelSource, Start};
use quaver::classifier::Classifier;
use quaver::decision::Verdict;
use quaver::evaluate::interval::Rate;
use quaver::guard::Guard;
use quaver::run::write_arrays;
use quaver::spec::{Spec, find_name};
use quaver::suite::{self, Suite};
use quaver::threat::Goal;
use serde::Serialize;
use std::fmt::Write as _;
use std::sync::Arc;

#[derive(Serialize)]
struct Attacked<'a> {
    schema: u32,
    out: String,
    images: &'a str,
    n: usize,
    record: &'a AttackRecord,
    /// How long attacks of a suite, and its search, took: no part of the result.
    #[serde(skip)]
    stages: Vec<Timing>,
    clean_accuracy: Option<Rate>,
    robust_accuracy: Option<Rate>,
    success: Option<Rate>,
    success_of_correct: Option<Rate>,
    target_reached: Option<Rate>,
    clean_refused: Option<Rate>,
    refused: Option<Rate>,
}

/// What `--attack` asks for.
enum Means {
    Attack(Box<dyn attack::Attack>),
    Suite(Suite),
}

impl Means {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let spec: Spec = text.parse()?;
        Ok(match Suite::find(text)? {
            Some(suite) => Self::Suite(suite),
            None => {
                let attacks = attack::REGISTRY.iter().map(|entry| entry.id);
                let names = attacks.chain(suite::REGISTRY.iter().map(|entry| entry.id));
                find_name("attack", &spec.name, &names.collect::<Vec<_>>())?;
                Self::Attack(attack::build(text)?)
            }
        })
    }

    fn always_targeted(&self) -> bool {
        matches!(self, Self::Attack(attack) if attack.entry().always_targeted)
    }

    fn takes_start(&self) -> bool {
        matches!(self, Self::Attack(attack) if attack.entry().start != Start::Own)
    }
}

/// The options that the flags describe.
fn options(context: &Context, args: &Attack) -> anyhow::Result<Options> {
    let dialect = args.dialect.parse()?;
    let of_dialect = Options::of(dialect);
    Ok(Options {
        labels: args.labels.map_or(of_dialect.labels, Into::into),
        goal: if args.targeted {
            Goal::Targeted
        } else {
            Goal::Untargeted
        },
        noise: match &args.noise {
            Some(mode) => mode.parse()?,
            None => of_dialect.noise,
        },
        surrogate: match &args.surrogate {
            Some(rule) => rule.parse()?,
            None => of_dialect.surrogate.clone(),
        },
        seed: context.common.seed,
        n_restarts: args.restarts,
        decision: args.answer.decision(),
        ..of_dialect
    })
}

pub(crate) fn run(context: &Context, args: &Attack) -> anyhow::Result<Ending> {
    let means = Means::parse(&args.attack)?;
    let mut options = options(context, args)?;
    check_output(&args.out)?;
    let (_, network) = context.classifier(&args.model)?;
    let network: Arc<dyn Classifier> = network.into();
    let guard = match &args.detector {
        Some(path) => Some(
            Guard::open(Arc::clone(&network), &open(path)?, args.fpr)
                .with_context(|| path.display().to_string())?,
        ),
        None => None,
    };
    if let Some(guard) = &guard {
        options.decision = guard.decision();
    }
    let images = Stream::open(context, &args.images, &*network)?;
    let images = context.engine.install(|| images.all())?;
    let labels = images.require_labels("an attack")?;
    // A file may hold what this attack has no use for.
    let targets = images.targets.as_deref();
    let start = images
        .start
        .as_ref()
        .map(|start| -> ArrayView4<'_, f32> { start.view() });
    let inputs = Inputs {
        x: images.x.view(),
        ids: &images.ids,
        labels,
        targets: targets.filter(|_| args.targeted || means.always_targeted()),
        calibration: None,
        start: start.filter(|_| means.takes_start()),
    };
    let deployed = guard.as_ref().map(|guard| -> &dyn Deployed { guard });
    let progress = &context.progress;
    let run = || match &means {
        Means::Attack(attack) => {
            run_against(deployed, &**attack, &*network, &inputs, &options, progress)
        }
        Means::Suite(suite) => {
            suite::run::run(suite, deployed, &*network, &inputs, &options, progress)
        }
    };
    let batch = context.engine.install(run)?;
    if batch.n() > 0 {
        write_arrays(&args.out, batch.to_arrays()?)?;
    }
    let counts = batch.record.counts;
    let attacked = Attacked {
        schema: 1,
        out: args.out.display().to_string(),
        images: &images.source,
        n: batch.n(),
        record: &batch.record,
        stages: progress.stages(),
        clean_accuracy: Rate::new(counts.n_initially_correct, counts.n),
        robust_accuracy: Rate::of(batch.outcomes.iter().map(Outcome::right_after)),
        success: Rate::new(counts.n_success, counts.n),
        success_of_correct: Rate::new(counts.n_success_of_correct, counts.n_initially_correct),
        target_reached: counts.n_target_reached.and_then(|k| Rate::new(k, counts.n)),
        clean_refused: refused(&batch, |outcome| outcome.clean),
        refused: refused(&batch, |outcome| outcome.perturbed),
    };
    print(context.common.json, &attacked, &text(&attacked))?;
    Ok(if batch.record.complete {
        Ending::Done
    } else {
        Ending::Interrupted
    })
}

/// What the attacks of a suite did, one after another.
fn of_suite(r: &AttackRecord, stages: &[Timing]) -> String {
    let mut out = String::new();
    let took = |name: &str, nth: usize| {
        let same = stages.iter().filter(|stage| stage.name == name);
        same.map(|stage| stage.seconds).nth(nth).unwrap_or(0.0)
    };
    for (i, member) in r.members.iter().enumerate() {
        let name = member.attack.split('(').next().unwrap_or_default();
        let before = r.members[..i].iter();
        let nth = before.filter(|m| m.n_attacked > 0 && m.attack.starts_with(&format!("{name}(")));
        let _ = writeln!(
            out,
            "  {:>4} of {:>4} fell, {:>6.1} s, {:>9} forward  {} x{}, surrogates {}, noise {}",
            member.n_fallen,
            member.n_attacked,
            took(name, nth.count()),
            member.cost.n_forward,
            member.attack,
            member.n_restarts,
            member.surrogate,
            member.noise,
        );
    }
    if let Some(search) = &r.search {
        let _ = writeln!(
            out,
            "  search on {} images, {:.1} s, {} settings, judged on others: {}",
            search.n,
            took("search", 0),
            search.tried.len(),
            search.found
        );
    }
    out
}

/// Share of the images that the detector refuses, where there is one.
fn refused(batch: &AdversarialBatch, verdict: fn(&Outcome) -> Verdict) -> Option<Rate> {
    let refused = batch.outcomes.iter().map(verdict);
    let refused = Rate::of(refused.map(|verdict| verdict == Verdict::Rejected));
    refused.filter(|_| batch.record.guarded)
}

fn text(a: &Attacked<'_>) -> String {
    let r = a.record;
    let labels = match r.labels {
        LabelSource::True => "true",
        LabelSource::Predicted => "predicted",
    };
    let mut out = format!(
        "{} on {} images of {}, noise {}, {} labels, seed {}\n",
        r.attack, a.n, a.images, r.noise, labels, r.seed
    );
    let rows = [
        ("clean accuracy", a.clean_accuracy),
        ("robust accuracy", a.robust_accuracy),
        ("success, all images", a.success),
        ("success, correct ones", a.success_of_correct),
        ("target reached", a.target_reached),
    ];
    let refused = [
        ("refused, clean", a.clean_refused),
        ("refused, attacked", a.refused),
    ];
    let refused = refused.into_iter().filter(|_| r.guarded);
    for (name, value) in rows.into_iter().chain(refused) {
        let _ = writeln!(out, "  {name:22} {}", rate(value.as_ref()));
    }
    let c = r.counts;
    let _ = writeln!(
        out,
        "  cost: {} forward, {} backward; flagged: {} zero gradient, {} no admissible pair, {} not finite",
        r.cost.n_forward,
        r.cost.n_backward,
        c.n_zero_gradient,
        c.n_no_admissible_pair,
        c.n_non_finite
    );
    out.push_str(&of_suite(r, &a.stages));
    for (layer, surrogate) in &r.surrogates {
        let _ = writeln!(out, "  gradient of {layer}: {surrogate}");
    }
    for note in &r.notes {
        let _ = writeln!(out, "note: {note}");
    }
    if !r.complete {
        let _ = writeln!(out, "{}", interrupted(a.n as u64));
    }
    out
}
