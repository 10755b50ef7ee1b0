//! Figure 2: histograms of the uncertainty, clean inputs upwards, FGSM inputs downwards.

use crate::results::{Histogram, HistogramPanel, UncertaintyFigure};
use quaver::report::scene::{Anchor, Ink, Scene};
use quaver::report::value::fixed;

const WIDTH: f64 = 400.0;
const LEFT: f64 = 38.0;
const RIGHT: f64 = 12.0;
const PANEL: f64 = 178.0;
/// Height of one histogram.
const HALF: f64 = 62.0;
const HEAD: f64 = 26.0;
const FOOT: f64 = 16.0;
const SIZE: f64 = 11.0;

/// The picture; narrow, so that its text can be read on a phone.
pub(crate) fn uncertainty(figure: &UncertaintyFigure) -> Scene {
    let titles: Vec<_> = figure
        .panels
        .iter()
        .map(|panel| panel.title.as_str())
        .collect();
    let mut scene = Scene {
        description: format!(
            "Histograms of the uncertainty of clean and FGSM inputs for {}",
            titles.join(", ")
        ),
        width: WIDTH,
        height: HEAD + PANEL * figure.panels.len() as f64 + FOOT,
        shapes: Vec::new(),
    };
    let extent = (scene.width, scene.height);
    scene.rectangle((0.0, 0.0), extent, Ink::Paper);
    legend(&mut scene);
    let most = figure
        .panels
        .iter()
        .flat_map(|p| p.clean.counts.iter().chain(&p.adversarial.counts));
    let most = most.copied().max().unwrap_or(0).max(1);
    for (index, panel) in figure.panels.iter().enumerate() {
        draw_panel(&mut scene, figure, panel, most, HEAD + PANEL * index as f64);
    }
    let y = scene.height - 8.0;
    scene.text(
        (LEFT, y),
        SIZE,
        Anchor::Start,
        Ink::Muted,
        "Uncertainty (variance over passes)",
    );
    scene
}

fn legend(scene: &mut Scene) {
    for (x, ink, text) in [
        (LEFT, Ink::First, "clean (up)"),
        (LEFT + 92.0, Ink::Second, "FGSM (down)"),
    ] {
        scene.rectangle((x, 8.0), (10.0, 10.0), ink);
        scene.text((x + 15.0, 17.0), SIZE, Anchor::Start, Ink::Text, text);
    }
    let at = (WIDTH - RIGHT, 17.0);
    scene.text(
        at,
        SIZE,
        Anchor::End,
        Ink::Muted,
        "images, square-root scale",
    );
}

/// Height of `count` bars of `most` at full height. The root keeps single images visible
/// beside bins that hold hundreds.
fn height(count: u64, most: u64) -> f64 {
    HALF * (count as f64 / most as f64).sqrt()
}

fn draw_panel(
    scene: &mut Scene,
    figure: &UncertaintyFigure,
    panel: &HistogramPanel,
    most: u64,
    top: f64,
) {
    let zero = top + 24.0 + HALF;
    scene.text(
        (LEFT, top + 15.0),
        SIZE + 2.0,
        Anchor::Start,
        Ink::Text,
        panel.title.as_str(),
    );
    grid(scene, most, zero);
    for (histogram, ink, direction) in [
        (&panel.clean, Ink::First, -1.0),
        (&panel.adversarial, Ink::Second, 1.0),
    ] {
        bars(scene, histogram, most, (zero, direction), ink);
        let y = zero + direction * (HALF - 4.0) + if direction > 0.0 { 0.0 } else { SIZE - 3.0 };
        let text = format!(
            "{} of {} above {}",
            histogram.above,
            histogram.n,
            fixed(figure.high, 3)
        );
        scene.text((WIDTH - RIGHT, y), SIZE, Anchor::End, ink, text);
    }
    scene.line((LEFT, zero), (WIDTH - RIGHT, zero), 1.0, Ink::Text);
    ticks(scene, figure, zero + HALF);
}

fn grid(scene: &mut Scene, most: u64, zero: f64) {
    let mut last = f64::NEG_INFINITY;
    for count in [10, 50, 200, 500, 1_000, 2_000, 5_000, 10_000] {
        let offset = height(count, most);
        if count > most || offset - last < SIZE {
            continue;
        }
        last = offset;
        for y in [zero - offset, zero + offset] {
            scene.line((LEFT, y), (WIDTH - RIGHT, y), 0.6, Ink::Grid);
            let at = (LEFT - 4.0, y + 3.5);
            scene.text(at, SIZE - 1.0, Anchor::End, Ink::Muted, count.to_string());
        }
    }
}

fn bars(
    scene: &mut Scene,
    histogram: &Histogram,
    most: u64,
    (zero, direction): (f64, f64),
    ink: Ink,
) {
    let step = (WIDTH - LEFT - RIGHT) / histogram.counts.len().max(1) as f64;
    for (bin, &count) in histogram
        .counts
        .iter()
        .enumerate()
        .filter(|&(_, &count)| count > 0)
    {
        let tall = height(count, most);
        let y = if direction < 0.0 { zero - tall } else { zero };
        scene.rectangle((LEFT + step * bin as f64, y), (step, tall), ink);
    }
}

fn ticks(scene: &mut Scene, figure: &UncertaintyFigure, bottom: f64) {
    const N: u32 = 7;
    for tick in 0..=N {
        let share = f64::from(tick) / f64::from(N);
        let x = LEFT + share * (WIDTH - LEFT - RIGHT);
        scene.line((x, bottom), (x, bottom + 4.0), 1.0, Ink::Muted);
        let value = figure.low + share * (figure.high - figure.low);
        let text = fixed(value, 3);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let anchor = if tick == N {
            Anchor::End
        } else {
            Anchor::Middle
        };
        let x = if tick == N { x + 4.0 } else { x };
        scene.text((x, bottom + 16.0), SIZE - 1.0, anchor, Ink::Muted, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use quaver::report::scene::Shape;

    #[test]
    fn bars_have_the_area_of_their_bins_and_stay_in_the_picture() {
        let figure = fixture::results().figure.unwrap();
        let scene = uncertainty(&figure);
        let bars = scene.shapes.iter().filter(|shape| match shape {
            Shape::Rectangle { ink, width, .. } => *ink == Ink::First && *width < 10.0,
            _ => false,
        });
        let full = figure
            .panels
            .iter()
            .flat_map(|p| &p.clean.counts)
            .filter(|&&n| n > 0)
            .count();
        assert_eq!(bars.count(), full);
        for shape in &scene.shapes {
            if let Shape::Rectangle {
                x,
                y,
                width,
                height,
                ..
            } = shape
            {
                assert!(*x >= 0.0 && *y >= 0.0 && *height >= 0.0);
                assert!(x + width <= scene.width + 1e-9 && y + height <= scene.height + 1e-9);
            }
        }
    }

    #[test]
    fn values_above_the_range_are_stated() {
        let scene = uncertainty(&fixture::results().figure.unwrap());
        let stated = |wanted: &str| {
            scene
                .shapes
                .iter()
                .any(|shape| matches!(shape, Shape::Text { text, .. } if text == wanted))
        };
        assert!(stated("3 of 200 above 0.035"));
    }

    #[test]
    fn the_tallest_bar_fills_its_half() {
        assert_eq!(height(100, 100), HALF);
        assert_eq!(height(25, 100), HALF / 2.0);
    }
}
