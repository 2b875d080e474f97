//! The lines of a journal: what each says, as JSON.
//!
//! Every line is one object with one key, which names its kind; the first line of a file is the
//! [`Head`]. Addresses and words are strings in hexadecimal, since JSON's numbers end at 2^53.
//! `docs/formats/journal.md` explains each field.
//!
//! Does not know what follows from a line; see [`super::log`].

use letgo_target::Addr;
use serde::{Deserialize, Serialize};

use crate::system;
use crate::write::Word;

/// The version of the format that we write.
pub(super) const FORMAT: u64 = 1;

/// Who writes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Who {
    /// Real user.
    pub uid: u32,
    /// Process id, in the pid namespace that it ran in.
    pub pid: u32,
    /// What was asked for: `release`, `tune`, `govern`.
    pub verb: String,
}

impl Who {
    /// This process, at the work of `verb`.
    pub fn this(verb: &str) -> Who {
        Who {
            uid: nix::unistd::getuid().as_raw(),
            pid: std::process::id(),
            verb: verb.to_owned(),
        }
    }
}

/// What becomes of a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Meant to stay: undone only when somebody asks for it.
    Lasting,
    /// Put back at the end, or by whoever comes next.
    Transient,
    /// Overwritten by the program itself in its course: never put back.
    SelfHealing,
}

/// A store, written down before it is made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawEntry", into = "RawEntry")]
pub struct Entry {
    /// Its number in the journal, rising from 1.
    pub number: u64,
    /// The variable.
    pub name: String,
    /// Where it lies.
    pub addr: Addr,
    /// What was there.
    pub old: Word,
    /// What was to be there.
    pub new: Word,
    /// What becomes of it.
    pub kind: Kind,
    /// Why it was made.
    pub reason: String,
    /// Who made it.
    pub who: Who,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What became of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// The old value was put back.
    Restored,
    /// The old value was there already.
    AsItWas,
    /// The program has set a value of its own since, which it keeps.
    Kept,
    /// The store was not made.
    Void,
}

/// Places of the words that a sleeping thread is woken by; see [`crate::write::Sleeper`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct WakePlaces {
    #[serde(with = "hex")]
    pub(crate) lock: u64,
    #[serde(with = "hex")]
    pub(crate) waits: u64,
    pub(crate) waits_width: usize,
    #[serde(with = "hex")]
    pub(crate) note: u64,
}

/// The first line of a journal: which process it is about, and in which namespaces its numbers
/// hold.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Head {
    #[serde(rename = "letgo.journal")]
    pub(crate) format: u64,
    #[serde(default)]
    pub(crate) boot: String,
    #[serde(default)]
    pub(crate) pid: u32,
    #[serde(default)]
    pub(crate) start: u64,
    #[serde(default)]
    pub(crate) exe: String,
    /// What `execve` changes.
    #[serde(default)]
    pub(crate) image: String,
    /// The pid and time namespaces of the writer.
    #[serde(default)]
    pub(crate) namespaces: String,
}

/// A line behind the first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// A letgo took the lock.
    Open { who: Who, at_ms: u64 },
    /// A store that is about to be made.
    Store(Entry),
    /// What became of one.
    Undone {
        number: u64,
        fate: Fate,
        /// What was found, where that was neither old nor new.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<String>,
        who: Who,
        at_ms: u64,
    },
    /// A wake that is about to be made.
    Wake {
        number: u64,
        places: WakePlaces,
        who: Who,
        at_ms: u64,
    },
    /// It was made, or will not be.
    Woken { number: u64, at_ms: u64 },
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    system::unix_ms()
}

/// An [`Entry`] as it is written.
#[derive(Clone, Serialize, Deserialize)]
struct RawEntry {
    number: u64,
    name: String,
    #[serde(with = "hex")]
    addr: u64,
    width: usize,
    #[serde(with = "hex")]
    old: u64,
    #[serde(with = "hex")]
    new: u64,
    kind: Kind,
    reason: String,
    who: Who,
    at_ms: u64,
}

impl From<Entry> for RawEntry {
    fn from(entry: Entry) -> RawEntry {
        RawEntry {
            number: entry.number,
            name: entry.name,
            addr: entry.addr.0,
            width: entry.new.width(),
            old: entry.old.bits(),
            new: entry.new.bits(),
            kind: entry.kind,
            reason: entry.reason,
            who: entry.who,
            at_ms: entry.at_ms,
        }
    }
}

impl TryFrom<RawEntry> for Entry {
    type Error = &'static str;

    fn try_from(raw: RawEntry) -> Result<Entry, &'static str> {
        let word = |bits| Word::new(raw.width, bits).ok_or("a word that does not fit its width");
        Ok(Entry {
            number: raw.number,
            addr: Addr(raw.addr),
            old: word(raw.old)?,
            new: word(raw.new)?,
            name: raw.name,
            kind: raw.kind,
            reason: raw.reason,
            who: raw.who,
            at_ms: raw.at_ms,
        })
    }
}

/// Numbers as `"0x1f"`.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's shape")]
    pub(super) fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{value:#x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        let digits = text.strip_prefix("0x").unwrap_or_default();
        u64::from_str_radix(digits, 16).map_err(|_| D::Error::custom("no hexadecimal number"))
    }
}
