//! Reading a child's memory.

use std::sync::Arc;
use std::time::Duration;

use letgo_linux::{LiveMemory, Process, Stop, residency};
use letgo_target::{Addr, Fault, Piece, ReadMemory, read_u64};

use crate::child::Child;

#[test]
fn words_of_a_child_are_read() {
    let child = Child::start("pages");
    let memory = child.memory();
    let word = read_u64(&memory, child.address("counter")).unwrap();
    assert_eq!(word, 0x1234_5678_9abc_def0);
    let fault = read_u64(&memory, child.address("forbidden")).unwrap_err();
    assert!(matches!(fault, Fault::Unmapped { len: 8, .. }), "{fault}");
}

#[test]
fn where_a_filter_refuses_the_call_the_file_is_read() {
    let child = Child::start("pages");
    let (pid, addr) = (child.pid(), child.address("counter").0);
    let mut reader = Child::start(&format!("filtered {pid} {addr}"));
    let answer = reader.line("answer");
    assert_eq!(
        answer,
        "123456789abcdef0 true 8 bytes at 0x8 are not mapped in the target"
    );
}

#[test]
fn a_child_that_is_killed_in_between_is_gone() {
    let mut child = Child::start("pages");
    let memory = child.memory();
    let counter = child.address("counter");
    read_u64(&memory, counter).unwrap();
    child.kill();
    assert_eq!(read_u64(&memory, counter), Err(Fault::Gone));
    let mut buf = [0; 8];
    let mut pieces = [Piece::new(counter, &mut buf)];
    assert_eq!(memory.read_scattered(&mut pieces), Err(Fault::Gone));
}

/// Resident bytes, swap and page tables of a process.
fn footprint(process: &Process) -> (u64, u64, u64) {
    let status = process.status().unwrap();
    let total = process.smaps().unwrap().total;
    (total.rss, total.swap, status.vm_pte)
}

#[test]
fn reading_only_what_is_resident_faults_nothing_in() {
    let child = Child::start("pages");
    let process = child.open();
    let _held = Stop::all_threads(&process, Duration::from_secs(60)).unwrap();
    let maps = process.maps().unwrap();
    let scan = residency(&process, &maps).unwrap();
    let before = footprint(&process);
    let memory = child
        .memory()
        .only_resident(Arc::new(scan.residency), &maps);
    let mut page = vec![0; 4096];
    let (mut seen, mut refused) = (Vec::new(), 0);
    for mapping in &maps {
        let end = mapping.range.end().0;
        for addr in (mapping.range.start().0..end).step_by(4096) {
            match memory.read(Addr(addr), &mut page) {
                Ok(()) => seen.push((addr, page.clone())),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(
        seen.len() > 7000 && refused > 0,
        "{} read, {refused} not",
        seen.len()
    );
    assert_eq!(footprint(&process), before);

    // The same without the guard gives the same bytes, and does fault pages in.
    let memory = LiveMemory::new(&process).unwrap();
    for (addr, bytes) in &seen {
        memory.read(Addr(*addr), &mut page).unwrap();
        assert!(page == *bytes, "{addr:#x}");
    }
    let zero_before = scan.zero_bytes;
    let scan = residency(&process, &maps).unwrap();
    assert!(scan.zero_bytes > zero_before);
}

#[test]
fn a_piece_that_is_partly_present_is_read_without_touching_the_rest() {
    let child = Child::start("pages");
    let process = child.open();
    let _held = Stop::all_threads(&process, Duration::from_secs(60)).unwrap();
    let maps = process.maps().unwrap();
    let scan = residency(&process, &maps).unwrap();
    let before = footprint(&process);
    let memory = child
        .memory()
        .only_resident(Arc::new(scan.residency), &maps);
    // Of `anon`, every third page is written: its first byte is 7.
    let mut bytes = vec![9; 8 * 4096];
    memory.read(child.address("anon"), &mut bytes).unwrap();
    for (page, bytes) in bytes.chunks(4096).enumerate() {
        let first = if page % 3 == 0 { 7 } else { 0 };
        assert_eq!(bytes[0], first, "{page}");
        assert!(bytes[1..].iter().all(|byte| *byte == 0), "{page}");
    }
    let (mut one, mut two, mut three) = ([9; 4096], [9; 8192], [9; 16]);
    let mut pieces = [
        Piece::new(child.address("zero").add(40 * 4096), &mut one),
        Piece::new(child.address("anon").add(3 * 4096), &mut two),
        Piece::new(child.address("forbidden"), &mut three),
    ];
    memory.read_scattered(&mut pieces).unwrap();
    assert_eq!(
        pieces.each_ref().map(|piece| piece.filled),
        [true, true, false]
    );
    assert!(one.iter().all(|byte| *byte == 0) && two[0] == 7 && two[4096] == 0);
    assert_eq!(footprint(&process), before);
}
