//! Figure 2 and a few attacked images.

use super::super::measure::{Passes, Seen, Study};
use super::super::results::{
    CLEAN, ExampleGrid, ExampleImage, ExampleRow, Histogram, HistogramPanel, UncertaintyFigure,
};
use super::super::rows::{ROWS, Row};

/// Upper end of the paper's figure 2.
const HIGH: f64 = 0.035;
const BINS: usize = 100;
/// Panels from top to bottom: topology and dropout.
const PANELS: [(&str, f64); 3] = [("full-precision", 0.5), ("bnn", 0.5), ("rand-bnn", 0.0)];

/// Histograms of the networks of `seed`; `None` until all panels can be drawn.
pub(super) fn uncertainty(study: &Study<'_>, seen: &Seen, seed: u64) -> Option<UncertaintyFigure> {
    let fgsm = study.attacks.iter().position(|p| p.id == "fgsm")?;
    let panel = |(id, dropout): (&str, f64)| {
        let place = place(id, dropout)?;
        let network = seen.networks.get(&(place, seed))?;
        let clean = network.clean.as_ref()?.passes.first(study.config.n);
        let row: &Row = &ROWS[place];
        let title = match row.id {
            "rand-bnn" => row.full_title(),
            _ => row.title.to_owned(),
        };
        Some(HistogramPanel {
            topology: row.id.to_owned(),
            title,
            clean: histogram(&clean)?,
            adversarial: histogram(&network.attacks.get(fgsm)?.passes)?,
        })
    };
    Some(UncertaintyFigure {
        seed,
        low: 0.0,
        high: HIGH,
        panels: PANELS.into_iter().map(panel).collect::<Option<_>>()?,
    })
}

fn place(id: &str, dropout: f64) -> Option<usize> {
    ROWS.iter()
        .position(|row| row.id == id && (row.dropout - dropout).abs() < 1e-9)
}

fn histogram(passes: &Passes) -> Option<Histogram> {
    Some(count(passes.measures.get("variance")?))
}

/// Values that are no numbers are in no bin and not counted.
fn count(values: &[f64]) -> Histogram {
    let mut histogram = Histogram {
        counts: vec![0; BINS],
        above: 0,
        n: 0,
    };
    for &value in values.iter().filter(|value| value.is_finite()) {
        histogram.n += 1;
        if value > HIGH {
            histogram.above += 1;
        } else {
            let bin = (value / HIGH * BINS as f64) as usize;
            histogram.counts[bin.min(BINS - 1)] += 1;
        }
    }
    histogram
}

/// The first images as the full-precision network saw them; `None` before any was attacked,
/// and where pictures of so many channels cannot be shown.
pub(super) fn examples(study: &Study<'_>, seen: &Seen, seed: u64) -> Option<ExampleGrid> {
    let place = place("full-precision", 0.5)?;
    let network = seen.networks.get(&(place, seed))?;
    let [channels, height, width] = study.test.image_shape();
    if network.attacks.is_empty() || ![1, 3].contains(&channels) {
        return None;
    }
    let clean = &network.clean.as_ref()?.passes;
    let n = network.attacks.iter().map(|attack| attack.examples.len());
    let n = n.min()?;
    let x = study.test.images(0..n);
    let pixels = x.outer_iter().map(|x| x.iter().copied().collect());
    let mut rows = vec![row(study, CLEAN, "Clean", clean, pixels.collect())];
    for (planned, attack) in study.attacks.iter().zip(&network.attacks) {
        let pixels = attack.examples[..n].to_vec();
        rows.push(row(
            study,
            &planned.id,
            &planned.title,
            &attack.passes,
            pixels,
        ));
    }
    Some(ExampleGrid {
        title: ROWS[place].full_title(),
        height,
        width,
        channels,
        rows,
    })
}

fn row(
    study: &Study<'_>,
    input: &str,
    title: &str,
    passes: &Passes,
    pixels: Vec<Vec<f32>>,
) -> ExampleRow {
    let names = study.test.class_names();
    let name = |class: usize| names.get(class).cloned().unwrap_or_else(|| "none".into());
    let variance = passes.measures.get("variance");
    let image = |(place, pixels): (usize, Vec<f32>)| ExampleImage {
        id: study.test.ids()[place],
        label: name(study.test.labels()[place]),
        predicted: name(usize::from(passes.voted[place])),
        uncertainty: variance
            .and_then(|values| values.get(place).copied())
            .filter(|value| value.is_finite()),
        pixels: bytes(&pixels, study.test.image_shape()),
    };
    ExampleRow {
        input: input.to_owned(),
        title: title.to_owned(),
        images: pixels.into_iter().enumerate().map(image).collect(),
    }
}

/// `(c, h, w)` in [0, 1] to bytes with channels last.
fn bytes(pixels: &[f32], [channels, height, width]: [usize; 3]) -> Vec<u8> {
    let area = height * width;
    let value = |at: usize| pixels[(at % channels) * area + at / channels];
    (0..channels * area)
        .map(|at| (value(at) * 255.0).round() as u8)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_their_lower_end_and_the_last_both() {
        let seen = count(&[0.0, 0.000_349, 0.000_351, HIGH, 0.036, f64::NAN]);
        assert_eq!((seen.counts[0], seen.counts[1], seen.counts[99]), (2, 1, 1));
        assert_eq!((seen.above, seen.n), (1, 5));
    }

    #[test]
    fn channels_come_last() {
        let pixels = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
        assert_eq!(bytes(&pixels, [3, 1, 2]), [0, 102, 204, 51, 153, 255]);
    }

    #[test]
    fn panels_are_rows() {
        assert!(
            PANELS
                .iter()
                .all(|&(id, dropout)| place(id, dropout).is_some())
        );
    }
}
