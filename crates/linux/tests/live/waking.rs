//! Waking a child's sleeper: with its lock free and taken, asleep and awake, whole and cut off.

use letgo_linux::journal::{JournalDir, Kind, Who};
use letgo_linux::write::{Sleeper, Store, Wake, WriteError};
use letgo_linux::{Word, Writer};
use letgo_target::{Addr, read_u64};

use crate::child::{Child, resumes, until};

fn sleeper(child: &Child) -> Sleeper<'static> {
    Sleeper {
        name: "the sleeper",
        lock: child.address("lock"),
        waits: child.address("waits"),
        waits_width: 4,
        note: child.address("note"),
    }
}

fn writer(child: &Child, dir: &tempfile::TempDir) -> Writer {
    let dir = JournalDir::at(dir.path()).unwrap();
    Writer::open(&child.open(), dir, Who::this("test")).unwrap()
}

/// How often the sleeper was woken.
fn woken(child: &Child) -> u64 {
    read_u64(&child.memory(), child.address("woken")).unwrap()
}

/// Waits until the sleeper is inside of futex(2) on its note.
pub(crate) fn falls_asleep(child: &Child) {
    let process = child.open();
    let note = format!("{:#x}", child.address("note").0);
    until("the sleeper asleep", || {
        process.threads().unwrap().iter().any(|tid| {
            let file = format!("/proc/{}/task/{tid}/syscall", child.pid());
            let text = std::fs::read_to_string(file).unwrap_or_default();
            text.split(' ').nth(1) == Some(&note)
        })
    });
}

#[test]
fn a_sleeper_is_woken_once_for_each_wake() {
    let child = Child::start("variables sleeper");
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&child, &dir);
    for round in 0..200 {
        falls_asleep(&child);
        let wake = writer.wake(sleeper(&child)).unwrap();
        assert!(
            matches!(wake, Wake::Woken { pause_ns: 1.. }),
            "{round}: {wake:?}"
        );
        until("awake", || woken(&child) == round + 1);
    }
    drop(writer);
    assert_eq!(child.open().status().unwrap().tracer, 0);
    resumes(&child.memory(), child.address("counter"));
}

/// The program wakes its sleeper itself all the time. Two wakes at once would end it.
#[test]
fn wakes_of_ours_and_of_the_program_do_not_meet() {
    let mut child = Child::start("variables sleeper");
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&child, &dir);
    let mut ours = 0;
    for _ in 0..300 {
        child.tell("wake");
        let wake = writer.wake(sleeper(&child)).unwrap();
        ours += u64::from(matches!(wake, Wake::Woken { .. }));
        child.line("done");
    }
    falls_asleep(&child);
    assert!(woken(&child) >= ours);
    writer.wake(sleeper(&child)).unwrap();
}

#[test]
fn who_is_awake_is_not_stopped() {
    let child = Child::start("variables");
    let dir = tempfile::tempdir().unwrap();
    let wake = writer(&child, &dir).wake(sleeper(&child)).unwrap();
    assert_eq!(wake, Wake::Awake { pause_ns: 0 });
}

#[test]
fn a_lock_that_is_held_is_left_alone() {
    let mut child = Child::start("variables sleeper");
    falls_asleep(&child);
    child.tell("set lock 1");
    child.line("done");
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&child, &dir);
    let wake = writer.wake(sleeper(&child)).unwrap();
    assert!(matches!(wake, Wake::Locked { pause_ns: 1.. }), "{wake:?}");
    assert_eq!(read_u64(&child.memory(), child.address("note")), Ok(0));
    child.tell("set lock 0");
    child.line("done");
    let wake = writer.wake(sleeper(&child)).unwrap();
    assert!(matches!(wake, Wake::Woken { .. }), "{wake:?}");
    until("awake", || woken(&child) == 1);
}

/// The flag is set, the lock is free, and nobody waits for the note: a wrong address, or a thread
/// that has not gone to sleep yet.
#[test]
fn nobody_on_the_note_is_nobody_asleep() {
    let child = Child::start("variables");
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&child, &dir);
    let flag = Store {
        name: "waits",
        addr: child.address("waits"),
        old: Word::U32(0),
        new: Word::U32(1),
        kind: Kind::SelfHealing,
        reason: "a test",
    };
    writer.store(flag).unwrap();
    let wake = writer.wake(sleeper(&child)).unwrap();
    assert!(matches!(wake, Wake::Locked { .. }), "{wake:?}");
    assert_eq!(read_u64(&child.memory(), child.address("note")), Ok(0));
}

#[test]
fn a_wake_at_a_place_that_is_no_variable_is_refused() {
    let child = Child::start("variables sleeper");
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&child, &dir);
    let mut wrong = sleeper(&child);
    wrong.note = child.address("function");
    wrong.note = Addr(wrong.note.0 & !7);
    let error = writer.wake(wrong).unwrap_err();
    assert!(matches!(error, WriteError::Place { .. }), "{error}");
    let mut wrong = sleeper(&child);
    wrong.waits_width = 2;
    let error = writer.wake(wrong).unwrap_err();
    assert!(matches!(error, WriteError::Width { .. }), "{error}");
}

/// As if letgo had been killed between the two stores of a wake: the flag is cleared, the note is
/// not set, and the journal has the wake.
#[test]
fn a_wake_that_was_cut_off_is_finished_by_the_next_writer() {
    let child = Child::start("variables sleeper");
    falls_asleep(&child);
    let dir = tempfile::tempdir().unwrap();
    let mut first = writer(&child, &dir);
    let flag = Store {
        name: "waits",
        addr: child.address("waits"),
        old: Word::U32(1),
        new: Word::U32(0),
        kind: Kind::SelfHealing,
        reason: "a test",
    };
    first.store(flag).unwrap();
    drop(first);
    let journal = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ext| ext == "journal"))
        .unwrap();
    let mut text = std::fs::read_to_string(&journal).unwrap();
    let [lock, waits, note] = ["lock", "waits", "note"].map(|name| child.said[name]);
    text += &format!(
        "{{\"wake\":{{\"number\":9,\"places\":{{\"lock\":\"{lock:#x}\",\"waits\":\"{waits:#x}\",\
         \"waits_width\":4,\"note\":\"{note:#x}\"}},\"who\":{{\"uid\":0,\"pid\":1,\
         \"verb\":\"release\"}},\"at_ms\":1}}}}\n"
    );
    std::fs::write(&journal, text).unwrap();
    let second = writer(&child, &dir);
    assert!(second.recovered().is_whole(), "{:?}", second.recovered());
    until("awake", || woken(&child) == 1);
}
