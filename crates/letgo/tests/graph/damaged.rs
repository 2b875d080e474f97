//! Files that were cut or changed: no report, or one that says what is missing; never a whole one
//! with other figures.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use letgo_testkit::{Patient, Recipe, copy_sparsely, gcore};
use serde_json::Value;

use crate::{letgo, may_read, snap};

fn patient() -> Patient {
    let mut patient = Recipe::new("plain").arg("-mib=8").start().unwrap();
    patient.stop().unwrap();
    patient
}

/// What a reading of a file brings: nothing, or totals.
fn totals(file: &Path, verb: &str) -> (i32, Value, String) {
    let output = letgo(&[verb, file.to_str().unwrap(), "-o", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let key = match verb {
        "heap" => "totals",
        _ if report.get("virtual").is_some() => "virtual",
        _ => "rss",
    };
    let said = String::from_utf8(output.stderr).unwrap();
    let coverage = report["taken"]["coverage"]["skipped"].clone();
    let why = format!("{said}{coverage}");
    (output.status.code().unwrap(), report[key].clone(), why)
}

/// A damaged file: status 1 with what is missing or 3 with a sentence; or the same totals, where
/// what was damaged is not needed for them.
fn check(file: &Path, what: &str, whole: &[(&str, Value)]) {
    for (verb, whole) in whole {
        let (code, totals, why) = totals(file, verb);
        match code {
            0 => assert_eq!(&totals, whole, "{what} {verb}"),
            1 => assert!(why.contains("\"why\""), "{what} {verb}: {why}"),
            3 => assert!(
                why.starts_with("letgo: ") && why.lines().count() >= 2,
                "{what} {verb}: {why}"
            ),
            other => panic!("{what} {verb}: exit {other}: {why}"),
        }
    }
}

fn whole(file: &Path, verbs: &[&'static str]) -> Vec<(&'static str, Value)> {
    let of = |verb: &&'static str| {
        let (code, totals, why) = totals(file, verb);
        assert_eq!(code, 0, "{why}");
        (*verb, totals)
    };
    verbs.iter().map(of).collect()
}

/// Where a file of so many bytes is cut, from its end on: one file may be cut at each.
fn cuts(len: u64) -> [u64; 7] {
    let part = |part: u64| len / 1000 * part;
    let parts = [999, 990, 900, 500, 100, 1].map(part);
    let mut cuts = [len - 1; 7];
    cuts[1..].copy_from_slice(&parts);
    cuts
}

fn cut(file: &Path, at: u64) {
    let file = File::options().write(true).open(file).unwrap();
    file.set_len(at).unwrap();
}

#[test]
fn a_damaged_snapshot_is_never_a_whole_report_with_other_figures() {
    if !may_read("a_damaged_snapshot_is_never_a_whole_report_with_other_figures") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (file, harmed) = (dir.path().join("whole"), dir.path().join("harmed"));
    let patient = patient();
    snap(&[&patient.pid().to_string(), "--stop=60000"], &file);
    let reports = whole(&file, &["heap", "why"]);
    let bytes = fs::read(&file).unwrap();
    let turned = 24;
    for step in 0..turned {
        // Spread over the file, and not always at the same place of a page.
        let at = (bytes.len() / turned * step + step * 37 + 16) % bytes.len();
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (step % 8);
        fs::write(&harmed, &bytes).unwrap();
        check(&harmed, &format!("byte {at} of {}", bytes.len()), &reports);
    }
    for at in cuts(bytes.len() as u64) {
        cut(&file, at);
        check(&file, &format!("cut at {at}"), &reports);
        let (code, _, why) = totals(&file, "heap");
        assert_eq!(code, 3, "cut at {at}: {why}");
    }
}

/// A core has no checksums: where it was cut is seen, what was changed in it is not.
#[test]
fn a_cut_core_is_never_a_whole_report_with_other_figures() {
    if !may_read("a_cut_core_is_never_a_whole_report_with_other_figures") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (file, torn) = (dir.path().join("whole"), dir.path().join("torn"));
    let patient = patient();
    if !gcore(patient.pid(), &file) {
        letgo_testkit::skip!("gcore of gdb is missing");
    }
    let reports = whole(&file, &["heap", "why"]);
    let len = fs::metadata(&file).unwrap().len();
    // As the kernel writes it: all headers and notes are there, the last memory is not.
    let room = tear(&file, &torn);
    for part in [95, 60, 20] {
        cut(&torn, room + len / 100 * part);
        for verb in ["heap", "why"] {
            let (code, totals, _) = totals(&torn, verb);
            assert_ne!(code, 0, "{part} % {verb}: {totals}");
        }
        check(&torn, &format!("torn at {part} %"), &reports);
    }
    for at in cuts(len) {
        cut(&file, at);
        check(&file, &format!("cut at {at}"), &reports);
    }
}

/// Writes a core with its notes moved to its front; what they take there.
fn tear(core: &Path, torn: &Path) -> u64 {
    let mut core = File::open(core).unwrap();
    let bytes = |at: u64, len: u64| {
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        core.read_exact_at(&mut bytes, at).unwrap();
        bytes
    };
    let number = |at: u64, len: u64| {
        let mut number = bytes(at, len);
        number.resize(8, 0);
        u64::from_le_bytes(number.try_into().unwrap())
    };
    let (headers, count) = (number(32, 8), number(56, 2));
    let header = |which: u64| headers + 56 * which;
    let notes = (0..count)
        .find(|&which| number(header(which), 4) == 4)
        .unwrap();
    let (from, len) = (number(header(notes) + 8, 8), number(header(notes) + 32, 8));
    // Segments lie at os pages: room is made in front of all of them.
    let room = (len + header(count)).next_multiple_of(4096);
    let mut front = bytes(0, header(count));
    for which in 0..count {
        let at = header(which) + 8;
        let moved = if which == notes {
            header(count)
        } else {
            number(at, 8) + room
        };
        let at = usize::try_from(at).unwrap();
        front[at..at + 8].copy_from_slice(&moved.to_le_bytes());
    }
    front.extend(bytes(from, len));
    front.resize(usize::try_from(room).unwrap(), 0);
    // No section headers: those of gcore would be behind the end.
    front[40..48].fill(0);
    front[60..64].fill(0);
    let mut torn = File::options()
        .write(true)
        .create_new(true)
        .open(torn)
        .unwrap();
    torn.write_all(&front).unwrap();
    copy_sparsely(&mut core, &mut torn).unwrap();
    room
}
