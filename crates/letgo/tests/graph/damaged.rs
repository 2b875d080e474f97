//! Files that were cut or changed: no report, or one that says what is missing; never a whole one
//! with other figures.

use std::fs;
use std::path::{Path, PathBuf};

use letgo_testkit::{Patient, Recipe};
use serde_json::Value;

use crate::equal::dump;
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

/// Copies of a file: cut at some places, and with one bit of a byte turned over at others.
fn harm(file: &Path, bytes: &[u8], turned: usize) -> Vec<(String, PathBuf)> {
    let mut harmed = Vec::new();
    let mut write = |what: String, bytes: &[u8]| {
        let path = file.with_extension(format!("{}", harmed.len()));
        fs::write(&path, bytes).unwrap();
        harmed.push((what, path));
    };
    for part in [1, 100, 500, 900, 990, 999] {
        let at = bytes.len() / 1000 * part;
        write(format!("cut at {at}"), &bytes[..at]);
    }
    write("cut by one byte".into(), &bytes[..bytes.len() - 1]);
    for step in 0..turned {
        // Spread over the file, and not always at the same place of a page.
        let at = (bytes.len() / turned * step + step * 37 + 16) % bytes.len();
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << (step % 8);
        write(format!("byte {at} of {}", bytes.len()), &bytes);
    }
    harmed
}

#[test]
fn a_damaged_snapshot_is_never_a_whole_report_with_other_figures() {
    if !may_read("a_damaged_snapshot_is_never_a_whole_report_with_other_figures") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("whole");
    let patient = patient();
    snap(&[&patient.pid().to_string(), "--stop=60000"], &file);
    let reports = whole(&file, &["heap", "why"]);
    for (what, path) in harm(&file, &fs::read(&file).unwrap(), 24) {
        check(&path, &what, &reports);
        if what.starts_with("cut") {
            let (code, _, why) = totals(&path, "heap");
            assert_eq!(code, 3, "{what}: {why}");
        }
        fs::remove_file(&path).unwrap();
    }
}

/// A core has no checksums: where it was cut is seen, what was changed in it is not.
#[test]
fn a_cut_core_is_never_a_whole_report_with_other_figures() {
    if !may_read("a_cut_core_is_never_a_whole_report_with_other_figures") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("whole");
    let patient = patient();
    if !dump(patient.pid(), file.to_str().unwrap()) {
        letgo_testkit::skip!("gcore of gdb is missing");
    }
    let reports = whole(&file, &["heap", "why"]);
    let bytes = fs::read(&file).unwrap();
    for (what, path) in harm(&file, &bytes, 0) {
        check(&path, &what, &reports);
        fs::remove_file(&path).unwrap();
    }
    // As the kernel writes it: all headers and notes are there, the last memory is not.
    let path = dir.path().join("torn");
    for part in [20, 60, 95] {
        fs::write(&path, torn(&bytes, bytes.len() / 100 * part)).unwrap();
        for verb in ["heap", "why"] {
            let (code, totals, _) = totals(&path, verb);
            assert_ne!(code, 0, "{part} % {verb}: {totals}");
        }
        check(&path, &format!("torn at {part} %"), &reports);
    }
}

/// A core whose notes were moved to its front, and that ends after so many bytes of its memory.
fn torn(core: &[u8], at: usize) -> Vec<u8> {
    let number = |at: usize, len: usize| {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&core[at..at + len]);
        usize::try_from(u64::from_le_bytes(bytes)).unwrap()
    };
    let (headers, count) = (number(32, 8), number(56, 2));
    let header = |which: usize| headers + 56 * which;
    let notes = (0..count)
        .find(|&which| number(header(which), 4) == 4)
        .unwrap();
    let (from, len) = (number(header(notes) + 8, 8), number(header(notes) + 32, 8));
    // Segments lie at os pages: room is made in front of all of them.
    let room = (len + header(count)).next_multiple_of(4096);
    let mut file = core[..header(count)].to_vec();
    for which in 0..count {
        let at = header(which) + 8;
        let moved = if which == notes {
            header(count)
        } else {
            number(at, 8) + room
        };
        file[at..at + 8].copy_from_slice(&(moved as u64).to_le_bytes());
    }
    file.extend(&core[from..from + len]);
    file.resize(room, 0);
    // No section headers: those of gcore would be behind the end.
    file[40..48].fill(0);
    file[60..64].fill(0);
    file.extend(&core[..at]);
    file
}
