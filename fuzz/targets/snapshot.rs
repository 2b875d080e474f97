#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| letgo_fuzz::snapshot(bytes));
