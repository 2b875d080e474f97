//! Patients' binaries, built once: keyed by source, Go version and kind of build.
//!
//! They lie in `LETGO_CACHE`, or `~/.cache/letgo`; nothing is ever removed from there, and all of
//! it may be deleted at any time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{Arch, Kind, Sanitizer, Strip, Toolchain};

/// Where everything that the tests build or fetch is kept.
pub fn cache_dir() -> PathBuf {
    let from = |name| std::env::var_os(name).map(PathBuf::from);
    from("LETGO_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("letgo")))
        .or_else(|| from("HOME").map(|dir| dir.join(".cache/letgo")))
        .unwrap_or_else(|| std::env::temp_dir().join("letgo-cache"))
}

/// The root of this repository.
pub fn repository_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where the source of a shape lies.
pub fn shape_dir(shape: &str) -> PathBuf {
    repository_root().join("lab/patients").join(shape)
}

/// The binary of `shape`, built now unless it is cached.
///
/// # Errors
/// Where the shape or the toolchain does not exist, or the build fails; the error holds what the
/// compiler said.
///
/// # Panics
/// Where the compiler finds the shape's source wrong.
pub(crate) fn build(shape: &str, version: &str, kind: &Kind) -> Result<PathBuf> {
    let source = shape_dir(shape);
    ensure!(source.join("main.go").is_file(), "no such shape: {shape}");
    let key = source_hash(&[&source, &source.join("plug"), &shape_dir("truth")])?;
    let dir = cache_dir()
        .join("patients")
        .join(format!("{shape}-{version}-{kind}-{key:016x}"));
    let binary = dir.join(shape);
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))?;
    lock.lock()?;
    if !binary.is_file() {
        let fresh = dir.join("fresh");
        let how = How { version, kind };
        if source.join("host.c").is_file() {
            how.go(&source, &dir.join("library.so"), ".", "c-shared")?;
            run(Command::new("cc")
                .arg("-o")
                .arg(&fresh)
                .arg(source.join("host.c")))?;
        } else {
            how.go(&source, &fresh, ".", if kind.pie { "pie" } else { "exe" })?;
        }
        if source.join("plug").is_dir() {
            how.go(&source, &dir.join("plugin.so"), "./plug", "plugin")?;
        }
        fs::rename(&fresh, &binary)?;
    }
    Ok(binary)
}

/// By which Go, in which way.
#[derive(Clone, Copy)]
struct How<'a> {
    version: &'a str,
    kind: &'a Kind,
}

impl How<'_> {
    /// Builds one package of `source`.
    fn go(self, source: &Path, out: &Path, package: &str, mode: &str) -> Result<()> {
        let How { version, kind } = self;
        let toolchain = Toolchain::get(version)?;
        let mut go = toolchain.command();
        go.current_dir(source)
            .args(go_flags(&toolchain, kind, mode))
            .arg("-o")
            .arg(out)
            .arg(package)
            .env("CGO_ENABLED", if kind.cgo { "1" } else { "0" })
            .env("GOEXPERIMENT", kind.experiments.join(","))
            .env(
                "GOARCH",
                match kind.arch {
                    Arch::Amd64 => "amd64",
                    Arch::I386 => "386",
                    Arch::Arm64 => "arm64",
                },
            );
        if kind.sanitizer == Some(Sanitizer::Msan) {
            go.env("CC", "clang");
        }
        if let Err(error) = run(&mut go) {
            let what = format!("go{version} cannot build {} as {kind}", source.display());
            // Whoever lacks a toolchain skips; a patient that is wrong must not look like that.
            assert!(!blames_source(&error.to_string()), "{what}: {error:#}");
            return Err(error.context(what));
        }
        if kind.strip == Strip::StripS {
            run(Command::new("strip").arg("-s").arg(out))?;
        }
        Ok(())
    }
}

/// Whether what the compiler said is of a place in a source: `./main.go:12:3: ...`.
fn blames_source(said: &str) -> bool {
    said.lines().any(|line| {
        let place = line.split_once(".go:").map(|(_, place)| place);
        place.is_some_and(|place| place.starts_with(|first: char| first.is_ascii_digit()))
    })
}

fn go_flags(toolchain: &Toolchain, kind: &Kind, mode: &str) -> Vec<String> {
    let mut flags = vec!["build".to_owned(), "-buildvcs=false".to_owned()];
    flags.push(format!("-buildmode={mode}"));
    let to_linker = [
        (kind.strip == Strip::LinkerSw, "-s -w"),
        (kind.internal, "-linkmode=internal"),
    ];
    let to_linker = to_linker.iter().filter(|flag| flag.0).map(|flag| flag.1);
    let to_linker: Vec<&str> = to_linker.collect();
    if !to_linker.is_empty() {
        flags.push(format!("-ldflags={}", to_linker.join(" ")));
    }
    match kind.sanitizer {
        Some(Sanitizer::Race) => flags.push("-race".to_owned()),
        Some(Sanitizer::Msan) => flags.push("-msan".to_owned()),
        Some(Sanitizer::Asan) => flags.push("-asan".to_owned()),
        None => {}
    }
    if kind.trimpath {
        flags.push("-trimpath".to_owned());
    }
    let profile = repository_root().join("lab/pgo/alloc.pgo");
    if kind.pgo {
        flags.push(format!("-pgo={}", profile.display()));
    } else if toolchain.minor() >= 21 {
        flags.push("-pgo=off".to_owned());
    }
    flags
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// FNV-1a over the names and contents of all files of `dirs`.
fn source_hash(dirs: &[&Path]) -> Result<u64> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for dir in dirs.iter().filter(|dir| dir.is_dir()) {
        let mut files: Vec<PathBuf> = fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            eat(file.file_name().unwrap_or_default().as_encoded_bytes());
            eat(&fs::read(file)?);
        }
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_patient_is_told_from_a_missing_compiler() {
        assert!(blames_source(
            "# letgo.lab/types\n./main.go:254:22: cannot use rights"
        ));
        assert!(!blames_source("cgo: C compiler \"gcc\" not found"));
        assert!(!blames_source("go: go.mod requires go >= 1.21"));
    }
}
