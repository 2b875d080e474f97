//! [`Actions`]: what was done to which process, for people: `actions.jsonl`, and the system's log.
//!
//! Best effort: a full disk or a missing log daemon keeps nobody from putting a value back.
//! The file is rotated once (`actions.jsonl.1`). The system's log gets one line for each change
//! that the program does not overwrite itself.
//!
//! Does not decide anything; nothing is ever restored from here.
//!
//! Source: syslog(3), RFC 3164 section 4.1 (a local log daemon adds time and host).

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::fcntl::OFlag;
use serde::Serialize;

use super::JournalDir;
use super::record::{Entry, Kind, Who, now_ms};
use crate::Process;
use crate::write::Word;

const NAME: &str = "actions.jsonl";
const OLDER: &str = "actions.jsonl.1";
/// Bytes above which the file is rotated.
const ROTATE_ABOVE: u64 = 8 << 20;
/// Where the system's log usually listens.
const SYSLOG: &str = "/dev/log";
/// Facility `user` (1), severity `notice` (5).
const PRIORITY: u8 = 8 + 5;

#[derive(Debug)]
pub(super) struct Actions {
    dir: JournalDir,
    target: Target,
    /// Where the system's log listens.
    system: PathBuf,
}

#[derive(Clone, Debug, Serialize)]
struct Target {
    pid: u32,
    exe: String,
    start: u64,
}

#[derive(Serialize)]
struct Written<'a> {
    at_ms: u64,
    did: &'a str,
    who: &'a Who,
    target: &'a Target,
    variable: &'a str,
    kind: Kind,
    old: String,
    new: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    reason: &'a str,
}

impl Actions {
    pub(super) fn new(dir: &JournalDir, process: &Process) -> Actions {
        let exe = process
            .exe_path()
            .map(|exe| exe.path.to_string_lossy().into_owned());
        Actions {
            dir: dir.clone(),
            target: Target {
                pid: process.pid(),
                exe: exe.unwrap_or_default(),
                start: process.start_ticks(),
            },
            system: SYSLOG.into(),
        }
    }

    /// Notes what was `did`: `store`, `restored`, `kept`.
    pub(super) fn note(&self, who: &Who, did: &str, entry: &Entry, found: Option<Word>) {
        let written = Written {
            at_ms: now_ms(),
            did,
            who,
            target: &self.target,
            variable: &entry.name,
            kind: entry.kind,
            old: entry.old.to_string(),
            new: entry.new.to_string(),
            found: found.map(|word| word.to_string()),
            reason: &entry.reason,
        };
        let Ok(mut line) = serde_json::to_vec(&written) else {
            return;
        };
        if entry.kind != Kind::SelfHealing {
            self.tell_system(who, &line);
        }
        line.push(b'\n');
        self.write(&line);
    }

    /// One `write` a line, so that lines of several letgos do not mix.
    fn write(&self, line: &[u8]) {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND;
        let Ok(mut file) = self.dir.open(NAME, flags) else {
            return;
        };
        let _ = file.write_all(line);
        if file
            .metadata()
            .is_ok_and(|about| about.len() > ROTATE_ABOVE)
        {
            let _ = self.dir.rename(NAME, OLDER);
        }
    }

    /// JSON escapes all control characters, so the line is one line there too.
    fn tell_system(&self, who: &Who, line: &[u8]) {
        let Ok(socket) = UnixDatagram::unbound() else {
            return;
        };
        let head = format!("<{PRIORITY}>letgo[{}]: ", who.pid);
        // A log daemon that does not keep up must not hold us.
        if socket.set_nonblocking(true).is_ok() {
            let _ = socket.send_to(&[head.as_bytes(), line].concat(), &self.system);
        }
    }
}

#[cfg(test)]
mod tests {
    use letgo_target::Addr;

    use super::*;

    fn entry(kind: Kind, reason: &str) -> Entry {
        Entry {
            number: 1,
            name: "runtime.x".into(),
            addr: Addr(8),
            old: Word::U32(100),
            new: Word::U32(50),
            kind,
            reason: reason.into(),
            who: Who::default(),
            at_ms: 0,
        }
    }

    #[test]
    fn the_systems_log_gets_one_line_each_but_for_what_heals_itself() {
        let root = tempfile::tempdir().unwrap();
        let dir = JournalDir::at(root.path()).unwrap();
        let mut actions = Actions::new(&dir, &Process::open_self().unwrap());
        actions.system = root.path().join("log");
        let who = Who::this("tune");
        // Nobody listens: nothing happens.
        actions.note(&who, "store", &entry(Kind::Lasting, "a"), None);
        let log = UnixDatagram::bind(&actions.system).unwrap();
        log.set_nonblocking(true).unwrap();
        actions.note(&who, "store", &entry(Kind::SelfHealing, "b"), None);
        actions.note(
            &who,
            "store",
            &entry(Kind::Lasting, "two\nlines\x1b[m"),
            None,
        );
        let mut bytes = [0; 4096];
        let len = log.recv(&mut bytes).unwrap();
        let text = std::str::from_utf8(&bytes[..len]).unwrap();
        let head = format!("<13>letgo[{}]: {{", std::process::id());
        assert!(text.starts_with(&head), "{text}");
        assert!(text.contains(r#""reason":"two\nlines\u001b[m""#), "{text}");
        assert!(!text.contains('\n'), "{text}");
        assert!(log.recv(&mut bytes).is_err(), "one line");
        let file = std::fs::read_to_string(root.path().join(NAME)).unwrap();
        assert_eq!(file.lines().count(), 3);
    }

    #[test]
    fn a_long_file_is_rotated() {
        let root = tempfile::tempdir().unwrap();
        let dir = JournalDir::at(root.path()).unwrap();
        let actions = Actions::new(&dir, &Process::open_self().unwrap());
        let file = std::fs::File::create(root.path().join(NAME)).unwrap();
        file.set_len(ROTATE_ABOVE).unwrap();
        let who = Who::this("tune");
        actions.note(&who, "store", &entry(Kind::SelfHealing, "a"), None);
        actions.note(&who, "store", &entry(Kind::SelfHealing, "b"), None);
        let len = |name: &str| std::fs::metadata(root.path().join(name)).unwrap().len();
        assert!(len(OLDER) > ROTATE_ABOVE && len(NAME) < 1000);
    }
}
