//! Releases of Go that are too old, or newer than this build of letgo: real programs whose version
//! string is another.

use std::path::{Path, PathBuf};

use letgo_testkit::{Kind, NEWEST_GO, Patient, Recipe, why};

use crate::{LETGO, explained, may_read, open_dir, refused, small};

/// A patient whose binary says that another release of Go built it.
struct Disguised {
    patient: Patient,
    /// Holds the binary.
    _dir: tempfile::TempDir,
}

fn disguised(recipe: &Recipe, version: &str) -> Disguised {
    let binary = recipe.build().unwrap();
    let real = format!("go{NEWEST_GO}");
    assert_eq!(
        real.len(),
        version.len(),
        "the string is framed by its length"
    );
    let mut bytes = std::fs::read(&binary).unwrap();
    let mut found = 0;
    let mut at = 0;
    while let Some(end) = bytes.get(at..at + real.len()).map(|_| at + real.len()) {
        if &bytes[at..end] == real.as_bytes() {
            bytes[at..end].copy_from_slice(version.as_bytes());
            found += 1;
        }
        at += 1;
    }
    assert!(found > 0, "{real} is not in {}", binary.display());
    let dir = open_dir();
    let copy = write_beside(&binary, dir.path(), &bytes);
    Disguised {
        patient: recipe.start_as(&copy).unwrap(),
        _dir: dir,
    }
}

/// A file with the bytes, and the permissions of `binary`.
fn write_beside(binary: &Path, dir: &Path, bytes: &[u8]) -> PathBuf {
    let copy = crate::copy(binary, dir);
    let changed = copy.with_extension("changed");
    std::fs::write(&changed, bytes).unwrap();
    // Keeps the permissions that are there.
    crate::copy_to(&changed, &copy);
    copy
}

#[test]
fn a_release_that_is_too_old_is_refused_by_name() {
    if !may_read("a_release_that_is_too_old_is_refused_by_name") {
        return;
    }
    for (kind, version) in [
        (Kind::plain(), "go1.16.4"),
        (Kind::stripped_pie(), "go1.16.4"),
        (Kind::plain(), "go1.18.4"),
        (Kind::stripped_pie(), "go1.18.4"),
    ] {
        let old = disguised(&small().kind(kind.clone()), version);
        let said = refused(old.patient.pid());
        assert!(said.contains(version), "{kind}: {said}");
        assert!(said.contains("with Go 1.19 or later"), "{kind}: {said}");
    }
}

#[test]
fn a_version_that_names_no_release_is_shown_as_it_is() {
    if may_read("a_version_that_names_no_release_is_shown_as_it_is") {
        let odd = disguised(&small(), "go2.00.0");
        let said = refused(odd.patient.pid());
        assert!(said.contains("\"go2.00.0\" is not supported"), "{said}");
    }
}

/// Its shape is that of the newest release: all of it is read, and it is said that the release is
/// not known.
#[test]
fn a_release_that_is_too_new_is_read_by_its_shape() {
    if !may_read("a_release_that_is_too_new_is_read_by_its_shape") {
        return;
    }
    for kind in [Kind::plain(), Kind::stripped_pie()] {
        let mut new = disguised(&small().kind(kind.clone()), "go1.99.0");
        new.patient.stop().unwrap();
        let pid = new.patient.pid();
        let output = why(Path::new(LETGO), pid, &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{kind}: not whole");
        let report = letgo_testkit::report_of(&output).unwrap();
        assert_eq!(report.at("/target/go_version").unwrap(), "go1.99.0");
        let rss = letgo_testkit::rss(pid).unwrap().rss;
        assert_eq!(report.resident().unwrap(), rss, "{kind}");
        assert_eq!(report.unequal(), [""; 0], "{kind}");
        let coverage = report.at("/taken/coverage").unwrap().to_string();
        assert!(coverage.contains("go1.99 is newer than"), "{coverage}");
        let text = crate::letgo(&["why", &pid.to_string()]).output().unwrap();
        let text = crate::flat(&text.stdout);
        assert!(text.contains("This reading is incomplete"), "{text}");
        assert!(text.contains("go1.99 is newer than"), "{text}");
    }
}

/// The tables of another release do not fit; what does not is found out by its meaning.
#[test]
fn a_wrong_but_known_version_gives_no_wrong_sum() {
    if !may_read("a_wrong_but_known_version_gives_no_wrong_sum") {
        return;
    }
    // With DWARF the version is not relied on at all.
    let mut told = disguised(&small(), "go1.21.3");
    explained(&mut told.patient);
    let mut stripped = disguised(&small().kind(Kind::stripped_pie()), "go1.21.3");
    stripped.patient.stop().unwrap();
    let pid = stripped.patient.pid();
    let output = why(Path::new(LETGO), pid, &[]).output().unwrap();
    match output.status.code() {
        Some(3) => drop(crate::refusal(&output)),
        Some(1) => {
            let report = letgo_testkit::report_of(&output).unwrap();
            let rss = letgo_testkit::rss(pid).unwrap().rss;
            assert_eq!(report.resident().unwrap(), rss);
        }
        code => panic!("{code:?}: read without a word of doubt"),
    }
}
