//! Entry point for the fuzz target and for hostile-input tests: takes any bytes and must return.
//!
//! Not part of the crate's interface.

use letgo_target::{Addr, ReadMemory};

use crate::CoreFile;

/// Everything that is done to a core: true where it was opened.
pub fn core(bytes: &[u8]) -> bool {
    let Ok(mut core) = CoreFile::from_source(Box::new(bytes.to_vec())) else {
        return false;
    };
    let _ = (core.pid(), core.signal(), core.program_headers());
    let paths: Vec<String> = core.files().iter().map(|file| file.path.clone()).collect();
    for path in paths.iter().take(4) {
        let _ = core.build_id(path);
        let _ = core.attach(path, Box::new(bytes.to_vec()));
    }
    let mapped: u128 = core
        .mappings()
        .iter()
        .map(|mapping| u128::from(mapping.range.len()))
        .sum();
    let readable = core.readable();
    let sum: u128 = readable.iter().map(|range| u128::from(range.len())).sum();
    assert!(sum <= mapped, "more is readable than was mapped");
    for range in readable.iter().take(64) {
        let mut byte = [0];
        let last = Addr(range.end().0.saturating_sub(1));
        for addr in [range.start(), last] {
            assert!(
                core.read(addr, &mut byte).is_ok(),
                "{addr} is said to be readable"
            );
        }
        let _ = core.read(range.start(), &mut [0; 8192]);
    }
    let _ = (core.present(), core.written(), core.coverage());
    true
}
