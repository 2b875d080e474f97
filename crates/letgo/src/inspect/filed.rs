//! [`Filed`]: a snapshot of `letgo snap` as a target.
//!
//! It holds what letgo reads of a program, the executable included, so that it can be read where
//! neither the process nor its files are.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use letgo_gobin::Image;
use letgo_goruntime::{Census, LabelSet, Labelled, Labels};
use letgo_linux::process::Use;
use letgo_report::Method;
use letgo_snapshot::{Facts, Snapshot};
use letgo_target::{Addr, AddrRange, Coverage, Fault, Mapping, OS_PAGE, Piece, ReadMemory};
use letgo_target::{Registers, Residency};
use serde::{Deserialize, Serialize};

use super::c_stacks::{CStack, CStacks};
use super::plugins::PluginImages;
use super::view::{Held, View, hands};
use super::{Program, Surroundings, complaints};
use crate::complaint::Complaint;

/// Pieces that are read on two threads: a few blocks to be decompressed, in most cases.
const WORTH: usize = 4;

/// The first bytes of a snapshot.
const MAGIC: &[u8] = b"LETGOSNP";

/// What the verbs keep in a snapshot beside what its crate knows of.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Beside {
    pub(super) around: Surroundings,
    pub(super) monotonic_ns: Option<u64>,
    pub(super) exe_deleted: bool,
    pub(super) library: Option<String>,
    pub(super) others: Vec<String>,
    /// Sets of labels, and the numbers of the goroutines that have each. None where redacted.
    pub(super) labels: Vec<(LabelSet, Vec<u64>)>,
    /// Functions of C that goroutines were in, and the numbers of those that were in each.
    pub(super) c_stacks: Vec<(CStack, Vec<u64>)>,
}

/// A snapshot that can be read.
#[derive(Debug)]
pub struct Filed {
    /// The program that it is of.
    pub program: Program,
    path: PathBuf,
    file: Arc<Snapshot>,
}

impl Filed {
    /// What is no pointer was left out of it.
    pub fn is_redacted(&self) -> bool {
        self.file.is_redacted()
    }

    /// Whether a file begins as a snapshot does.
    pub fn is_one(path: &Path) -> bool {
        let mut start = [0; MAGIC.len()];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
        read.is_ok() && start == MAGIC
    }

    /// Opens a snapshot.
    ///
    /// # Errors
    /// A [`Complaint`]: it is damaged, too new, or lacks the executable.
    pub fn open(path: &Path) -> Result<Filed, Complaint> {
        let told = |error: &letgo_snapshot::Error| complaints::of_snapshot(error, path);
        let file = Snapshot::open(path).map_err(|error| told(&error))?;
        let image = file.image().map_err(|error| told(&error))?;
        let lacks = |what: &str| {
            Complaint::no_report(
                format!("the snapshot {} lacks {what}", path.display()),
                "Take it again with this letgo",
            )
        };
        let image = image.ok_or_else(|| lacks("the executable"))?;
        let facts = file.facts();
        let pid = facts.pid.unwrap_or(0);
        let bias = facts
            .bias
            .ok_or_else(|| lacks("the place of the program"))?;
        let binary = Image::from_bytes(image).and_then(crate::facts::open);
        let binary = binary.map_err(|error| complaints::of_binary(&error, pid))?;
        let exe = facts.exe.clone().unwrap_or_default();
        let beside = beside(facts);
        let mut program = Program::new(pid, exe, Arc::new(binary), bias);
        // Of a core: the process that it is of may long be gone.
        program.file = sums_of(&facts.smaps).is_none().then(|| path.to_owned());
        program.exe_deleted = beside.exe_deleted;
        program.library = beside.library;
        program.others = beside.others;
        let file = Arc::new(file);
        let memory = Arc::new(Kept::of(&file));
        let images = PluginImages::of_memory(memory, file.facts().mappings.clone());
        program.plugin_images = Some(images);
        Ok(Filed {
            program,
            path: path.to_owned(),
            file,
        })
    }

    /// Checks every byte of the file.
    ///
    /// # Errors
    /// A [`Complaint`] that says where it is damaged.
    pub fn verify(&self) -> Result<(), Complaint> {
        let verified = self.file.verify().map(drop);
        verified.map_err(|error| complaints::of_snapshot(&error, &self.path))
    }

    /// What could not be had when it was taken.
    pub fn coverage(&self) -> Coverage {
        self.file.facts().coverage.clone().unwrap_or_default()
    }

    /// What surrounded the process.
    pub fn around(&self) -> Surroundings {
        beside(self.file.facts()).around
    }

    /// The labels of goroutines: their texts are where objects without pointers are, which are
    /// not kept.
    pub fn labels(&self, census: &Census) -> Labels {
        let mut labels = Labels::default();
        let mut of = HashMap::new();
        for (set, goids) in beside(self.file.facts()).labels {
            let number = u32::try_from(labels.sets.len()).unwrap_or(u32::MAX);
            labels.sets.push(set);
            of.extend(goids.into_iter().map(|goid| (goid, number)));
        }
        let number = |goid| of.get(goid).copied();
        let goroutines = census.goroutines.iter();
        let labelled =
            goroutines.map(|one| number(&one.goid).map_or(Labelled::None, Labelled::Set));
        labels.of = labelled.collect();
        labels
    }

    /// The functions of C that goroutines were in, where any were followed when it was taken: its
    /// libraries may be on another machine.
    pub(super) fn c_stacks(&self, census: &Census) -> Option<CStacks> {
        let kept = beside(self.file.facts()).c_stacks;
        (!kept.is_empty()).then(|| CStacks::of_goids(kept, census))
    }

    /// Its memory.
    pub fn view(&self) -> View {
        let facts = self.file.facts();
        let residency = Arc::new(facts.residency.clone().unwrap_or_default());
        let threads = facts.threads.iter().map(|thread| thread.registers);
        let threads: Vec<Registers> = threads.collect();
        let taken = Duration::from_millis(facts.taken_at_ms.unwrap_or(0));
        View {
            method: Method::Snapshot,
            at: SystemTime::UNIX_EPOCH + taken,
            ran_on: None,
            monotonic_ns: beside(facts).monotonic_ns,
            memory: Box::new(Kept::of(&self.file)),
            mappings: facts.mappings.clone(),
            residency,
            rss: sums_of(&facts.smaps),
            registers: hands(&threads),
            threads,
            pause_predicted: None,
            why: None,
            held: Held::Nothing,
        }
    }
}

fn beside(facts: &Facts) -> Beside {
    serde_json::from_value(facts.surroundings.clone()).unwrap_or_default()
}

/// The kernel's sums by their names in `smaps`.
pub(super) fn sums(bytes: Use) -> BTreeMap<String, u64> {
    let named = [
        ("Rss", bytes.rss),
        ("Anonymous", bytes.anonymous),
        ("Swap", bytes.swap),
        ("Locked", bytes.locked),
        ("LazyFree", bytes.lazy_free),
        ("AnonHugePages", bytes.anon_huge_pages),
    ];
    named
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .into_iter()
        .collect()
}

fn sums_of(named: &BTreeMap<String, u64>) -> Option<Use> {
    let of = |name: &str| named.get(name).copied();
    Some(Use {
        rss: of("Rss")?,
        anonymous: of("Anonymous").unwrap_or(0),
        swap: of("Swap").unwrap_or(0),
        locked: of("Locked").unwrap_or(0),
        lazy_free: of("LazyFree").unwrap_or(0),
        anon_huge_pages: of("AnonHugePages").unwrap_or(0),
        ..Use::default()
    })
}

/// The memory of a snapshot. As in a process that is read, anonymous memory that was never touched
/// is zero.
struct Kept {
    file: Arc<Snapshot>,
    mappings: Vec<Mapping>,
    residency: Arc<Residency>,
    /// Threads that read many pieces now.
    readers: AtomicUsize,
}

impl Kept {
    fn of(file: &Arc<Snapshot>) -> Kept {
        let facts = file.facts();
        Kept {
            file: Arc::clone(file),
            mappings: facts.mappings.clone(),
            residency: Arc::new(facts.residency.clone().unwrap_or_default()),
            readers: AtomicUsize::new(0),
        }
    }

    /// Reads each of some pieces; nothing that makes the whole target unreadable happens to a file.
    fn read_each(&self, pieces: &mut [Piece<'_>]) {
        for piece in pieces {
            piece.filled = self.read(piece.addr, piece.buf).is_ok();
        }
    }

    /// Whether an os page reads as zeros, since nobody has touched it.
    fn is_zero(&self, page: AddrRange) -> bool {
        let next = self
            .mappings
            .partition_point(|mapping| mapping.range.end() <= page.start());
        let mapping = self.mappings.get(next);
        let mapped = mapping.is_some_and(|mapping| {
            mapping.range.covers(page) && mapping.permissions.read && !mapping.is_file()
        });
        mapped && self.residency.within(page).next().is_none()
    }
}

impl ReadMemory for Kept {
    /// Decompresses on two threads where no other thread reads.
    fn read_scattered(&self, pieces: &mut [Piece<'_>]) -> Result<(), Fault> {
        let is_alone = self.readers.fetch_add(1, Ordering::Relaxed) == 0;
        let half = match is_alone && pieces.len() >= WORTH {
            true => pieces.len() / 2,
            false => 0,
        };
        let (first, second) = pieces.split_at_mut(half);
        if first.is_empty() {
            self.read_each(second);
        } else {
            super::beside(|| self.read_each(first), || self.read_each(second));
        }
        self.readers.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let Err(fault) = self.file.read(addr, buf) else {
            return Ok(());
        };
        if !matches!(
            fault,
            Fault::NotKept { .. } | Fault::Unmapped { .. } | Fault::NotResident { .. }
        ) {
            return Err(fault);
        }
        let (mut at, mut rest) = (addr, buf);
        while !rest.is_empty() {
            let page = AddrRange::sized(at.align_down(OS_PAGE), OS_PAGE);
            let left = usize::try_from(page.end().since(at)).unwrap_or(usize::MAX);
            let (head, tail) = rest.split_at_mut(left.min(rest.len()));
            match self.file.read(at, head) {
                Ok(()) => {}
                Err(_) if self.is_zero(page) => head.fill(0),
                Err(fault) => return Err(fault),
            }
            at = page.end();
            rest = tail;
        }
        Ok(())
    }
}
