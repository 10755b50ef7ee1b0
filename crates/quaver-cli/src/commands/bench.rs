//! `quaver bench`.

use crate::Ending;
use crate::args::Bench;
use crate::context::{Context, check_output};
use crate::images::file_images;
use crate::output::print;
use crate::speed::{Images, Settings, Subject, Work, measure, profiled, swept};
use anyhow::{Context as _, bail};
use quaver::atomic_file;
use quaver::attack::run::Options;
use quaver::network::Network;
use quaver::observe::Observer;
use quaver::report::{png, svg};
use quaver::spec::split_list;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn run(context: &Context, args: &Bench) -> anyhow::Result<Ending> {
    if let Some(path) = &args.plot {
        check_plot(path, args)?;
    }
    let subjects = subjects(context, args)?;
    let images = images(context, args, &subjects)?;
    let settings = Settings {
        work: work(args)?,
        batch_sizes: args.batch_size.iter().map(|&n| n as usize).collect(),
        n: args.input.as_ref().map_or(args.n, |_| images.labels.len()),
        passes: args.passes,
        attacks: Options {
            seed: context.common.seed,
            ..Options::of(args.dialect.parse()?)
        },
        seconds: args.seconds,
    };
    let run = match (&args.plot, args.profile) {
        (Some(_), _) => swept,
        (None, true) => profiled,
        (None, false) => measure,
    };
    let (engine, progress) = (&context.engine, &context.progress);
    let speed = run(&settings, &subjects, &images, engine, progress)?;
    if let Some(path) = &args.plot {
        let bytes = match is_png(path) {
            true => png::draw(&speed.scene())?,
            false => svg::file(&speed.scene()).into_bytes(),
        };
        atomic_file::write(path, &bytes)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    print(context.common.json, &speed, &speed.text())?;
    Ok(match context.progress.go_on() {
        true => Ending::Done,
        false => Ending::Interrupted,
    })
}

/// What to time; specs of attacks keep their commas.
fn work(args: &Bench) -> anyhow::Result<Vec<Work>> {
    let mut work = Vec::new();
    for list in &args.work {
        let names = split_list(list)
            .with_context(|| format!("--work {list:?}: its parentheses do not balance"))?;
        for name in names {
            work.push(Work::find(name, args.passes)?);
        }
    }
    Ok(work)
}

fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "png")
}

fn check_plot(path: &Path, args: &Bench) -> anyhow::Result<()> {
    if !is_png(path) && path.extension().is_none_or(|end| end != "svg") {
        bail!("--plot writes .svg or .png, got {}", path.display());
    }
    let n = args.arch.len() * args.topology.len();
    if args.model.is_none() && n > 2 {
        bail!("--plot shows one or two networks, got {n}");
    }
    check_output(path)
}

/// The networks that the flags name.
fn subjects(context: &Context, args: &Bench) -> anyhow::Result<Vec<Subject>> {
    if let Some(path) = &args.model {
        let model = context.network(path)?.model().clone();
        return Ok(vec![Subject {
            arch: model.info.arch.clone(),
            topology: model.info.topology.clone(),
            model,
        }]);
    }
    let networks = args.arch.iter().flat_map(|arch| {
        let topologies = args.topology.iter();
        topologies.map(move |topology| Subject::fresh(arch, topology))
    });
    networks.collect()
}

/// The images, enough for every batch.
fn images(context: &Context, args: &Bench, subjects: &[Subject]) -> anyhow::Result<Images> {
    let largest = args.batch_size.iter().copied().max().unwrap_or(0) as usize;
    let Some(path) = &args.input else {
        return context
            .engine
            .install(|| Images::digits(args.n.max(largest), &context.progress));
    };
    let network = Network::new(
        Arc::new(subjects[0].model.clone()),
        Arc::clone(&context.engine),
    )?;
    let images = file_images(path, None, &network)?;
    let labels = images.require_labels("bench")?.to_vec();
    if labels.len() < largest {
        bail!(
            "{}: a batch of {largest} images asked for, got {}",
            path.display(),
            labels.len()
        );
    }
    Ok(Images {
        x: images.x,
        labels,
        ids: images.ids,
        targets: images.targets,
    })
}
