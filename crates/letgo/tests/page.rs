//! The page of `-o html`: that its figures are those of the reports, that it stays small, and that
//! Chromium runs its own script and nothing that a target put into its names.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use letgo_report::{Amount, HeapType, HtmlReport, Region, Segment, Space, Tile, html};
use letgo_testkit::{Recipe, forbidden, note_skip};
use serde_json::Value;

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");
/// Names that would act if they were markup.
const EVIL: &str = "</script><script>document.title='owned'</script><!--\u{2028}<img src=x \
                    onerror=\"document.title='owned'\">";

/// A browser, where there is one.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).collect::<Vec<_>>();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let places = names
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    places.into_iter().find(|place| place.is_file())
}

/// The document as it is once its script has run; nothing where there is no browser.
fn opened(test: &str, page: &str) -> Option<String> {
    let Some(browser) = chromium() else {
        note_skip(test, "there is no Chromium");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("page.html");
    std::fs::write(&file, page).unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args(["--disable-sync", "--virtual-time-budget=4000", "--dump-dom"])
        .arg(format!(
            "--user-data-dir={}",
            dir.path().join("profile").display()
        ))
        .arg("--window-size=1280,900")
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn samples() -> HtmlReport {
    let sample = |name: &str| {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../report/samples");
        std::fs::read_to_string(dir.join(name)).unwrap()
    };
    HtmlReport {
        why: serde_json::from_str(&sample("why-graph.json")).unwrap(),
        heap: serde_json::from_str(&sample("heap.json")).unwrap(),
        tree: None,
        space: None,
    }
}

fn tile(kind: &'static str, name: &str, bytes: u64, parts: Vec<Tile>) -> Tile {
    Tile {
        kind,
        name: Some(name.into()),
        bytes,
        objects: 1,
        parts,
        ..Tile::default()
    }
}

#[test]
fn names_of_a_target_do_nothing_in_a_browser() {
    let mut report = samples();
    report.why.target.exe = format!("/srv/{EVIL}");
    for finding in &mut report.why.findings {
        finding.title = EVIL.into();
        finding.holder = Some(EVIL.into());
    }
    let child = tile("object", EVIL, 40, Vec::new());
    let owner = tile("variable", EVIL, 60, vec![child]);
    report.tree = Some(tile("heap", EVIL, 100, vec![owner]));
    let page = html(&report).unwrap();
    let Some(dom) = opened("names_of_a_target_do_nothing_in_a_browser", &page) else {
        return;
    };
    let title = dom.split("<title>").nth(1).unwrap();
    assert!(
        !title.starts_with("owned"),
        "{}",
        title.get(..80).unwrap_or(title)
    );
    assert!(!dom.contains("<img"));
    assert_eq!(dom.matches("<script").count(), 2);
    // The name is there, as text.
    assert!(dom.contains("&lt;/script&gt;&lt;script&gt;document.title="));
    assert!(dom.contains("class=\"tile variable"));
}

/// The page as it is after somebody did something; its policy would let nobody but itself.
fn used(page: &str, does: &str) -> String {
    let (before, rest) = page
        .split_once("<meta http-equiv=\"Content-Security-Policy\"")
        .unwrap();
    let rest = rest.split_once('>').unwrap().1;
    format!("{before}{rest}<script>{does}</script>")
}

/// What the search says for each of `wanted`, a line each: its own lines, joined by ` | `.
fn searched(test: &str, page: &str, wanted: &[&str]) -> Option<Vec<String>> {
    let wanted = serde_json::to_string(wanted).unwrap();
    let does = format!(
        "const said = {wanted}.map((text) => {{
            byId('search').value = text;
            byId('search').dispatchEvent(new Event('input'));
            return [...byId('found').children].map((line) => line.innerText).join(' | ');
        }});
        document.title = said.map((text) => text.replace(/\\s+/g, ' ')).join('##');"
    );
    let dom = opened(test, &used(page, &does))?;
    let title = dom.split("<title>").nth(1).unwrap();
    let title = title.split("</title>").next().unwrap();
    Some(title.split("##").map(str::to_owned).collect())
}

#[test]
fn its_search_finds_all_that_is_on_the_page() {
    let mut report = samples();
    report.why.target.pid = 4242;
    let node = |at: u64| Tile {
        own: Some(16),
        at: Some(format!("{at:#x}")),
        type_name: Some("main.Node".into()),
        name: None,
        ..tile("object", "", 16, Vec::new())
    };
    let nodes = (0..70).map(|number| node(0xc000_0100 + number * 16));
    let owner = tile("variable", "main.head", 2000, nodes.collect());
    report.tree = Some(tile("heap", "", 2000, vec![owner]));
    report.heap.types = vec![HeapType {
        name: "main.Payload".into(),
        kind: "value".into(),
        objects: Amount {
            count: 50_000,
            slot_bytes: 5_600_000,
            resident_bytes: None,
        },
        ..HeapType::default()
    }];
    let title = report.why.findings[0].title.clone();
    let page = html(&report).unwrap();
    let wanted = [
        "payload",
        title.as_str(),
        "main.node",
        "0xc0000118",
        "0xc0009998",
    ];
    let test = "its_search_finds_all_that_is_on_the_page";
    let Some(said) = searched(test, &page, &wanted) else {
        return;
    };
    assert_eq!(said[0], "main.Payload type, 50,000 objects 5.34 MiB");
    assert!(said[1].contains("what stands out, "), "{said:?}");
    // Those of one name are told apart, and those that are not listed are counted.
    let first = "main.Node of 16 B 0xc0000100, in main.head 16 B | main.Node of 16 B 0xc0000110,";
    assert!(said[2].starts_with(first), "{}", said[2]);
    assert!(said[2].contains("| 10 more, none larger"), "{}", said[2]);
    // An address within an object.
    assert_eq!(said[3], "main.Node of 16 B 0xc0000110, in main.head 16 B");
    assert!(
        said[4].ends_with("letgo heap 4242 --path 0xc0009998"),
        "{}",
        said[4]
    );
}

#[test]
fn the_largest_page_is_below_two_megabytes() {
    let mut report = samples();
    let name = "é".repeat(4000);
    let object = Tile {
        own: Some(u64::MAX),
        at: Some("0xffffffffffffffff".into()),
        type_name: Some("map[string]*example.com/some/long/module/path.Session".into()),
        ..tile("object", "", u64::MAX, Vec::new())
    };
    // As many as a tree has at most; those with long names are its owners.
    let owners = (0..750).map(|_| tile("variable", &name, u64::MAX, vec![object.clone(); 3]));
    report.tree = Some(tile("heap", "", u64::MAX, owners.collect()));
    let cells = vec![vec![1, 0, 65_536, 3, 65_536, 10, 65_536]; 24_000];
    report.space = Some(Space {
        cell_bytes: 1 << 20,
        leaves: Vec::new(),
        regions: vec![Region {
            label: String::new(),
            segments: vec![Segment {
                at: "0xc000000000".into(),
                cells,
            }],
        }],
    });
    let page = html(&report).unwrap();
    assert!(page.len() <= 2_000_000, "{}", page.len());
}

fn letgo(args: &[&str]) -> Vec<u8> {
    let output = Command::new(LETGO)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    output.stdout
}

/// The bytes of a tile, and what its parts have; parts never have more than it.
fn check_tile(tile: &Value) -> u64 {
    let bytes = tile["bytes"].as_u64().unwrap();
    let parts = tile["in"].as_array();
    let sum: u64 = parts.into_iter().flatten().map(check_tile).sum();
    let own = tile["own"].as_u64().unwrap_or(0);
    assert!(sum + own <= bytes, "{sum} + {own} of {bytes}");
    if sum > 0 {
        assert_eq!(sum + own, bytes, "{}", tile["name"]);
    }
    bytes
}

#[test]
fn its_pictures_have_the_bytes_of_the_reports() {
    if let Some(why) = forbidden().unwrap() {
        note_skip("its_pictures_have_the_bytes_of_the_reports", &why);
        return;
    }
    let mut patient = Recipe::new("grows").start().unwrap();
    patient.stop().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.snap");
    let file = file.to_str().unwrap();
    letgo(&["snap", &patient.pid().to_string(), "-o", file]);
    let page = String::from_utf8(letgo(&["heap", file, "-o", "html"])).unwrap();
    let data = page.split("id=\"data\">").nth(1).unwrap();
    let data: Value = serde_json::from_str(data.split("</script>").next().unwrap()).unwrap();
    let heap: Value = serde_json::from_slice(&letgo(&["heap", file, "-o", "json"])).unwrap();
    assert_eq!(
        check_tile(&data["tree"]),
        heap["totals"]["reachable"]["slot_bytes"].as_u64().unwrap()
    );
    let owners = data["tree"]["in"].as_array().unwrap();
    assert!(owners.iter().any(|owner| owner["name"] == "main.still"));
    check_space(&data["space"], &data["why"]["rss"]);
    if let Some(dom) = opened("its_pictures_have_the_bytes_of_the_reports", &page) {
        assert!(dom.contains("main.still") && dom.contains("<canvas"));
        // Its last words: the script came to its end.
        assert!(dom.contains("<p>This file is complete in itself"));
        let types = dom.split("id=\"type-table\"").nth(1).unwrap();
        assert!(types.contains("main.entry"));
    }
}

/// Cells have the bytes of each leaf of the account.
fn check_space(space: &Value, rss: &Value) {
    let leaves = space["leaves"].as_array().unwrap();
    let mut drawn = vec![0; leaves.len()];
    for region in space["regions"].as_array().unwrap() {
        for segment in region["segments"].as_array().unwrap() {
            for cell in segment["cells"].as_array().unwrap() {
                let cell: Vec<u64> = serde_json::from_value(cell.clone()).unwrap();
                let (times, parts) = cell.split_first().unwrap();
                for part in parts.chunks(2) {
                    drawn[usize::try_from(part[0]).unwrap()] += times * part[1];
                }
            }
        }
    }
    let rss: letgo_report::Rss = serde_json::from_value(rss.clone()).unwrap();
    for (leaf, drawn) in leaves.iter().zip(drawn) {
        let leaf = leaf.as_str().unwrap();
        assert_eq!(drawn, rss.resident(leaf), "{leaf}");
    }
}
