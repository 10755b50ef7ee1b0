//! Which attacks are run, and how.

use crate::{Config, PaperError};
use quaver::attack::noise::NoiseMode;
use quaver::attack::run::Options;
use quaver::attack::{self, Attack, Dialect, LabelSource};
use quaver::decision::Decision;
use quaver::spec::{Spec, Value};

/// The attack of the control and of what is compared with a defence off.
pub(crate) const STRONGEST: &str = "pgd";

/// An attack with its settings.
pub(crate) struct Planned {
    /// Unique among the attacks of the tables.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) attack: Box<dyn Attack>,
    /// All but the seed.
    pub(crate) options: Options,
    /// All parameters in force.
    pub(crate) spec: String,
    /// As it was asked for: a dialect may give what is left out another meaning.
    text: String,
}

/// A column of the honest reading: the strongest of its variants, image by image.
pub(crate) struct Column {
    pub(crate) id: String,
    /// Id of the attack of the tables that it is a reading of.
    pub(crate) attack: String,
    pub(crate) title: String,
    pub(crate) variants: Vec<Planned>,
    pub(crate) noise: NoiseMode,
    pub(crate) n: usize,
}

impl Planned {
    fn new(text: &str, options: Options) -> Result<Self, PaperError> {
        let attack = attack::build(text)?;
        Ok(Self {
            id: attack.entry().id.to_owned(),
            title: attack.entry().short.to_owned(),
            spec: attack.spec(options.dialect)?.to_string(),
            text: text.to_owned(),
            attack,
            options,
        })
    }
}

/// The attacks of the tables.
pub(crate) fn attacks(config: &Config) -> Result<Vec<Planned>, PaperError> {
    let options = Options {
        labels: config.labels,
        noise: config.noise,
        decision: Decision::Mean(config.passes),
        ..Options::of(config.dialect)
    };
    let planned = config
        .attacks
        .iter()
        .map(|text| Planned::new(text, options.clone()));
    let mut all: Vec<Planned> = planned.collect::<Result<_, _>>()?;
    let ids: Vec<String> = all.iter().map(|planned| planned.id.clone()).collect();
    for planned in &mut all {
        if ids.iter().filter(|id| **id == planned.id).count() > 1 {
            planned.id.clone_from(&planned.spec);
            planned.title.clone_from(&planned.spec);
        }
    }
    Ok(all)
}

/// The columns of the honest reading: true labels, the noise off or averaged over.
pub(crate) fn columns(config: &Config, test: usize) -> Result<Vec<Column>, PaperError> {
    let mut columns = Vec::new();
    for planned in attacks(config)? {
        let eot = NoiseMode::Eot(config.eot_draws);
        let over_noise = format!("EOT {}", config.eot_draws);
        for (noise, id, words, n) in [
            (NoiseMode::Off, "off", "noise off", config.honest_n),
            (eot, "eot", over_noise.as_str(), config.eot_n),
        ] {
            let options = Options {
                labels: LabelSource::True,
                noise,
                decision: Decision::Mean(config.passes),
                ..Options::of(Dialect::Corrected)
            };
            let variants = variants(&planned)?.into_iter().map(|(text, jacobian)| {
                let mut variant = Planned::new(&text, options.clone())?;
                variant.title = format!("{}{jacobian}", planned.title);
                Ok(variant)
            });
            let n = n.min(test);
            if n > 0 {
                columns.push(Column {
                    id: format!("{}-{id}", planned.id),
                    attack: planned.id.clone(),
                    title: format!("{}, {words}", planned.title),
                    variants: variants.collect::<Result<_, PaperError>>()?,
                    noise,
                    n,
                });
            }
        }
    }
    Ok(columns)
}

/// Specs, and what tells them apart: JSMA is judged by the stronger of its two Jacobians, and
/// cross-entropy keeps its gradient where a network is so sure that float32 loses it.
fn variants(planned: &Planned) -> Result<Vec<(String, String)>, PaperError> {
    let spec: Spec = planned.text.parse()?;
    let in_force: Spec = planned.spec.parse()?;
    let with = |name: &str, word: &str| {
        let mut spec = spec.clone();
        let value = Value::Word(word.to_owned());
        spec.params.insert(name.to_owned(), value);
        spec.to_string()
    };
    let parameters = planned.attack.entry().parameters;
    if parameters.iter().any(|known| known.name == "jacobian") {
        return Ok(vec![
            (with("jacobian", "log-probs"), " on log-probs".to_owned()),
            (
                with("jacobian", "logits"),
                " on log-probs, then on logits".to_owned(),
            ),
        ]);
    }
    let rounded = Value::Word("cross-entropy".to_owned());
    let text = match in_force.params.get("loss") {
        Some(loss) if *loss == rounded => with("loss", "cross-entropy-f64"),
        _ => spec.to_string(),
    };
    Ok(vec![(text, String::new())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_has_three_attacks_and_the_honest_reading_six_columns() {
        let config = Config::default();
        let ids: Vec<String> = attacks(&config)
            .unwrap()
            .into_iter()
            .map(|p| p.id)
            .collect();
        assert_eq!(ids, ["fgsm", "jsma", "pgd"]);
        let columns = columns(&config, 5_000).unwrap();
        let ids: Vec<&str> = columns.iter().map(|column| column.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "fgsm-off", "fgsm-eot", "jsma-off", "jsma-eot", "pgd-off", "pgd-eot"
            ]
        );
        assert_eq!((columns[0].n, columns[1].n), (5_000, 1_000));
        assert!(
            columns[0].variants[0]
                .spec
                .contains("loss=cross-entropy-f64")
        );
        let jsma: Vec<&str> = columns[2]
            .variants
            .iter()
            .map(|v| v.spec.as_str())
            .collect();
        assert_eq!(
            jsma,
            [
                "jsma(gamma=0.1,jacobian=log-probs,theta=1)",
                "jsma(gamma=0.1,jacobian=logits,theta=1)"
            ]
        );
    }

    #[test]
    fn attacks_of_one_name_are_told_apart_by_their_parameters() {
        let config = Config {
            attacks: vec!["fgsm(eps=0.1)".into(), "fgsm(eps=0.2)".into()],
            ..Config::default()
        };
        let all = attacks(&config).unwrap();
        assert_eq!(all[0].id, "fgsm(eps=0.1,loss=cross-entropy,norm=linf)");
        assert_ne!(all[0].id, all[1].id);
    }
}
