//! The rows of the paper's tables, and the controls beside them.

use super::results::Topology;

/// A row: a topology of the engine with a dropout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Id of the topology.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Dropout probability, in [0, 1).
    pub dropout: f64,
    /// Whether its weights or activations are quantized.
    pub quantized: bool,
    /// Whether it stands outside the paper's tables.
    pub control: bool,
}

const fn quantized(id: &'static str, title: &'static str, dropout: f64) -> Row {
    Row {
        id,
        title,
        dropout,
        quantized: true,
        control: false,
    }
}

const FULL_PRECISION: Row = Row {
    quantized: false,
    ..quantized("full-precision", "Full precision", 0.5)
};

/// The paper's seven in its order, precision rising; then the controls.
pub const ROWS: [Row; 9] = [
    quantized("rand-bnn", "Rand BNN", 0.05),
    quantized("rand-bnn", "Rand BNN", 0.0),
    quantized("bnn", "BNN", 0.5),
    quantized("quantized-2bit", "Quantized 2 bit", 0.5),
    quantized("quantized-3bit", "Quantized 3 bit", 0.5),
    quantized("quantized-4bit", "Quantized 4 bit", 0.5),
    FULL_PRECISION,
    Row {
        id: "full-precision-bn",
        title: "Full precision + BN",
        control: true,
        ..FULL_PRECISION
    },
    Row {
        control: true,
        ..quantized("bnn-weights", "BNN, weights only", 0.5)
    },
];

/// Places in [`ROWS`] in order of precision: the paper's rows, or all.
#[must_use]
pub(super) const fn by_precision(with_controls: bool) -> &'static [usize] {
    if with_controls {
        &[0, 1, 2, 8, 3, 4, 5, 7, 6]
    } else {
        &[0, 1, 2, 3, 4, 5, 6]
    }
}

impl Row {
    /// Name of the network of `seed`, in files.
    #[must_use]
    pub fn network(&self, seed: u64) -> String {
        format!("{}-{}-seed{seed}", self.id, self.dropout)
    }

    /// Name with the dropout, for people.
    #[must_use]
    pub fn full_title(&self) -> String {
        format!("{}, dropout {}", self.title, self.dropout)
    }

    /// As results hold it.
    #[must_use]
    pub fn topology(&self) -> Topology {
        Topology {
            id: self.id.into(),
            title: self.title.into(),
            dropout: self.dropout,
            control: self.control,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_topologies_of_the_engine_and_of_the_paper() {
        for row in &ROWS {
            let topology = quaver_nn::arch::Topology::find(row.id).unwrap();
            let precision = topology.precision().unwrap();
            let is_quantized = precision.weights.is_some() || precision.activations.is_some();
            assert_eq!(is_quantized, row.quantized, "{}", row.id);
            let published = super::super::published::row(&row.topology());
            assert_eq!(published.is_some(), !row.control, "{}", row.full_title());
        }
    }

    #[test]
    fn orders_hold_each_row_once() {
        assert!(
            by_precision(false)
                .iter()
                .all(|&place| !ROWS[place].control)
        );
        let mut all = by_precision(true).to_vec();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..ROWS.len()));
    }
}
