//! Stores into a child: those that arrive, and those that are refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use letgo_linux::cgroup::Version;
use letgo_linux::journal::{JournalDir, Kind, Who};
use letgo_linux::write::{Outcome, Restored, Store, Stored, WriteError};
use letgo_linux::{Error, Refusal, Word, Writer, may_write};
use letgo_target::{Addr, ReadMemory};
use nix::libc;
use tempfile::TempDir;

use crate::child::{Child, resumes, until};
use crate::{is_root, skipped};

/// A child of shape `variables`, and a directory for its journal.
pub(crate) struct Ward {
    pub(crate) child: Child,
    pub(crate) dir: TempDir,
}

impl Ward {
    pub(crate) fn new(mode: &str) -> Ward {
        Ward {
            child: Child::start(&format!("variables {mode}")),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn journal(&self) -> JournalDir {
        JournalDir::at(self.dir.path()).unwrap()
    }

    pub(crate) fn open(&self) -> Result<Writer, Refusal> {
        Writer::open(&self.child.open(), self.journal(), Who::this("test"))
    }

    pub(crate) fn writer(&self) -> Writer {
        self.open().unwrap()
    }

    pub(crate) fn set(&mut self, name: &str, value: u64) {
        self.child.tell(&format!("set {name} {value}"));
        self.child.line("done");
    }

    /// What the child itself sees.
    pub(crate) fn get(&mut self, name: &str) -> u64 {
        self.child.tell(&format!("get {name}"));
        self.child.line("is").parse().unwrap()
    }

    pub(crate) fn put(
        &self,
        writer: &mut Writer,
        name: &str,
        words: (Word, Word),
        kind: Kind,
    ) -> Result<Stored, WriteError> {
        put_at(writer, name, self.child.address(name), words, kind)
    }
}

pub(crate) fn put_at(
    writer: &mut Writer,
    name: &str,
    addr: Addr,
    words: (Word, Word),
    kind: Kind,
) -> Result<Stored, WriteError> {
    writer.store(Store {
        name,
        addr,
        old: words.0,
        new: words.1,
        kind,
        reason: "a test",
    })
}

/// What became of each entry, newest first.
pub(crate) fn outcomes(restored: &Restored) -> Vec<String> {
    let one = |outcome: &Outcome| format!("{outcome:?}");
    restored
        .entries
        .iter()
        .map(|undone| format!("{} {}", undone.entry.name, one(&undone.outcome)))
        .collect()
}

const BIG: u64 = 0x1111_2222_3333_4444;

#[test]
fn words_of_each_width_arrive_and_go_back() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    let byte = (Word::U8(7), Word::U8(255));
    let few = (Word::U32(100), Word::U32(50));
    let many = (Word::U32(50), Word::U32(u32::MAX));
    let big = (Word::U64(BIG), Word::U64(u64::MAX));
    let zero = (Word::U64(0), Word::U64(1));
    for (name, words) in [
        ("byte", byte),
        ("half", few),
        ("half", many),
        ("big", big),
        ("zero", zero),
    ] {
        let stored = ward.put(&mut writer, name, words, Kind::Transient).unwrap();
        assert_eq!(stored.read_back, words.1);
        assert_eq!(stored.pause_ns > 0, words == many, "{name}: {stored:?}");
        assert_eq!(ward.get(name), words.1.bits());
    }
    let restored = writer.restore_transient();
    assert!(restored.is_whole());
    assert_eq!(
        outcomes(&restored),
        [
            "zero Restored",
            "big Restored",
            "half Restored",
            "half Restored",
            "byte Restored"
        ]
    );
    assert!(writer.restore_transient().is_empty());
    for (name, value) in [("byte", 7), ("half", 100), ("big", BIG), ("zero", 0)] {
        assert_eq!(ward.get(name), value, "{name}");
    }
}

#[test]
fn a_reason_that_no_journal_holds_keeps_the_store_from_being_made() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    let reason = "x".repeat(70_000);
    let store = Store {
        name: "half",
        addr: ward.child.address("half"),
        old: Word::U32(100),
        new: Word::U32(50),
        kind: Kind::Lasting,
        reason: &reason,
    };
    let error = writer.store(store).unwrap_err();
    assert!(matches!(error, WriteError::Journal { .. }), "{error}");
    assert_eq!(ward.get("half"), 100);
}

#[test]
fn a_store_of_what_is_there_is_none() {
    let ward = Ward::new("");
    let mut writer = ward.writer();
    let same = (Word::U32(100), Word::U32(100));
    let stored = ward.put(&mut writer, "half", same, Kind::Lasting).unwrap();
    assert_eq!(stored.number, None);
    assert!(writer.lasting().is_empty());
}

#[test]
fn what_is_no_variable_is_not_written() {
    let ward = Ward::new("");
    let mut writer = ward.writer();
    let memory = ward.child.memory();
    let places = [
        ("constant", "may not write"),
        ("function", "executable"),
        ("code", "executable"),
        ("shared", "shares"),
    ];
    for (name, why) in places {
        let addr = Addr(ward.child.said[name] & !7);
        let mut before = [0; 8];
        memory.read(addr, &mut before).unwrap();
        let old = u64::from_le_bytes(before);
        let words = (Word::U64(old), Word::U64(!old));
        let error = put_at(&mut writer, name, addr, words, Kind::Lasting).unwrap_err();
        assert!(
            matches!(error, WriteError::Place { .. }) && error.to_string().contains(why),
            "{name}: {error}"
        );
        assert!(!error.wrote());
        let mut after = [0; 8];
        memory.read(addr, &mut after).unwrap();
        assert_eq!(before, after, "{name}");
    }
    for addr in [Addr(0), Addr(0x1000), Addr(!7)] {
        let words = (Word::U64(0), Word::U64(1));
        let error = put_at(&mut writer, "nowhere", addr, words, Kind::Lasting).unwrap_err();
        assert!(error.to_string().contains("is not mapped"), "{error}");
    }
    assert!(writer.lasting().is_empty());
}

#[test]
fn an_address_that_is_not_aligned_is_refused() {
    let ward = Ward::new("");
    let mut writer = ward.writer();
    let big = ward.child.address("big");
    for (off, words) in [
        (4, (Word::U64(0), Word::U64(1))),
        (1, (Word::U32(0), Word::U32(1))),
    ] {
        let error = put_at(&mut writer, "big", big.add(off), words, Kind::Lasting).unwrap_err();
        assert!(matches!(error, WriteError::Unaligned { .. }), "{error}");
    }
    let words = (Word::U64(0), Word::U32(0));
    let error = put_at(&mut writer, "big", big, words, Kind::Lasting).unwrap_err();
    assert!(matches!(error, WriteError::Width { .. }), "{error}");
}

#[test]
fn a_word_that_changed_meanwhile_is_left() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    ward.set("half", 70);
    let words = (Word::U32(100), Word::U32(50));
    let error = ward
        .put(&mut writer, "half", words, Kind::Transient)
        .unwrap_err();
    let found = Word::U32(70);
    assert!(
        matches!(error, WriteError::Changed { found: seen, .. } if seen == found),
        "{error}"
    );
    assert!(writer.transient().is_empty());
    assert_eq!(ward.get("half"), 70);
}

#[test]
fn what_the_program_set_itself_is_kept() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    let big = (Word::U64(BIG), Word::U64(5));
    let half = (Word::U32(100), Word::U32(50));
    let zero = (Word::U64(0), Word::U64(1));
    let transient = Kind::Transient;
    ward.put(&mut writer, "big", big, transient).unwrap();
    ward.put(&mut writer, "half", half, transient).unwrap();
    ward.put(&mut writer, "zero", zero, Kind::SelfHealing)
        .unwrap();
    ward.set("big", 77);
    ward.set("half", 100);
    let restored = writer.restore_transient();
    assert_eq!(outcomes(&restored), ["half AsItWas", "big Kept(U64(77))"]);
    assert!(restored.is_whole());
    drop(writer);
    assert_eq!(ward.get("big"), 77);
    assert_eq!(ward.get("zero"), 1, "what heals itself is not put back");
}

#[test]
fn dropping_a_writer_puts_transient_stores_back_and_leaves_lasting_ones() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    let (big, half) = (
        (Word::U64(BIG), Word::U64(5)),
        (Word::U32(100), Word::U32(50)),
    );
    ward.put(&mut writer, "big", big, Kind::Transient).unwrap();
    ward.put(&mut writer, "half", half, Kind::Lasting).unwrap();
    drop(writer);
    assert_eq!((ward.get("big"), ward.get("half")), (BIG, 50));
    let mut writer = ward.writer();
    assert!(writer.recovered().is_empty());
    assert_eq!(writer.lasting().len(), 1);
    assert_eq!(outcomes(&writer.undo_lasting()), ["half Restored"]);
    assert!(writer.lasting().is_empty());
    assert_eq!(ward.get("half"), 100);
}

#[test]
fn undoing_goes_back_to_before_the_first_or_to_the_programs_own() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    for (old, new) in [(100, 50), (50, 40), (40, 30)] {
        let words = (Word::U32(old), Word::U32(new));
        ward.put(&mut writer, "half", words, Kind::Lasting).unwrap();
    }
    let words = (Word::U64(1000), Word::U64(2000));
    ward.put(&mut writer, "lasting", words, Kind::Lasting)
        .unwrap();
    assert_eq!(
        outcomes(&writer.undo_lasting()),
        ["lasting Restored", "half Restored"]
    );
    assert_eq!((ward.get("half"), ward.get("lasting")), (100, 1000));

    let words = (Word::U32(100), Word::U32(50));
    ward.put(&mut writer, "half", words, Kind::Lasting).unwrap();
    ward.set("half", 80);
    let words = (Word::U32(80), Word::U32(40));
    ward.put(&mut writer, "half", words, Kind::Lasting).unwrap();
    assert_eq!(outcomes(&writer.undo_lasting()), ["half Restored"]);
    assert_eq!(ward.get("half"), 80);

    let words = (Word::U32(80), Word::U32(40));
    ward.put(&mut writer, "half", words, Kind::Lasting).unwrap();
    ward.set("half", 60);
    assert_eq!(outcomes(&writer.undo_lasting()), ["half Kept(U32(60))"]);
    assert_eq!(ward.get("half"), 60);
}

#[test]
fn a_filter_on_the_target_does_not_matter() {
    let mut ward = Ward::new("sealed");
    assert_eq!(ward.child.open().status().unwrap().seccomp, 2);
    let mut writer = ward.writer();
    let words = (Word::U32(100), Word::U32(u32::MAX));
    ward.put(&mut writer, "half", words, Kind::Transient)
        .unwrap();
    assert_eq!(ward.get("half"), u64::from(u32::MAX));
    assert!(writer.restore_transient().is_whole());
    assert_eq!(ward.get("half"), 100);
}

#[test]
fn a_process_that_exited_is_refused_and_so_is_a_store_into_it() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    let process = ward.child.open();
    let words = (Word::U32(100), Word::U32(50));
    ward.put(&mut writer, "half", words, Kind::Transient)
        .unwrap();
    ward.child.kill();
    let words = (Word::U32(50), Word::U32(51));
    let error = ward
        .put(&mut writer, "half", words, Kind::Transient)
        .unwrap_err();
    assert!(
        matches!(error, WriteError::Target(Error::Gone { .. })),
        "{error}"
    );
    let restored = writer.restore_transient();
    assert_eq!(outcomes(&restored), ["half Gone"]);
    assert!(restored.is_whole());
    let refusal = may_write(&process).unwrap_err();
    assert!(
        matches!(refusal, Refusal::Target(Error::Gone { .. })),
        "{refusal}"
    );
}

#[test]
fn a_program_that_replaced_itself_is_not_written_to() {
    let mut child = Child::start("exec");
    let dir = tempfile::tempdir().unwrap();
    let dir = JournalDir::at(dir.path()).unwrap();
    let process = child.open();
    let mut writer = Writer::open(&process, dir.clone(), Who::this("test")).unwrap();
    let (counter, kind) = (child.address("counter"), Kind::Transient);
    let words = (Word::U64(0), Word::U64(7));
    put_at(&mut writer, "counter", counter, words, kind).unwrap();
    child.tell("go");
    child.line("ready");
    let words = (Word::U64(7), Word::U64(8));
    let error = put_at(&mut writer, "counter", counter, words, kind).unwrap_err();
    assert!(
        matches!(error, WriteError::Target(Error::Replaced { .. })),
        "{error}"
    );
    assert_eq!(outcomes(&writer.restore_transient()), ["counter Gone"]);
    drop(writer);
    let refusal = may_write(&process).unwrap_err();
    assert!(
        matches!(refusal, Refusal::Target(Error::Replaced { .. })),
        "{refusal}"
    );
    // What the journal has is about another program, and nobody's business any more.
    let again = Writer::open(&child.open(), dir, Who::this("test")).unwrap();
    assert!(again.recovered().is_empty() && again.transient().is_empty());
}

#[test]
fn a_stopped_process_is_refused_and_put_right_all_the_same() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    let words = (Word::U32(100), Word::U32(u32::MAX));
    ward.put(&mut writer, "half", words, Kind::Transient)
        .unwrap();
    ward.child.signal(libc::SIGSTOP);
    let process = ward.child.open();
    until("stopped", || {
        let tids = process.threads().unwrap();
        tids.iter()
            .all(|tid| process.thread_state(*tid) == Some('T'))
    });
    let refusal = may_write(&process).unwrap_err();
    assert!(matches!(refusal, Refusal::Stopped { .. }), "{refusal}");
    assert!(writer.restore_transient().is_whole());
    ward.child.signal(libc::SIGCONT);
    assert_eq!(ward.get("half"), 100);
}

#[test]
fn a_traced_process_is_refused_and_put_right_all_the_same() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    let words = (Word::U32(100), Word::U32(u32::MAX));
    ward.put(&mut writer, "half", words, Kind::Transient)
        .unwrap();
    let mut holder = Child::start(&format!("hold {}", ward.child.pid()));
    let tracer = holder.pid();
    let refusal = may_write(&ward.child.open()).unwrap_err();
    assert!(
        matches!(refusal, Refusal::Traced { tracer: found, .. } if found == tracer),
        "{refusal}"
    );
    assert!(writer.restore_transient().is_whole());
    holder.kill();
    assert_eq!(ward.get("half"), 100);
}

#[test]
fn a_process_that_locks_its_memory_is_refused() {
    let ward = Ward::new("mlocked");
    if ward.child.open().status().unwrap().vm_lck == 0 {
        return skipped("mlockall is not permitted");
    }
    let refusal = ward.open().unwrap_err();
    assert!(matches!(refusal, Refusal::Locked { .. }), "{refusal}");
}

/// A cgroup that can be frozen, thawed and removed when dropped.
struct Freezer {
    path: PathBuf,
    file: &'static str,
    frozen: &'static str,
    thawed: &'static str,
}

impl Freezer {
    /// A new cgroup with process `pid` in it; nothing where we may not make one.
    fn new(version: u8, pid: u32) -> Option<Freezer> {
        let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounts = letgo_linux::cgroup::parse_mounts(&text);
        let mount = mounts.iter().find(|mount| match mount.version {
            Version::V1 => version == 1 && mount.controllers.iter().any(|name| name == "freezer"),
            Version::V2 => version == 2,
        })?;
        let path = Path::new(&mount.mount_point).join(format!("letgo-{pid}"));
        std::fs::create_dir(&path).ok()?;
        let (file, frozen, thawed) = match version {
            1 => ("freezer.state", "FROZEN", "THAWED"),
            _ => ("cgroup.freeze", "1", "0"),
        };
        let freezer = Freezer {
            path,
            file,
            frozen,
            thawed,
        };
        let inside = freezer.write("cgroup.procs", &pid.to_string());
        (inside && freezer.path.join(file).exists()).then_some(freezer)
    }

    fn write(&self, file: &str, text: &str) -> bool {
        std::fs::write(self.path.join(file), text).is_ok()
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.write(self.file, self.thawed);
        until("the cgroup empty", || {
            std::fs::remove_dir(&self.path).is_ok()
        });
    }
}

fn refuse_frozen(version: u8) {
    let mut ward = Ward::new("");
    let Some(freezer) = Freezer::new(version, ward.child.pid()) else {
        return skipped(&format!("no freezer of cgroup version {version} to be had"));
    };
    let mut writer = ward.writer();
    let words = (Word::U32(100), Word::U32(50));
    ward.put(&mut writer, "half", words, Kind::Transient)
        .unwrap();
    assert!(freezer.write(freezer.file, freezer.frozen));
    let memory = ward.child.memory();
    until("frozen", || {
        !crate::child::counts(&memory, ward.child.address("counter"))
    });
    let refusal = may_write(&ward.child.open()).unwrap_err();
    match &refusal {
        Refusal::Frozen { cgroup, waited, .. } => {
            assert_eq!(cgroup, &format!("/letgo-{}", ward.child.pid()));
            assert!(*waited >= Duration::from_millis(500));
        }
        other => panic!("{other}"),
    }
    assert!(writer.restore_transient().is_whole());
    assert!(freezer.write(freezer.file, freezer.thawed));
    assert_eq!(ward.get("half"), 100);
    may_write(&ward.child.open()).unwrap();
    // A child that is killed while it is frozen would not end.
    ward.child.kill();
}

#[test]
fn a_process_frozen_by_version_one_is_refused_and_put_right_all_the_same() {
    refuse_frozen(1);
}

#[test]
fn a_process_frozen_by_version_two_is_refused_and_put_right_all_the_same() {
    refuse_frozen(2);
}

#[test]
fn another_users_process_is_refused_and_told_why() {
    if !is_root() {
        return skipped("only root can become another user");
    }
    let ward = Ward::new("");
    let pid = ward.child.pid();
    let copy = crate::child::Copy::new("writer");
    let mut command = crate::child::command(copy.path(), &format!("may-write {pid}"));
    std::os::unix::process::CommandExt::uid(&mut command, 4321);
    let mut other = Child::spawn(command.current_dir("/"));
    let answer = other.line("answer");
    assert!(
        answer.starts_with("denied") && answer.contains("it runs as user 0, we as user 4321"),
        "{answer}"
    );
}

#[test]
fn a_filter_on_ourselves_is_named() {
    let ward = Ward::new("");
    let pid = ward.child.pid();
    let mut other = Child::start(&format!("may-write {pid} filtered"));
    let answer = other.line("answer");
    assert!(
        answer.starts_with("denied") && answer.contains("seccomp filter is on us"),
        "{answer}"
    );
    resumes(&ward.child.memory(), ward.child.address("counter"));
}
