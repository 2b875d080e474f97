//! What [`super::check`] asks of a Markdown page: that its links lead somewhere, that the files
//! it names exist, and that a reader can reach it.
//!
//! Links to other sites are not followed.

use std::collections::HashSet;

use super::{File, Finding};

/// Folders whose names in a page's `code` are paths of this repository.
const FOLDERS: [&str; 8] = [
    "crates/",
    "xtask/",
    "docs/",
    "lab/",
    "fixtures/",
    "fuzz/",
    "go/",
    ".ci/",
];
/// Pages that speak of files as they once were.
const HISTORY: [&str; 1] = ["CHANGELOG.md"];
/// Where a reader may start.
const ENTRANCES: [&str; 2] = ["README.md", "ARCHITECTURE.md"];
/// Most lines of the page that is to be read in one sitting.
const ARCHITECTURE_LINES: usize = 400;

/// Checks one page; `paths` are all tracked paths, `files` the texts among them.
pub(super) fn check(file: &File, paths: &[String], files: &[File], findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if file.path == "ARCHITECTURE.md" && lines > ARCHITECTURE_LINES {
        let what = format!("{lines} lines, {ARCHITECTURE_LINES} allowed: move detail to docs/");
        findings.push(Finding::new(file, 1, what));
    }
    for (number, line) in prose(&file.text) {
        for link in links(line) {
            if let Some(what) = broken(&link, file, paths, files) {
                findings.push(Finding::new(file, number, what));
            }
        }
        for code in code_spans(line) {
            if !HISTORY.contains(&file.name()) && missing_path(code, paths) {
                let what = format!("`{code}` is not in the repository: put the name right");
                findings.push(Finding::new(file, number, what));
            }
        }
    }
}

/// Finds pages under `docs/` that no other page links to, and format pages not in their index.
pub(super) fn check_reached(files: &[File], findings: &mut Vec<Finding>) {
    let pages: Vec<&File> = files
        .iter()
        .filter(|file| file.extension() == "md")
        .collect();
    let mut reached = HashSet::new();
    for page in &pages {
        for (_, line) in prose(&page.text) {
            let targets = links(line).into_iter();
            reached
                .extend(targets.filter_map(|link| Some((page.path.clone(), local(&link, page)?))));
        }
    }
    for page in pages.iter().filter(|page| page.path.starts_with("docs/")) {
        if ENTRANCES.contains(&page.path.as_str()) {
            continue;
        }
        if !reached
            .iter()
            .any(|(from, to)| *to == page.path && *from != page.path)
        {
            findings.push(Finding::new(
                page,
                1,
                "no page links here: link it from an index",
            ));
        }
        let index = "docs/formats/README.md";
        let indexed = reached.contains(&(index.to_owned(), page.path.clone()));
        if page.path.starts_with("docs/formats/") && page.path != index && !indexed {
            findings.push(Finding::new(
                page,
                1,
                format!("not in {index}: list it there"),
            ));
        }
    }
}

/// Lines outside of fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((number, line))
    })
}

/// Targets of `[words](target)` in a line, outside of `code`.
fn links(line: &str) -> Vec<String> {
    let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
    let opened = outside.split("](").skip(1);
    opened
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

/// The insides of `code` in a line.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The tracked path that a link leads to; nothing for another site.
fn local(link: &str, page: &File) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let target = link.split('#').next().unwrap_or_default();
    if target.is_empty() {
        return Some(page.path.clone());
    }
    let mut parts: Vec<&str> = page.path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Why a link leads nowhere.
fn broken(link: &str, page: &File, paths: &[String], files: &[File]) -> Option<String> {
    let target = local(link, page)?;
    let folder = format!("{target}/");
    let exists = paths
        .iter()
        .any(|path| *path == target || path.starts_with(&folder));
    if !exists {
        return Some(format!("the link to `{link}` leads nowhere: put it right"));
    }
    let (_, anchor) = link.split_once('#')?;
    let page = files
        .iter()
        .find(|file| file.path == target && file.extension() == "md")?;
    let found = prose(&page.text)
        .filter_map(|(_, line)| {
            line.trim_start_matches('#')
                .strip_prefix(' ')
                .filter(|_| line.starts_with('#'))
        })
        .any(|heading| slug(heading) == anchor);
    (!found).then(|| format!("`{target}` has no heading `#{anchor}`: put the link right"))
}

/// A heading's anchor as code hosts make it.
fn slug(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Whether `code` is a path of this repository that does not exist.
fn missing_path(code: &str, paths: &[String]) -> bool {
    let is_path = FOLDERS.iter().any(|folder| code.starts_with(folder));
    let pattern = code.contains(['<', '*', '{', ' ', '$', '(', '[']) || code.contains("...");
    if !is_path || pattern {
        return false;
    }
    let path = code
        .split([':', '#'])
        .next()
        .unwrap_or(code)
        .trim_end_matches('/');
    let folder = format!("{path}/");
    !paths
        .iter()
        .any(|known| known == path || known.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::file;

    fn whats(path: &str, text: &str) -> Vec<String> {
        let files = vec![
            file(path, text),
            file("docs/a.md", "# A page, `named`\n"),
            file("crates/x/src/lib.rs", "//! Doc.\n"),
        ];
        let paths: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
        let mut findings = Vec::new();
        check(&files[0], &paths, &files, &mut findings);
        findings.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn links_are_resolved_from_the_page_that_holds_them() {
        assert!(whats("docs/b/c.md", "[a](../a.md) [site](https://x.y/z)\n").is_empty());
        assert!(whats("docs/b/c.md", "[a](a.md)\n")[0].contains("leads nowhere"));
        assert!(whats("docs/b/c.md", "`[a](a.md)`\n```\n[a](a.md)\n```\n").is_empty());
    }

    #[test]
    fn anchors_are_looked_up_among_the_headings() {
        assert!(whats("docs/b.md", "[a](a.md#a-page-named)\n").is_empty());
        assert!(whats("docs/b.md", "[a](a.md#nowhere)\n")[0].contains("no heading"));
        assert!(whats("docs/b.md", "# Here\n[a](#here)\n").is_empty());
    }

    #[test]
    fn files_named_in_code_must_exist() {
        assert!(
            whats(
                "docs/b.md",
                "`crates/x/src/lib.rs` `crates/x/` `crates/*/y`\n"
            )
            .is_empty()
        );
        assert!(
            whats("docs/b.md", "`crates/x/src/gone.rs`\n")[0].contains("not in the repository")
        );
    }

    #[test]
    fn a_page_that_nobody_links_to_is_found() {
        let mut findings = Vec::new();
        let index = file("docs/formats/README.md", "[p](p.md)\n");
        let readme = file("README.md", "[formats](docs/formats/README.md)\n");
        let page = file("docs/formats/p.md", "# P\n[self](p.md)\n");
        check_reached(
            &[readme.clone(), index.clone(), page.clone()],
            &mut findings,
        );
        assert_eq!(findings, []);
        let lonely = file("docs/formats/README.md", "nothing\n");
        check_reached(&[readme, lonely, page], &mut findings);
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}
