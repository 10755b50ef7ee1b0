//! Figure 2 and the pictures.

use serde::{Deserialize, Serialize};

/// Figure 2: how uncertain networks are on clean and on FGSM inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UncertaintyFigure {
    /// Seed of the networks shown.
    pub seed: u64,
    /// Lower end of the first bin.
    pub low: f64,
    /// Upper end of the last bin; above `low`.
    pub high: f64,
    /// Panels from top to bottom: full precision, BNN, Rand BNN.
    pub panels: Vec<HistogramPanel>,
}

/// One network's two histograms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistogramPanel {
    /// Id of the topology.
    pub topology: String,
    /// Its name for people, with the dropout where that tells it apart.
    pub title: String,
    /// Clean inputs.
    pub clean: Histogram,
    /// FGSM inputs.
    pub adversarial: Histogram,
}

/// Counts over equal bins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// Values in each bin; a bin holds its lower end, the last bin both.
    pub counts: Vec<u64>,
    /// Values above the range.
    pub above: u64,
    /// Values in all: `counts` and `above` together.
    pub n: u64,
}

/// Images of one network, unattacked and attacked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleGrid {
    /// Which network, for people.
    pub title: String,
    /// Pixels down; at least 1.
    pub height: usize,
    /// Pixels across; at least 1.
    pub width: usize,
    /// Channels: 1 (gray) or 3 (red, green, blue).
    pub channels: usize,
    /// One row an input, clean first; every row holds the same images in the same order.
    pub rows: Vec<ExampleRow>,
}

/// The images of one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleRow {
    /// [`super::CLEAN`] or an attack's id.
    pub input: String,
    /// Its name for people.
    pub title: String,
    /// The images.
    pub images: Vec<ExampleImage>,
}

/// One image and what the network made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleImage {
    /// Row in the dataset.
    pub id: u64,
    /// Name of the true class.
    pub label: String,
    /// Name of the class voted for.
    pub predicted: String,
    /// Uncertainty (eq. 12), where measured.
    pub uncertainty: Option<f64>,
    /// `height · width · channels` values, channels last, rows from top to bottom;
    /// base64 in JSON.
    #[serde(with = "base64_bytes")]
    pub pixels: Vec<u8>,
}

mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(from)?)
            .map_err(D::Error::custom)
    }
}
