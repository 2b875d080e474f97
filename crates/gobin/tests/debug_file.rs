//! A stripped program gets its names back from a file of the same build, and from no other.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use letgo_gobin::{Error, GoBinary, Image};
use letgo_testkit::{Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Recipe, Strip};

fn image(path: &Path) -> Image {
    Image::from_file(File::open(path).expect("open")).expect("an ELF file")
}

fn open(path: &Path) -> GoBinary {
    GoBinary::open(image(path), None).expect("a Go program")
}

fn build(version: &str, kind: Kind) -> Option<PathBuf> {
    let built = Recipe::new("globals").go(version).kind(kind).build();
    if built.is_err() {
        eprintln!("SKIPPED: go{version} is not here");
    }
    built.ok()
}

fn stripped(strip: Strip, pie: bool) -> Kind {
    Kind {
        strip,
        pie,
        ..Kind::plain()
    }
}

/// What `objcopy` leaves of a file.
fn copy(from: &Path, how: &str) -> PathBuf {
    let name = from.to_string_lossy().replace('/', "_");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}{how}"));
    let status = Command::new("objcopy").arg(how).arg(from).arg(&to).status();
    assert!(status.is_ok_and(|status| status.success()), "objcopy {how}");
    to
}

/// The names and the types of the program, by what `debug` knows.
fn assert_named(program: &Path, debug: &Path, whole: &Path) {
    let what = format!("{} by {}", program.display(), debug.display());
    let mut binary = open(program);
    assert!(!binary.image.has_dwarf(), "{what}");
    binary.use_debug_file(image(debug)).expect("the same build");
    let found = binary.globals_typed().expect("types");
    let whole = open(whole);
    let truth = whole.globals_typed().expect("types");
    assert_eq!(found.variables.len(), truth.variables.len(), "{what}");
    let types = [&binary, &whole].map(|binary| binary.types().expect("types"));
    for (found, truth) in found.variables.iter().zip(&truth.variables) {
        assert_eq!(found.name, truth.name, "{what}");
        assert_eq!(found.type_name, truth.type_name, "{what}");
        let names = [(found, &types[0]), (truth, &types[1])]
            .map(|(one, types)| one.descriptor.and_then(|ty| types.name(ty)));
        assert_eq!(names[0], names[1], "{what}: {}", found.name);
    }
    let symbols = binary.variables().expect("symbols");
    let keep = found.variables.iter().find(|one| one.name == "main.keep");
    let keep = keep.expect("the variable").range.start();
    assert_eq!(symbols.at(keep), Some(("main.keep", 0)), "{what}");
    // Where code stores into it, its name is right.
    let functions = &binary.functions;
    let stores = found.stores_into(keep);
    let mut named = stores.filter_map(|pc| Some(functions.function_at(pc).ok()??.name));
    assert!(named.any(|name| name == "main.grow"), "{what}");
}

#[test]
fn a_stripped_program_gets_its_names_from_its_twin() {
    for version in [OLDEST_GO, MIDDLE_GO, NEWEST_GO] {
        for pie in [false, true] {
            let built = |strip| build(version, stripped(strip, pie));
            let (Some(whole), Some(bare), Some(linked)) = (
                built(Strip::None),
                built(Strip::StripS),
                built(Strip::LinkerSw),
            ) else {
                continue;
            };
            assert_named(&bare, &whole, &whole);
            assert_named(&bare, &copy(&whole, "--only-keep-debug"), &whole);
            assert_named(&copy(&whole, "--strip-debug"), &whole, &whole);
            assert_named(&linked, &whole, &whole);
        }
    }
}

#[test]
fn a_file_of_another_build_is_refused_with_both_ids() {
    let (Some(one), Some(other)) = (
        build(NEWEST_GO, stripped(Strip::StripS, false)),
        build(MIDDLE_GO, Kind::plain()),
    ) else {
        return;
    };
    let ids = [&one, &other].map(|path| image(path).go_build_id().expect("an id"));
    let mut binary = open(&one);
    let error = binary.use_debug_file(image(&other)).unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, Error::OtherBuild { .. }), "{told}");
    assert!(ids.iter().all(|id| told.contains(id)), "{told}");
    let error = binary.use_debug_file(image(&one)).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert!(!binary.has_debug_file());
    // A position-independent build of the same source.
    let Some(pie) = build(NEWEST_GO, stripped(Strip::None, true)) else {
        return;
    };
    assert!(binary.use_debug_file(image(&pie)).is_err());
}
