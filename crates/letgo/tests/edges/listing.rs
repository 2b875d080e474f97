//! `ps` on hosts of all kinds, and processes that are meant by name or by cgroup.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use letgo_testkit::{Patient, note_skip};

use crate::{LETGO, copy, flat, is_root, letgo, may_read, open_dir, small, works};

fn rows(output: &std::process::Output) -> Vec<serde_json::Value> {
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    report["processes"].as_array().unwrap().clone()
}

#[test]
fn ps_lists_many_and_changes_none() {
    if !may_read("ps_lists_many_and_changes_none") {
        return;
    }
    let mut patients: Vec<Patient> = (0..20).map(|_| small().start().unwrap()).collect();
    for patient in &mut patients {
        patient.stop().unwrap();
    }
    let resident = |patient: &Patient| letgo_testkit::rss(patient.pid()).unwrap();
    let before: Vec<_> = patients.iter().map(resident).collect();
    let rows = rows(&letgo(&["ps", "-o", "json"]).output().unwrap());
    let after: Vec<_> = patients.iter().map(resident).collect();
    assert_eq!(before, after);
    for (patient, before) in patients.iter().zip(before) {
        let row = rows.iter().find(|row| row["pid"] == patient.pid()).unwrap();
        assert!(row["goroutines"].as_u64().unwrap() >= 1, "{row}");
        let live = row["live_heap_bytes"].as_u64().unwrap();
        assert!(live > 0 && live < before.rss, "{row}");
    }
}

/// In a pid namespace of its own only what lives there is seen, by its number there.
#[test]
fn ps_in_another_pid_namespace_knows_its_own() {
    let test = "ps_in_another_pid_namespace_knows_its_own";
    let unshare = [
        "unshare",
        "--pid",
        "--mount",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    if !is_root(test) || !works(test, &[&unshare[..], &["true"]].concat()) {
        return;
    }
    let patient = small().build().unwrap();
    let script = format!(
        "sleep 60 | '{}' -mib=8 > ready & until grep -q ready ready; do sleep 0.01; done; \
         '{LETGO}' ps -o json; '{LETGO}' why --name plain > why 2>&1; echo $? > status",
        patient.display()
    );
    let dir = open_dir();
    fs::write(dir.path().join("ready"), "").unwrap();
    let mut command = Command::new(unshare[0]);
    command
        .args(&unshare[1..])
        .args(["sh", "-c", &script])
        .current_dir(dir.path());
    let rows = rows(&command.output().unwrap());
    let [row] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    assert!(row["pid"].as_u64().unwrap() < 100, "{row}");
    assert_eq!(row["name"], "plain");
    let said = fs::read_to_string(dir.path().join("why")).unwrap();
    let status = fs::read_to_string(dir.path().join("status")).unwrap();
    assert!(matches!(status.trim(), "0" | "1"), "{status}{said}");
    assert!(said.starts_with("letgo why "), "{said}");
}

#[test]
fn a_name_means_the_only_program_that_has_it() {
    if !may_read("a_name_means_the_only_program_that_has_it") {
        return;
    }
    let dir = open_dir();
    let name = format!("named-{}", std::process::id());
    let binary = copy(&small().build().unwrap(), dir.path());
    let named = dir.path().join(&name);
    fs::rename(binary, &named).unwrap();
    let one = small().start_as(&named).unwrap();
    let output = letgo(&["why", "--name", &name, "-o", "json"])
        .output()
        .unwrap();
    let report = letgo_testkit::report_of(&output).unwrap();
    assert_eq!(report.number("/target/pid").unwrap(), u64::from(one.pid()));

    let other = small().start_as(&named).unwrap();
    let output = letgo(&["why", "--name", &name]).output().unwrap();
    let said = flat(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("2 Go programs match"), "{said}");
    assert!(said.contains("Give the pid of one of them"), "{said}");
    for pid in [one.pid(), other.pid()] {
        assert!(said.contains(&pid.to_string()), "{said}");
    }
}

/// A memory cgroup, removed when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn of(pid: u32) -> std::io::Result<Cgroup> {
        let v1 = Path::new("/sys/fs/cgroup/memory");
        let root = if v1.is_dir() {
            v1
        } else {
            Path::new("/sys/fs/cgroup")
        };
        let cgroup = Cgroup(root.join(format!("letgo-test-select-{}", std::process::id())));
        fs::create_dir(&cgroup.0)?;
        fs::write(cgroup.0.join("cgroup.procs"), pid.to_string())?;
        Ok(cgroup)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_cgroup_means_the_only_program_in_it() {
    let test = "a_cgroup_means_the_only_program_in_it";
    if !may_read(test) {
        return;
    }
    let patient = small().start().unwrap();
    let cgroup = match Cgroup::of(patient.pid()) {
        Ok(cgroup) => cgroup,
        Err(error) => return note_skip(test, &format!("no cgroup can be made: {error}")),
    };
    let name = cgroup.0.file_name().unwrap().to_str().unwrap().to_owned();
    for asked in [cgroup.0.to_str().unwrap(), &name, &format!("/{name}")] {
        let output = letgo(&["why", "--cgroup", asked, "-o", "json"])
            .output()
            .unwrap();
        let report = letgo_testkit::report_of(&output).unwrap();
        assert_eq!(
            report.number("/target/pid").unwrap(),
            u64::from(patient.pid()),
            "{asked}"
        );
        let path = report.at("/target/container/cgroup").unwrap();
        assert_eq!(path, &format!("/{name}"));
    }
    let none = letgo(&["why", "--cgroup", &format!("{name}-none")])
        .output()
        .unwrap();
    let said = crate::refusal(&none);
    assert!(said.contains("No process here matches"), "{said}");
    drop(patient);
    drop(cgroup);
}
