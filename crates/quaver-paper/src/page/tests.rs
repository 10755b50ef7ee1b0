//! What the page must hold, and must not.

use super::*;
use crate::fixture;

fn page(results: &Results) -> String {
    String::from_utf8(render(results).unwrap().unwrap()).unwrap()
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = page(&fixture::results());
    for word in [
        "http:", "https:", "<script", "<link", "@import", "url(", "src=\"/", "NaN", "Infinity",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("src=\"data:image/png;base64,"));
}

#[test]
fn text_from_outside_is_escaped() {
    let mut results = fixture::results();
    let evil = "<img src=x onerror=\"alert(1)\">&'";
    results.dataset = evil.into();
    results.arch = evil.into();
    results.command = evil.into();
    results.warnings.push(evil.into());
    results.configuration[0].value = evil.into();
    results.topologies[0].topology.title = evil.into();
    results.topologies[0].seeds[0].checks[0].sentence = evil.into();
    results.claims[0].title = evil.into();
    results.claims[0].readings[0].sentence = evil.into();
    results.attacks[0].title = evil.into();
    results.honest_columns[0].title = evil.into();
    let examples = results.examples.as_mut().unwrap();
    examples.rows[0].images[0].predicted = evil.into();
    let page = page(&results);
    assert!(!page.contains("<img src=x"));
    assert!(!page.contains("onerror=\""));
    assert!(page.contains("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;&#39;"));
}

#[test]
fn tags_are_balanced() {
    let page = page(&fixture::two_seeds());
    for tag in [
        "main", "section", "table", "tbody", "tr", "td", "th", "details", "div", "dl", "ul", "li",
        "p", "svg", "figure", "article",
    ] {
        let open =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn every_link_within_the_page_has_its_target() {
    let page = page(&fixture::results());
    let links: Vec<_> = page
        .split("href=\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(links.len() >= 7);
    for link in links {
        assert!(page.contains(&format!("id=\"{link}\"")), "{link}");
    }
}

#[test]
fn a_quick_run_is_said_loudly_and_only_then() {
    let mut results = fixture::results();
    assert!(page(&results).contains("role=\"alert\""));
    results.quick = false;
    assert!(!page(&results).contains("role=\"alert\""));
}

#[test]
fn a_missing_number_is_named() {
    let page = page(&fixture::results());
    assert!(page.contains("<td><b>n/a</b></td><td class=\"paper\">38.2</td>"));
    // A control has no published number.
    assert!(page.contains("</td><td class=\"paper\"></td>"));
}

#[test]
fn a_bare_result_still_makes_a_page() {
    let results = Results {
        figure: None,
        examples: None,
        claims: Vec::new(),
        topologies: Vec::new(),
        attacks: Vec::new(),
        honest_columns: Vec::new(),
        configuration: Vec::new(),
        warnings: Vec::new(),
        ..fixture::results()
    };
    assert!(page(&results).contains("</html>"));
}

#[test]
fn an_image_of_the_wrong_size_is_refused() {
    let mut results = fixture::results();
    results.examples.as_mut().unwrap().rows[0].images[0]
        .pixels
        .pop();
    assert!(matches!(render(&results), Err(RenderError::Picture { .. })));
}
