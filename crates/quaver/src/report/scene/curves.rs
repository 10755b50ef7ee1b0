//! Measured points with lines through them, one panel a quantity.

use super::{Anchor, Ink, Scene, Shape};

const WIDTH: f64 = 400.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const HEAD: f64 = 24.0;
/// Height of a panel with its title and ticks, and of its drawing area alone.
const PANEL: f64 = 176.0;
const AREA: f64 = 120.0;
const SIZE: f64 = 11.0;

/// How places stand on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// From zero, evenly.
    Linear,
    /// Evenly from each place to its double.
    Doubling,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is of.
    pub name: String,
    /// Measured points, (place, value), values at least 0.
    pub points: Vec<(f64, f64)>,
    /// Corners of the line that is drawn.
    pub line: Vec<(f64, f64)>,
}

/// One quantity of one or two things.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePanel {
    /// What is shown over what.
    pub title: String,
    /// Scale of the places; values stand on a linear one.
    pub axis: Axis,
    /// One color each.
    pub curves: Vec<Curve>,
}

const INKS: [Ink; 2] = [Ink::First, Ink::Second];

/// The picture, panel below panel.
pub fn curves(description: String, panels: &[CurvePanel]) -> Scene {
    let mut scene = Scene {
        description,
        width: WIDTH,
        height: HEAD + PANEL * panels.len() as f64,
        shapes: Vec::new(),
    };
    let extent = (scene.width, scene.height);
    scene.rectangle((0.0, 0.0), extent, Ink::Paper);
    let named = panels.iter().flat_map(|panel| &panel.curves).zip(INKS);
    for (i, (curve, ink)) in named.enumerate() {
        let x = LEFT + 160.0 * i as f64;
        scene.rectangle((x, 8.0), (10.0, 10.0), ink);
        scene.text(
            (x + 15.0, 17.0),
            SIZE,
            Anchor::Start,
            Ink::Text,
            &*curve.name,
        );
    }
    for (i, panel) in panels.iter().enumerate() {
        draw(&mut scene, panel, HEAD + PANEL * i as f64);
    }
    scene
}

/// Scales of one panel.
struct Frame {
    axis: Axis,
    low: f64,
    high: f64,
    most: f64,
    bottom: f64,
}

impl Frame {
    fn new(panel: &CurvePanel, top: f64) -> Self {
        let points = || panel.curves.iter().flat_map(|curve| &curve.points);
        let high = points().map(|p| p.0).fold(0.0, f64::max);
        let low = match panel.axis {
            Axis::Linear => 0.0,
            Axis::Doubling => points().map(|p| p.0).fold(high, f64::min),
        };
        Self {
            axis: panel.axis,
            low,
            high,
            most: points().map(|p| p.1).fold(0.0, f64::max),
            bottom: top + 24.0 + AREA,
        }
    }

    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let share = match self.axis {
            Axis::Linear => x / self.high,
            Axis::Doubling => (x / self.low).log2() / (self.high / self.low).log2().max(1.0),
        };
        let x = LEFT + share * (WIDTH - LEFT - RIGHT);
        (x, self.bottom - y / self.most * (AREA - 8.0))
    }

    /// Places that are named below the axis.
    fn ticks(&self) -> Vec<f64> {
        match self.axis {
            Axis::Linear => ticks(self.high),
            Axis::Doubling => {
                let doubles = std::iter::successors(Some(self.low), |x| Some(2.0 * x));
                doubles.take_while(|x| *x <= self.high).collect()
            }
        }
    }
}

/// Round numbers from 0 to `most`, three to six of them.
fn ticks(most: f64) -> Vec<f64> {
    if most <= 0.0 {
        return vec![0.0];
    }
    let unit = 10_f64.powf(most.log10().floor());
    let steps = [0.2, 0.5, 1.0, 2.0].map(|step| step * unit);
    let step = steps.into_iter().find(|step| most / step < 6.0);
    let step = step.unwrap_or(unit);
    (0..=(most / step + 1e-9) as u32)
        .map(|i| f64::from(i) * step)
        .collect()
}

/// A number as an axis names it: 40000 is 40k.
fn label(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 1e4 => (v / 1e3, "k"),
        v => (v, ""),
    };
    let text = super::super::value::fixed(value, 3);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

fn draw(scene: &mut Scene, panel: &CurvePanel, top: f64) {
    let at = (LEFT, top + 15.0);
    scene.text(at, SIZE + 1.5, Anchor::Start, Ink::Text, &*panel.title);
    let frame = Frame::new(panel, top);
    if frame.most <= 0.0 || frame.high <= 0.0 {
        return;
    }
    for value in ticks(frame.most) {
        let (_, y) = frame.place((frame.high, value));
        scene.line((LEFT, y), (WIDTH - RIGHT, y), 0.6, Ink::Grid);
        let at = (LEFT - 5.0, y + 3.5);
        scene.text(at, SIZE - 1.0, Anchor::End, Ink::Muted, label(value));
    }
    for place in frame.ticks() {
        let (x, _) = frame.place((place, 0.0));
        scene.line((x, frame.bottom), (x, frame.bottom + 4.0), 1.0, Ink::Muted);
        let at = (x, frame.bottom + 16.0);
        scene.text(at, SIZE - 1.0, Anchor::Middle, Ink::Muted, label(place));
    }
    let (from, to) = ((LEFT, frame.bottom), (WIDTH - RIGHT, frame.bottom));
    scene.line(from, to, 1.0, Ink::Text);
    for (curve, ink) in panel.curves.iter().zip(INKS) {
        for ends in curve.line.windows(2) {
            scene.line(frame.place(ends[0]), frame.place(ends[1]), 1.2, ink);
        }
        for point in &curve.points {
            scene.shapes.push(Shape::Disk {
                center: frame.place(*point),
                radius: 3.0,
                ink,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(axis: Axis) -> CurvePanel {
        let points = vec![(16.0, 30_000.0), (64.0, 60_000.0), (1024.0, 80_000.0)];
        CurvePanel {
            title: "images/s over batch size".into(),
            axis,
            curves: vec![Curve {
                name: "lenet5".into(),
                line: points.clone(),
                points,
            }],
        }
    }

    #[test]
    fn every_point_stands_in_its_panel() {
        for axis in [Axis::Linear, Axis::Doubling] {
            let scene = curves("speed".into(), &[panel(axis), panel(axis)]);
            let disks = scene.shapes.iter().filter_map(|shape| match shape {
                Shape::Disk { center, .. } => Some(*center),
                _ => None,
            });
            let disks: Vec<(f64, f64)> = disks.collect();
            assert_eq!(disks.len(), 6);
            let low = if axis == Axis::Linear {
                LEFT + 5.0
            } else {
                LEFT
            };
            assert!((disks[0].0 - low).abs() < 1.0, "{disks:?}");
            assert!((disks[2].0 - (WIDTH - RIGHT)).abs() < 1e-9);
            for (i, (x, y)) in disks.iter().enumerate() {
                let top = HEAD + PANEL * (i / 3) as f64;
                assert!((LEFT..=WIDTH - RIGHT).contains(x) && (top..top + PANEL).contains(y));
            }
        }
    }

    #[test]
    fn nothing_measured_draws_no_axis() {
        let empty = CurvePanel {
            curves: Vec::new(),
            ..panel(Axis::Linear)
        };
        let scene = curves("speed".into(), &[empty]);
        assert!(!scene.shapes.iter().any(|s| matches!(s, Shape::Line { .. })));
    }

    #[test]
    fn axes_name_round_numbers() {
        assert_eq!(
            ticks(80_000.0),
            [0.0, 20_000.0, 40_000.0, 60_000.0, 80_000.0]
        );
        assert_eq!(ticks(2.0), [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(label(20_000.0), "20k");
        assert_eq!(label(0.05), "0.05");
        assert_eq!(label(0.0), "0");
        assert_eq!(label(100.0), "100");
    }
}
