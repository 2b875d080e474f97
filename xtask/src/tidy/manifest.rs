//! What [`super::check`] asks of a `Cargo.toml`: which crate may know which, and the shared
//! fields.
//!
//! The direction of dependencies is the architecture; see `ARCHITECTURE.md`. A new crate is
//! entered in [`MAY_USE`] by hand, which is the moment to ask whether it should exist.

use toml::{Table, Value};

use super::{File, Finding};

/// Each package and which of ours it may depend on, directly.
const MAY_USE: [(&str, &[&str]); 16] = [
    ("letgo-target", &[]),
    ("letgo-linux", &["letgo-target"]),
    ("letgo-corefile", &["letgo-target"]),
    ("letgo-snapshot", &["letgo-target"]),
    ("letgo-gobin", &["letgo-target"]),
    ("letgo-goruntime", &["letgo-target", "letgo-gobin"]),
    (
        "letgo-heap",
        &["letgo-target", "letgo-gobin", "letgo-goruntime"],
    ),
    (
        "letgo-account",
        &[
            "letgo-target",
            "letgo-gobin",
            "letgo-goruntime",
            "letgo-heap",
        ],
    ),
    (
        "letgo-diagnose",
        &[
            "letgo-target",
            "letgo-gobin",
            "letgo-goruntime",
            "letgo-account",
        ],
    ),
    ("letgo-govern", &[]),
    ("letgo-profile", &[]),
    ("letgo-query", &[]),
    ("letgo-report", &["letgo-target", "letgo-diagnose"]),
    (
        "letgo",
        &[
            "letgo-target",
            "letgo-linux",
            "letgo-corefile",
            "letgo-snapshot",
            "letgo-gobin",
            "letgo-goruntime",
            "letgo-heap",
            "letgo-account",
            "letgo-diagnose",
            "letgo-govern",
            "letgo-profile",
            "letgo-query",
            "letgo-report",
        ],
    ),
    ("letgo-testkit", &["letgo-target"]),
    ("xtask", ALL),
];

/// For the one package that may use every other.
const ALL: &[&str] = &["*"];

/// Crates that are for tests only.
const DEV_ONLY: [&str; 1] = ["letgo-testkit"];

/// Fields that come from the workspace.
const SHARED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

const LICENSE: &str = "MIT OR Apache-2.0";

/// Checks one manifest. Those outside of the workspace (fuzz targets) only need to parse.
pub(super) fn check(file: &File, findings: &mut Vec<Finding>) {
    let table: Table = match file.text.parse() {
        Ok(table) => table,
        Err(error) => {
            findings.push(Finding::new(
                file,
                1,
                format!("not TOML: {}", error.message()),
            ));
            return;
        }
    };
    let mut add = |needle: &str, what: String| {
        let line = file.lines().find(|(_, line)| line.starts_with(needle));
        findings.push(Finding::new(
            file,
            line.map_or(1, |(number, _)| number),
            what,
        ));
    };
    if let Some(workspace) = table.get("workspace").and_then(Value::as_table) {
        check_workspace(workspace, &mut add);
    }
    let in_workspace = file.path.starts_with("crates/") || file.path.starts_with("xtask/");
    let package = table.get("package").and_then(Value::as_table);
    if let Some(package) = package.filter(|_| in_workspace) {
        check_package(package, &table, &mut add);
        check_direction(package, &table, &mut add);
    }
}

fn check_workspace(workspace: &Table, add: &mut impl FnMut(&str, String)) {
    let package = workspace.get("package").and_then(Value::as_table);
    let license = package.and_then(|package| package.get("license"));
    // The fuzz workspace stands alone and has no shared fields.
    if package.is_some() && license.and_then(Value::as_str) != Some(LICENSE) {
        add("license", format!("the licence is `{LICENSE}`: say so"));
    }
}

fn check_package(package: &Table, manifest: &Table, add: &mut impl FnMut(&str, String)) {
    for field in SHARED {
        if !from_workspace(package.get(field)) {
            let what =
                format!("`{field}` does not come from the workspace: `{field}.workspace = true`");
            add(field, what);
        }
    }
    if package.get("description").and_then(Value::as_str).is_none() {
        add(
            "[package]",
            "no description: one line of what the crate is".into(),
        );
    }
    if !manifest.contains_key("lints") {
        add(
            "[package]",
            "no lints: `[lints]` with `workspace = true`".into(),
        );
    }
    for (_, dependencies) in dependency_tables(manifest) {
        for (name, value) in dependencies {
            if !from_workspace(Some(value)) {
                let what = format!("`{name}` does not come from the workspace: name it there once");
                add(name, what);
            }
        }
    }
}

fn check_direction(package: &Table, manifest: &Table, add: &mut impl FnMut(&str, String)) {
    let name = package
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let Some((_, may_use)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
        let what = format!("`{name}` is not in MAY_USE of xtask/src/tidy/manifest.rs: enter it");
        add("name", what);
        return;
    };
    for (kind, dependencies) in dependency_tables(manifest) {
        let ours = dependencies.keys().filter(|used| used.starts_with("letgo"));
        for used in ours {
            let dev_only = DEV_ONLY.contains(&used.as_str());
            let allowed = *may_use == ALL || may_use.contains(&used.as_str());
            if kind == "dev-dependencies" || allowed {
                continue;
            }
            let what = if dev_only {
                format!("`{used}` is for tests: a dev-dependency only")
            } else {
                format!("`{name}` must not know `{used}`: dependencies point one way")
            };
            add(used, what);
        }
    }
}

fn dependency_tables(manifest: &Table) -> impl Iterator<Item = (&'static str, &Table)> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    kinds
        .into_iter()
        .filter_map(|kind| Some((kind, manifest.get(kind)?.as_table()?)))
}

fn from_workspace(value: Option<&Value>) -> bool {
    let field = value.and_then(|value| value.get("workspace"));
    field.and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::file;

    const HEAD: &str = "[package]\nname = \"letgo-gobin\"\ndescription = \"x\"\n\
                        version.workspace = true\nedition.workspace = true\n\
                        rust-version.workspace = true\nlicense.workspace = true\n\
                        publish.workspace = true\n\n[lints]\nworkspace = true\n";

    fn whats(text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(&file("crates/gobin/Cargo.toml", text), &mut findings);
        findings.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_manifest_in_order_is_left_alone() {
        let text = format!("{HEAD}\n[dependencies]\nletgo-target.workspace = true\n");
        assert_eq!(whats(&text), Vec::<String>::new());
    }

    #[test]
    fn a_dependency_upwards_is_found_and_one_for_tests_is_not() {
        let text = format!("{HEAD}\n[dependencies]\nletgo-goruntime.workspace = true\n");
        assert!(whats(&text)[0].contains("must not know `letgo-goruntime`"));
        let text = format!("{HEAD}\n[dependencies]\nletgo-testkit.workspace = true\n");
        assert!(whats(&text)[0].contains("dev-dependency only"));
        let text = format!("{HEAD}\n[dev-dependencies]\nletgo-testkit.workspace = true\n");
        assert_eq!(whats(&text), Vec::<String>::new());
    }

    #[test]
    fn a_version_of_its_own_is_found() {
        let text = HEAD.replace("license.workspace = true", "license = \"MIT\"");
        assert!(whats(&text)[0].contains("`license` does not come from the workspace"));
        let text = format!("{HEAD}\n[dependencies]\nserde = \"1\"\n");
        assert!(whats(&text)[0].contains("`serde` does not come from the workspace"));
    }

    #[test]
    fn an_unknown_crate_is_asked_for() {
        let text = HEAD.replace("letgo-gobin", "letgo-surprise");
        assert!(whats(&text)[0].contains("MAY_USE"));
    }
}
