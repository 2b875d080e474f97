//! Facts about binaries, kept between runs: where a build has its runtime's variables.
//!
//! One small JSON file a build in `$XDG_CACHE_HOME/letgo/facts`. A cache: every failure to read or
//! write it is ignored, and what it says is checked by meaning before it is relied on
//! (`letgo_goruntime::Runtime::attach`). Does not decide what is a fact (see `letgo_gobin`).

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use letgo_gobin::{CachedFacts, GoBinary, Image};

/// Most bytes of a file that are read; facts are a few KiB.
const FILE_MAX: u64 = 1 << 20;

/// Opens a Go program, with the facts of an earlier run where there are any.
///
/// # Errors
/// As [`GoBinary::open`].
pub fn open(image: Image) -> Result<GoBinary, letgo_gobin::Error> {
    let file = CachedFacts::key_of(&image).and_then(|key| path_of(&key));
    let cached = file.as_ref().and_then(load);
    let binary = GoBinary::open(image, cached.as_ref())?;
    if cached.is_none()
        && let (Some(file), Some(facts)) = (file, binary.facts_for_cache())
    {
        // A cache that cannot be written costs time, nothing else.
        let _ = store(&file, &facts);
    }
    Ok(binary)
}

/// Forgets the facts of a build, because what they say was found wrong.
pub fn forget(image: &Image) {
    if let Some(file) = CachedFacts::key_of(image).and_then(|key| path_of(&key)) {
        let _ = fs::remove_file(file);
    }
}

/// Where the facts of the build with this key are kept.
fn path_of(key: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute());
    let dir = dir.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    Some(
        dir.join("letgo/facts")
            .join(format!("{:016x}.json", hasher.finish())),
    )
}

/// Reads facts that we wrote ourselves: a file of another user is not trusted.
fn load(file: &PathBuf) -> Option<CachedFacts> {
    let meta = fs::symlink_metadata(file).ok()?;
    let ours = meta.is_file() && meta.uid() == own_uid()? && meta.mode() & 0o022 == 0;
    if !ours || meta.len() > FILE_MAX {
        return None;
    }
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// Our effective user id, by the owner of our own directory in `/proc`.
fn own_uid() -> Option<u32> {
    Some(fs::metadata("/proc/self").ok()?.uid())
}

/// Writes the facts whole or not at all.
fn store(file: &PathBuf, facts: &CachedFacts) -> std::io::Result<()> {
    let Some(dir) = file.parent() else {
        return Ok(());
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let draft = file.with_extension(format!("{}.tmp", std::process::id()));
    let mut open = fs::OpenOptions::new();
    let mut out = open.write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = serde_json::to_vec(facts)
        .map_err(Into::into)
        .and_then(|json| out.write_all(&json));
    match written {
        Ok(()) => fs::rename(&draft, file),
        Err(error) => {
            let _ = fs::remove_file(&draft);
            Err(error)
        }
    }
}
