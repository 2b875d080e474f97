//! The shape `protocol`: a letgo that changes a process of shape `variables` and puts it back,
//! under a watchdog. It is killed at each of its steps by [`crate::killing`].

use std::path::{Path, PathBuf};

use letgo_linux::journal::{JournalDir, Kind, Who};
use letgo_linux::watchdog::{self, Ending, Watchdog};
use letgo_linux::write::{Sleeper, Store};
use letgo_linux::{Process, Word, Writer};
use letgo_target::Addr;
use nix::libc;

use crate::child::Child;
use crate::shapes::ready;

/// What the shape is told: a process, a directory, and where words lie.
pub(crate) struct Task {
    pub(crate) pid: u32,
    pub(crate) start: u64,
    pub(crate) dir: PathBuf,
    places: Vec<u64>,
}

const NAMES: [&str; 8] = [
    "big", "half", "lasting", "limit", "zero", "lock", "waits", "note",
];

impl Task {
    pub(crate) fn new(target: &Child, dir: &Path) -> Task {
        Task {
            pid: target.pid(),
            start: target.open().start_ticks(),
            dir: dir.to_owned(),
            places: NAMES.map(|name| target.said[name]).to_vec(),
        }
    }

    /// The shape that does it.
    pub(crate) fn shape(&self) -> String {
        let places: Vec<String> = self.places.iter().map(u64::to_string).collect();
        let dir = self.dir.display();
        format!(
            "protocol {} {} {} {dir}",
            self.pid,
            self.start,
            places.join(",")
        )
    }

    fn parse(text: &str) -> Task {
        let words: Vec<&str> = text.splitn(4, ' ').collect();
        let [pid, start, places, dir] = words[..] else {
            panic!("{text}");
        };
        Task {
            pid: pid.parse().unwrap(),
            start: start.parse().unwrap(),
            dir: dir.into(),
            places: places
                .split(',')
                .map(|place| place.parse().unwrap())
                .collect(),
        }
    }

    fn place(&self, name: &str) -> Addr {
        let at = NAMES.iter().position(|known| *known == name).unwrap();
        Addr(self.places[at])
    }

    fn store_big(&self) -> Store<'static> {
        Store {
            name: "big",
            addr: self.place("big"),
            old: Word::U64(0x1111_2222_3333_4444),
            new: Word::U64(5),
            kind: Kind::Transient,
            reason: "a test",
        }
    }

    fn journal(&self) -> JournalDir {
        JournalDir::at(&self.dir).unwrap()
    }
}

/// Does everything once.
pub(crate) fn run(argument: &str) {
    let task = Task::parse(argument);
    ready("");
    let process = Process::open(task.pid).unwrap();
    let mut writer = Writer::open(&process, task.journal(), Who::this("release")).unwrap();
    let watchdog = Watchdog::start(["--exact", "child::watchdog", "--nocapture"]).unwrap();
    let stores = [
        ("lasting", Word::U64(1000), Word::U64(2000), Kind::Lasting),
        (
            "limit",
            Word::U32(400),
            Word::U32(0x0102_0304),
            Kind::Lasting,
        ),
        (
            "big",
            Word::U64(0x1111_2222_3333_4444),
            Word::U64(5),
            Kind::Transient,
        ),
        ("half", Word::U32(100), Word::U32(u32::MAX), Kind::Transient),
        ("big", Word::U64(5), Word::U64(6), Kind::Transient),
        ("zero", Word::U64(0), Word::U64(1), Kind::SelfHealing),
    ];
    for (name, old, new, kind) in stores {
        let store = Store {
            name,
            addr: task.place(name),
            old,
            new,
            kind,
            reason: "a test",
        };
        writer.store(store).unwrap();
    }
    let sleeper = Sleeper {
        name: "the sleeper",
        lock: task.place("lock"),
        waits: task.place("waits"),
        waits_width: 4,
        note: task.place("note"),
    };
    writer.wake(sleeper).unwrap();
    let restored = writer.restore_transient();
    assert!(
        restored.is_whole() && restored.entries.len() == 3,
        "{restored:?}"
    );
    drop(writer);
    watchdog.done().unwrap();
    println!("\ndone");
}

/// Stores something under a watchdog, says who that is, and waits.
pub(crate) fn wait_watched(argument: &str) {
    let task = Task::parse(argument);
    let process = Process::open(task.pid).unwrap();
    let mut writer = Writer::open(&process, task.journal(), Who::this("release")).unwrap();
    let mut watchdog = Watchdog::start(["--exact", "child::watchdog", "--nocapture"]).unwrap();
    writer.store(task.store_big()).unwrap();
    assert!(watchdog.is_alive());
    ready(&format!("watchdog={}", watchdog.pid()));
    let _ = std::io::read_to_string(std::io::stdin());
    drop(writer);
    watchdog.done().unwrap();
}

/// Says whether it could open a writer.
pub(crate) fn try_open(argument: &str) {
    let task = Task::parse(argument);
    ready("");
    let process = Process::open(task.pid).unwrap();
    let writer = Writer::open(&process, task.journal(), Who::this("other"));
    match &writer {
        Ok(_) => println!("\nanswer opened"),
        Err(refusal) => println!("\nanswer {refusal}"),
    }
    let _ = std::io::read_to_string(std::io::stdin());
}

/// Tries a store where files may not grow.
pub(crate) fn fill_up(argument: &str) {
    let task = Task::parse(argument);
    ready("");
    let process = Process::open(task.pid).unwrap();
    let mut writer = Writer::open(&process, task.journal(), Who::this("other")).unwrap();
    // Room for a part of a line.
    forbid_growth(&task, 20);
    let error = writer.store(task.store_big()).unwrap_err();
    assert!(!error.wrote());
    println!("\nanswer {error}");
}

/// Lets files of this process grow to `room` bytes more than the journal has.
fn forbid_growth(task: &Task, room: u64) {
    let journal = std::fs::read_dir(&task.dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .find(|entry| entry.path().extension().is_some_and(|ext| ext == "journal"))
        .unwrap();
    let most = journal.metadata().unwrap().len() + room;
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: `SIG_IGN` is no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    // SAFETY: `limit` is valid during the call.
    let answer = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
    assert_eq!(answer, 0);
}

/// What its watchdog does.
pub(crate) fn watch(shape: &str) {
    if watchdog::wait_for_parent() == Ending::Done {
        return;
    }
    let (_, argument) = shape.split_once(' ').unwrap();
    let task = Task::parse(argument);
    let who = Who::this("watchdog");
    watchdog::recover(task.pid, task.start, task.journal(), who).unwrap();
}
