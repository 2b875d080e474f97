//! Who holds what, for other tools: [`folded`] lines and a [`pprof`] profile, whose calls are
//! holders: what a root leads to, what that holds, and so on.
//!
//! What is counted at the end of a stack are the objects there; what a place counts with all below
//! it is what it retains.

use letgo_profile::{Frame, Profile, Sample, ValueType};

use crate::inspect::HeldStack;

/// A line a stack: the root, holders, the objects' own kind, and their bytes.
pub(crate) fn folded(stacks: &[HeldStack]) -> String {
    let mut text = String::new();
    for stack in stacks {
        let frames: Vec<String> = stack.frames.iter().map(|name| plain(name)).collect();
        text += &format!("{} {}\n", frames.join(";"), stack.bytes);
    }
    text
}

/// A name without what has a meaning in a folded line.
fn plain(name: &str) -> String {
    let plain = |c: char| match c {
        ';' => ':',
        c if c.is_control() => '?',
        c => c,
    };
    name.chars().map(plain).collect()
}

/// A gzip'd profile: objects and their bytes, by who holds them; taken at so many nanoseconds
/// since 1970.
pub(crate) fn pprof(stacks: &[HeldStack], at: i64) -> std::io::Result<Vec<u8>> {
    // The first is shown where none is asked for: bytes.
    let types = [("inuse_space", "bytes"), ("inuse_objects", "count")];
    let types = types.map(|(kind, unit)| ValueType { kind, unit });
    let mut profile = Profile::new(&types);
    profile.taken_at(at);
    for stack in stacks {
        let frame = |name| Frame {
            function: name,
            file: "",
            line: 0,
        };
        let frames = stack.frames.iter().rev();
        profile.add(&Sample {
            frames: frames.map(|name| frame(name.as_str())).collect(),
            values: vec![stack.bytes, stack.objects],
            labels: Vec::new(),
        });
    }
    profile.gzip()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn stack(frames: &[&str], objects: u64, bytes: u64) -> HeldStack {
        HeldStack {
            frames: frames.iter().map(|name| (*name).to_owned()).collect(),
            objects,
            bytes,
        }
    }

    fn stacks() -> Vec<HeldStack> {
        vec![
            stack(&["main.cache", "8,192 B"], 1, 8192),
            stack(&["main.cache", "8,192 B", "48 B"], 1000, 48_000),
            stack(&["goroutine main.a;b", "(rest)"], 3, 96),
        ]
    }

    #[test]
    fn a_folded_line_goes_from_the_root_to_the_objects() {
        let text = folded(&stacks());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "main.cache;8,192 B;48 B 48000");
        assert_eq!(lines[2], "goroutine main.a:b;(rest) 96");
    }

    /// Go's own tool reads the profile: what is cumulative is what is retained.
    #[test]
    fn the_profile_is_one_that_pprof_reads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heap.pb.gz");
        std::fs::write(&path, pprof(&stacks(), 1).unwrap()).unwrap();
        let output = Command::new("go")
            .args(["tool", "pprof", "-top", "-unit=B"])
            .arg(&path)
            .env("PPROF_TMPDIR", dir.path())
            .output();
        let Ok(output) = output else {
            eprintln!("SKIPPED: no Go toolchain");
            return;
        };
        assert!(output.status.success(), "{output:?}");
        let top = String::from_utf8(output.stdout).unwrap();
        let cache = top.lines().find(|line| line.ends_with("main.cache"));
        assert!(cache.is_some_and(|line| line.contains("56192B")), "{top}");
        assert!(top.contains("inuse_space"), "{top}");
    }
}
