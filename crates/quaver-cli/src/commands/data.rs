//! `quaver data fetch | show | export`.

use crate::Ending;
use crate::args::Data;
use crate::context::{Context, cache, check_output};
use crate::fetch::fetch;
use crate::output::print;
use anyhow::Context as _;
use quaver::atomic_file;
use quaver::data::npz::Arrays;
use quaver::data::{Dataset, Pixels, Split};
use quaver::report::contact_sheet::{Layout, draw, rows_by_class};
use quaver::run::write_arrays;
use std::path::Path;

pub(crate) fn run(context: &Context, args: &Data) -> anyhow::Result<Ending> {
    let split = |train| if train { Split::Train } else { Split::Test };
    match args {
        Data::Fetch {
            dataset,
            into,
            from,
        } => {
            let folder = into.clone().or_else(cache);
            let folder = folder.context("there is no cache folder here; name one with --into")?;
            let from = Some(&from[..]).filter(|from| !from.is_empty());
            let found = fetch(dataset, &folder, from, &context.progress)?;
            let document = serde_json::json!({ "schema": 1, "dataset": dataset, "folder": found.display().to_string() });
            let text = format!("{dataset} is in {}", found.display());
            print(context.common.json, &document, &text)?;
        }
        Data::Show {
            data,
            train,
            per_class,
            out,
        } => {
            check_output(out)?;
            let dataset = context.dataset(data, split(*train), None)?;
            show(context, &dataset, *per_class as usize, out)?;
        }
        Data::Export {
            data,
            train,
            n,
            out,
        } => {
            check_output(out)?;
            let dataset = context.dataset(data, split(*train), *n)?;
            export(context, &dataset, out)?;
        }
    }
    Ok(Ending::Done)
}

fn show(context: &Context, dataset: &Dataset, per_class: usize, out: &Path) -> anyhow::Result<()> {
    let rows = rows_by_class(dataset, per_class);
    let layout = Layout {
        n_columns: per_class,
        zoom: 2,
    };
    let png = draw(dataset, &rows, layout)?;
    atomic_file::write(out, &png).with_context(|| format!("cannot write {}", out.display()))?;
    report(context, dataset, rows.len(), out)
}

fn export(context: &Context, dataset: &Dataset, out: &Path) -> anyhow::Result<()> {
    let labels: Vec<i64> = dataset.labels().iter().map(|&label| label as i64).collect();
    let x = match dataset.pixels() {
        Pixels::Bytes(bytes) => bytes.clone().into(),
        Pixels::Floats(values) => values.clone().into(),
    };
    let arrays = Arrays::from([
        ("x".into(), x),
        ("y".into(), labels.into()),
        ("id".into(), dataset.ids().to_vec().into()),
    ]);
    write_arrays(out, arrays)?;
    report(context, dataset, dataset.len(), out)
}

fn report(context: &Context, dataset: &Dataset, n: usize, out: &Path) -> anyhow::Result<()> {
    let document = serde_json::json!({
        "schema": 1,
        "dataset": dataset.name(),
        "n": n,
        "out": out.display().to_string(),
    });
    let text = format!("{}: {n} images of {}", out.display(), dataset.name());
    print(context.common.json, &document, &text)
}
