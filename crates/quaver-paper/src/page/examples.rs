//! A few images, clean and attacked.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::results::{ExampleGrid, ExampleImage, Results};

use quaver::report::svg::escape;
use quaver::report::{RenderError, png};

pub(super) fn section(results: &Results) -> Result<String, RenderError> {
    let Some(grid) = &results.examples else {
        return Ok(String::new());
    };
    let mut out = format!(
        "<section id=\"examples\">\n<h2>What the attacks look like</h2>\n<p class=\"note\">The first images as \
         {} sees them. Below each: its true class and what the network voted for.</p>\n",
        escape(&grid.title)
    );
    out.push_str("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Example images\">\n<table class=\"images\">\n<tbody>\n");
    for row in &grid.rows {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(&row.title));
        for example in &row.images {
            image(&mut out, grid, &row.title, example)?;
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
    Ok(out)
}

fn image(
    out: &mut String,
    grid: &ExampleGrid,
    title: &str,
    example: &ExampleImage,
) -> Result<(), RenderError> {
    let size = (grid.width, grid.height);
    let bytes = png::encode(
        &format!("of image {}", example.id),
        size,
        grid.channels,
        &example.pixels,
    )?;
    let (label, predicted) = (escape(&example.label), escape(&example.predicted));
    let (class, sign) = if example.label == example.predicted {
        ("right", "✓")
    } else {
        ("wrong", "✗")
    };
    let uncertainty = example.uncertainty.filter(|u| u.is_finite());
    let uncertainty = uncertainty.map_or_else(String::new, |u| format!(", uncertainty {u:.1e}"));
    let _ = write!(
        out,
        "<td><img width=\"{}\" height=\"{}\" alt=\"{}, image {}: {label} taken for {predicted}\" \
         title=\"image {}{uncertainty}\" src=\"data:image/png;base64,{}\">\
         <small class=\"{class}\">{label} → {predicted} {sign}</small></td>",
        grid.width,
        grid.height,
        escape(title),
        example.id,
        example.id,
        STANDARD.encode(bytes)
    );
    Ok(())
}
