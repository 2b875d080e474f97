//! What the code of a program says of its variables, against what DWARF says of them.
//!
//! The programs are `lab/patients/globals` by each release that is tested. `LETGO_TEST_BINARIES`
//! lists further programs with DWARF, separated by colons.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use letgo_gobin::{GlobalTypes, GoBinary, Image, Kind, Pointee, Types};
use letgo_target::Addr;
use letgo_testkit::{Kind as Build, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Recipe, Strip};

fn open(path: &Path) -> GoBinary {
    let image = Image::from_file(File::open(path).expect("open")).expect("an ELF file");
    GoBinary::open(image, None).expect("a Go program")
}

/// Of the patient's words with pointers, the part that code says something of; 87 were measured of
/// each release.
const LEAST_KNOWN_PERCENT: usize = 85;

/// How what code says compares with what DWARF says, a word a line.
#[derive(Default, Debug)]
struct Tally {
    same: Vec<String>,
    unknown: Vec<String>,
    wrong: Vec<String>,
    /// Words of which DWARF says nothing.
    beyond: usize,
}

fn told(types: &Types, pointee: Pointee) -> String {
    let name = |ty| types.name(ty).unwrap_or_default();
    match pointee {
        Pointee::Ptr(ty) => format!("*{}", name(ty)),
        Pointee::Slice(ty) => format!("[]{}", name(ty)),
        Pointee::Map(ty) | Pointee::Chan(ty) => name(ty),
        other => format!("{other:?}"),
    }
}

fn compare(binary: &GoBinary, code: &GlobalTypes) -> Tally {
    let types = binary.types().expect("types");
    let dwarf = binary.globals_by_dwarf().expect("sound DWARF");
    let dwarf = dwarf.expect("DWARF");
    let place = |word: Addr| {
        let one = dwarf.variable(word);
        one.map_or_else(String::new, |one| match word.since(one.range.start()) {
            0 => one.name.clone(),
            offset => format!("{}+{offset:#x}", one.name),
        })
    };
    let mut tally = Tally::default();
    let mut known = Vec::new();
    for (word, truth) in &dwarf.pointees {
        known.push(*word);
        let (name, truth_told) = (place(*word), told(&types, *truth));
        match code.pointee(*word) {
            None => tally.unknown.push(format!("{name} {truth_told}")),
            Some(found) if is_same(&types, found, *truth) => {
                tally.same.push(format!("{name} {truth_told}"));
            }
            Some(found) => {
                let found = told(&types, found);
                tally.wrong.push(format!("{name} {found} for {truth_told}"));
            }
        }
    }
    let beyond = code.pointees.iter();
    tally.beyond = beyond
        .filter(|one| known.binary_search(&one.0).is_err())
        .count();
    tally
}

/// Whether both say the same of what is pointed to. Code says what an object was made as, and a
/// variable may point to what it begins with: the elements of an array, the first field.
fn is_same(types: &Types, found: Pointee, truth: Pointee) -> bool {
    let array = |ty| match types.at(ty) {
        Some(head) if head.kind == Kind::Array => types.elem(ty),
        _ => None,
    };
    match (found, truth) {
        (Pointee::Ptr(ty), Pointee::Slice(elem)) => array(ty) == Some(elem),
        (Pointee::Ptr(ty), Pointee::Ptr(truth)) => begins_with(types, ty, truth),
        (found, truth) => found == truth,
    }
}

fn begins_with(types: &Types, ty: Addr, first: Addr) -> bool {
    let mut at = Some(ty);
    for _ in 0..8 {
        let Some(ty) = at else { return false };
        if ty == first {
            return true;
        }
        let fields = types.fields(ty).unwrap_or_default();
        at = fields
            .first()
            .filter(|field| field.0 == 0)
            .map(|field| field.1);
    }
    false
}

/// Lines about the variables of the patient's own package.
fn own(lines: &[String]) -> Vec<&str> {
    let lines = lines.iter().map(String::as_str);
    lines.filter(|line| line.starts_with("main.")).collect()
}

#[test]
fn code_says_the_truth_about_variables_or_nothing() {
    for version in [OLDEST_GO, "1.21.13", MIDDLE_GO, NEWEST_GO] {
        for pie in [false, true] {
            let kind = Build {
                pie,
                ..Build::plain()
            };
            let stripped = Build {
                strip: Strip::StripS,
                ..kind.clone()
            };
            let build = |kind| Recipe::new("globals").go(version).kind(kind).build();
            let (Ok(plain), Ok(stripped)) = (build(kind), build(stripped)) else {
                eprintln!("SKIPPED: go{version} is not here");
                continue;
            };
            let (plain, stripped) = (open(&plain), open(&stripped));
            let code = stripped.globals_typed().expect("a stripped program");
            let same = plain.globals_by_code().expect("the same program");
            assert_eq!(*code, same, "go{version}: symbols make no difference");
            let tally = compare(&plain, code);
            assert_eq!(tally.wrong, [""; 0], "go{version} pie {pie}");
            let (known, unknown) = (own(&tally.same), own(&tally.unknown));
            eprintln!(
                "go{version} pie {pie}: of {} words of main {} are known; of all, {} of {}",
                known.len() + unknown.len(),
                known.len(),
                tally.same.len(),
                tally.same.len() + tally.unknown.len(),
            );
            // What only initial data says, and words that get what is not known.
            assert!(
                known.len() * 100 >= (known.len() + unknown.len()) * LEAST_KNOWN_PERCENT,
                "go{version}: unknown are {unknown:#?}"
            );
            assert_holders(&stripped, &plain, code);
        }
    }
}

/// The two holders of the race, in full.
fn assert_holders(stripped: &GoBinary, plain: &GoBinary, code: &GlobalTypes) {
    let types = stripped.types().expect("types");
    let dwarf = plain.globals_typed().expect("DWARF");
    let by_name: BTreeMap<&str, Addr> = dwarf
        .variables
        .iter()
        .map(|one| (one.name.as_str(), one.range.start()))
        .collect();
    for (name, expected) in [
        ("main.keep", "[]*main.Node"),
        ("main.cache", "map[string]*main.Node"),
    ] {
        let word = by_name[name];
        assert_eq!(
            code.pointee(word)
                .map(|found| told(&types, found))
                .as_deref(),
            Some(expected)
        );
        let named = |pc| Some(stripped.functions.function_at(pc).ok()??.name);
        let stores: Vec<String> = code.stores_into(word).filter_map(named).collect();
        assert!(
            stores.iter().any(|name| name == "main.grow"),
            "{name}: {stores:?}"
        );
    }
}

#[test]
fn programs_of_this_machine_agree_with_their_dwarf() {
    let listed = std::env::var("LETGO_TEST_BINARIES").unwrap_or_default();
    for path in listed.split(':').filter(|path| !path.is_empty()) {
        let binary = open(Path::new(path));
        let started = std::time::Instant::now();
        let code = binary.globals_by_code().expect("a readable program");
        let took = started.elapsed();
        let tally = compare(&binary, &code);
        eprintln!(
            "{path} {}, {} KiB of text in {took:?}: same {}, unknown {}, beyond {}, conflicts {}, \
             closures {}, stores {}, wrong {:#?}",
            binary.build.version,
            binary.module.text.len() >> 10,
            tally.same.len(),
            tally.unknown.len(),
            tally.beyond,
            code.conflicts,
            code.closures.len(),
            code.stores.len(),
            tally.wrong,
        );
        if std::env::var_os("LETGO_TEST_VERBOSE").is_some() {
            eprintln!("unknown: {:#?}", tally.unknown);
        }
    }
}
