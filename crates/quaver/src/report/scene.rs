//! Pictures as lists of shapes, drawn alike as SVG and as PNG.

mod curves;

pub use curves::{Axis, Curve, CurvePanel, curves};

/// What a color is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Behind everything.
    Paper,
    /// Text and axes.
    Text,
    /// Text of less weight.
    Muted,
    /// Grid lines.
    Grid,
    /// What is measured first: clean inputs, our numbers.
    First,
    /// What it is held beside: adversarial inputs, numbers of others.
    Second,
}

impl Ink {
    /// Red, green, blue on a light ground. Blue and orange are told apart by color-blind readers.
    pub const fn rgb(self) -> [u8; 3] {
        match self {
            Self::Paper => [0xff, 0xff, 0xff],
            Self::Text => [0x1b, 0x1f, 0x24],
            Self::Muted => [0x5b, 0x64, 0x70],
            Self::Grid => [0xd9, 0xde, 0xe4],
            Self::First => [0x1f, 0x5f, 0xbf],
            Self::Second => [0xc2, 0x55, 0x0a],
        }
    }

    /// Name of the variable that holds the color where a page sets its own.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Paper => "--paper",
            Self::Text => "--text",
            Self::Muted => "--muted",
            Self::Grid => "--line",
            Self::First => "--first",
            Self::Second => "--second",
        }
    }
}

/// Where text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// It is centered there.
    Middle,
    /// It ends there.
    End,
}

/// A shape; lengths in units of the scene.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A filled rectangle from its top left corner.
    Rectangle {
        /// Left.
        x: f64,
        /// Top.
        y: f64,
        /// Extent to the right, at least 0.
        width: f64,
        /// Extent downwards, at least 0.
        height: f64,
        /// Color.
        ink: Ink,
    },
    /// A straight line.
    Line {
        /// From, (x, y).
        from: (f64, f64),
        /// To, (x, y).
        to: (f64, f64),
        /// Thickness.
        width: f64,
        /// Color.
        ink: Ink,
    },
    /// A disk.
    Disk {
        /// Center, (x, y).
        center: (f64, f64),
        /// Radius.
        radius: f64,
        /// Color.
        ink: Ink,
    },
    /// An empty diamond.
    Diamond {
        /// Center, (x, y).
        center: (f64, f64),
        /// Center to corner.
        radius: f64,
        /// Color of its edge.
        ink: Ink,
    },
    /// A line of text.
    Text {
        /// Its point on the baseline, (x, y).
        at: (f64, f64),
        /// Height of the letters' em square.
        size: f64,
        /// Where it stands relative to the point.
        anchor: Anchor,
        /// Color.
        ink: Ink,
        /// What it says.
        text: String,
    },
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Its name in one sentence, for those who do not see it.
    pub description: String,
    /// Units across.
    pub width: f64,
    /// Units down.
    pub height: f64,
    /// Shapes, later ones above earlier ones.
    pub shapes: Vec<Shape>,
}

impl Scene {
    /// Adds a filled rectangle from its top left `corner`.
    pub fn rectangle(&mut self, corner: (f64, f64), extent: (f64, f64), ink: Ink) {
        let ((x, y), (width, height)) = (corner, extent);
        self.shapes.push(Shape::Rectangle {
            x,
            y,
            width,
            height,
            ink,
        });
    }

    /// Adds a straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, ink: Ink) {
        self.shapes.push(Shape::Line {
            from,
            to,
            width,
            ink,
        });
    }

    /// Adds a line of text at its point on the baseline.
    pub fn text(
        &mut self,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        ink: Ink,
        text: impl Into<String>,
    ) {
        self.shapes.push(Shape::Text {
            at,
            size,
            anchor,
            ink,
            text: text.into(),
        });
    }
}
