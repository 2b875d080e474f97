//! [`Toolchain`]: a Go toolchain, the smallest program built by it, and that program's layouts.
//!
//! A toolchain is a `go` command, or a release that the `go` command of this machine switches to
//! (`GOTOOLCHAIN`). Programs are built in a temporary folder and thrown away.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use letgo_gobin::{BuildInfo, GoVersion, Image, Layouts};
use letgo_goruntime::layout;

/// The program: the runtime alone has everything that we read.
const PROGRAM: &str = "package main\n\nfunc main() {}\n";
/// Its module, for the oldest release that we know.
const MODULE: &str = "module example.com/layouts\n\ngo 1.19\n";

/// A Go toolchain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Toolchain {
    /// A `go` command.
    Command(PathBuf),
    /// A release such as `go1.25.14`, by `GOTOOLCHAIN`.
    Release(String),
}

impl Toolchain {
    /// A path where it has a slash, else the name of a release.
    pub(crate) fn parse(text: &str) -> Toolchain {
        if text.contains('/') {
            Toolchain::Command(PathBuf::from(text))
        } else {
            Toolchain::Release(text.to_owned())
        }
    }

    /// A `go` command line that uses this toolchain and nothing of the user's configuration.
    fn go(&self) -> Command {
        let mut command = match self {
            Toolchain::Command(path) => {
                let mut command = Command::new(path);
                command.env("GOTOOLCHAIN", "local");
                command
            }
            Toolchain::Release(release) => {
                let mut command = Command::new("go");
                command.env("GOTOOLCHAIN", release);
                command
            }
        };
        command.env("GOFLAGS", "").env("CGO_ENABLED", "0");
        command.env("GOOS", "linux").env("GOARCH", "amd64");
        command.env_remove("GOEXPERIMENT");
        command
    }

    /// `GOROOT` of the toolchain.
    pub(crate) fn goroot(&self) -> Result<PathBuf> {
        let output = self.go().args(["env", "GOROOT"]).output()?;
        ensure!(output.status.success(), "{self:?} does not run");
        let path = String::from_utf8(output.stdout)?;
        Ok(PathBuf::from(path.trim_end()))
    }

    /// Builds the program with these experiments; its version and what its DWARF says of what we
    /// read.
    pub(crate) fn layouts(&self, experiments: &[&str]) -> Result<(GoVersion, Layouts)> {
        let folder = Folder::new()?;
        fs::write(folder.0.join("main.go"), PROGRAM)?;
        fs::write(folder.0.join("go.mod"), MODULE)?;
        let output = self
            .go()
            .current_dir(&folder.0)
            .env("GOEXPERIMENT", experiments.join(","))
            .args(["build", "-o", "program", "."])
            .output()?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            bail!("{self:?} with {experiments:?}: {}", text.trim_end());
        }
        layouts_of(&folder.0.join("program"))
    }
}

/// The version of a Go program, and what its DWARF says of what we read.
pub(crate) fn layouts_of(program: &Path) -> Result<(GoVersion, Layouts)> {
    let file = File::open(program).with_context(|| program.display().to_string())?;
    let image = Image::from_file(file)?;
    let version = BuildInfo::from_image(&image)?.version;
    let layouts = Layouts::from_dwarf(&image, &layout::is_wanted)?;
    let flat = layout::flatten(&layouts);
    if let Err(missing) = layout::Layout::resolve(&flat) {
        bail!("{version} lacks {}", missing.join(", "));
    }
    Ok((version, flat))
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder> {
        let name = format!("letgo-layouts-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies among the temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}
