//! Journals on the disk: who may write, what is found, what is cleaned up.

use std::fs;
use std::path::PathBuf;

use letgo_linux::journal::{self, Fate, Kind};
use letgo_linux::{Refusal, Word, Writer};

use crate::child::{Child, until};
use crate::protocol::Task;
use crate::writing::{Ward, outcomes};

fn files(ward: &Ward, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(ward.dir.path()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect()
}

fn journal(ward: &Ward) -> PathBuf {
    let [path] = &files(ward, ".journal")[..] else {
        panic!("{:?}", files(ward, ""));
    };
    path.clone()
}

#[test]
fn there_is_one_writer_at_a_time_and_the_other_is_told_who() {
    let ward = Ward::new("");
    let writer = ward.writer();
    let refusal = ward.open().unwrap_err();
    let ours = std::process::id();
    match refusal {
        Refusal::InUse { by, verb, .. } => assert_eq!((by, verb.as_str()), (ours, "test")),
        other => panic!("{other}"),
    }
    // Another process, and another directory: the process itself is locked.
    let task = Task::new(&ward.child, ward.dir.path());
    let mut other = Child::start(&task.shape().replace("protocol", "try-open"));
    let answer = other.line("answer");
    assert!(
        answer.contains(&format!("`letgo test` (process {ours})")),
        "{answer}"
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let task = Task::new(&ward.child, elsewhere.path());
    let mut other = Child::start(&task.shape().replace("protocol", "try-open"));
    let answer = other.line("answer");
    assert!(answer.contains("by another letgo:"), "{answer}");
    drop(writer);
    let task = Task::new(&ward.child, ward.dir.path());
    let mut other = Child::start(&task.shape().replace("protocol", "try-open"));
    assert_eq!(other.line("answer"), "opened");
    other.wait();
    ward.writer();
}

#[test]
fn readers_see_orphans_only_when_their_writer_is_gone() {
    let ward = Ward::new("");
    let (process, dir) = (ward.child.open(), ward.journal());
    assert_eq!(journal::orphans_in(&dir, &process).unwrap(), []);
    assert!(files(&ward, "").is_empty(), "a reader makes nothing");
    let mut writer = ward.writer();
    let words = (Word::U32(100), Word::U32(50));
    ward.put(&mut writer, "half", words, Kind::Transient)
        .unwrap();
    let words = (Word::U64(1000), Word::U64(2000));
    ward.put(&mut writer, "lasting", words, Kind::Lasting)
        .unwrap();
    assert_eq!(journal::orphans_in(&dir, &process).unwrap(), []);
    let lasting = journal::lasting_in(&dir, &process).unwrap();
    assert_eq!(lasting.len(), 1);
    assert_eq!((lasting[0].old, lasting[0].new), words);
    let text = fs::read(journal(&ward)).unwrap();
    drop(writer);
    assert_eq!(journal::orphans_in(&dir, &process).unwrap(), []);
    // As it was in the middle, with nobody there.
    fs::write(journal(&ward), text).unwrap();
    let orphans = journal::orphans_in(&dir, &process).unwrap();
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0].name, "half");
    assert_eq!(orphans[0].who.verb, "test");
    assert!(journal::Log::parse(&fs::read(journal(&ward)).unwrap()).strange() == 0);
}

#[test]
fn a_torn_last_line_does_not_spoil_the_next() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    let words = (Word::U32(100), Word::U32(50));
    ward.put(&mut writer, "half", words, Kind::Lasting).unwrap();
    drop(writer);
    let mut text = fs::read(journal(&ward)).unwrap();
    text.extend(b"{\"store\":{\"number\":2,\"na");
    fs::write(journal(&ward), text).unwrap();
    let mut writer = ward.writer();
    let words = (Word::U64(0), Word::U64(1));
    ward.put(&mut writer, "zero", words, Kind::Lasting).unwrap();
    drop(writer);
    let mut writer = ward.writer();
    assert_eq!(
        outcomes(&writer.undo_lasting()),
        ["zero Restored", "half Restored"]
    );
    assert_eq!((ward.get("half"), ward.get("zero")), (100, 0));
}

#[test]
fn a_journal_of_a_newer_letgo_or_a_damaged_one_is_not_touched() {
    let ward = Ward::new("");
    let mut writer = ward.writer();
    let words = (Word::U32(100), Word::U32(50));
    ward.put(&mut writer, "half", words, Kind::Lasting).unwrap();
    drop(writer);
    let text = fs::read_to_string(journal(&ward)).unwrap();
    let newer = text.replacen("\"letgo.journal\":1", "\"letgo.journal\":2", 1);
    fs::write(journal(&ward), &newer).unwrap();
    let refusal = ward.open().unwrap_err();
    assert!(
        matches!(refusal, Refusal::NewerJournal { version: 2, .. }),
        "{refusal}"
    );
    assert_eq!(fs::read_to_string(journal(&ward)).unwrap(), newer);
    let damaged = text.replacen('{', "[", 1);
    fs::write(journal(&ward), &damaged).unwrap();
    let refusal = ward.open().unwrap_err();
    assert!(matches!(refusal, Refusal::Journal { .. }), "{refusal}");
    assert_eq!(fs::read_to_string(journal(&ward)).unwrap(), damaged);
}

#[test]
fn journals_of_processes_that_are_gone_are_removed() {
    let ward = Ward::new("");
    let (mut gone, alive) = (Ward::new(""), Ward::new(""));
    for other in [&gone, &alive] {
        let mut writer = Writer::open(
            &other.child.open(),
            ward.journal(),
            journal::Who::this("test"),
        )
        .unwrap();
        let words = (Word::U32(100), Word::U32(50));
        other
            .put(&mut writer, "half", words, Kind::Lasting)
            .unwrap();
    }
    gone.child.kill();
    let text = fs::read_to_string(&files(&ward, ".journal")[0]).unwrap();
    let path = |name: &str| ward.dir.path().join(name);
    let start = |key: &str, value: &str| {
        let at = text.find(&format!("\"{key}\":")).unwrap();
        let end = at + text[at..].find(',').unwrap();
        format!("{}\"{key}\":{value}{}", &text[..at], &text[end..])
    };
    // Another boot of another machine, another namespace, no journal at all: not ours to judge.
    fs::write(path("x-1-1.journal"), start("boot", "\"another\"")).unwrap();
    fs::write(path("y-1-1.journal"), text.replace("pid:[", "pid:[9")).unwrap();
    fs::write(path("z-1-1.journal"), "").unwrap();
    // An earlier boot of this one.
    let old = path("w-1-1.journal");
    fs::write(&old, start("boot", "\"earlier\"")).unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = fs::File::options().append(true).open(&old).unwrap();
    file.set_modified(long_ago).unwrap();
    assert_eq!(files(&ward, ".journal").len(), 6);
    drop(ward.writer());
    let left: Vec<String> = files(&ward, ".journal")
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(left.len(), 5, "{left:?}");
    let has = |text: String| left.iter().any(|name| name.contains(&text));
    assert!(!has(format!("-{}-", gone.child.pid())), "{left:?}");
    assert!(has(format!("-{}-", alive.child.pid())), "{left:?}");
    assert!(!has("w-1-1".into()) && has("x-1-1".into()), "{left:?}");
}

#[test]
fn a_long_journal_is_rewritten_and_forgets_nothing() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    let words = (Word::U64(1000), Word::U64(2000));
    ward.put(&mut writer, "lasting", words, Kind::Lasting)
        .unwrap();
    let words = (Word::U32(400), Word::U32(300));
    ward.put(&mut writer, "limit", words, Kind::Transient)
        .unwrap();
    let most = 400 << 10;
    for round in 0..3000_u32 {
        let words = (Word::U32(100 + round), Word::U32(101 + round));
        ward.put(&mut writer, "half", words, Kind::Lasting).unwrap();
        if round % 100 == 0 {
            let len = fs::metadata(journal(&ward)).unwrap().len();
            assert!(len < most, "{round}: {len} bytes");
            let refusal = ward.open().unwrap_err();
            assert!(matches!(refusal, Refusal::InUse { .. }), "{refusal}");
        }
    }
    assert_eq!(outcomes(&writer.restore_transient()), ["limit Restored"]);
    drop(writer);
    let mut writer = ward.writer();
    assert_eq!(
        outcomes(&writer.undo_lasting()),
        ["half Restored", "lasting Restored"]
    );
    assert_eq!((ward.get("half"), ward.get("lasting")), (100, 1000));
}

#[test]
fn actions_are_told_to_people() {
    let mut ward = Ward::new("");
    let mut writer = ward.writer();
    let words = (Word::U32(100), Word::U32(50));
    ward.put(&mut writer, "half", words, Kind::Transient)
        .unwrap();
    let words = (Word::U64(0), Word::U64(1));
    ward.put(&mut writer, "zero", words, Kind::Transient)
        .unwrap();
    ward.set("half", 80);
    writer.restore_transient();
    let text = fs::read_to_string(ward.dir.path().join("actions.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let did: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {}", line["did"], line["variable"]).replace('"', ""))
        .collect();
    assert_eq!(
        did,
        ["store half", "store zero", "restored zero", "kept half"]
    );
    let kept = &lines[3];
    assert_eq!(kept["found"], "0x50");
    assert_eq!(
        (&kept["old"], &kept["new"]),
        (&"0x64".into(), &"0x32".into())
    );
    assert_eq!(kept["target"]["pid"], ward.child.pid());
    assert_eq!(kept["who"]["verb"], "test");
    assert_eq!(kept["reason"], "a test");
    assert_eq!(serde_json::to_value(Fate::AsItWas).unwrap(), "as-it-was");
}

#[test]
fn a_journal_that_cannot_be_written_lets_nothing_be_written() {
    // A full disk, as far as this process is concerned.
    let mut ward = Ward::new("");
    let task = Task::new(&ward.child, ward.dir.path());
    let mut other = Child::start(&task.shape().replace("protocol", "full-disk"));
    let answer = other.line("answer");
    assert!(answer.contains("cannot be kept"), "{answer}");
    other.wait();
    assert_eq!(ward.get("big"), 0x1111_2222_3333_4444);
    until("the lock free", || ward.open().is_ok());
    assert!(ward.writer().transient().is_empty());
}
