//! The command line as a user meets it: help, errors, exit codes, completions, manual pages.

use std::process::{Command, Output, Stdio};

fn letgo(args: &[&str]) -> Output {
    letgo_in(80, args)
}

fn letgo_in(columns: u32, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_letgo"))
        .args(args)
        .env_clear()
        .env("COLUMNS", columns.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(args: &[&str]) -> String {
    let output = letgo(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a wrong command prints, with its exit code; nothing may go to standard output.
fn refused(args: &[&str]) -> String {
    let output = letgo(args);
    assert!(output.stdout.is_empty(), "{args:?}: {output:?}");
    let code = output.status.code().unwrap();
    format!("exit {code}\n{}", String::from_utf8(output.stderr).unwrap())
}

const VERBS: [&str; 14] = [
    "why",
    "heap",
    "diff",
    "goroutines",
    "snap",
    "ps",
    "release",
    "tune",
    "run",
    "lab",
    "doctor",
    "schema",
    "completion",
    "man",
];

#[test]
fn help_of_every_verb() {
    insta::assert_snapshot!("help_letgo", stdout(&["--help"]));
    for verb in VERBS {
        insta::assert_snapshot!(format!("help_{verb}"), stdout(&[verb, "--help"]));
    }
    insta::assert_snapshot!("help_why_short", stdout(&["why", "-h"]));
    insta::assert_snapshot!("help_lab_run", stdout(&["lab", "run", "--help"]));
}

#[test]
fn experiments_are_listed() {
    insta::assert_snapshot!("lab_list", stdout(&["lab", "list"]));
}

#[test]
fn an_experiment_needs_a_name_that_exists_and_a_checkout() {
    let told = refused(&["lab", "run", "releases"]);
    assert!(told.starts_with("exit 2\n"), "{told}");
    insta::assert_snapshot!("wrong_experiment", told);
    let told = refused(&["lab", "run", "release", "--go", "../go"]);
    assert!(told.starts_with("exit 2\n"), "{told}");
    insta::assert_snapshot!("wrong_go_release", told);
    // Where there is no Go either, that is what is said first.
    let told = refused(&["lab", "run", "release", "--lab", "/no/such/folder"]);
    assert!(told.starts_with("exit 3\n"), "{told}");
}

#[test]
fn help_has_examples_of_its_own_verb_and_fits_eighty_columns() {
    for verb in VERBS {
        let help = stdout(&[verb, "--help"]);
        let (_, examples) = help.split_once("Examples:\n").unwrap();
        assert!(
            examples
                .lines()
                .next()
                .unwrap()
                .contains(&format!("letgo {verb}"))
        );
        let widest = help.lines().map(str::len).max().unwrap();
        assert!(widest <= 80, "{verb}: {widest}");
        // What is written by hand fits as it is: clap would break it anywhere.
        let wide = letgo_in(120, &[verb, "--help"]).stdout;
        let wide = String::from_utf8(wide).unwrap();
        assert_eq!(
            wide.split_once("Examples:\n").unwrap().1,
            examples,
            "{verb}"
        );
    }
}

#[test]
fn every_verb_that_is_listed_exists() {
    let help = stdout(&["--help"]);
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let listed = listed.lines().take_while(|line| !line.is_empty());
    // Deeper lines go on with the words of the line before.
    let named = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<&str> = named.filter(|name| !name.is_empty()).collect();
    assert_eq!(names, VERBS);
}

#[test]
fn wrong_command_lines_say_what_is_wrong() {
    for (name, args) in [
        ("nothing", &["why"][..]),
        ("pid_zero", &["why", "0"]),
        ("pid_too_long", &["why", "99999999999"]),
        ("pid_word", &["why", "prometheus"]),
        ("verb_to_come", &["alloc", "4242"]),
        ("pid_and_name", &["why", "1", "--name", "api"]),
        (
            "container_without_pod",
            &["why", "--container", "main", "--name", "api"],
        ),
        ("severity", &["why", "1", "--fail-on", "huge"]),
        ("stop_zero", &["why", "1", "--stop=0"]),
        ("pod_without_namespace", &["why", "--pod", "api-1"]),
        ("verb", &["whi", "1"]),
        ("shell", &["completion", "tcsh"]),
    ] {
        let told = refused(args);
        assert!(told.starts_with("exit 2\n"), "{args:?}: {told}");
        insta::assert_snapshot!(format!("wrong_{name}"), told);
    }
}

#[test]
fn a_name_that_nobody_has_is_no_report() {
    insta::assert_snapshot!(refused(&["why", "--name", "no such program"]));
}

#[test]
fn stop_takes_its_time_only_with_an_equals_sign() {
    // `--stop 4242` must not take the pid for milliseconds.
    let told = refused(&["why", "--stop", "--name", "no such program"]);
    assert!(told.starts_with("exit 3\n"), "{told}");
    let told = refused(&["why", "--stop=250", "--name", "no such program"]);
    assert!(told.starts_with("exit 3\n"), "{told}");
}

#[test]
fn errors_are_coloured_only_when_asked_to() {
    let plain = refused(&["why", "--name", "no such program"]);
    assert!(!plain.contains('\x1b'));
    let colored = refused(&["why", "--name", "no such program", "--color", "always"]);
    assert!(colored.contains('\x1b'), "{colored}");
}

#[test]
fn completions_know_every_verb() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&["completion", shell]);
        for verb in VERBS {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
        assert!(script.contains("fail-on"), "{shell}");
    }
}

#[test]
fn schemas_are_printed_one_by_one_and_together() {
    let why: serde_json::Value = serde_json::from_str(&stdout(&["schema", "why"])).unwrap();
    assert_eq!(why["title"], "letgo.why/1");
    let all: serde_json::Value = serde_json::from_str(&stdout(&["schema"])).unwrap();
    assert_eq!(all["letgo.why/1"], why);
    for verb in ["ps", "doctor"] {
        let one: serde_json::Value = serde_json::from_str(&stdout(&["schema", verb])).unwrap();
        assert_eq!(all[format!("letgo.{verb}/1")], one);
    }
}

#[test]
fn manual_pages_are_written_and_have_their_sections() {
    let dir = tempfile::tempdir().unwrap();
    stdout(&["man", "--dir", dir.path().to_str().unwrap()]);
    for verb in VERBS {
        let path = dir.path().join(format!("letgo-{verb}.1"));
        let page = std::fs::read_to_string(path).unwrap();
        for section in [".TH letgo-", ".SH NAME", ".SH SYNOPSIS", ".SH \"EXAMPLES\""] {
            assert!(page.contains(section), "{verb}: {section}\n{page}");
        }
    }
    let own = std::fs::read_to_string(dir.path().join("letgo.1")).unwrap();
    assert_eq!(own, stdout(&["man"]));
    insta::assert_snapshot!(
        "man_why",
        std::fs::read_to_string(dir.path().join("letgo-why.1")).unwrap()
    );
}

#[test]
fn manual_pages_are_good_roff_where_a_formatter_is_installed() {
    let dir = tempfile::tempdir().unwrap();
    stdout(&["man", "--dir", dir.path().to_str().unwrap()]);
    for page in std::fs::read_dir(dir.path()).unwrap() {
        let path = page.unwrap().path();
        let groff = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(&path)
            .output();
        let Ok(output) = groff else {
            eprintln!("SKIPPED: groff is not installed");
            return;
        };
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && told.is_empty(),
            "{}: {told}",
            path.display()
        );
    }
}

#[test]
fn a_manual_page_into_nowhere_says_where() {
    let told = refused(&["man", "--dir", "/no/such/directory"]);
    insta::assert_snapshot!(told);
}

/// What the verbs write about this very host keeps to the schema, whatever runs here.
#[test]
fn json_about_this_host_keeps_to_its_schema() {
    for (verb, args) in [
        ("ps", &["ps", "-o", "json"][..]),
        ("doctor", &["doctor", "-o", "json"]),
    ] {
        let output = letgo(args);
        assert!(output.stderr.is_empty(), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let schema: serde_json::Value = serde_json::from_str(&stdout(&["schema", verb])).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{verb}: {errors:#?}");
        assert_eq!(report["schema"], format!("letgo.{verb}/1"));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_letgo"))
        .arg("schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_letgo"))
        .arg("schema")
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(!output.stderr.is_empty());
}

#[test]
fn which_tables_there_are_is_told_without_a_target() {
    let tables = stdout(&["heap", "--sql", "help"]);
    assert!(
        tables.contains("objects") && tables.contains("goroutines"),
        "{tables}"
    );
    let wrong = refused(&["heap", "--sql", "select 1"]);
    assert!(wrong.starts_with("exit 2\n"), "{wrong}");
    // No Go program, which is found out later.
    let own = std::process::id().to_string();
    let wrong = refused(&["heap", &own, "--sql", "select adress from objects"]);
    assert!(
        wrong.starts_with("exit 2\n") && wrong.contains("adress"),
        "{wrong}"
    );
    let wrong = refused(&["heap"]);
    assert!(wrong.starts_with("exit 2\n"), "{wrong}");
}
