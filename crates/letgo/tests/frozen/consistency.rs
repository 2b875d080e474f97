//! A copy is of one instant, and has what the target had.

use letgo_linux::frozen::{joined_residency, joined_smaps};
use letgo_linux::{LiveMemory, Process};
use letgo_target::{Addr, read_u64};
use letgo_testkit::{Case, Kind, NEWEST_GO, Patient};

use crate::{cases, copies_of, copy, is_unharmed, may_copy, newest, patient, until};

/// The crests of the patient's wave, first to last.
fn wave(memory: &LiveMemory, patient: &Patient) -> Vec<u64> {
    let truth = patient.truth();
    let crest = |at: u64| Addr(truth.get("wave") + at * truth.get("os_page"));
    let crests = 0..truth.get("crests");
    crests
        .map(|at| read_u64(memory, crest(at)).unwrap())
        .collect()
}

/// The words fall by one at most once: as they do at any instant.
fn is_of_one_instant(wave: &[u64]) -> bool {
    let (first, last) = (wave[0], wave[wave.len() - 1]);
    wave.is_sorted_by(|a, b| a >= b) && first - last <= 1
}

#[test]
fn a_copy_is_of_one_instant_and_stays_so() {
    if !may_copy("a_copy_is_of_one_instant_and_stays_so") {
        return;
    }
    for case in cases() {
        let mut patient = patient(&case, &["-wave", "-garbage", "-mib=8"], &[]);
        let live = LiveMemory::new(&Process::open(patient.pid()).unwrap()).unwrap();
        let mut torn = 0;
        for round in 0..25 {
            let mut frozen = copy(&patient);
            let memory = LiveMemory::new(frozen.process()).unwrap();
            let first = wave(&memory, &patient);
            assert!(is_of_one_instant(&first), "{case:?} {round}: {first:?}");
            until("the target runs on", || wave(&live, &patient)[0] > first[0]);
            torn += usize::from(!is_of_one_instant(&wave(&live, &patient)));
            assert_eq!(wave(&memory, &patient), first, "{case:?} {round}");
            let held = patient.truth().get("held");
            for at in 0..patient.truth().get("held_bytes") / 4096 {
                assert_eq!(read_u64(&memory, Addr(held + at * 4096)), Ok(at));
            }
            assert!(frozen.release().whole);
        }
        assert!(torn > 0, "the wave of a running target is never torn");
        is_unharmed(&mut patient, &format!("{case:?}"));
    }
}

#[test]
fn registers_of_all_threads_are_kept() {
    if !may_copy("registers_of_all_threads_are_kept") {
        return;
    }
    let patient = newest(&["-wave", "-threads=20"]);
    let frozen = copy(&patient);
    let threads = frozen.threads();
    assert!(threads.len() > 20);
    assert!(threads.iter().all(|thread| thread.registers.is_some()));
    assert_eq!(frozen.report().stop.threads, threads.len());
    let copied = frozen.process().threads().unwrap();
    assert_eq!(copied, [frozen.process().pid()], "it has one thread");
}

/// A stopped target has nothing to differ in: the sum over its copy is its own, to the byte.
#[test]
fn residency_and_rss_of_a_stopped_target_are_its_own() {
    if !may_copy("residency_and_rss_of_a_stopped_target_are_its_own") {
        return;
    }
    for kind in [Kind::stripped_pie(), Kind::cgo()] {
        let version = NEWEST_GO;
        let case = Case { version, kind };
        let mut patient = patient(&case, &["-mib=32"], &[]);
        patient.stop().unwrap();
        let mut frozen = copy(&patient);
        let (child, target) = (frozen.process(), frozen.target());
        let maps = child.maps().unwrap();
        assert_eq!(maps, target.maps().unwrap());
        let joined = joined_residency(child, target, &maps).unwrap();
        let own = letgo_linux::residency(target, &maps).unwrap();
        assert_eq!(joined.residency, own.residency, "{case:?}");
        let smaps = target.smaps().unwrap();
        let sum = joined_smaps(&child.smaps().unwrap(), &smaps);
        assert_eq!(sum.total.rss, smaps.total.rss, "{case:?}");
        assert_eq!(joined.residency.resident().0, smaps.total.rss, "{case:?}");
        assert!(sum.total.rss > 32 << 20);
        assert!(frozen.release().whole);
        patient.resume().unwrap();
        is_unharmed(&mut patient, &format!("{case:?}"));
    }
}

#[test]
fn a_copy_that_is_dropped_is_gone() {
    if !may_copy("a_copy_that_is_dropped_is_gone") {
        return;
    }
    let mut patient = newest(&[]);
    let frozen = copy(&patient);
    let pid = patient.pid();
    let child = frozen.process().pid();
    assert_eq!(copies_of(pid), [(child, 't')]);
    drop(frozen);
    is_unharmed(&mut patient, "dropped");
}
