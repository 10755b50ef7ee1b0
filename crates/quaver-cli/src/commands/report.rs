//! `quaver report`.

use crate::Ending;
use crate::args::Report;
use crate::context::Context;
use crate::output::print;
use anyhow::{Context as _, bail};
use quaver::atomic_file;
use quaver_paper::results::{Results, SCHEMA};
use quaver_paper::{brief, render_all};
use std::fs;

pub(crate) fn run(context: &Context, args: &Report) -> anyhow::Result<Ending> {
    let path = args.run.join("results.json");
    let name = path.display();
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{name}: no finished run of quaver reproduce"))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{name} is no JSON"))?;
    match value["schema"].as_u64() {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        other => {
            let got = other.map_or_else(|| "none".into(), |schema| schema.to_string());
            bail!("{name} has schema {got}, this program reads {SCHEMA}")
        }
    }
    let results: Results =
        serde_json::from_value(value).with_context(|| format!("{name} does not parse"))?;
    let out = args.out.as_ref().unwrap_or(&args.run);
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let files = render_all(&results)?;
    for (name, bytes) in &files {
        let path = out.join(name);
        atomic_file::write(&path, bytes)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let names: Vec<&&str> = files.keys().collect();
    let document = serde_json::json!({ "schema": 1, "out": out, "files": names });
    let text = format!(
        "{}\nthe page: {}",
        brief(&results),
        out.join("report.html").display()
    );
    print(context.common.json, &document, &text)?;
    Ok(Ending::Done)
}
