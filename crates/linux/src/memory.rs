//! [`LiveMemory`]: the memory of a running process.
//!
//! Reads go through `process_vm_readv`, many pieces a call; where that is missing or forbidden by
//! a seccomp filter, through `/proc/PID/mem`. A few pieces take one system call and no allocation.
//!
//! Reading a page that is not present faults one in: an untouched anonymous page becomes the
//! zero page and takes page tables, a file page counts in `Rss`, a swapped page is swapped in.
//! [`LiveMemory::only_resident`] does not: what is not present of plain anonymous memory was never
//! touched and reads as zeros, which are not asked of the target; everything else is refused.
//! What was not present is looked up once more (see [`present`]).
//!
//! Does not notice by itself that the process replaced its program; [`Process::verify`] does.
//!
//! Invariants:
//! - one call names at most `IOV_MAX` pieces and [`CALL_BYTES`] bytes;
//! - a piece that faults is skipped alone; those behind it are still read.
//!
//! Source: process_vm_readv(2), proc_pid_mem(5).

mod present;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use letgo_target::{Addr, AddrRange, Fault, Mapping, Piece, ReadMemory, Residency};
use nix::errno::Errno;

use self::present::{Present, Tables};
use crate::sys::readv::{MOST_PIECES, read_pieces};
use crate::{Denial, Error, Process};

/// Most bytes of one call. Larger calls are not faster, and a signal waits for the end of one.
const CALL_BYTES: usize = 16 << 20;

/// The memory of a running process.
#[derive(Debug)]
pub struct LiveMemory {
    pid: u32,
    raw_pid: i32,
    /// `/proc/PID/mem`: bound to the program that ran when it was opened.
    mem: File,
    /// What says which pages are present now.
    tables: Tables,
    /// `process_vm_readv` was refused while `mem` was granted.
    use_mem: AtomicBool,
    resident: Option<Present>,
}

impl LiveMemory {
    /// Asks for the memory of a process.
    ///
    /// # Errors
    /// [`Error::Denied`] with the reasons, [`Error::Gone`].
    pub fn new(process: &Process) -> Result<LiveMemory, Error> {
        let pid = process.pid();
        let raw_pid = i32::try_from(pid).map_err(|_| Error::NoSuchProcess { pid })?;
        // Opening it asks for the same permission as process_vm_readv does.
        let mem = process.open_file("mem", "reading the memory")?;
        Ok(LiveMemory {
            pid,
            raw_pid,
            mem,
            tables: Tables::open(process),
            use_mem: AtomicBool::new(false),
            resident: None,
        })
    }

    /// From here on reads only what is present by `residency`, so that nothing is faulted in.
    ///
    /// Where a page is neither present nor swapped out, private anonymous memory reads as zeros:
    /// nobody ever wrote there, or what was written was given back. Other absent pages are
    /// [`Fault::NotResident`].
    ///
    /// # Consistency
    /// A page that a running target touched after `residency` was read, or mapped after `mappings`
    /// were, is read as it is, where `/proc/PID/pagemap` is permitted; else it is seen with zeros.
    #[must_use]
    pub fn only_resident(mut self, residency: Arc<Residency>, mappings: &[Mapping]) -> LiveMemory {
        self.resident = Some(Present::new(residency, mappings));
        self
    }

    /// Whether reads go through `/proc/PID/mem`, since `process_vm_readv` is refused.
    pub fn uses_mem_file(&self) -> bool {
        self.use_mem.load(Ordering::Relaxed)
    }

    fn may_read(&self, addr: Addr, len: usize) -> bool {
        let range = AddrRange::sized(addr, len as u64);
        let resident = self.resident.as_ref();
        resident.is_none_or(|present| present.is_resident(range))
    }

    /// Reads a piece that is not wholly present: what is, and zeros where that is what absent
    /// means. Leaves it unfilled where any byte is out of reach.
    fn read_partly(&self, piece: &mut Piece<'_>) -> Result<(), Fault> {
        let Some(present) = &self.resident else {
            return Ok(());
        };
        let whole = AddrRange::sized(piece.addr, piece.buf.len() as u64);
        let (mut at, mut rest) = (whole.start(), &mut *piece.buf);
        for run in present.runs(&self.tables, whole) {
            let gap = AddrRange::new(at, run.range.start());
            let known = gap.is_empty() || present.is_zero(&self.tables, gap);
            if !known || !run.kind.is_resident() {
                return Ok(());
            }
            let (zero, behind) = split(rest, gap.len());
            let (part, behind) = split(behind, run.range.len());
            zero.fill(0);
            let mut part = [Piece::new(run.range.start(), part)];
            self.read_allowed(&mut part)?;
            if part.iter().any(|part| !part.filled) {
                return Ok(());
            }
            (at, rest) = (run.range.end(), behind);
        }
        let gap = AddrRange::new(at, whole.end());
        if gap.is_empty() || present.is_zero(&self.tables, gap) {
            rest.fill(0);
            piece.filled = true;
        }
        Ok(())
    }

    /// Reads `pieces` by `process_vm_readv`, as often as it takes.
    fn read_by_call(&self, pieces: &mut [Piece<'_>]) -> Result<(), Errno> {
        let (mut first, mut skip) = (0, 0);
        while first < pieces.len() {
            let end = pieces.len().min(first + MOST_PIECES);
            let batch = pieces.get_mut(first..end).unwrap_or_default();
            match read_pieces(self.raw_pid, batch, skip, CALL_BYTES) {
                Ok(bytes) if bytes > 0 => {
                    let (done, into) = advance(batch, skip, bytes);
                    first += done;
                    skip = into;
                }
                // No progress: the first piece cannot be read, or there was nothing to read.
                Ok(_) | Err(Errno::EFAULT) => {
                    if let Some(piece) = batch.first_mut() {
                        piece.filled = piece.buf.len() == skip;
                    }
                    first += 1;
                    skip = 0;
                }
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Reads one piece by `/proc/PID/mem`.
    fn read_by_file(&self, piece: &mut Piece<'_>) -> Result<(), Fault> {
        let mut done = 0;
        while let Some(rest) = piece.buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.mem.read_at(rest, piece.addr.add(done as u64).0) {
                // The address space itself is gone.
                Ok(0) => return Err(Fault::Gone),
                Ok(bytes) => done += bytes,
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EINTR) => {}
                    Some(Errno::EIO | Errno::EFAULT | Errno::EINVAL) => return Ok(()),
                    errno => return Err(self.fault(errno.unwrap_or(Errno::EIO))),
                },
            }
        }
        piece.filled = true;
        Ok(())
    }

    fn read_allowed(&self, pieces: &mut [Piece<'_>]) -> Result<(), Fault> {
        if !self.uses_mem_file() {
            match self.read_by_call(pieces) {
                Ok(()) => return Ok(()),
                Err(Errno::ENOSYS | Errno::EPERM) => self.use_mem.store(true, Ordering::Relaxed),
                Err(errno) => return Err(self.fault(errno)),
            }
        }
        pieces
            .iter_mut()
            .filter(|piece| !piece.filled)
            .try_for_each(|piece| self.read_by_file(piece))
    }

    /// Reads what is resident of `pieces`, run of pieces by run of pieces.
    fn read_resident(&self, pieces: &mut [Piece<'_>]) -> Result<(), Fault> {
        let allowed = |piece: &Piece<'_>| self.may_read(piece.addr, piece.buf.len());
        let mut rest = pieces;
        while !rest.is_empty() {
            let run = rest.iter().take_while(|piece| allowed(piece)).count();
            let (now, later) = rest.split_at_mut(run);
            if !now.is_empty() {
                self.read_allowed(now)?;
            }
            let refused = later.iter().take_while(|piece| !allowed(piece)).count();
            let (partly, behind) = later.split_at_mut(refused);
            partly
                .iter_mut()
                .try_for_each(|piece| self.read_partly(piece))?;
            rest = behind;
        }
        Ok(())
    }

    fn fault(&self, errno: Errno) -> Fault {
        match errno {
            Errno::ESRCH => Fault::Gone,
            Errno::EPERM | Errno::EACCES => {
                let denial = Denial::explain(self.pid, "reading the memory", errno as i32);
                Fault::Denied {
                    reason: denial.to_string(),
                }
            }
            errno => Fault::Denied {
                reason: format!("reading the memory of process {}: {errno}", self.pid),
            },
        }
    }
}

/// The first `len` bytes of `buf`, and the rest.
fn split(buf: &mut [u8], len: u64) -> (&mut [u8], &mut [u8]) {
    let len = usize::try_from(len).map_or(buf.len(), |len| len.min(buf.len()));
    buf.split_at_mut(len)
}

/// After `bytes` more of `pieces` arrived, `skip` bytes into the first: how many pieces are whole,
/// and how far into the next one. Marks the whole ones.
fn advance(pieces: &mut [Piece<'_>], skip: usize, mut bytes: usize) -> (usize, usize) {
    let mut skip = skip;
    for (index, piece) in pieces.iter_mut().enumerate() {
        let left = piece.buf.len().saturating_sub(skip);
        if bytes < left {
            return (index, skip + bytes);
        }
        piece.filled = true;
        bytes -= left;
        skip = 0;
    }
    (pieces.len(), 0)
}

impl ReadMemory for LiveMemory {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let len = buf.len() as u64;
        let whole = self.may_read(addr, buf.len());
        let mut pieces = [Piece::new(addr, buf)];
        if !whole {
            let [piece] = &mut pieces;
            self.read_partly(piece)?;
            return if piece.filled {
                Ok(())
            } else {
                Err(Fault::NotResident { addr, len })
            };
        }
        self.read_allowed(&mut pieces)?;
        let [piece] = pieces;
        if piece.filled {
            Ok(())
        } else {
            Err(Fault::Unmapped { addr, len })
        }
    }

    fn read_scattered(&self, pieces: &mut [Piece<'_>]) -> Result<(), Fault> {
        for piece in pieces.iter_mut() {
            piece.filled = false;
        }
        if self.resident.is_some() {
            self.read_resident(pieces)
        } else {
            self.read_allowed(pieces)
        }
    }
}

#[cfg(test)]
mod tests {
    use letgo_target::{PageKind, PageRun};

    use super::*;

    fn ours() -> LiveMemory {
        LiveMemory::new(&Process::open_self().unwrap()).unwrap()
    }

    fn at(bytes: &[u8]) -> Addr {
        Addr(bytes.as_ptr() as u64)
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..=250).cycle().take(len).collect()
    }

    /// A page that may not be read, between two that may: `[readable | none | readable]`.
    fn holed() -> (Addr, &'static [u8; 4096]) {
        let bytes: &'static mut [u8] = vec![9; 5 * 4096].leak();
        let start = (bytes.as_ptr() as usize).next_multiple_of(4096);
        crate::sys::readv::tests::forbid(start + 4096);
        let offset = start - bytes.as_ptr() as usize;
        (
            Addr(start as u64),
            bytes[offset..offset + 4096].try_into().unwrap(),
        )
    }

    #[test]
    fn more_pieces_than_one_call_takes_arrive_in_order() {
        let source = pattern(5000 * 24);
        let memory = ours();
        let mut target = vec![0; source.len()];
        let mut pieces: Vec<Piece<'_>> = target
            .chunks_mut(24)
            .enumerate()
            .map(|(i, buf)| Piece::new(at(&source).add(24 * i as u64), buf))
            .collect();
        memory.read_scattered(&mut pieces).unwrap();
        assert!(pieces.iter().all(|piece| piece.filled));
        drop(pieces);
        assert_eq!(target, source);
    }

    #[test]
    fn a_read_larger_than_one_call_is_continued() {
        let source = pattern(CALL_BYTES * 2 + 4097);
        let mut target = vec![0; source.len()];
        ours().read(at(&source), &mut target).unwrap();
        assert!(target == source);
    }

    #[test]
    fn only_the_pieces_that_fault_are_missing() {
        let (start, _) = holed();
        for by_file in [false, true] {
            let memory = ours();
            memory.use_mem.store(by_file, Ordering::Relaxed);
            let mut buf = [[0; 16]; 7];
            let null = Addr(8);
            let far = Addr(u64::MAX - 20);
            let addrs = [
                null,
                start,
                start.add(4096 - 8),
                start.add(8),
                far,
                start.add(8192),
                null,
            ];
            let mut pieces: Vec<Piece<'_>> = addrs
                .iter()
                .zip(&mut buf)
                .map(|(addr, buf)| Piece::new(*addr, buf))
                .collect();
            memory.read_scattered(&mut pieces).unwrap();
            let filled: Vec<bool> = pieces.iter().map(|piece| piece.filled).collect();
            // /proc/PID/mem reads pages that the process itself may not: the third arrives.
            assert_eq!(filled, [false, true, by_file, true, false, true, false]);
        }
    }

    #[test]
    fn empty_pieces_are_filled_and_no_pieces_are_fine() {
        let memory = ours();
        memory.read_scattered(&mut []).unwrap();
        memory.read(Addr(8), &mut []).unwrap();
        let source = pattern(8);
        let mut buf = [0; 8];
        let mut pieces = [
            Piece::new(Addr(8), &mut []),
            Piece::new(at(&source), &mut buf),
            Piece::new(Addr(8), &mut []),
        ];
        memory.read_scattered(&mut pieces).unwrap();
        assert!(pieces.iter().all(|piece| piece.filled));
    }

    /// An untouched page between two touched ones; the first of them, and the residency of both.
    fn untouched() -> (&'static mut [u8], Arc<Residency>) {
        let bytes: &'static mut [u8] = vec![0; 1 << 20].leak();
        let offset = bytes.as_ptr().align_offset(4096) + (64 << 12);
        let pages = &mut bytes[offset..offset + 3 * 4096];
        let mut residency = Residency::default();
        for page in [0, 2] {
            pages[page * 4096..][..4096].fill(7);
            residency.push(PageRun {
                range: AddrRange::sized(at(&pages[page * 4096..]), 4096),
                kind: PageKind::Anon,
            });
        }
        (pages, Arc::new(residency))
    }

    #[test]
    fn what_is_absent_is_zeros_or_refused_and_stays_absent() {
        let (pages, residency) = untouched();
        let first = at(pages);
        let memory = ours().only_resident(residency, &[]);
        let nowhere = Addr(4096);
        let mut bufs = [[1; 8]; 4];
        let [a, b, c, d] = &mut bufs;
        let mut pieces = [
            Piece::new(first.add(4096), a),
            Piece::new(nowhere, b),
            Piece::new(first.add(4088), c),
            Piece::new(first.add(4092), d),
        ];
        memory.read_scattered(&mut pieces).unwrap();
        assert_eq!(pieces.map(|piece| piece.filled), [true, false, true, true]);
        assert_eq!(bufs, [[0; 8], [1; 8], [7; 8], [7, 7, 7, 7, 0, 0, 0, 0]]);
        let now = memory.resident.as_ref().unwrap();
        let runs = now.runs(&memory.tables, AddrRange::sized(first.add(4096), 4096));
        assert_eq!(runs, [], "the page in the middle is still untouched");
    }

    #[test]
    fn a_page_that_was_touched_since_is_read_as_it_is() {
        let (pages, residency) = untouched();
        let first = at(pages);
        let memory = ours().only_resident(residency, &[]);
        pages[4096] = 9;
        let mut buf = [0; 4096 + 16];
        memory.read(first.add(4096 - 8), &mut buf).unwrap();
        assert_eq!(buf[..9], [7, 7, 7, 7, 7, 7, 7, 7, 9]);
        assert_eq!(buf[9..4096 + 8], [0; 4096 - 1]);
        assert_eq!(buf[4096 + 8..], [7; 8]);
    }

    #[test]
    fn memory_that_was_mapped_since_is_zeros_where_untouched() {
        let memory = ours().only_resident(Arc::new(Residency::default()), &[]);
        let (pages, _) = untouched();
        let mut buf = [1; 16];
        memory.read(at(pages).add(4096 - 8), &mut buf).unwrap();
        assert_eq!(buf[..8], [7; 8]);
        assert_eq!(buf[8..], [0; 8]);
        let nowhere = memory.read(Addr(4096), &mut buf).unwrap_err();
        assert!(matches!(nowhere, Fault::NotResident { .. }));
    }
}
