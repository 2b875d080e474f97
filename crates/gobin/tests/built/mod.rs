//! Programs of one file that tests build with Go.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Those that `LETGO_TEST_GO` lists by version or path, else the one that is here.
pub(crate) fn toolchains() -> Vec<String> {
    let listed = std::env::var("LETGO_TEST_GO").unwrap_or_default();
    let listed = listed.split(',').filter(|name| !name.is_empty());
    let listed: Vec<String> = listed.map(str::to_owned).collect();
    match listed.is_empty() {
        true => vec!["go".to_owned()],
        false => listed,
    }
}

/// Builds a program of this name and source; nothing where there is no such toolchain.
pub(crate) fn build(
    (own, source): (&str, &str),
    toolchain: &str,
    mode: &str,
    flags: &str,
) -> Option<PathBuf> {
    let name = toolchain.replace('/', "_");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{own}-{name}"));
    std::fs::create_dir_all(&dir).expect("a directory for the programs");
    std::fs::write(dir.join("main.go"), source).expect("write the program");
    let module = format!("module example.com/{own}\n\ngo 1.19\n");
    std::fs::write(dir.join("go.mod"), module).expect("write go.mod");
    let is_release = toolchain.starts_with(|c: char| c.is_ascii_digit());
    let mut command = Command::new(if is_release { "go" } else { toolchain });
    let local = match is_release {
        true => format!("go{toolchain}"),
        false => "local".to_owned(),
    };
    command.env("GOTOOLCHAIN", local).env("CGO_ENABLED", "0");
    let path = dir.join(format!("{mode}{flags}"));
    let built = command
        .current_dir(&dir)
        .args(["build", "-buildmode", mode, "-ldflags", flags, "-o"])
        .arg(&path)
        .status();
    match built {
        Ok(status) if status.success() => Some(path),
        Ok(status) => panic!("{toolchain}: go build: {status}"),
        Err(error) => {
            eprintln!("SKIPPED: no Go toolchain {toolchain}: {error}");
            None
        }
    }
}
