//! Throughput over threads and batch size, and cost over images and passes.

use super::work::Bench;
use super::{Images, Settings, Subject, Told, Work};
use quaver::observe::Observer;
use quaver::report::scene::{self, Axis, CurvePanel, Scene};
use quaver_nn::engine::Engine;
use serde::Serialize;
use std::fmt::Write as _;
use std::sync::Arc;

/// One network in one panel.
#[derive(Serialize)]
pub(crate) struct Curve {
    panel: &'static str,
    network: String,
    /// Where, and how much there.
    points: Vec<(f64, f64)>,
    /// Of a cost: its straight line.
    #[serde(skip_serializing_if = "Option::is_none")]
    fit: Option<Fit>,
}

/// `start + slope · x`, by least squares of relative residuals.
#[derive(Clone, Copy, Serialize)]
struct Fit {
    start: f64,
    slope: f64,
    /// Largest distance of a point from the line, a fraction of the point.
    largest_residual: f64,
}

const THREADS: &str = "training, images/s over threads";
const BATCH: &str = "training, images/s over batch size";
const IMAGES: &str = "forward, seconds over images";
const PASSES: &str = "Monte-Carlo, seconds over passes";

/// The panels, each with the scale of its axis.
const PANELS: [(&str, Axis); 4] = [
    (THREADS, Axis::Doubling),
    (BATCH, Axis::Doubling),
    (IMAGES, Axis::Linear),
    (PASSES, Axis::Linear),
];

/// All curves of all subjects, panel by panel.
pub(super) fn curves(
    settings: &Settings,
    subjects: &[Subject],
    images: &Images,
    engine: &Arc<Engine>,
    observer: &dyn Observer,
) -> anyhow::Result<Vec<Curve>> {
    let mut curves = Vec::new();
    let of_panel = |panel: &str| places(panel, settings, engine.threads());
    let figures: usize = PANELS.iter().map(|(panel, _)| of_panel(panel).len()).sum();
    let told = Told::begin(observer, figures * subjects.len());
    for (panel, _) in PANELS {
        for subject in subjects {
            let network = format!("{} {}", subject.arch, subject.topology);
            let mut points = Vec::new();
            for x in of_panel(panel) {
                if !told.next(subject, panel) {
                    return Ok(curves);
                }
                let threads = if panel == THREADS {
                    x
                } else {
                    engine.threads()
                };
                let engine = Arc::new(Engine::new(threads, Some(engine.simd()))?);
                let bench = Bench::new(subject, images, settings, &engine)?;
                points.push((x as f64, measure(&bench, panel, x, settings)?));
            }
            curves.push(Curve {
                panel,
                network,
                fit: [IMAGES, PASSES].contains(&panel).then(|| fit(&points)),
                points,
            });
        }
    }
    Ok(curves)
}

/// Where a panel's curve is measured.
fn places(panel: &str, settings: &Settings, threads: usize) -> Vec<usize> {
    let (n, passes) = (settings.n, settings.passes as usize);
    let mut places: Vec<usize> = match panel {
        THREADS => (1..=threads.min(8)).chain([threads]).collect(),
        BATCH => (4..=10).map(|power| 1 << power).collect(),
        IMAGES => [1, 2, 4, 6, 8].iter().map(|part| n * part / 8).collect(),
        _ => [1, 2, 4, 6, 8]
            .iter()
            .map(|part| passes * part / 4)
            .collect(),
    };
    places.retain(|&x| x > 0 && (panel != BATCH || x <= n));
    places.dedup();
    places
}

fn measure(bench: &Bench<'_>, panel: &str, x: usize, settings: &Settings) -> anyhow::Result<f64> {
    let n = settings.n;
    Ok(match panel {
        THREADS => bench.rate(&Work::Training, settings.batch_sizes[0])?.median,
        BATCH => bench.rate(&Work::Training, x)?.median,
        IMAGES => x as f64 / bench.rate(&Work::Forward, x)?.median,
        _ => n as f64 / bench.rate(&Work::Passes(x as u32), n)?.median,
    })
}

/// Weights of 1/y² make small and large costs count alike.
fn fit(points: &[(f64, f64)]) -> Fit {
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        points.iter().map(|&(x, y)| f(x, y) / (y * y)).sum()
    };
    let (w, wx, wxx) = (sum(&|_, _| 1.0), sum(&|x, _| x), sum(&|x, _| x * x));
    let (wy, wxy) = (sum(&|_, y| y), sum(&|x, y| x * y));
    let slope = (w * wxy - wx * wy) / (w * wxx - wx * wx);
    let start = (wy - slope * wx) / w;
    let residual = |&(x, y): &(f64, f64)| ((start + slope * x - y) / y).abs();
    Fit {
        start,
        slope,
        largest_residual: points.iter().map(residual).fold(0.0, f64::max),
    }
}

/// The curves as a picture.
pub(super) fn scene(curves: &[Curve], simd: &str) -> Scene {
    let line = |curve: &Curve| match curve.fit {
        None => curve.points.clone(),
        Some(fit) => {
            let end = curve.points.last().map_or(0.0, |&(x, _)| x);
            vec![(0.0, fit.start), (end, fit.start + fit.slope * end)]
        }
    };
    let panels: Vec<CurvePanel> = PANELS
        .into_iter()
        .map(|(title, axis)| CurvePanel {
            title: title.into(),
            axis,
            curves: curves
                .iter()
                .filter(|curve| curve.panel == title)
                .map(|curve| scene::Curve {
                    name: curve.network.clone(),
                    points: curve.points.clone(),
                    line: line(curve),
                })
                .collect(),
        })
        .collect();
    let description =
        format!("Throughput over threads and batch size, cost over images and passes, with {simd}");
    scene::curves(description, &panels)
}

/// The curves as numbers, with what their straight lines say.
pub(super) fn text(curves: &[Curve]) -> String {
    let mut out = String::new();
    for curve in curves {
        let _ = writeln!(out, "\n{} ({})", curve.panel, curve.network);
        for (x, y) in &curve.points {
            let decimals = if *y < 100.0 { 4 } else { 0 };
            let _ = writeln!(out, "{x:>8} {y:>12.decimals$}");
        }
        if let Some(fit) = curve.fit {
            let _ = writeln!(
                out,
                "  {:.2e} s + {:.2e} s each; farthest point {:.1} % off that line",
                fit.start,
                fit.slope,
                100.0 * fit.largest_residual
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_is_found_and_a_bent_one_told() {
        let fitted = fit(&[(1.0, 3.0), (2.0, 5.0), (10.0, 21.0)]);
        assert!((fitted.start - 1.0).abs() < 1e-9 && (fitted.slope - 2.0).abs() < 1e-9);
        assert!(fitted.largest_residual < 1e-9);
        assert!(fit(&[(1.0, 1.0), (2.0, 4.0), (3.0, 9.0)]).largest_residual > 0.1);
    }
}
