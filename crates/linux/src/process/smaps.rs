//! [`Smaps`]: what each mapping takes, by the kernel's own count.
//!
//! `Rss` of `smaps` is the truth that the account is checked against; `VmRSS` and `statm` are
//! approximate on recent kernels. Read line by line, since the text has 700 bytes a mapping.
//!
//! Does not say which pages are resident (see [`crate::residency()`]).
//!
//! Source: Documentation/filesystems/proc.rst, fs/proc/task_mmu.c `__show_smap`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use letgo_target::Mapping;

use super::maps::{parse_map_line, push};
use super::status::kilobytes;
use crate::Error;

/// Most bytes of `smaps` that are read: a million mappings.
const LIMIT: u64 = 1 << 30;
/// Longest line that is kept: a path is at most 4096 bytes, escaped at most 16 KiB.
const LINE_LIMIT: u64 = 32 << 10;

/// What memory takes, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Use {
    /// Address space; 0 in a rollup.
    pub size: u64,
    /// Resident: present pages, the shared zero page and hugetlb left out.
    pub rss: u64,
    /// Resident, each page divided by the number of its mappers.
    pub pss: u64,
    /// Mapped elsewhere too, clean.
    pub shared_clean: u64,
    /// Mapped elsewhere too, dirty.
    pub shared_dirty: u64,
    /// Mapped here only, clean.
    pub private_clean: u64,
    /// Mapped here only, dirty.
    pub private_dirty: u64,
    /// Touched since the last reset.
    pub referenced: u64,
    /// Of no file.
    pub anonymous: u64,
    /// Given back with `MADV_FREE`, still resident until the kernel wants it.
    pub lazy_free: u64,
    /// Mapped by transparent huge pages.
    pub anon_huge_pages: u64,
    /// hugetlb, which `rss` leaves out.
    pub hugetlb: u64,
    /// Swapped out.
    pub swap: u64,
    /// Swapped out, each page divided by the number of its users.
    pub swap_pss: u64,
    /// Locked into memory.
    pub locked: u64,
}

impl Use {
    fn take(&mut self, key: &str, value: &str) {
        let field = match key {
            "Size" => &mut self.size,
            "Rss" => &mut self.rss,
            "Pss" => &mut self.pss,
            "Shared_Clean" => &mut self.shared_clean,
            "Shared_Dirty" => &mut self.shared_dirty,
            "Private_Clean" => &mut self.private_clean,
            "Private_Dirty" => &mut self.private_dirty,
            "Referenced" => &mut self.referenced,
            "Anonymous" => &mut self.anonymous,
            "LazyFree" => &mut self.lazy_free,
            "AnonHugePages" => &mut self.anon_huge_pages,
            "Shared_Hugetlb" | "Private_Hugetlb" => &mut self.hugetlb,
            "Swap" => &mut self.swap,
            "SwapPss" => &mut self.swap_pss,
            "Locked" => &mut self.locked,
            _ => return,
        };
        *field = field.saturating_add(kilobytes(value));
    }

    pub(crate) fn add(&mut self, other: &Use) {
        let pairs = [
            (&mut self.size, other.size),
            (&mut self.rss, other.rss),
            (&mut self.pss, other.pss),
            (&mut self.shared_clean, other.shared_clean),
            (&mut self.shared_dirty, other.shared_dirty),
            (&mut self.private_clean, other.private_clean),
            (&mut self.private_dirty, other.private_dirty),
            (&mut self.referenced, other.referenced),
            (&mut self.anonymous, other.anonymous),
            (&mut self.lazy_free, other.lazy_free),
            (&mut self.anon_huge_pages, other.anon_huge_pages),
            (&mut self.hugetlb, other.hugetlb),
            (&mut self.swap, other.swap),
            (&mut self.swap_pss, other.swap_pss),
            (&mut self.locked, other.locked),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
    }
}

/// A mapping and what it takes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MappingUse {
    /// Where it is.
    pub mapping: Mapping,
    /// What it takes.
    pub bytes: Use,
    /// `VmFlags`: two letters each (`hg` is `MADV_HUGEPAGE`, `nh` `MADV_NOHUGEPAGE`, `ht`
    /// hugetlb, `lo` locked, `dc` not copied on fork, `wf` wiped on fork).
    pub flags: String,
}

impl MappingUse {
    /// Whether a flag of two letters is set.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.split_whitespace().any(|set| set == flag)
    }
}

/// All mappings and their sum.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Smaps {
    /// By address, disjoint.
    pub mappings: Vec<MappingUse>,
    /// The sum over `mappings`.
    pub total: Use,
}

impl Smaps {
    fn line(&mut self, line: &str) -> Result<(), Error> {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(key) = first.strip_suffix(':') {
            let bad = || Error::inconsistent("/proc/PID/smaps", "a field before any mapping");
            let last = self.mappings.last_mut().ok_or_else(bad)?;
            if key == "VmFlags" {
                rest.trim().clone_into(&mut last.flags);
            } else {
                last.bytes.take(key, rest.trim());
            }
            return Ok(());
        }
        let bad = || Error::inconsistent("a line of /proc/PID/smaps", format!("`{line}`"));
        self.mappings.push(MappingUse {
            mapping: parse_map_line(line).ok_or_else(bad)?,
            ..MappingUse::default()
        });
        Ok(())
    }

    /// Cuts mappings that overlap, as [`super::parse_maps`] does, and sums up.
    fn finish(&mut self) {
        let mut disjoint = Vec::with_capacity(self.mappings.len());
        for mut entry in std::mem::take(&mut self.mappings) {
            let mut seen: Vec<Mapping> = disjoint
                .last()
                .map(|last: &MappingUse| last.mapping.clone())
                .into_iter()
                .collect();
            let before = seen.len();
            push(&mut seen, std::mem::take(&mut entry.mapping));
            if seen.len() > before
                && let Some(mapping) = seen.pop()
            {
                entry.mapping = mapping;
                self.total.add(&entry.bytes);
                disjoint.push(entry);
            }
        }
        self.mappings = disjoint;
    }
}

/// Parses the text of `/proc/PID/smaps`.
///
/// # Errors
/// [`Error::Inconsistent`] at the first line that is neither a mapping nor a field.
pub fn parse_smaps(text: &str) -> Result<Smaps, Error> {
    let mut smaps = Smaps::default();
    for line in text.lines() {
        smaps.line(line)?;
    }
    smaps.finish();
    Ok(smaps)
}

/// Parses the text of `/proc/PID/smaps_rollup`. A field that is missing is 0.
pub fn parse_rollup(text: &str) -> Use {
    let mut total = Use::default();
    for line in text.lines() {
        if let Some((key, value)) = line.split_once(':') {
            total.take(key, value.trim());
        }
    }
    total
}

/// Reads `/proc/PID/smaps` line by line; `io` says what an error of the system means.
pub(super) fn read(file: File, io: impl Fn(io::Error) -> Error) -> Result<Smaps, Error> {
    let mut smaps = Smaps::default();
    let mut reader = BufReader::with_capacity(64 << 10, file).take(LIMIT);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut line);
        if read.map_err(&io)? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        smaps.line(text.trim_end_matches('\n'))?;
    }
    smaps.finish();
    Ok(smaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = include_str!("../../tests/fixtures/smaps/go-server.txt");

    #[test]
    fn a_recorded_file_sums_up_to_its_rollup() {
        let smaps = parse_smaps(RECORDED).unwrap();
        let rollup = include_str!("../../tests/fixtures/smaps/go-server.rollup.txt");
        let mut rollup = parse_rollup(rollup);
        rollup.size = smaps.total.size;
        // The kernel keeps fractions of Pss while it sums; the parts are rounded down.
        assert!(smaps.total.pss <= rollup.pss);
        rollup.pss = smaps.total.pss;
        assert_eq!(smaps.total, rollup);
    }

    #[test]
    fn flags_and_names_are_kept() {
        let smaps = parse_smaps(RECORDED).unwrap();
        let stack = smaps
            .mappings
            .iter()
            .find(|entry| entry.mapping.name == "[stack]")
            .unwrap();
        assert!(stack.has_flag("gd") && !stack.has_flag("ht"));
    }

    #[test]
    fn weird_names_and_bad_numbers() {
        let text = "\
1000-3000 rw-p 00000000 00:00 0    [anon: Rss: 12 kB]
Rss:                   8 kB
Pss:                  xx kB
NewField:              9 kB
VmFlags: rd wr 
2000-4000 rw-p 00000000 00:00 0
Rss:                   4 kB
";
        let smaps = parse_smaps(text).unwrap();
        assert_eq!(smaps.total.rss, 12 << 10);
        assert_eq!(smaps.total.pss, 0);
        assert_eq!(smaps.mappings[1].mapping.range.start().0, 0x3000);
        assert!(parse_smaps("Rss: 8 kB\n").is_err());
        assert!(parse_smaps("nonsense\n").is_err());
    }
}
