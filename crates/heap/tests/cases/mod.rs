//! Which releases and builds the live tests use.
//!
//! By default the oldest release, one in the middle and the newest; `LETGO_TIER=matrix` runs all,
//! `LETGO_HEAP_GO` names some.

use anyhow::Result;
use letgo_testkit::{
    Case, Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Patient, Recipe, Tier, forbidden, note_skip,
};

/// Releases, of each minor one that has a layout of its own.
const RELEASES: [&str; 9] = [
    "1.19.8", "1.20.14", "1.21.13", "1.22.12", "1.23.12", "1.24.13", "1.25.14", "1.26.11", "1.27.4",
];

/// Builds that place pointer bitmaps in another way.
const EXPERIMENTS: [(&str, &str); 4] = [
    ("1.22.12", "noallocheaders"),
    ("1.25.14", "greenteagc"),
    ("1.26.11", "nogreenteagc"),
    ("1.27.4", "nogreenteagc"),
];

/// Each release in each of some kinds.
fn cases_of(kinds: &[Kind]) -> Vec<Case> {
    let mut versions: Vec<&str> = cases().iter().map(|case| case.version).collect();
    versions.dedup();
    let every = |version| kinds.iter().map(move |kind| (version, kind.clone()));
    let all = versions.into_iter().flat_map(every);
    all.map(|(version, kind)| Case { version, kind }).collect()
}

fn cases() -> Vec<Case> {
    let asked = std::env::var("LETGO_HEAP_GO").ok();
    let releases: Vec<&str> = match (&asked, Tier::from_env()) {
        (Some(asked), _) => {
            let wanted = |release: &&str| asked.split(',').any(|one| one == *release);
            RELEASES.into_iter().filter(wanted).collect()
        }
        (None, Tier::Matrix) => RELEASES.to_vec(),
        (None, Tier::Test) => vec![OLDEST_GO, MIDDLE_GO, NEWEST_GO],
    };
    let mut cases = Vec::new();
    for version in &releases {
        for kind in [Kind::plain(), Kind::stripped_pie()] {
            cases.push((version, kind));
        }
    }
    let thorough = asked.is_some() || Tier::from_env() == Tier::Matrix;
    for (version, experiment) in EXPERIMENTS.iter().filter(|_| thorough) {
        if releases.contains(version) {
            cases.push((version, Kind::plain().experiment(experiment)));
        }
    }
    let case = |(version, kind): (&&'static str, Kind)| Case { version, kind };
    let known = |version: &str| RELEASES.iter().find(|known| **known == version);
    let cases = cases.into_iter();
    cases
        .filter_map(|(version, kind)| Some(case((known(version)?, kind))))
        .collect()
}

/// Starts the shape as each case says; those that cannot be built are counted as skipped.
#[allow(dead_code, reason = "not every user needs both")]
pub(crate) fn for_each(shape: &str, check: impl Fn(&Case, Patient) -> Result<()>) {
    for_each_with(shape, |recipe| recipe, check);
}

/// Like [`for_each`], prepared in some way.
#[allow(dead_code, reason = "not every user needs all")]
pub(crate) fn for_each_with(
    shape: &str,
    prepare: impl Fn(Recipe) -> Recipe,
    check: impl Fn(&Case, Patient) -> Result<()>,
) {
    run(&cases(), shape, prepare, check);
}

/// Like [`for_each_with`], as other kinds.
#[allow(dead_code, reason = "not every user needs all")]
pub(crate) fn for_each_as(
    kinds: &[Kind],
    shape: &str,
    prepare: impl Fn(Recipe) -> Recipe,
    check: impl Fn(&Case, Patient) -> Result<()>,
) {
    run(&cases_of(kinds), shape, prepare, check);
}

fn run(
    cases: &[Case],
    shape: &str,
    prepare: impl Fn(Recipe) -> Recipe,
    check: impl Fn(&Case, Patient) -> Result<()>,
) {
    if let Some(why) = forbidden().unwrap() {
        return note_skip("live heap", &why);
    }
    let mut failures = Vec::new();
    for case in cases {
        let recipe = prepare(Recipe::new(shape).go(case.version).kind(case.kind.clone()));
        match recipe.build() {
            Ok(_) => {}
            Err(error) => {
                note_skip(&case.to_string(), &format!("{error:#}"));
                continue;
            }
        }
        let result = recipe.start().and_then(|patient| check(case, patient));
        if let Err(error) = result {
            println!("{case}: FAILED: {error:#}");
            failures.push(format!("{case}: {error:#}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
