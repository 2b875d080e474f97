//! What [`super::check`] asks of a Rust file.
//!
//! Works on the source with comments and literals blanked ([`Source`]), so that a brace in a
//! string does not count. It is a scanner and no parser: a macro that spells `fn` in its own way
//! is measured as it stands.

use super::{File, Finding};

/// Most lines of a file that needs no reason.
const FILE_LINES: usize = 600;
/// Most lines of a function that needs no reason.
const FUNCTION_LINES: usize = 70;
/// Most columns of a line.
const COLUMNS: usize = 100;
/// The one crate whose job is system calls.
const UNSAFE_HOME: &str = "crates/linux/";
/// Files elsewhere: a prefetch, and the traits of virtual tables, which safe code cannot say.
const UNSAFE_FILES: [&str; 2] = ["crates/heap/src/prefetch.rs", "crates/query/src/module.rs"];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "misc", "helpers", "helper"];
/// Left behind while writing.
const LEFTOVERS: [&str; 3] = ["todo!", "dbg!", "unimplemented!"];

/// Checks one Rust file.
pub(super) fn check(file: &File, findings: &mut Vec<Finding>) {
    let source = Source::new(&file.text);
    let mut add = |line: usize, what: String| findings.push(Finding::new(file, line, what));

    check_name(&file.path, &mut add);
    if !reason_given(&file.text) {
        check_lengths(&file.text, &source, &mut add);
    }
    if file.path.contains("/src/") && !opens_with_doc(&file.text) {
        add(
            1,
            "no `//!` at the top: say what the file holds and what it does not".into(),
        );
    }
    for (line, width) in source.widths() {
        if width > COLUMNS {
            add(
                line,
                format!("{width} columns, {COLUMNS} allowed: break the line"),
            );
        }
    }
    for leftover in LEFTOVERS {
        for line in source.lines_with(leftover) {
            add(
                line,
                format!("`{leftover}` was left behind: finish it or take it out"),
            );
        }
    }
    if !file.path.starts_with(UNSAFE_HOME) && !UNSAFE_FILES.contains(&file.path.as_str()) {
        for line in source.lines_with("unsafe") {
            add(
                line,
                format!("`unsafe` outside of {UNSAFE_HOME}: move it there"),
            );
        }
    }
    for line in source.allows_without_reason() {
        add(line, "`allow` without `reason = \"...\"`: give one".into());
    }
    for line in source.lines_with("#[ignore]") {
        add(
            line,
            "`#[ignore]` without a reason: `#[ignore = \"...\"]`".into(),
        );
    }
}

fn check_name(path: &str, add: &mut impl FnMut(usize, String)) {
    for part in path.split('/') {
        let name = part.strip_suffix(".rs").unwrap_or(part);
        if EMPTY_NAMES.contains(&name) {
            add(
                1,
                format!("`{name}` says nothing: name the file by the noun it holds"),
            );
        }
    }
}

fn check_lengths(text: &str, source: &Source<'_>, add: &mut impl FnMut(usize, String)) {
    let lines = text.lines().count();
    let ask = "split it, or give a reason as `// tidy: ...` on the first line";
    if lines > FILE_LINES {
        add(1, format!("{lines} lines, {FILE_LINES} allowed: {ask}"));
    }
    for function in source.functions() {
        let lines = function.last - function.first + 1;
        if lines > FUNCTION_LINES {
            let name = function.name;
            add(
                function.first,
                format!("`{name}` has {lines} lines, {FUNCTION_LINES} allowed: {ask}"),
            );
        }
    }
}

/// Whether the first line is `// tidy: ` and a reason.
fn reason_given(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first
        .strip_prefix("// tidy: ")
        .is_some_and(|reason| !reason.trim().is_empty())
}

fn opens_with_doc(text: &str) -> bool {
    let skip = usize::from(reason_given(text));
    text.lines()
        .nth(skip)
        .is_some_and(|line| line.starts_with("//!"))
}

/// A function and the lines it spans, from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Function {
    name: String,
    first: usize,
    last: usize,
}

/// What a byte of source is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Source text with the insides of comments and literals told apart from code.
struct Source<'a> {
    text: &'a str,
    kinds: Vec<Kind>,
    /// As long as `text`; what is no code is blank, apart from newlines.
    code: Vec<u8>,
}

impl<'a> Source<'a> {
    fn new(text: &'a str) -> Source<'a> {
        let bytes = text.as_bytes();
        let mut kinds = Vec::with_capacity(bytes.len());
        while kinds.len() < bytes.len() {
            let rest = &bytes[kinds.len()..];
            let word_before = kinds.last() == Some(&Kind::Code)
                && bytes
                    .get(kinds.len() - 1)
                    .is_some_and(|byte| is_word(*byte));
            let (kind, len) = token(rest, word_before);
            kinds.resize(kinds.len() + len.clamp(1, rest.len()), kind);
        }
        let blank = |(byte, kind): (&u8, &Kind)| match kind {
            Kind::Code if byte.is_ascii() => *byte,
            _ if *byte == b'\n' => b'\n',
            Kind::Code => b'_',
            _ => b' ',
        };
        let code = bytes.iter().zip(&kinds).map(blank).collect();
        Source { text, kinds, code }
    }

    fn line_of(&self, at: usize) -> usize {
        1 + self.code[..at]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
    }

    /// Places in the code where `word` stands as a whole word.
    fn places<'s>(&'s self, word: &'s str) -> impl Iterator<Item = usize> + 's {
        let whole = move |at: &usize| {
            let before = at.checked_sub(1).and_then(|at| self.code.get(at));
            let after = self.code.get(at + word.len());
            let ends_open = word.ends_with(|c: char| !c.is_alphanumeric());
            !before.is_some_and(|byte| is_word(*byte))
                && (ends_open || !after.is_some_and(|byte| is_word(*byte)))
        };
        let windows = self.code.windows(word.len()).enumerate();
        let hits = windows.filter(move |(_, window)| *window == word.as_bytes());
        hits.map(|(at, _)| at).filter(whole)
    }

    fn lines_with(&self, word: &str) -> Vec<usize> {
        self.places(word).map(|at| self.line_of(at)).collect()
    }

    /// Each line's width in columns, not counting the insides of literals and addresses of pages.
    fn widths(&self) -> Vec<(usize, usize)> {
        let mut start = 0;
        let mut widths = Vec::new();
        for (line, number) in self.text.split_inclusive('\n').zip(1..) {
            let kinds = &self.kinds[start..start + line.len()];
            let counted = line
                .trim_end()
                .char_indices()
                .filter(|(at, _)| kinds[*at] != Kind::Literal)
                .count();
            start += line.len();
            if !line.contains("://") {
                widths.push((number, counted));
            }
        }
        widths
    }

    /// Every function with a body, nested ones too.
    fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for at in self.places("fn") {
            let named = self.code[at + 2..].iter().skip_while(|byte| **byte == b' ');
            let name: Vec<u8> = named.copied().take_while(|byte| is_word(*byte)).collect();
            let Some(end) = self.body_end(at).filter(|_| !name.is_empty()) else {
                continue;
            };
            functions.push(Function {
                name: String::from_utf8_lossy(&name).into_owned(),
                first: self.line_of(at),
                last: self.line_of(end),
            });
        }
        functions
    }

    /// Where the body of the function at `at` ends; nothing for a declaration.
    fn body_end(&self, at: usize) -> Option<usize> {
        let mut depth = 0_usize;
        let mut nested = 0_usize;
        for (offset, byte) in self.code[at..].iter().enumerate() {
            match byte {
                b'(' | b'[' => nested += 1,
                b')' | b']' => nested = nested.saturating_sub(1),
                b';' if depth == 0 && nested == 0 => return None,
                b'{' => depth += 1,
                b'}' => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 && nested == 0 {
                        return Some(at + offset);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Lines of `allow(...)` and `expect(...)` attributes that hold no `reason`.
    fn allows_without_reason(&self) -> Vec<usize> {
        let mut lines = Vec::new();
        for open in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
            for at in self.places(open) {
                let inside = self.code[at..].iter().take_while(|byte| **byte != b']');
                let inside: Vec<u8> = inside.copied().collect();
                if !inside.windows(6).any(|window| window == b"reason") {
                    lines.push(self.line_of(at));
                }
            }
        }
        lines
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// What starts at `rest`, and how many bytes of it there are.
fn token(rest: &[u8], word_before: bool) -> (Kind, usize) {
    match rest {
        [b'/', b'/', ..] => {
            let len = rest.iter().position(|byte| *byte == b'\n');
            (Kind::Comment, len.unwrap_or(rest.len()))
        }
        [b'/', b'*', ..] => (Kind::Comment, block_comment(rest)),
        [b'"', ..] => (Kind::Literal, quoted(rest)),
        [b'r' | b'b' | b'c', ..] if !word_before => prefixed(rest),
        [b'\'', ..] => character(rest),
        _ => (Kind::Code, 1),
    }
}

/// Bytes of a block comment; they nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

/// Bytes of a string with escapes, both quotes included.
fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A literal that opens with `r`, `b`, `c`, `br` or `cr`; else one byte of code.
fn prefixed(rest: &[u8]) -> (Kind, usize) {
    let letters = rest.iter().take_while(|byte| b"rbc".contains(byte)).count();
    let raw = letters > 0 && rest[letters - 1] == b'r';
    let hashes = rest[letters..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    let open = letters + hashes;
    match rest.get(open) {
        Some(b'"') if raw => {
            let mut close = vec![b'"'];
            close.resize(1 + hashes, b'#');
            let body = &rest[open + 1..];
            let end = body.windows(close.len()).position(|window| window == close);
            (
                Kind::Literal,
                end.map_or(rest.len(), |end| open + 1 + end + close.len()),
            )
        }
        Some(b'"') if hashes == 0 => (Kind::Literal, letters + quoted(&rest[letters..])),
        Some(b'\'') if hashes == 0 && letters == 1 && rest[0] == b'b' => {
            let (kind, len) = character(&rest[1..]);
            (kind, len + 1)
        }
        _ => (Kind::Code, 1),
    }
}

/// A character literal, or the tick of a lifetime.
fn character(rest: &[u8]) -> (Kind, usize) {
    let text = String::from_utf8_lossy(&rest[..rest.len().min(16)]);
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            let close = rest.iter().skip(3).position(|byte| *byte == b'\'');
            (Kind::Literal, close.map_or(1, |at| at + 4))
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => (Kind::Literal, at + 1),
            _ => (Kind::Code, 1),
        },
        None => (Kind::Code, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::file;

    fn whats(path: &str, text: &str) -> Vec<(usize, String)> {
        let mut findings = Vec::new();
        check(&file(path, text), &mut findings);
        findings.sort();
        findings
            .into_iter()
            .map(|finding| (finding.line, finding.what))
            .collect()
    }

    fn only(path: &str, text: &str, word: &str) -> usize {
        let found = whats(path, text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].1.contains(word), "{found:?}");
        found[0].0
    }

    #[test]
    fn braces_in_literals_and_comments_do_not_end_a_function() {
        let text = "fn a<'x>(c: &'x u8) {\n let s = \"}\"; // }\n let c = '}'; let d = b'\\'';\n \
                    let r = r#\"}\"}\"#; /* } /* } */ } */\n}\nfn b() -> [u8; 2];\nfn c() {}\n";
        let functions = Source::new(text).functions();
        let spans: Vec<_> = functions
            .iter()
            .map(|f| (f.name.as_str(), f.first, f.last))
            .collect();
        assert_eq!(spans, [("a", 1, 5), ("c", 7, 7)]);
    }

    #[test]
    fn a_long_function_wants_a_reason_on_the_first_line() {
        let body = " let x = 1;\n".repeat(FUNCTION_LINES);
        let text = format!("//! Doc.\nfn long() {{\n{body}}}\n");
        assert_eq!(only("crates/a/src/b.rs", &text, "`long` has 72 lines"), 2);
        let excused = format!("// tidy: a table\n{text}");
        assert_eq!(whats("crates/a/src/b.rs", &excused), []);
    }

    #[test]
    fn a_long_file_wants_a_reason_and_a_reason_wants_words() {
        let text = format!("//! Doc.\n{}", "const A: u8 = 0;\n".repeat(FILE_LINES));
        assert_eq!(only("crates/a/src/b.rs", &text, "601 lines"), 1);
        let empty = format!("// tidy: \n{text}");
        assert!(!whats("crates/a/src/b.rs", &empty).is_empty());
    }

    #[test]
    fn a_file_without_a_doc_header_is_found_in_src_only() {
        assert_eq!(only("crates/a/src/b.rs", "use std::fmt;\n", "no `//!`"), 1);
        assert_eq!(whats("crates/a/tests/b.rs", "use std::fmt;\n"), []);
    }

    #[test]
    fn leftovers_count_in_code_and_not_in_words() {
        let text = format!(
            "//! Doc with {0}\nfn a() {{ let s = \"{0}\"; {0} }}\n",
            "todo!()"
        );
        assert_eq!(only("crates/a/src/b.rs", &text, "`todo!`"), 2);
    }

    #[test]
    fn unsafe_belongs_into_one_crate() {
        let text = "//! Doc.\nfn a() { unsafe { b() } }\n#![deny(unsafe_code)]\n";
        assert_eq!(only("crates/gobin/src/b.rs", text, "`unsafe` outside"), 2);
        assert_eq!(whats("crates/linux/src/b.rs", text), []);
        for file in UNSAFE_FILES {
            assert_eq!(whats(file, text), []);
        }
    }

    #[test]
    fn an_allow_wants_a_reason() {
        let text = "//! Doc.\n#[allow(dead_code)]\nfn a() {}\n\
                    #[allow(dead_code, reason = \"a test\")]\nfn b() {}\n";
        assert_eq!(only("crates/a/src/b.rs", text, "without `reason"), 2);
    }

    #[test]
    fn a_long_line_counts_without_its_literals() {
        let long = "x".repeat(120);
        let literal = format!("//! Doc.\nconst A: &str = \"{long}\";\n");
        assert_eq!(whats("crates/a/src/b.rs", &literal), []);
        let comment = format!("//! Doc.\n// {long}\n");
        assert_eq!(only("crates/a/src/b.rs", &comment, "123 columns"), 2);
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        assert_eq!(
            only("crates/a/src/utils.rs", "//! Doc.\n", "says nothing"),
            1
        );
        assert_eq!(
            only("crates/a/src/common/mod.rs", "//! Doc.\n", "says nothing"),
            1
        );
    }
}
