//! SVG: a scene as a file or within a page.

use std::fmt::Write as _;

use super::scene::{Anchor, Ink, Scene, Shape};

/// A scene as a file of its own, on a light ground.
pub fn file(scene: &Scene) -> String {
    draw(scene, " xmlns=\"http://www.w3.org/2000/svg\"", &|ink| {
        let [r, g, b] = ink.rgb();
        format!("#{r:02x}{g:02x}{b:02x}")
    })
}

/// A scene as a part of a page that sets the colors' variables.
pub fn inline(scene: &Scene) -> String {
    draw(scene, "", &|ink| format!("var({})", ink.variable()))
}

fn draw(scene: &Scene, attributes: &str, color: &dyn Fn(Ink) -> String) -> String {
    let mut out = format!(
        "<svg{attributes} viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\" \
         font-family=\"system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif\">\n\
         <title>{}</title>\n",
        length(scene.width),
        length(scene.height),
        escape(&scene.description),
        escape(&scene.description)
    );
    for shape in &scene.shapes {
        draw_shape(&mut out, shape, color);
    }
    out.push_str("</svg>\n");
    out
}

fn draw_shape(out: &mut String, shape: &Shape, color: &dyn Fn(Ink) -> String) {
    // Writing to a String cannot fail.
    let _ = match shape {
        Shape::Rectangle {
            x,
            y,
            width,
            height,
            ink,
        } => writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>",
            length(*x),
            length(*y),
            length(*width),
            length(*height),
            color(*ink)
        ),
        Shape::Line {
            from,
            to,
            width,
            ink,
        } => writeln!(
            out,
            "<path d=\"M{} {}L{} {}\" stroke=\"{}\" stroke-width=\"{}\" fill=\"none\"/>",
            length(from.0),
            length(from.1),
            length(to.0),
            length(to.1),
            color(*ink),
            length(*width)
        ),
        Shape::Disk {
            center,
            radius,
            ink,
        } => writeln!(
            out,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"/>",
            length(center.0),
            length(center.1),
            length(*radius),
            color(*ink)
        ),
        Shape::Diamond {
            center: (x, y),
            radius,
            ink,
        } => writeln!(
            out,
            "<path d=\"M{} {}L{} {}L{} {}L{} {}Z\" stroke=\"{}\" stroke-width=\"1.5\" fill=\"none\"/>",
            length(x - radius),
            length(*y),
            length(*x),
            length(y - radius),
            length(x + radius),
            length(*y),
            length(*x),
            length(y + radius),
            color(*ink)
        ),
        Shape::Text {
            at,
            size,
            anchor,
            ink,
            text,
        } => writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"{}\" fill=\"{}\">{}</text>",
            length(at.0),
            length(at.1),
            length(*size),
            match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            },
            color(*ink),
            escape(text)
        ),
    };
}

/// At most two decimals, without trailing zeros.
fn length(value: f64) -> String {
    let text = super::value::fixed(value, 2);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

/// Text as it stands in markup and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short() {
        assert_eq!(length(12.0), "12");
        assert_eq!(length(0.346), "0.35");
        assert_eq!(length(100.0), "100");
        assert_eq!(length(-0.001), "0");
    }

    #[test]
    fn text_is_escaped() {
        let mut scene = Scene {
            description: "a & b".into(),
            width: 40.0,
            height: 20.0,
            shapes: Vec::new(),
        };
        scene.text((1.0, 2.0), 9.0, Anchor::Start, Ink::Text, "<script>\"&");
        let text = file(&scene);
        assert!(text.contains("&lt;script&gt;&quot;&amp;") && text.contains("a &amp; b"));
        assert!(!text.contains("<script"));
    }
}
