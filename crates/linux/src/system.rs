//! What holds for the whole machine: memory, huge pages, kernel, clocks.
//!
//! Everything is read anew at each call. A file that this kernel does not have gives an absent
//! value. Does not look at processes.
//!
//! Source: proc(5), Documentation/admin-guide/mm/transhuge.rst.

use std::fs;

use nix::sys::utsname::uname;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

/// What `/proc/meminfo` says, in bytes; 0 where it does not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemInfo {
    /// All memory.
    pub total: u64,
    /// Unused.
    pub free: u64,
    /// What could be had without swapping.
    pub available: u64,
    /// Page cache.
    pub cached: u64,
    /// All swap.
    pub swap_total: u64,
    /// Unused swap.
    pub swap_free: u64,
    /// Mapped by transparent huge pages.
    pub anon_huge_pages: u64,
    /// Bytes of a huge page.
    pub huge_page_size: u64,
    /// What processes were promised.
    pub committed: u64,
    /// What they may be promised at most with `vm.overcommit_memory = 2`.
    pub commit_limit: u64,
}

/// Parses `/proc/meminfo`.
pub fn parse_meminfo(text: &str) -> MemInfo {
    let mut info = MemInfo::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let field = match key {
            "MemTotal" => &mut info.total,
            "MemFree" => &mut info.free,
            "MemAvailable" => &mut info.available,
            "Cached" => &mut info.cached,
            "SwapTotal" => &mut info.swap_total,
            "SwapFree" => &mut info.swap_free,
            "AnonHugePages" => &mut info.anon_huge_pages,
            "Hugepagesize" => &mut info.huge_page_size,
            "Committed_AS" => &mut info.committed,
            "CommitLimit" => &mut info.commit_limit,
            _ => continue,
        };
        let number = value.trim().strip_suffix("kB").unwrap_or(value).trim();
        *field = number.parse::<u64>().unwrap_or(0).saturating_mul(1024);
    }
    info
}

/// The machine's memory now.
pub fn meminfo() -> MemInfo {
    parse_meminfo(&fs::read_to_string("/proc/meminfo").unwrap_or_default())
}

/// How transparent huge pages are set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HugePages {
    /// `always`, `madvise` or `never`; nothing where the kernel has none.
    pub enabled: Option<String>,
    /// What a fault that finds no huge page does.
    pub defrag: Option<String>,
    /// How many untouched pages of a huge page khugepaged may fill in; Go's guide is about this.
    pub max_ptes_none: Option<u64>,
}

/// How transparent huge pages are set now.
pub fn huge_pages() -> HugePages {
    let read =
        |name: &str| fs::read_to_string(format!("/sys/kernel/mm/transparent_hugepage/{name}")).ok();
    let chosen = |name: &str| parse_chosen(&read(name)?);
    HugePages {
        enabled: chosen("enabled"),
        defrag: chosen("defrag"),
        max_ptes_none: read("khugepaged/max_ptes_none").and_then(|text| text.trim().parse().ok()),
    }
}

/// The word in brackets of `always [madvise] never`.
pub fn parse_chosen(text: &str) -> Option<String> {
    let word = |word: &str| word.strip_prefix('[')?.strip_suffix(']').map(str::to_owned);
    text.split_whitespace().find_map(word)
}

/// A kernel's release.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kernel {
    /// As the kernel writes it: `6.18.4-amd64`.
    pub release: String,
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl Kernel {
    /// Parses a release; numbers that are missing are 0.
    pub fn parse(release: &str) -> Kernel {
        let mut numbers = release
            .split(|c: char| !c.is_ascii_digit())
            .map(|part| part.parse().unwrap_or(0));
        Kernel {
            release: release.to_owned(),
            major: numbers.next().unwrap_or(0),
            minor: numbers.next().unwrap_or(0),
        }
    }

    /// Whether it is this release or a later one.
    pub fn is_at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

/// The running kernel.
pub fn kernel() -> Kernel {
    let release = uname().map(|name| name.release().to_string_lossy().into_owned());
    Kernel::parse(&release.unwrap_or_default())
}

/// The machine's architecture as the kernel names it: `x86_64`.
pub fn machine() -> String {
    let machine = uname().map(|name| name.machine().to_string_lossy().into_owned());
    machine.unwrap_or_default()
}

/// Clock ticks a second: the unit of start times and CPU times.
pub fn clock_ticks() -> u64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    ticks
        .and_then(|ticks| u64::try_from(ticks).ok())
        .unwrap_or(100)
}

/// Names this boot; with pid and start time it names a process for good.
pub fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// When this boot began, in seconds since 1970.
pub fn boot_time() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

/// Now, in milliseconds since 1970.
pub fn unix_ms() -> u64 {
    nanoseconds(ClockId::CLOCK_REALTIME) / 1_000_000
}

/// Nanoseconds of the monotonic clock: what Go's `nanotime` gives in our time namespace. For
/// another namespace see [`crate::Process::monotonic_offset_ns`].
pub fn monotonic_ns() -> u64 {
    nanoseconds(ClockId::CLOCK_MONOTONIC)
}

/// Nanoseconds since boot with the time asleep, in our time namespace: what start times count.
pub fn boottime_ns() -> u64 {
    nanoseconds(ClockId::CLOCK_BOOTTIME)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let parts = clock_gettime(clock).ok().and_then(|time| {
        let seconds = u64::try_from(time.tv_sec()).ok()?;
        let nanoseconds = u64::try_from(time.tv_nsec()).ok()?;
        seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
    });
    parts.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_all_kinds_are_compared() {
        let kernel = Kernel::parse("6.18.44-fc-v769");
        assert!(kernel.is_at_least(6, 7) && kernel.is_at_least(6, 18));
        assert!(!kernel.is_at_least(6, 19) && !kernel.is_at_least(7, 0));
        let odd = Kernel::parse("5.rc");
        assert_eq!((odd.major, odd.minor), (5, 0));
        assert!(!Kernel::parse("").is_at_least(0, 1));
    }

    #[test]
    fn the_chosen_word_is_in_brackets() {
        assert_eq!(
            parse_chosen("always [madvise] never\n").as_deref(),
            Some("madvise")
        );
        assert_eq!(parse_chosen("always madvise never"), None);
    }

    #[test]
    fn meminfo_of_this_machine_is_sane() {
        let info = meminfo();
        assert!(info.total > 64 << 20 && info.available <= info.total);
        assert_eq!(parse_meminfo("MemTotal: -1 kB\nx\n"), MemInfo::default());
    }

    #[test]
    fn clocks_run() {
        let (mono, boot) = (monotonic_ns(), boottime_ns());
        assert!(mono > 0 && boot >= mono);
        assert!(clock_ticks() > 0);
        assert!(boot_time().is_some_and(|time| time > 1_500_000_000));
        assert_eq!(boot_id().map(|id| id.len()), Some(36));
    }
}
