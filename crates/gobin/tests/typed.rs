//! What the code of a program says of its variables, against what DWARF says of them.
//!
//! `LETGO_TEST_BINARIES` lists further programs with DWARF, separated by colons.

use std::fs::File;
use std::path::Path;

use letgo_gobin::{GoBinary, Image, Kind, Pointee, Types};
use letgo_target::Addr;

fn open(path: &Path) -> GoBinary {
    let image = Image::from_file(File::open(path).expect("open")).expect("an ELF file");
    GoBinary::open(image, None).expect("a Go program")
}

/// How what code says compares with what DWARF says.
#[derive(Default, Debug)]
struct Tally {
    same: usize,
    unknown: usize,
    beyond: usize,
    wrong: Vec<String>,
}

fn compare(binary: &GoBinary) -> Tally {
    let types = binary.types().expect("types");
    let code = binary.globals_by_code().expect("a readable program");
    let (words, variables) = binary
        .globals_by_dwarf()
        .expect("sound DWARF")
        .expect("DWARF");
    let name = |pointee: Pointee| match pointee {
        Pointee::Ptr(ty) => format!("ptr {}", types.name(ty).unwrap_or_default()),
        Pointee::Slice(ty) => format!("slice {}", types.name(ty).unwrap_or_default()),
        Pointee::Map(ty) => format!("map {}", types.name(ty).unwrap_or_default()),
        Pointee::Chan(ty) => format!("chan {}", types.name(ty).unwrap_or_default()),
        other => format!("{other:?}"),
    };
    let mut tally = Tally::default();
    for (word, truth) in &words {
        let at = |word: Addr| {
            let one = variables.iter().find(|one| one.range.contains(word));
            one.map_or_else(String::new, |one| {
                let offset = word.since(one.range.start());
                format!("{}+{offset:#x} {}", one.name, one.type_name)
            })
        };
        match code.pointee(*word) {
            None => tally.unknown += 1,
            Some(found) if is_same(&types, found, *truth) => tally.same += 1,
            Some(found) => {
                let told = format!("{}: {} for {}", at(*word), name(found), name(*truth));
                tally.wrong.push(told);
            }
        }
    }
    let known: Vec<Addr> = words.iter().map(|word| word.0).collect();
    for (word, pointee) in &code.pointees {
        if known.binary_search(word).is_err() {
            tally.beyond += 1;
            if std::env::var_os("LETGO_TEST_VERBOSE").is_some() {
                let one = variables.iter().find(|one| one.range.contains(*word));
                let one = one.map(|one| {
                    format!(
                        "{}+{:#x} {}",
                        one.name,
                        word.since(one.range.start()),
                        one.type_name
                    )
                });
                eprintln!("beyond {word}: {} {one:?}", name(*pointee));
            }
        }
    }
    tally
}

/// Whether both say the same of what is pointed to: an array of a known length starts as what a
/// slice points to.
fn is_same(types: &Types, found: Pointee, truth: Pointee) -> bool {
    let array = |ty| match types.at(ty) {
        Some(head) if head.kind == Kind::Array => types.elem(ty),
        _ => None,
    };
    match (found, truth) {
        (Pointee::Ptr(ty), Pointee::Slice(elem)) => array(ty) == Some(elem),
        (found, truth) => found == truth,
    }
}

#[test]
fn programs_of_this_machine_agree_with_their_dwarf() {
    let listed = std::env::var("LETGO_TEST_BINARIES").unwrap_or_default();
    for path in listed.split(':').filter(|path| !path.is_empty()) {
        let binary = open(Path::new(path));
        let started = std::time::Instant::now();
        let code = binary.globals_by_code().expect("code");
        let took = started.elapsed();
        let tally = compare(&binary);
        eprintln!(
            "{path} {} text {} KB: {took:?}; same {} unknown {} beyond {} conflicts {} wrong {} closures {} stores {}",
            binary.build.version,
            binary.module.text.len() >> 10,
            tally.same,
            tally.unknown,
            tally.beyond,
            code.conflicts,
            tally.wrong.len(),
            code.closures.len(),
            code.stores.len(),
        );
        for wrong in &tally.wrong {
            eprintln!("  WRONG {wrong}");
        }
    }
}
