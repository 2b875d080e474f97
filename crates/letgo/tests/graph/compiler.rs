//! How much of a large real program has a type: Go's own compiler, stripped, while it compiles a
//! large package. What is said here is a share; that types are the right ones is checked on
//! programs that know theirs (`owned`, `asked`, and the patient `types`).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use letgo_testkit::{NEWEST_GO, Tier, Toolchain, rss};
use serde_json::Value;

use crate::{json, may_read};

const PACKAGE: &str = "cmd/compile/internal/ssa";
/// Resident bytes from which on it is looked at: while it reads and checks the package, and while
/// it makes code of it, when closures hold what was made of each function.
const GROWN: [u64; 2] = [96 << 20, 256 << 20];
/// The last patch of each release whose stores into variables can be understood.
const RELEASES: [&str; 7] = [
    "1.21.13", "1.22.12", "1.23.12", "1.24.13", "1.25.14", "1.26.11", NEWEST_GO,
];

/// What may be without a type, in thousandths of the reachable objects.
fn untyped_at_most(version: &str) -> u64 {
    if version.starts_with("1.21") { 100 } else { 10 }
}

#[test]
fn a_stripped_compiler_at_work_has_types() {
    if !may_read("a_stripped_compiler_at_work_has_types") {
        return;
    }
    let releases = match Tier::from_env() {
        Tier::Test => &[NEWEST_GO][..],
        Tier::Matrix => &RELEASES,
    };
    let mut failed = Vec::new();
    for version in releases {
        for grown in GROWN {
            // Each of its own: it may be done with the package while the other is read.
            let dir = tempfile::tempdir().unwrap();
            let mut work = Work::start(version, dir.path());
            let pid = work.compiler(dir.path(), grown);
            let (heap, code) = json("heap", &[&pid.to_string(), "--frozen"]);
            let count = |of: &Value| of["count"].as_u64().unwrap();
            let (untyped, all) = (count(&heap["untyped"]), count(&heap["totals"]["reachable"]));
            let told = format!("go{version} at {} MiB: {untyped} of {all}", grown >> 20);
            eprintln!("{told} objects without a type, exit {code}");
            if all < 100_000 || untyped * 1000 > all * untyped_at_most(version) {
                failed.push(told);
            }
        }
    }
    assert!(failed.is_empty(), "without a type:\n{}", failed.join("\n"));
}

/// `go build` of the package, with a compiler of our own building.
struct Work(Child);

impl Work {
    fn start(version: &str, dir: &Path) -> Work {
        let toolchain = Toolchain::get(version).unwrap();
        let compiler = dir.join("compile");
        let mut build = toolchain.command();
        build
            .args(["build", "-pgo=off", "-ldflags=-s -w", "-o"])
            .arg(&compiler);
        // Vendored modules are in GOROOT; nothing is fetched.
        build
            .arg("cmd/compile")
            .env("CGO_ENABLED", "0")
            .current_dir(dir);
        assert!(build.status().unwrap().success(), "go{version}");
        let mut compile = toolchain.command();
        compile
            .args(["build", "-o", "/dev/null", "-toolexec"])
            .arg(stand_in(dir, &compiler))
            // A path that was never there before: or the package would come out of go's cache.
            .arg(format!("-gcflags={PACKAGE}=-D={}", dir.display()))
            .arg(PACKAGE)
            .env("CGO_ENABLED", "0")
            .current_dir(dir)
            .stderr(Stdio::null());
        Work(compile.spawn().unwrap())
    }

    /// The process that compiles the package, once it has grown.
    fn compiler(&mut self, dir: &Path, grown: u64) -> u32 {
        loop {
            let ended = self.0.try_wait().unwrap();
            assert_eq!(ended, None, "it was done before it had grown");
            let pid = fs::read_to_string(dir.join("pid"));
            let pid = pid.ok().and_then(|pid| pid.trim().parse().ok());
            if let Some(pid) = pid.filter(|pid| resident(*pid) >= grown) {
                return pid;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Work {
    /// It ends by itself once the package is compiled.
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}

fn resident(pid: u32) -> u64 {
    rss(pid).map_or(0, |rss| rss.rss)
}

/// What go runs its tools by: the package goes to our compiler, which says its pid before.
fn stand_in(dir: &Path, compiler: &Path) -> PathBuf {
    let path = dir.join("stand-in");
    let script = format!(
        "#!/bin/sh\n\
         case \"$*\" in\n\
         */compile\\ *\"-p {PACKAGE} \"*)\n\
             shift; echo $$ >{pid}; exec {compiler} \"$@\";;\n\
         esac\n\
         exec \"$@\"\n",
        pid = dir.join("pid").display(),
        compiler = compiler.display(),
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}
