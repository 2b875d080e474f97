//! [`html`]: a heap and what stands out in it as one page that needs nothing else.
//!
//! The page carries its data as JSON and its own script; it loads nothing. Its parts lie beside
//! this file, in `html/`.
//!
//! Invariants:
//! - no string of a target is ever markup: the data cannot end its element, and the script writes
//!   text only;
//! - the page's policy lets no other script or style run than those of this file, named by their
//!   hashes, and lets nothing be loaded;
//! - names are cut to [`MOST_NAME`], so that the page's size is bounded by how many tiles and
//!   cells there are.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Elements, HeapReport, WhyReport};

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = concat!(
    include_str!("html/words.js"),
    include_str!("html/space.js"),
    include_str!("html/tiles.js"),
    include_str!("html/search.js"),
    include_str!("html/page.js"),
);

/// Characters of a name that are kept.
pub const MOST_NAME: usize = 160;

/// What the page shows.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct HtmlReport {
    /// Where the memory is, and what stands out.
    pub why: WhyReport,
    /// What is in the heap.
    pub heap: HeapReport,
    /// Who holds it; absent where dominators could not be had.
    pub tree: Option<Tile>,
    /// Where in the address space it is.
    pub space: Option<Space>,
}

/// What is retained together, with the largest of what it is made of.
///
/// The bytes of all parts sum to at most those of the tile.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Tile {
    /// `heap`, `variable`, `goroutines`, `several`, `finalizer`, `guess`, `object`, `rest`.
    pub kind: &'static str,
    /// Its name, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it retains, in bytes of slots.
    pub bytes: u64,
    /// Objects that it retains.
    pub objects: u64,
    /// Bytes of its own slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<u64>,
    /// Address of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Where the variable lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// How much is in it, where it is a container and could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elements: Option<Elements>,
    /// Where goroutines were started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// How many goroutines, or how many that are not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Its parts, largest first.
    #[serde(rename = "in")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Tile>,
}

/// The address space in cells.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Space {
    /// Bytes of address space of a cell.
    pub cell_bytes: u64,
    /// Ids of leaves of the account, as cells number them.
    pub leaves: Vec<String>,
    /// Parts that are drawn apart.
    pub regions: Vec<Region>,
}

/// A part of the address space.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Region {
    /// Its name.
    pub label: String,
    /// Stretches of neighbouring cells, by address.
    pub segments: Vec<Segment>,
}

/// Neighbouring cells.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Segment {
    /// Where the first starts, as a hex string.
    pub at: String,
    /// Runs of equal cells: how many, then the number of a leaf and its resident bytes in each of
    /// them, in turn. A cell without any is not resident.
    pub cells: Vec<Vec<u64>>,
}

/// The page.
///
/// # Errors
/// None that a report can cause.
pub fn html(report: &HtmlReport) -> Result<String, serde_json::Error> {
    let mut kept = report.clone();
    // The tree has them.
    kept.heap.holders.clear();
    if let Some(tree) = &mut kept.tree {
        shorten(tree);
    }
    let name = report.why.target.exe.rsplit('/').next();
    let title = format!("{} - letgo heap", name.unwrap_or_default());
    Ok(fill(&[
        ("{{title}}", &escaped(&crate::page::harmless(&title))),
        ("{{style-hash}}", &source(STYLE)),
        ("{{script-hash}}", &source(SCRIPT)),
        ("{{style}}", STYLE),
        ("{{data}}", &inert(&serde_json::to_string(&kept)?)),
        ("{{script}}", SCRIPT),
    ]))
}

/// The page with its parts put in, in the order in which they stand: what is put in is not
/// looked at again.
fn fill(parts: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = PAGE;
    while let Some(at) = rest.find("{{") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let part = parts.iter().find(|(mark, _)| from.starts_with(mark));
        let (mark, text) = part.copied().unwrap_or(("{{", "{{"));
        out.push_str(text);
        rest = from.get(mark.len()..).unwrap_or_default();
    }
    out + rest
}

/// JSON that no parser of HTML takes for anything but text, and no script for a line's end.
fn inert(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            // Outside of strings JSON has none of these.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(char)));
            }
            other => out.push(other),
        }
    }
    out
}

/// Text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A source of a Content-Security-Policy: only this very text. Source: W3C CSP3, `hash-source`.
fn source(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text.as_bytes())))
}

/// Source: RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let byte = |at: usize| u32::from(part.get(at).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let six = (word >> (18 - 6 * digit)) & 63;
            let char = DIGITS.get(six as usize).map(|digit| char::from(*digit));
            out.extend(char.filter(|_| digit <= part.len()).or(Some('=')));
        }
    }
    out
}

fn shorten(tile: &mut Tile) {
    for name in [
        &mut tile.name,
        &mut tile.type_name,
        &mut tile.place,
        &mut tile.started,
    ] {
        name.iter_mut().for_each(cut);
    }
    tile.parts.iter_mut().for_each(shorten);
}

fn cut(name: &mut String) {
    if let Some((at, _)) = name.char_indices().nth(MOST_NAME) {
        name.truncate(at);
        name.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> HtmlReport {
        let why = include_str!("../samples/why-graph.json");
        let heap = include_str!("../samples/heap.json");
        HtmlReport {
            why: serde_json::from_str(why).unwrap(),
            heap: serde_json::from_str(heap).unwrap(),
            tree: Some(Tile::default()),
            space: None,
        }
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (given, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(given.as_bytes()), wanted);
        }
    }

    #[test]
    fn names_of_a_target_stay_data() {
        let evil = "</script><script>alert(1)</script><!--<script>\u{2028}&amp;{{script}}";
        let mut report = sample();
        report.why.target.exe = format!("/srv/{evil}");
        report.tree = Some(Tile {
            name: Some(evil.into()),
            type_name: Some(evil.into()),
            ..Tile::default()
        });
        let page = html(&report).unwrap();
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("</script").count(), 2);
        assert!(!page.contains("alert(1)</script>"));
        assert!(!page.contains("<!--") && !page.contains('\u{2028}'));
        let data = page.split("id=\"data\">").nth(1).unwrap();
        let data = data.split("</script>").next().unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["tree"]["name"], evil);
    }

    #[test]
    fn the_page_names_its_own_script_and_loads_nothing() {
        let page = html(&sample()).unwrap();
        assert!(page.contains("default-src 'none'; script-src 'sha256-"));
        for other in [
            "http:",
            "https:",
            "src=",
            "@import",
            "url(",
            "innerHTML",
            "eval(",
        ] {
            assert!(!page.contains(other), "{other}");
        }
        assert!(!page.contains("{{"));
    }

    #[test]
    fn a_long_name_is_cut() {
        let mut report = sample();
        report.tree = Some(Tile {
            parts: vec![Tile {
                name: Some("é".repeat(4000)),
                ..Tile::default()
            }],
            ..Tile::default()
        });
        let page = html(&report).unwrap();
        assert!(page.matches('é').count() <= MOST_NAME);
    }
}
