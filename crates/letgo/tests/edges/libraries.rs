//! Go that is not the executable: libraries in C programs, plugins, programs that the loader was
//! told to start.

use std::path::{Path, PathBuf};
use std::process::Command;

use letgo_testkit::{Kind, NEWEST_GO, Patient, Recipe, Toolchain, shape_dir};

use crate::{explained, letgo, may_read, open_dir, small};

/// The dynamic loader, by the name that the ABI gives it.
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

#[test]
fn a_go_library_in_a_c_program_is_read_by_the_library() {
    if !may_read("a_go_library_in_a_c_program_is_read_by_the_library") {
        return;
    }
    let recipe = Recipe::new("cshared").kind(Kind::cgo());
    let mut patient = recipe.start().unwrap();
    let report = explained(&mut patient);
    let library = report.at("/target/library").unwrap().as_str().unwrap();
    assert!(library.ends_with("/library.so"), "{library}");
    assert_eq!(
        report.at("/target/go_version").unwrap(),
        &format!("go{NEWEST_GO}")
    );
    let live = report.leaf("heap.reachable", "resident_bytes").unwrap();
    assert!(live >= patient.truth().get("bytes"), "{live}");
    let text = letgo(&["why", &patient.pid().to_string()])
        .output()
        .unwrap();
    assert!(
        crate::flat(&text.stdout).contains("in library.so"),
        "{text:?}"
    );
}

#[test]
fn a_plugin_shares_the_runtime_of_its_program() {
    if !may_read("a_plugin_shares_the_runtime_of_its_program") {
        return;
    }
    let mut patient = Recipe::new("plugin").kind(Kind::cgo()).start().unwrap();
    let report = explained(&mut patient);
    assert!(report.at("/target/library").is_none());
    let live = report.leaf("heap.reachable", "resident_bytes").unwrap();
    assert!(live >= patient.truth().get("bytes"), "{live}");
}

/// A C program that a Go archive is linked into, built from the source of the shape `cshared`.
fn build_with_archive(dir: &Path) -> PathBuf {
    let archive = dir.join("library.a");
    let mut go = Toolchain::get(NEWEST_GO).unwrap().command();
    go.current_dir(shape_dir("cshared")).env("CGO_ENABLED", "1");
    go.args(["build", "-buildvcs=false", "-buildmode=c-archive", "-o"]);
    let built = go.arg(&archive).arg(".").output().unwrap();
    assert!(built.status.success(), "{built:?}");
    let host = dir.join("host.c");
    let text = "void LetgoPatient(void);\nint main(void) { LetgoPatient(); return 0; }\n";
    std::fs::write(&host, text).unwrap();
    let program = dir.join("host");
    let mut cc = Command::new("cc");
    cc.arg("-o")
        .arg(&program)
        .arg(&host)
        .arg(&archive)
        .arg("-lpthread");
    let linked = cc.output().unwrap();
    assert!(linked.status.success(), "{linked:?}");
    program
}

#[test]
fn a_c_program_with_a_go_archive_is_a_go_program() {
    if !may_read("a_c_program_with_a_go_archive_is_a_go_program") {
        return;
    }
    let dir = open_dir();
    let program = build_with_archive(dir.path());
    let stripped = dir.path().join("stripped");
    let mut strip = Command::new("strip");
    strip.arg("-s").arg("-o").arg(&stripped).arg(&program);
    assert!(strip.status().unwrap().success());
    for program in [&program, &stripped] {
        let mut patient = Patient::run(Command::new(program)).unwrap();
        // `runtime.main` ends in an archive; its stack goes at a GC.
        patient.command("gc").unwrap();
        patient.command("gc").unwrap();
        explained(&mut patient);
    }
}

#[test]
fn a_program_that_was_started_by_the_loader_is_found() {
    if !may_read("a_program_that_was_started_by_the_loader_is_found") {
        return;
    }
    let recipe = small().kind(Kind::cgo());
    let binary = recipe.build().unwrap();
    let mut command = Command::new(LOADER);
    command.arg(&binary).arg("-mib=8");
    let mut patient = Patient::run(command).unwrap();
    let report = explained(&mut patient);
    let library = report.at("/target/library").unwrap().as_str().unwrap();
    assert_eq!(Path::new(library), binary.canonicalize().unwrap());
}

/// Two runtimes in one process: the program's own is read, the other is named.
#[test]
fn a_further_go_runtime_is_named() {
    if !may_read("a_further_go_runtime_is_named") {
        return;
    }
    let library = Recipe::new("cshared").kind(Kind::cgo()).build().unwrap();
    let library = library.with_file_name("library.so");
    let mut command = Command::new(small().kind(Kind::cgo()).build().unwrap());
    command.arg("-mib=8").env("LD_PRELOAD", &library);
    let mut patient = Patient::run(command).unwrap();
    patient.stop().unwrap();
    let report = crate::report(patient.pid(), &[]);
    let rss = letgo_testkit::rss(patient.pid()).unwrap().rss;
    assert_eq!(report.resident().unwrap(), rss);
    assert_eq!(report.unequal(), [""; 0]);
    let skipped = report.at("/taken/coverage/skipped").unwrap().to_string();
    assert!(skipped.contains("library.so"), "{skipped}");
    assert!(skipped.contains("a further Go runtime"), "{skipped}");
}
