//! How long a Go program takes to open and to have all its globals located.
//!
//! `LETGO_BENCH_BINARY` names the program; a stripped one is the harder case. Without it, Debian's
//! stripped prometheus is taken, if installed.
#![allow(missing_docs, reason = "criterion_group makes public items")]

use std::fs::File;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use letgo_gobin::{GoBinary, Image, Layouts};

fn locate(criterion: &mut Criterion) {
    let path = std::env::var_os("LETGO_BENCH_BINARY")
        .map_or_else(|| PathBuf::from("/usr/bin/prometheus"), PathBuf::from);
    let open = |facts| {
        let image = Image::from_file(File::open(&path)?)?;
        Ok::<_, Box<dyn std::error::Error>>(GoBinary::open(image, facts)?)
    };
    let first = match open(None) {
        Ok(binary) => binary,
        Err(error) => {
            eprintln!(
                "SKIPPED: {}: {error}; set LETGO_BENCH_BINARY",
                path.display()
            );
            return;
        }
    };
    let (found, facts) = (first.globals.iter().count(), first.facts_for_cache());
    let (functions, version) = (first.functions.len(), &first.build.version);
    eprintln!("{version}, {functions} functions, {found} globals found");
    criterion.bench_function("open and locate", |bench| bench.iter(|| open(None).is_ok()));
    criterion.bench_function("kernel: the file, read once", |bench| {
        bench.iter(|| std::fs::read(&path).is_ok());
    });
    if facts.is_some() {
        criterion.bench_function("open with cached facts", |bench| {
            bench.iter(|| open(facts.as_ref()).is_ok());
        });
    }
    if first.image.has_dwarf() {
        criterion.bench_function("layouts from DWARF", |bench| {
            let wanted = |name: &str| name.starts_with("runtime.");
            bench.iter(|| Layouts::from_dwarf(&first.image, &wanted).is_ok());
        });
    }
}

criterion_group!(benches, locate);
criterion_main!(benches);
