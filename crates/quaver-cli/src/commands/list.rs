//! `quaver list`.

use crate::Ending;
use crate::output::print;
use quaver::evaluate::checks::CHECKS;
use quaver::uncertainty::MEASURES;
use quaver::{attack, data, detect};
use quaver_nn::Simd;
use quaver_nn::arch::{ARCHITECTURES, TOPOLOGIES};
use quaver_nn::quantizer::Quantization;
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(crate) fn run(json: bool) -> anyhow::Result<Ending> {
    let own = |name: &str, title: &str| (name.to_owned(), title.to_owned());
    let attack =
        |entry: &&attack::Entry| own(entry.id, &format!("{}: {}", entry.title, entry.paper));
    let kinds: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::from([
        ("attacks", attack::REGISTRY.iter().map(attack).collect()),
        (
            "architectures",
            ARCHITECTURES.iter().map(|a| own(a.name, a.title)).collect(),
        ),
        (
            "topologies",
            TOPOLOGIES.iter().map(|t| own(t.name, t.title)).collect(),
        ),
        (
            "quantizers",
            Quantization::names().map(|name| own(name, "")).collect(),
        ),
        (
            "measures",
            MEASURES.iter().map(|m| own(m.id, m.title)).collect(),
        ),
        (
            "detectors",
            detect::REGISTRY
                .iter()
                .map(|d| own(d.id, d.title))
                .collect(),
        ),
        (
            "checks",
            CHECKS.iter().map(|c| own(c.id, c.title)).collect(),
        ),
        (
            "datasets",
            data::source::NAMES
                .iter()
                .map(|name| own(name, ""))
                .collect(),
        ),
        (
            "simd",
            Simd::available()
                .iter()
                .map(|simd| own(simd.name(), ""))
                .collect(),
        ),
    ]);
    let mut text = String::new();
    for (kind, entries) in &kinds {
        let _ = writeln!(text, "{kind}");
        for (name, title) in entries {
            let line = format!("  {name:22} {title}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    let names = |entries: &[(String, String)]| {
        let entry =
            |(name, title): &(String, String)| serde_json::json!({ "name": name, "title": title });
        entries.iter().map(entry).collect::<Vec<_>>()
    };
    let mut document = serde_json::json!({ "schema": 1 });
    for (kind, all) in &kinds {
        document[*kind] = names(all).into();
    }
    print(json, &document, &text)?;
    Ok(Ending::Done)
}
