//! Accuracy of every topology beside the paper's, one picture an input.

use crate::results::{Topology, TopologyResults};
use quaver::report::scene::{Anchor, Ink, Scene, Shape};
use quaver::report::table::Section;
use quaver::report::value::{Doubt, Value};

const WIDTH: f64 = 400.0;
const LEFT: f64 = 148.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const ROW: f64 = 21.0;
const FOOT: f64 = 24.0;
const SIZE: f64 = 11.5;

/// What one picture shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccuracyPanel<'a> {
    /// Rows of one input, one a topology.
    pub section: &'a Section,
    /// Whose rows they are.
    pub topologies: &'a [TopologyResults],
    /// Which column of them.
    pub column: usize,
}

/// Dots with their intervals on a scale from 0 to 100 %, the paper's values as diamonds.
pub(crate) fn accuracy(panel: AccuracyPanel<'_>) -> Scene {
    let rows = || panel.section.rows.iter().zip(panel.topologies);
    let bottom = TOP + ROW * rows().len() as f64;
    let mut scene = Scene {
        description: format!(
            "Accuracy on {} inputs, ours with its 95 % interval beside the paper's",
            panel.section.title
        ),
        width: WIDTH,
        height: bottom + FOOT,
        shapes: Vec::new(),
    };
    let extent = (scene.width, scene.height);
    scene.rectangle((0.0, 0.0), extent, Ink::Paper);
    scene.text(
        (4.0, 18.0),
        SIZE + 2.5,
        Anchor::Start,
        Ink::Text,
        panel.section.title.as_str(),
    );
    for percent in [0.0, 25.0, 50.0, 75.0, 100.0] {
        let x = place(percent / 100.0);
        scene.line((x, TOP - 4.0), (x, bottom), 0.8, Ink::Grid);
        scene.text(
            (x, bottom + 14.0),
            SIZE - 1.5,
            Anchor::Middle,
            Ink::Muted,
            format!("{percent} %"),
        );
    }
    for (index, (row, results)) in rows().enumerate() {
        draw_row(
            &mut scene,
            (&results.topology, row.cells.get(panel.column)),
            TOP + ROW * (index as f64 + 0.5),
        );
    }
    scene
}

fn place(share: f64) -> f64 {
    LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
}

fn draw_row(scene: &mut Scene, (topology, cell): (&Topology, Option<&Value>), y: f64) {
    let ink = if topology.control {
        Ink::Muted
    } else {
        Ink::Text
    };
    let name = format!("{} · {}", topology.title, topology.dropout);
    scene.text((LEFT - 12.0, y + 4.0), SIZE - 1.0, Anchor::End, ink, name);
    let Some(cell) = cell else {
        return;
    };
    if let Some(paper) = cell.reference {
        let center = (place(paper), y);
        scene.shapes.push(Shape::Diamond {
            center,
            radius: 5.0,
            ink: Ink::Second,
        });
    }
    let Some(value) = cell.value else {
        scene.text(
            (LEFT + 6.0, y + 4.0),
            SIZE - 1.0,
            Anchor::Start,
            Ink::Muted,
            cell.main(),
        );
        return;
    };
    let ends = match cell.doubt {
        Doubt::Unstated => None,
        Doubt::Interval(low, high) => Some((low, high)),
        Doubt::Deviation(deviation) => Some((value - deviation, value + deviation)),
    };
    if let Some((low, high)) = ends {
        scene.line((place(low), y), (place(high), y), 2.0, Ink::First);
    }
    scene.shapes.push(Shape::Disk {
        center: (place(value), y),
        radius: 3.6,
        ink: Ink::First,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::tables::{View, tables};

    #[test]
    fn a_missing_value_is_named_and_has_no_dot() {
        let results = fixture::results();
        let tables = tables(&results, View::Seed(0));
        let table = tables.iter().find(|table| table.id == "table-2").unwrap();
        let section = table
            .sections
            .iter()
            .find(|section| section.id == "jsma")
            .unwrap();
        let scene = accuracy(AccuracyPanel {
            section,
            topologies: &results.topologies,
            column: 0,
        });
        let dots = scene
            .shapes
            .iter()
            .filter(|s| matches!(s, Shape::Disk { .. }))
            .count();
        let named = scene
            .shapes
            .iter()
            .filter(|s| matches!(s, Shape::Text { text, .. } if text == "n/a"));
        assert_eq!(dots + named.count(), section.rows.len());
        assert!(dots < section.rows.len());
        let diamonds = scene
            .shapes
            .iter()
            .filter(|s| matches!(s, Shape::Diamond { .. }))
            .count();
        assert_eq!(diamonds, 7);
    }

    #[test]
    fn the_scale_runs_from_0_to_100_percent() {
        assert_eq!(place(0.0), LEFT);
        assert_eq!(place(1.0), WIDTH - RIGHT);
        assert_eq!(place(1.2), place(1.0));
    }
}
