//! `quaver list`.

use crate::Ending;
use crate::output::print;
use quaver::attack::{self, objective};
use quaver::decision::RULES;
use quaver::evaluate::checks::CHECKS;
use quaver::spec::{Parameter, PlugIn};
use quaver::training::{augment::AUGMENTATIONS, step::STEPS};
use quaver::uncertainty::MEASURES;
use quaver::{data, detect, feature, suite, wrap};
use quaver_nn::Simd;
use quaver_nn::arch::{ARCHITECTURES, TOPOLOGIES};
use quaver_nn::optim::OPTIMIZERS;
use quaver_nn::quantizer::Quantization;
use quaver_nn::train::schedule::SCHEDULES;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Something that is found by name.
struct Row {
    name: &'static str,
    title: String,
    parameters: &'static [Parameter],
}

impl Row {
    fn new(name: &'static str, title: impl Into<String>) -> Self {
        Self {
            name,
            title: title.into(),
            parameters: &[],
        }
    }

    fn taking(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, ..self }
    }

    fn text(&self) -> String {
        let line = format!("  {:22} {}", self.name, self.title);
        let mut text = format!("{}\n", line.trim_end());
        for one in self.parameters {
            let default = format!("{}={}", one.name, one.default);
            let _ = writeln!(text, "    {default:22} {}: {}", one.about, one.allowed);
        }
        text
    }

    fn json(&self) -> Value {
        let parameter = |one: &Parameter| {
            json!({
                "name": one.name,
                "default": one.default,
                "allowed": one.allowed.to_string(),
                "about": one.about,
            })
        };
        let parameters: Vec<Value> = self.parameters.iter().map(parameter).collect();
        json!({ "name": self.name, "title": self.title, "parameters": parameters })
    }
}

/// A data set with the sizes that are known of it, and who made it.
fn dataset(entry: &&data::source::Entry) -> Row {
    let mut title = entry.title.to_owned();
    if let (Some([c, h, w]), Some([train, test])) = (entry.image_shape, entry.n_images) {
        let _ = write!(title, ", {c}x{h}x{w}, {train} and {test} images");
    }
    if !entry.source.is_empty() {
        let _ = write!(title, ": {}", entry.source);
    }
    Row::new(entry.id, title)
}

fn plug_ins<T: ?Sized>(registry: &[&PlugIn<T>]) -> Vec<Row> {
    let row = |one: &&PlugIn<T>| Row::new(one.id, one.title).taking(one.parameters);
    registry.iter().map(row).collect()
}

/// Everything that is found by name, by kind.
fn kinds() -> Vec<(&'static str, Vec<Row>)> {
    let attack = |e: &&attack::Entry| {
        Row::new(e.id, format!("{}: {}", e.title, e.paper)).taking(e.parameters)
    };
    let suite = |e: &&suite::Entry| {
        let from = if e.paper.is_empty() { "" } else { ": " };
        Row::new(e.id, format!("{}{from}{}", e.title, e.paper)).taking(e.parameters)
    };
    let detector = |e: &&detect::Entry| {
        Row::new(e.id, format!("{}: {}", e.title, e.paper)).taking(e.parameters)
    };
    let feature = |e: &&feature::Entry| {
        Row::new(e.id, format!("{}: {}", e.title, e.paper)).taking(e.parameters)
    };
    let objective = |e: &&objective::Entry| Row::new(e.id, e.title).taking(e.parameters);
    let wrapper =
        |e: &&wrap::Entry| Row::new(e.id, format!("{}: {}", e.title, e.paper)).taking(e.parameters);
    let named = |names: &mut dyn Iterator<Item = &'static str>| -> Vec<Row> {
        names.map(|name| Row::new(name, "")).collect()
    };
    vec![
        (
            "architectures",
            ARCHITECTURES
                .iter()
                .map(|a| Row::new(a.name, a.title).taking(a.parameters))
                .collect(),
        ),
        ("attacks", attack::REGISTRY.iter().map(attack).collect()),
        ("augmentations", plug_ins(AUGMENTATIONS)),
        (
            "checks",
            CHECKS.iter().map(|c| Row::new(c.id, c.title)).collect(),
        ),
        (
            "datasets",
            data::source::REGISTRY.iter().map(dataset).collect(),
        ),
        (
            "decisions",
            RULES
                .iter()
                .map(|r| Row::new(r.id, r.title).taking(r.parameters))
                .collect(),
        ),
        ("detectors", detect::REGISTRY.iter().map(detector).collect()),
        ("features", feature::REGISTRY.iter().map(feature).collect()),
        (
            "measures",
            MEASURES.iter().map(|m| Row::new(m.id, m.title)).collect(),
        ),
        (
            "objectives",
            objective::REGISTRY.iter().map(objective).collect(),
        ),
        ("optimizers", plug_ins(OPTIMIZERS)),
        ("quantizers", named(&mut Quantization::names())),
        ("schedules", plug_ins(SCHEDULES)),
        (
            "simd",
            named(&mut Simd::available().into_iter().map(Simd::name)),
        ),
        ("steps", plug_ins(STEPS)),
        ("suites", suite::REGISTRY.iter().map(suite).collect()),
        (
            "topologies",
            TOPOLOGIES
                .iter()
                .map(|t| Row::new(t.name, t.title))
                .collect(),
        ),
        ("wrappers", wrap::REGISTRY.iter().map(wrapper).collect()),
    ]
}

pub(crate) fn run(json: bool) -> anyhow::Result<Ending> {
    let mut text = String::new();
    let mut document = json!({ "schema": 2 });
    for (kind, rows) in kinds() {
        let _ = writeln!(text, "{kind}");
        rows.iter().for_each(|row| text.push_str(&row.text()));
        document[kind] = rows.iter().map(Row::json).collect();
    }
    print(json, &document, &text)?;
    Ok(Ending::Done)
}
