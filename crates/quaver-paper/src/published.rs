//! The paper's own tables 1 to 4, as printed.
//!
//! Source: Y. Guan, Adversarial Example Defense and Detection using Quantized Neural
//! Networks with Inference Time Dropout. Accuracies are percentages of 500 MNIST test
//! images; what the paper calls sigma is kept as it is printed, and is the variance over
//! images (spec §7).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::results::Topology;

/// The paper's tables.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Published {
    /// Where the numbers stand.
    pub source: String,
    /// The seven rows in the paper's order.
    pub rows: Vec<PublishedRow>,
}

/// A row of all four tables.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PublishedRow {
    /// Id of the topology, as `rand-bnn`.
    pub topology: String,
    /// Dropout probability.
    pub dropout: f64,
    /// Accuracies by input: `clean`, `fgsm`, `jsma`, `pgd`.
    pub accuracy: BTreeMap<String, PublishedAccuracy>,
    /// Uncertainty and detector by input.
    pub uncertainty: BTreeMap<String, PublishedUncertainty>,
}

/// Accuracies in percent.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct PublishedAccuracy {
    /// Of one pass.
    pub single: f64,
    /// Voted over 50 passes.
    pub multi: f64,
}

/// The variance over passes (eq. 12) and the detector built on it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct PublishedUncertainty {
    /// Mean over images.
    pub mu: f64,
    /// The paper's sigma: the variance over images.
    pub sigma: f64,
    /// Accuracy of the logistic regression against clean inputs, in percent; none for clean inputs.
    pub lr: Option<f64>,
}

static TABLES: LazyLock<Published> = LazyLock::new(|| {
    serde_json::from_str(include_str!("data/published.json"))
        .expect("the tables compiled into the program are well formed")
});

/// The paper's tables.
pub fn tables() -> &'static Published {
    &TABLES
}

/// The paper's row of `topology`; `None` for a control or a dropout the paper does not have.
pub fn row(topology: &Topology) -> Option<&'static PublishedRow> {
    TABLES
        .rows
        .iter()
        .find(|row| row.topology == topology.id && (row.dropout - topology.dropout).abs() < 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(id: &str, dropout: f64) -> Topology {
        Topology {
            id: id.into(),
            title: id.into(),
            dropout,
            control: false,
        }
    }

    #[test]
    fn rows_are_found_by_topology_and_dropout() {
        let with = row(&topology("rand-bnn", 0.05)).unwrap();
        let without = row(&topology("rand-bnn", 0.0)).unwrap();
        assert_eq!(with.accuracy["clean"].single, 62.4);
        assert_eq!(without.accuracy["clean"].single, 82.8);
        assert!(row(&topology("rand-bnn", 0.5)).is_none());
        assert!(row(&topology("full-precision-bn", 0.5)).is_none());
    }

    #[test]
    fn every_row_is_complete() {
        assert_eq!(tables().rows.len(), 7);
        for row in &tables().rows {
            for input in ["clean", "fgsm", "jsma", "pgd"] {
                let accuracy = row.accuracy[input];
                assert!(
                    (0.0..=100.0).contains(&accuracy.single),
                    "{} {input}",
                    row.topology
                );
                assert!(
                    (0.0..=100.0).contains(&accuracy.multi),
                    "{} {input}",
                    row.topology
                );
                assert_eq!(row.uncertainty[input].lr.is_some(), input != "clean");
            }
        }
    }
}
