//! Who holds what, for other tools: [`folded`] lines and a [`pprof`] profile, whose calls are
//! holders: what a root leads to, what that holds, and so on.
//!
//! What is counted at the end of a stack are the objects there; what a place counts with all below
//! it is what it retains.

use std::borrow::Cow;

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
        let names: Vec<Cow<'_, str>> = stack.frames.iter().map(|name| shown(name)).collect();
        let frames = names.iter().rev();
        let frames = frames.map(|name| Frame {
            function: name,
            file: "",
            line: 0,
        });
        profile.add(&Sample {
            frames: frames.collect(),
            values: vec![stack.bytes, stack.objects],
            labels: Vec::new(),
        });
    }
    profile.gzip()
}

/// A name as pprof shows it: names of functions are expected, and a size alone is none.
fn shown(name: &str) -> Cow<'_, str> {
    let digits = name.strip_suffix(" B");
    let is_size = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ',');
    match digits.is_some_and(is_size) {
        true => format!("object of {name}").into(),
        false => kept_whole(name),
    }
}

/// What maps and channels are made of, as their parts are called.
const PARTS: [&str; 5] = ["directory", "table", "groups", "buckets", "buffer"];

/// A name that says something also where a box is too narrow for it. pprof then shows what is
/// behind its last dot, for it takes it for the name of a function: of the type
/// `map[main.Key]*main.Value` that would be `Value`, of its parts too. A middle dot, as Go's
/// assembler has it between package and name, is none to it, and `main.Key` still finds it, being
/// an expression; what is to be left of a part is what it is.
///
/// Source: github.com/google/pprof, internal/report/shortnames.go (sepRE).
fn kept_whole(name: &str) -> Cow<'_, str> {
    let is_composite = name.starts_with("chan ") || name.contains(['[', '*', '(']);
    if !is_composite || name.starts_with("goroutine ") {
        return name.into();
    }
    let plain = |name: &str| name.replace('.', "·");
    match name.rsplit_once(' ') {
        Some((whole, part)) if PARTS.contains(&part) => format!("{}.{part}", plain(whole)).into(),
        _ => plain(name).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn types_are_not_shortened_to_their_last_word() {
        for (name, written) in [
            (
                "map[main.Key]*main.Value groups",
                "map[main·Key]*main·Value.groups",
            ),
            ("chan main.Big buffer", "chan main·Big.buffer"),
            ("map[main.Key]*main.Value", "map[main·Key]*main·Value"),
            ("map[string]chan int", "map[string]chan int"),
            ("main.Node", "main.Node"),
            ("8,192 B", "object of 8,192 B"),
            ("main.sessions", "main.sessions"),
            (
                "goroutine main.(*Server).serve",
                "goroutine main.(*Server).serve",
            ),
        ] {
            assert_eq!(shown(name), written);
        }
    }

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
