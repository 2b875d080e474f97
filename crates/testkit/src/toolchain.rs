//! [`Toolchain`]: a `go` command of one exact version.
//!
//! Any `go` from 1.21 on fetches every other version by `GOTOOLCHAIN` from the module proxy into
//! the user's module cache. Debian's own 1.19 is taken where it is installed and asked for.
//! Nothing is installed into the system from here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};

use crate::cache_dir;

/// Where Debian's package `golang-1.19-go` puts its command.
const DEBIAN_GO_1_19: &str = "/usr/lib/go-1.19/bin/go";

/// A `go` command of one exact version, verified by asking it.
#[derive(Clone, Debug)]
pub struct Toolchain {
    version: String,
    program: PathBuf,
}

impl Toolchain {
    /// The toolchain of `version`, written as in `1.24.13` (first releases before 1.21: `1.19`).
    ///
    /// # Errors
    /// Where there is no `go` of 1.21 or later, or it cannot fetch that version, or what it gave
    /// says that it is another one.
    pub fn get(version: &str) -> Result<Toolchain> {
        let debian = Toolchain {
            version: version.to_owned(),
            program: PathBuf::from(DEBIAN_GO_1_19),
        };
        if version.starts_with("1.19") && debian.verify().is_ok() {
            return Ok(debian);
        }
        let toolchain = Toolchain {
            version: version.to_owned(),
            program: bootstrap()?,
        };
        toolchain.verify()?;
        Ok(toolchain)
    }

    /// The version, as in `1.24.13`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The minor number: 24 for `1.24.13`.
    pub fn minor(&self) -> u32 {
        minor_of(&self.version).unwrap_or(0)
    }

    /// A `go` command that runs this version and nothing else, untouched by the user's `GOFLAGS`,
    /// `GOEXPERIMENT` and workspace.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("GOTOOLCHAIN", format!("go{}", self.version))
            .env("GOFLAGS", "")
            .env("GO111MODULE", "on")
            .env("GOWORK", "off")
            .env_remove("GOEXPERIMENT")
            .env_remove("GOROOT")
            .env_remove("GOOS")
            .env_remove("GOARCH")
            .env_remove("GODEBUG");
        command
    }

    /// `GOROOT`, with the runtime's sources in `src/runtime`.
    ///
    /// # Errors
    /// Where the command cannot be run.
    pub fn goroot(&self) -> Result<PathBuf> {
        self.go_env("GOROOT").map(PathBuf::from)
    }

    fn verify(&self) -> Result<()> {
        let says = self.go_env("GOVERSION")?;
        let word = says.split_whitespace().next().unwrap_or_default();
        ensure!(
            word == format!("go{}", self.version),
            "asked {} for go{} and got {says}",
            self.program.display(),
            self.version
        );
        Ok(())
    }

    fn go_env(&self, name: &str) -> Result<String> {
        let mut command = self.command();
        output_of(command.args(["env", name]))
    }
}

/// Any `go` of 1.21 or later: `LETGO_GO`, then `PATH`, then the usual place, then what
/// `scripts/bootstrap` put into the cache.
fn bootstrap() -> Result<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let mut candidates: Vec<PathBuf> = std::env::var_os("LETGO_GO")
            .map(PathBuf::from)
            .into_iter()
            .collect();
        candidates.push(PathBuf::from("go"));
        candidates.push(PathBuf::from("/usr/local/go/bin/go"));
        candidates.push(cache_dir().join("go/bin/go"));
        candidates.into_iter().find(|go| fetches_others(go))
    });
    found
        .clone()
        .context("no `go` of version 1.21 or later in PATH: run scripts/bootstrap, or set LETGO_GO")
}

fn fetches_others(go: &Path) -> bool {
    let mut command = Command::new(go);
    command
        .args(["env", "GOVERSION"])
        .env("GOTOOLCHAIN", "local");
    let version = output_of(&mut command).unwrap_or_default();
    let minor = version.strip_prefix("go").and_then(minor_of);
    minor.is_some_and(|minor| minor >= 21)
}

fn minor_of(version: &str) -> Option<u32> {
    version.split('.').nth(1)?.parse().ok()
}

fn output_of(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "{} failed: {}",
            command.get_program().display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_is_read_from_first_and_from_patch_releases() {
        assert_eq!(minor_of("1.19"), Some(19));
        assert_eq!(minor_of("1.24.13"), Some(24));
        assert_eq!(minor_of("devel"), None);
    }
}
