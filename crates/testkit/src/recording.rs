//! [`Recording`]: a small recording of a real target, to be read again without it.
//!
//! A recorded case is a folder with two files. `facts.toml` says which Go it was, where its
//! variables lay, and what the program itself said of its memory at that moment: the second source
//! that a replay is compared with. `memory.bin` holds the os pages that a reading looked at, and no
//! others: a replay that looks elsewhere fails, and the case is recorded again by
//! `cargo xtask record-case`.
//!
//! Does not interpret what it holds, and attaches to nothing (see [`Recorder`] for the writing
//! side, which wraps whatever memory it is given).
//!
//! `memory.bin`: the line `letgo.case/1`; the number of pages as a `u64` and each page's address as
//! a `u64`; the same of pages that were asked for and were not resident; then runs of bytes until
//! the end: address `u64`, length `u64`, bytes. What no run fills is zero. All numbers are
//! little-endian.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use letgo_target::{Addr, AddrRange, Fault, OS_PAGE, Piece, ReadMemory, SliceMemory};
use serde::{Deserialize, Serialize};

const MAGIC: &[u8] = b"letgo.case/1\n";
/// Bytes that are zero together are left out, in lines of this many.
const LINE: usize = 64;
/// Bytes of an os page.
const PAGE: usize = 4096;
/// Most pages of a case; a fixture should be far below 300 KB.
const MOST_PAGES: u64 = 1024;

/// What is known of the recorded target.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    /// What was recorded, for people.
    pub about: String,
    /// The version string of the build info.
    pub go_version: String,
    /// What is added to a link-time address.
    pub bias: Hex,
    /// `runtime.firstmoduledata` in the target.
    pub moduledata: Hex,
    /// `runtime.MemStats` as the program read it, field by field.
    pub memstats: BTreeMap<String, u64>,
    /// Variables of the runtime, at their addresses in the target.
    pub globals: BTreeMap<String, Hex>,
}

/// A number that is written as `0x...`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex(pub u64);

impl TryFrom<String> for Hex {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Hex> {
        let digits = text.strip_prefix("0x").context("a number without 0x")?;
        Ok(Hex(u64::from_str_radix(digits, 16)?))
    }
}

impl From<Hex> for String {
    fn from(hex: Hex) -> String {
        format!("{:#x}", hex.0)
    }
}

/// A recorded target.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What is known of it.
    pub facts: Facts,
    /// Its recorded memory.
    pub memory: RecordedMemory,
}

/// The memory of a recorded target: it answers as the target did, for all that was asked then.
#[derive(Clone, Debug, Default)]
pub struct RecordedMemory {
    present: SliceMemory,
    /// Os pages that were not resident.
    absent: BTreeSet<u64>,
}

impl ReadMemory for RecordedMemory {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let len = buf.len() as u64;
        let fault = match self.absent.range(pages_of(addr, len)).next() {
            Some(_) => return Err(Fault::NotResident { addr, len }),
            None => Fault::Unmapped { addr, len },
        };
        self.present.read(addr, buf).map_err(|_| fault)
    }
}

/// First bytes of the os pages that `len` bytes at `addr` touch: the range that holds them.
fn pages_of(addr: Addr, len: u64) -> std::ops::Range<u64> {
    let range = AddrRange::sized(addr, len).widen(OS_PAGE);
    range.start().0..range.end().0
}

impl Recording {
    /// Reads the case in `folder`.
    ///
    /// # Errors
    /// Where a file is missing or damaged.
    pub fn load(folder: &Path) -> Result<Recording> {
        let facts = fs::read_to_string(folder.join("facts.toml"))?;
        let bytes = fs::read(folder.join("memory.bin"))?;
        Ok(Recording {
            facts: toml::from_str(&facts).context("facts.toml")?,
            memory: decode(&bytes).context("memory.bin")?,
        })
    }

    /// Writes a case of the pages that `recorder` saw.
    ///
    /// # Errors
    /// Where it would be too large for a fixture, or a file cannot be written.
    pub fn save(folder: &Path, facts: &Facts, recorder: &Recorder<'_>) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("facts.toml"), toml::to_string_pretty(facts)?)?;
        fs::write(folder.join("memory.bin"), recorder.encode()?)?;
        Ok(())
    }
}

/// Memory that notes which os pages were read.
pub struct Recorder<'a> {
    memory: &'a dyn ReadMemory,
    pages: Mutex<BTreeSet<u64>>,
}

impl<'a> Recorder<'a> {
    /// Notes what is read of `memory`.
    pub fn new(memory: &'a dyn ReadMemory) -> Recorder<'a> {
        Recorder {
            memory,
            pages: Mutex::default(),
        }
    }

    fn note(&self, addr: Addr, len: usize) {
        let mut noted = self
            .pages
            .lock()
            .expect("no reader panics while it holds it");
        noted.extend(pages_of(addr, len as u64).step_by(PAGE));
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let noted = self
            .pages
            .lock()
            .expect("no reader panics while it holds it");
        let (mut present, mut absent) = (BTreeMap::new(), Vec::new());
        for page in noted.iter() {
            let mut bytes = [0; PAGE];
            match self.memory.read(Addr(*page), &mut bytes) {
                Ok(()) => drop(present.insert(*page, bytes)),
                Err(Fault::NotResident { .. }) => absent.push(*page),
                Err(Fault::Unmapped { .. }) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        let mut out = MAGIC.to_vec();
        push_pages(&mut out, present.keys())?;
        push_pages(&mut out, absent.iter())?;
        for (page, bytes) in &present {
            push_runs(&mut out, *page, bytes);
        }
        Ok(out)
    }
}

impl ReadMemory for Recorder<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let result = self.memory.read(addr, buf);
        self.note(addr, buf.len());
        result
    }

    fn read_scattered(&self, pieces: &mut [Piece<'_>]) -> Result<(), Fault> {
        let result = self.memory.read_scattered(pieces);
        for piece in pieces.iter() {
            self.note(piece.addr, piece.buf.len());
        }
        result
    }
}

fn push_pages<'a>(out: &mut Vec<u8>, pages: impl ExactSizeIterator<Item = &'a u64>) -> Result<()> {
    let count = pages.len() as u64;
    ensure!(
        count <= MOST_PAGES,
        "{count} pages, {MOST_PAGES} allowed: record less"
    );
    out.extend(count.to_le_bytes());
    for page in pages {
        out.extend(page.to_le_bytes());
    }
    Ok(())
}

fn take_pages(rest: &mut &[u8]) -> Result<Vec<u64>> {
    let count = take_u64(rest)?;
    ensure!(count <= MOST_PAGES, "{count} pages");
    (0..count).map(|_| take_u64(rest)).collect()
}

/// Adds the lines of a page that are not zero, neighbours joined.
fn push_runs(out: &mut Vec<u8>, page: u64, bytes: &[u8]) {
    let used: Vec<bool> = bytes
        .chunks(LINE)
        .map(|line| line.iter().any(|byte| *byte != 0))
        .collect();
    let mut at = 0;
    while at < used.len() {
        let len = used[at..].iter().take_while(|used| **used).count();
        if len > 0 {
            let (start, end) = (at * LINE, (at + len) * LINE);
            out.extend((page + start as u64).to_le_bytes());
            out.extend(((end - start) as u64).to_le_bytes());
            out.extend(&bytes[start..end]);
        }
        at += len.max(1);
    }
}

fn decode(bytes: &[u8]) -> Result<RecordedMemory> {
    let mut rest = bytes.strip_prefix(MAGIC).context("not a recorded case")?;
    let present = take_pages(&mut rest)?.into_iter();
    let mut pages: BTreeMap<u64, Vec<u8>> = present.map(|page| (page, vec![0; PAGE])).collect();
    let absent = take_pages(&mut rest)?.into_iter().collect();
    while !rest.is_empty() {
        let (addr, len) = (take_u64(&mut rest)?, take_u64(&mut rest)?);
        let run = rest
            .split_off(..usize::try_from(len)?)
            .context("cut short")?;
        let start = usize::try_from(addr % OS_PAGE)?;
        let page = pages
            .get_mut(&(addr - addr % OS_PAGE))
            .context("a run without its page")?;
        let place = page
            .get_mut(start..start + run.len())
            .context("a run across pages")?;
        place.copy_from_slice(run);
    }
    Ok(RecordedMemory {
        present: joined(pages),
        absent,
    })
}

fn take_u64(rest: &mut &[u8]) -> Result<u64> {
    let bytes = rest.split_off(..8).context("cut short")?;
    Ok(u64::from_le_bytes(bytes.try_into()?))
}

/// Neighbouring pages as one segment, so that reads across them are whole.
fn joined(pages: BTreeMap<u64, Vec<u8>>) -> SliceMemory {
    let mut memory = SliceMemory::default();
    let mut run: Option<(u64, Vec<u8>)> = None;
    for (addr, bytes) in pages {
        match &mut run {
            Some((start, held)) if *start + held.len() as u64 == addr => held.extend(bytes),
            _ => {
                let before = run.replace((addr, bytes));
                if let Some((start, held)) = before {
                    memory.map(Addr(start), held);
                }
            }
        }
    }
    if let Some((start, held)) = run {
        memory.map(Addr(start), held);
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_holds_the_pages_that_were_read_and_no_others() {
        let mut source = SliceMemory::default();
        let mut bytes = vec![0; 4 * PAGE];
        bytes[100] = 7;
        bytes[PAGE + 1] = 8;
        bytes[3 * PAGE] = 9;
        source.map(Addr(0x10_0000), bytes);
        let recorder = Recorder::new(&source);
        let mut buf = [0; 16];
        recorder.read(Addr(0x10_0ff8), &mut buf).unwrap();
        let mut pieces = [Piece::new(Addr(0x90_0000), &mut buf)];
        recorder.read_scattered(&mut pieces).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let facts = Facts {
            about: "a test".into(),
            bias: Hex(0x5555_0000_0000),
            memstats: BTreeMap::from([("HeapInuse".into(), 42)]),
            ..Facts::default()
        };
        Recording::save(folder.path(), &facts, &recorder).unwrap();
        let case = Recording::load(folder.path()).unwrap();
        assert_eq!(case.facts, facts);
        let mut two = vec![1; 2 * PAGE];
        case.memory.read(Addr(0x10_0000), &mut two).unwrap();
        assert_eq!((two[100], two[PAGE + 1], two[5]), (7, 8, 0));
        assert!(case.memory.read(Addr(0x10_3000), &mut [0; 1]).is_err());
        assert!(case.memory.read(Addr(0x90_0000), &mut [0; 1]).is_err());
    }

    #[test]
    fn a_damaged_case_is_refused() {
        assert!(decode(b"something else").is_err());
        let mut bytes = MAGIC.to_vec();
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(0x1000_u64.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(0x5000_u64.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.push(1);
        assert!(decode(&bytes).is_err(), "a run without its page");
        bytes.truncate(bytes.len() - 1);
        assert!(decode(&bytes).is_err(), "cut short");
    }
}
