//! [`loaded`]: the Go programs among the files that a process has mapped as code.
//!
//! Most Go programs are the executable itself. But a C program may load a Go library
//! (`-buildmode=c-shared`, or a library that a C archive was linked into), and a program that was
//! started through the loader (`/lib64/ld-linux-x86-64.so.2 ./api`) has the loader as its
//! executable. Each has a Go runtime of its own. Plugins have none: they share that of the program
//! that loads them, and are listed apart.
//!
//! Does not look at code that no file is behind, and not at files that may not be opened.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use letgo_gobin::{BuildInfo, Image};
use letgo_linux::{Error, Process};
use letgo_target::Mapping;

/// Files that are looked at; a large desktop program maps some hundred.
const MOST_FILES: usize = 1024;

/// A file that holds a Go runtime, and where it is mapped.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The file.
    pub(super) image: Image,
    /// What is added to its link-time addresses.
    pub(super) bias: u64,
    /// Its path, as the target sees it.
    pub(super) path: String,
    /// Inode, to tell it from the executable.
    pub(super) inode: u64,
    /// The release of Go that built it.
    pub(super) version: String,
}

/// The Go code that a process has mapped, each by address.
#[derive(Debug, Default)]
pub(super) struct Modules {
    /// Files with a Go runtime.
    pub(super) libraries: Vec<Loaded>,
    /// Plugins, and what is added to their link-time addresses.
    pub(super) plugins: Vec<(Image, u64)>,
}

/// What a mapped file is.
enum Found {
    Library(Loaded),
    Plugin(Image, u64),
}

/// All files with Go code.
///
/// # Errors
/// Where the list of mappings cannot be read.
pub(super) fn loaded(process: &Process) -> Result<Modules, Error> {
    let mappings = process.maps()?;
    let mut seen: Vec<&Mapping> = Vec::new();
    for code in mappings.iter().filter(|mapping| holds_code(mapping)) {
        if seen.len() < MOST_FILES && !seen.iter().any(|other| other.same_file(code)) {
            seen.push(code);
        }
    }
    let first = |code: &&Mapping| mappings.iter().find(|mapping| mapping.same_file(code));
    let firsts = seen.iter().filter_map(first);
    let mut modules = Modules::default();
    for found in firsts.filter_map(|head| go_image(process, head)) {
        match found {
            Found::Library(library) => modules.libraries.push(library),
            Found::Plugin(image, bias) => modules.plugins.push((image, bias)),
        }
    }
    Ok(modules)
}

fn holds_code(mapping: &Mapping) -> bool {
    mapping.permissions.execute && mapping.is_file()
}

/// The Go program or plugin that `head` is the lowest mapping of, if it is one.
fn go_image(process: &Process, head: &Mapping) -> Option<Found> {
    if head.offset != 0 {
        return None;
    }
    let image = Image::from_file(open(process, head)?).ok()?;
    let bias = image.bias_from_lowest(head.range.start());
    let build = BuildInfo::from_image(&image).ok();
    if is_plugin(&image, build.as_ref()) {
        return Some(Found::Plugin(image, bias));
    }
    let build = build?;
    Some(Found::Library(Loaded {
        bias,
        path: head.name.trim_end_matches(" (deleted)").to_owned(),
        inode: head.inode,
        version: build.version.raw,
        image,
    }))
}

/// Whether a file was built to be loaded by a Go program. Up to 1.20 such a file says nothing of
/// its build, but that Go made it.
///
/// Source: src/cmd/link/internal/ld/data.go, `buildinfo`, go1.19 to go1.27.
pub(super) fn is_plugin(image: &Image, build: Option<&BuildInfo>) -> bool {
    match build {
        Some(build) => build.buildmode() == Some("plugin"),
        None => image.go_build_id().is_some(),
    }
}

/// Opens the file behind a mapping: by the mapping, or by its path where that takes a capability
/// that we lack.
pub(super) fn open(process: &Process, mapping: &Mapping) -> Option<File> {
    if let Ok(file) = process.mapped_file(mapping) {
        return Some(file);
    }
    let path = format!("/proc/{}/root{}", process.pid(), mapping.name);
    let same = |meta: &fs::Metadata| meta.is_file() && meta.ino() == mapping.inode;
    // Looked at before it is opened: the path may lead to something that blocks by now.
    fs::metadata(&path).ok().filter(same)?;
    let file = File::open(&path).ok()?;
    file.metadata().ok().filter(same)?;
    Some(file)
}
