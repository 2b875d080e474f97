//! [`gather`]: many small structures read as few large pieces.
//!
//! Runtime structures lie densely in their allocator's blocks, so the union of the os pages that
//! they touch, merged into runs, is far fewer and larger reads than one per structure.

use crate::{Addr, Fault, OS_PAGE, Piece, ReadMemory};

/// Most bytes in one piece; larger runs are split so that one bad page spoils little.
const PIECE: u64 = 1 << 20;

/// What [`gather`] brought: pages by address, to slice structures out of.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Start address, offset into `bytes` and length of each run, by address.
    runs: Vec<(Addr, usize, usize)>,
    bytes: Vec<u8>,
}

impl Gathered {
    /// The `len` bytes at `addr`, or nothing where they were not asked for or could not be read.
    pub fn get(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        let index = self
            .runs
            .partition_point(|run| run.0 <= addr)
            .checked_sub(1)?;
        let &(start, offset, run_len) = self.runs.get(index)?;
        let inside = usize::try_from(addr.since(start)).ok()?;
        let end = inside.checked_add(len).filter(|end| *end <= run_len)?;
        self.bytes.get(offset + inside..offset + end)
    }

    /// Bytes held, including the neighbours that came along.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Reads every `(addr, len)` of `items`, whole os pages at a time.
///
/// What cannot be read is absent from the result. The caller bounds the sum of `items`.
///
/// # Errors
/// Only what makes the whole target unreadable.
///
/// # Consistency
/// Pieces are read one after the other; a running target changes meanwhile.
pub fn gather(
    memory: &dyn ReadMemory,
    items: impl Iterator<Item = (Addr, u64)>,
) -> Result<Gathered, Fault> {
    let mut pages: Vec<u64> = Vec::new();
    for (addr, len) in items.filter(|item| item.1 > 0) {
        memory.asked(addr, len);
        let (first, last) = (addr.0 / OS_PAGE, addr.add(len - 1).0 / OS_PAGE);
        // Neighbours share a page; what begins before it does not.
        if first < last || pages.last() != Some(&last) {
            pages.extend(first..=last);
        }
    }
    pages.sort_unstable();
    pages.dedup();

    let mut spans: Vec<(Addr, u64)> = Vec::new();
    for page in pages {
        let addr = Addr(page * OS_PAGE);
        match spans.last_mut() {
            Some((start, len)) if start.add(*len) == addr => *len += OS_PAGE,
            _ => spans.push((addr, OS_PAGE)),
        }
    }
    read_runs(memory, &spans)
}

fn read_runs(memory: &dyn ReadMemory, spans: &[(Addr, u64)]) -> Result<Gathered, Fault> {
    let total: u64 = spans.iter().map(|span| span.1).sum();
    let mut gathered = Gathered {
        runs: Vec::with_capacity(spans.len()),
        bytes: vec![0; usize::try_from(total).unwrap_or(0)],
    };

    let mut pieces = Vec::new();
    let mut rest = gathered.bytes.as_mut_slice();
    for &(start, len) in spans {
        let mut done = 0;
        while done < len {
            let take = PIECE.min(len - done);
            let (head, tail) = std::mem::take(&mut rest)
                .split_at_mut_checked(usize::try_from(take).unwrap_or(0))
                .unwrap_or_default();
            rest = tail;
            pieces.push(Piece::new(start.add(done), head));
            done += take;
        }
    }
    memory.read_scattered(&mut pieces)?;

    let mut offset = 0;
    for piece in &pieces {
        let len = piece.buf.len();
        if piece.filled {
            push_run(&mut gathered.runs, piece.addr, offset, len);
        }
        offset += len;
    }
    Ok(gathered)
}

/// Adds a run, joined to the one before where both address and bytes continue.
fn push_run(runs: &mut Vec<(Addr, usize, usize)>, addr: Addr, offset: usize, len: usize) {
    if let Some((start, at, run_len)) = runs.last_mut()
        && start.add(*run_len as u64) == addr
        && *at + *run_len == offset
    {
        *run_len += len;
        return;
    }
    runs.push((addr, offset, len));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SliceMemory;

    #[test]
    fn items_on_shared_pages_are_found_and_holes_are_absent() {
        let mut memory = SliceMemory::default();
        memory.map(Addr(0x1000), (0..=255).cycle().take(0x3000).collect());
        let items = [(Addr(0x1ff8), 16), (Addr(0x2008), 8), (Addr(0x9000), 8)];
        let got = gather(&memory, items.into_iter()).unwrap();
        assert_eq!(
            got.get(Addr(0x1ff8), 4),
            Some(&[0xf8, 0xf9, 0xfa, 0xfb][..])
        );
        assert_eq!(got.get(Addr(0x2008), 2), Some(&[8, 9][..]));
        assert_eq!(got.get(Addr(0x9000), 8), None);
        assert_eq!(got.get(Addr(0x2ffc), 8), None, "the run ends at its page");
        assert_eq!(got.byte_len(), 0x3000);
    }

    #[test]
    fn an_item_over_two_pages_is_whole_though_its_last_page_was_asked_for() {
        let mut memory = SliceMemory::default();
        memory.map(Addr(0x1000), vec![7; 0x2000]);
        let items = [(Addr(0x2100), 8), (Addr(0x1ff8), 16)];
        let got = gather(&memory, items.into_iter()).unwrap();
        assert_eq!(got.get(Addr(0x1ff8), 16), Some(&[7; 16][..]));
    }

    #[test]
    fn a_run_longer_than_one_piece_stays_in_one_part() {
        let mut memory = SliceMemory::default();
        let size = usize::try_from(PIECE * 2).unwrap();
        memory.map(Addr(0x10_0000), vec![7; size]);
        let got = gather(&memory, [(Addr(0x10_0000), PIECE * 2)].into_iter()).unwrap();
        assert_eq!(got.get(Addr(0x10_0000), size).map(<[u8]>::len), Some(size));
    }
}
