//! [`Go`]: the go command of this machine, and building the programs of `lab/` with any release.
//!
//! Any go from 1.21 on fetches every other release itself. Binaries lie in `LETGO_CACHE` or
//! `~/.cache/letgo`, and are linked again only where something changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::complaint::Complaint;

/// The first release that can run others.
const OLDEST: u32 = 21;

/// The go command.
#[derive(Debug)]
pub(super) struct Go {
    program: PathBuf,
    /// Its own release, as in `1.26.11`.
    pub(super) version: String,
}

impl Go {
    /// `LETGO_GO`, then that of `PATH`, then the usual place, then what `scripts/bootstrap` got.
    ///
    /// # Errors
    /// There is none that can fetch other releases.
    pub(super) fn find() -> Result<Go, Complaint> {
        let asked = std::env::var_os("LETGO_GO").map(PathBuf::from);
        let usual = ["go", "/usr/local/go/bin/go"].map(PathBuf::from);
        let own = cache_dir().join("go/bin/go");
        let mut candidates = asked.into_iter().chain(usual).chain([own]);
        candidates.find_map(Go::of).ok_or_else(|| {
            Complaint::no_report(
                format!(
                    "the experiments build Go programs, and there is no go of 1.{OLDEST} or later"
                ),
                "install Go, run scripts/bootstrap, or say where it is in LETGO_GO",
            )
        })
    }

    fn of(program: PathBuf) -> Option<Go> {
        let mut command = Command::new(&program);
        command
            .args(["env", "GOVERSION"])
            .env("GOTOOLCHAIN", "local");
        let output = command
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        let version = text
            .trim()
            .strip_prefix("go")?
            .split(' ')
            .next()?
            .to_owned();
        let minor: u32 = version.split('.').nth(1)?.parse().ok()?;
        (minor >= OLDEST).then_some(Go { program, version })
    }

    /// The command itself, for its tools.
    pub(super) fn command(&self) -> Command {
        Command::new(&self.program)
    }

    /// Builds the program in `source` with a release, without cgo.
    ///
    /// # Errors
    /// There is no such source or release, or it does not compile.
    pub(super) fn build(&self, source: &Path, version: &str) -> Result<PathBuf, Complaint> {
        let name = source.file_name().unwrap_or_default();
        let dir = cache_dir().join("lab").join(format!("go{version}"));
        let wrong = |what: String| {
            let next = "give --lab the folder lab/ of a checkout, and --go releases that exist";
            Complaint::no_report(format!("cannot build {}: {what}", name.display()), next)
        };
        if !source.join("main.go").is_file() {
            return Err(wrong(format!("{} is not there", source.display())));
        }
        fs::create_dir_all(&dir).map_err(|error| wrong(error.to_string()))?;
        let binary = dir.join(name);
        let mut command = Command::new(&self.program);
        command
            .current_dir(source)
            .args(["build", "-buildvcs=false", "-o"])
            .args([binary.as_path(), Path::new(".")])
            .env("GOTOOLCHAIN", format!("go{version}"))
            .envs([("GOFLAGS", ""), ("GO111MODULE", "on"), ("GOWORK", "off")])
            .env("CGO_ENABLED", "0");
        for variable in ["GOEXPERIMENT", "GOROOT", "GOOS", "GOARCH", "GODEBUG"] {
            command.env_remove(variable);
        }
        let output = command.output().map_err(|error| wrong(error.to_string()))?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(wrong(format!("go{version} says: {}", told.trim())));
        }
        Ok(binary)
    }
}

/// Where binaries are kept.
pub(super) fn cache_dir() -> PathBuf {
    let from = |name| std::env::var_os(name).map(PathBuf::from);
    from("LETGO_CACHE")
        .or_else(|| Some(from("XDG_CACHE_HOME")?.join("letgo")))
        .or_else(|| Some(from("HOME")?.join(".cache/letgo")))
        .unwrap_or_else(|| std::env::temp_dir().join("letgo-cache"))
}
