//! Every seed, and every input that once failed, through its target.

use std::fs;
use std::path::Path;

use letgo_fuzz::TARGETS;

fn replay(dir: &str) -> usize {
    let mut count = 0;
    for (name, run) in TARGETS {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir).join(name);
        let Ok(entries) = fs::read_dir(dir) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            eprintln!("{}", path.display());
            run(&fs::read(path).unwrap());
            count += 1;
        }
    }
    count
}

#[test]
fn seeds_are_survived() {
    assert!(replay("seeds") >= TARGETS.len());
}

#[test]
fn what_once_failed_is_survived() {
    replay("crashes");
}

#[test]
fn bytes_of_all_lengths_are_survived() {
    for (_, run) in TARGETS {
        for len in (0..200).chain([4095, 4096, 70_000]) {
            run(&vec![0xff; len]);
            run(&vec![0; len]);
        }
    }
}
