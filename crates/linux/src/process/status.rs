//! [`Status`]: the fields of `/proc/PID/status` that letgo uses.
//!
//! A field that this kernel does not write, or that is no number, stays at its default: the file
//! grows with each release and none of its fields is needed to go on.
//!
//! Source: proc_pid_status(5), fs/proc/array.c.

/// What `/proc/PID/status` says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Name of the first thread, at most 15 bytes, as the kernel escapes it.
    pub name: String,
    /// Pid of the process that this thread belongs to.
    pub tgid: u32,
    /// Who traces it, 0 is nobody.
    pub tracer: u32,
    /// Real, effective, saved and file system user.
    pub uid: [u32; 4],
    /// Real, effective, saved and file system group.
    pub gid: [u32; 4],
    /// Its pid in each pid namespace from ours inwards; the last is what it calls itself.
    pub ns_pids: Vec<u32>,
    /// `Kthread: 1`, Linux 6.8 and later.
    pub kernel_thread: bool,
    /// Threads.
    pub threads: u32,
    /// Resident bytes, approximate on recent kernels.
    pub vm_rss: u64,
    /// The most that `vm_rss` ever was, in bytes.
    pub vm_hwm: u64,
    /// Address space in bytes.
    pub vm_size: u64,
    /// Page tables in bytes.
    pub vm_pte: u64,
    /// Swapped out, in bytes.
    pub vm_swap: u64,
    /// Locked into memory (`mlock`, `mlockall`), in bytes.
    pub vm_lck: u64,
    /// Resident anonymous bytes.
    pub rss_anon: u64,
    /// Resident file bytes.
    pub rss_file: u64,
    /// Resident shared memory in bytes.
    pub rss_shmem: u64,
    /// Huge pages of hugetlbfs in bytes: not counted in Rss.
    pub hugetlb: u64,
    /// Blocked signals of this thread, bit `n - 1` for signal `n`.
    pub blocked: u64,
    /// A shadow stack guards its returns (x86, Linux 6.6 and later).
    pub shadow_stack: bool,
    /// 0 none, 1 strict, 2 filter.
    pub seccomp: u32,
    /// Permitted capabilities.
    pub cap_permitted: u64,
    /// Effective capabilities.
    pub cap_effective: u64,
    /// Capabilities that can be had at all.
    pub cap_bounding: u64,
    /// `prctl(PR_SET_NO_NEW_PRIVS)` is set.
    pub no_new_privs: bool,
    /// Transparent huge pages are not switched off for it (`PR_SET_THP_DISABLE`); nothing where
    /// the kernel does not tell.
    pub thp_enabled: Option<bool>,
}

impl Status {
    /// Parses the text. Never fails; see the module.
    pub fn parse(text: &str) -> Status {
        let mut status = Status::default();
        for line in text.lines() {
            if let Some((key, value)) = line.split_once(':') {
                status.take(key, value.trim());
            }
        }
        status
    }

    fn take(&mut self, key: &str, value: &str) {
        match key {
            "Name" => self.name = value.to_owned(),
            "Tgid" => self.tgid = number(value),
            "TracerPid" => self.tracer = number(value),
            "Uid" => self.uid = four(value),
            "Gid" => self.gid = four(value),
            "NSpid" => self.ns_pids = value.split_whitespace().map(number).collect(),
            "Kthread" => self.kernel_thread = value == "1",
            "Threads" => self.threads = number(value),
            "VmRSS" => self.vm_rss = kilobytes(value),
            "VmHWM" => self.vm_hwm = kilobytes(value),
            "VmSize" => self.vm_size = kilobytes(value),
            "VmPTE" => self.vm_pte = kilobytes(value),
            "VmLck" => self.vm_lck = kilobytes(value),
            "VmSwap" => self.vm_swap = kilobytes(value),
            "RssAnon" => self.rss_anon = kilobytes(value),
            "RssFile" => self.rss_file = kilobytes(value),
            "RssShmem" => self.rss_shmem = kilobytes(value),
            "HugetlbPages" => self.hugetlb = kilobytes(value),
            "SigBlk" => self.blocked = hex(value),
            "x86_Thread_features" => {
                self.shadow_stack = value.split_whitespace().any(|word| word == "shstk");
            }
            "Seccomp" => self.seccomp = number(value),
            "CapPrm" => self.cap_permitted = hex(value),
            "CapEff" => self.cap_effective = hex(value),
            "CapBnd" => self.cap_bounding = hex(value),
            "NoNewPrivs" => self.no_new_privs = value == "1",
            "THP_enabled" => self.thp_enabled = Some(value == "1"),
            _ => {}
        }
    }

    /// What it calls itself: its pid in the innermost pid namespace.
    pub fn inner_pid(&self) -> Option<u32> {
        self.ns_pids.last().copied()
    }

    /// Whether a capability (its bit number) is effective.
    pub fn has_capability(&self, bit: u32) -> bool {
        self.cap_effective.checked_shr(bit).unwrap_or(0) & 1 == 1
    }
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or(0)
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap_or(0)
}

fn four(text: &str) -> [u32; 4] {
    let mut ids = [0; 4];
    for (id, word) in ids.iter_mut().zip(text.split_whitespace()) {
        *id = number(word);
    }
    ids
}

/// `123 kB`, in bytes.
pub(super) fn kilobytes(text: &str) -> u64 {
    let number = text.strip_suffix("kB").unwrap_or(text).trim();
    number.parse::<u64>().unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = "\
Name:\tmy: api
Umask:\t0022
State:\tS (sleeping)
Tgid:\t4242
TracerPid:\t17
Uid:\t1000\t1001\t1002\t1003
Gid:\t100\t100\t100\t100
NSpid:\t4242\t77\t1
Kthread:\t0
VmPTE:\t      44 kB
VmHWM:\t    1692 kB
VmLck:\t      12 kB
HugetlbPages:\t       0 kB
THP_enabled:\t1
Threads:\t13
SigBlk:\tfffffffe7ffbfeff
CapPrm:\t000001fffeffffff
CapEff:\t0000000000080000
NoNewPrivs:\t1
x86_Thread_features:\t
Seccomp:\t2
";

    #[test]
    fn recorded_fields_are_read() {
        let status = Status::parse(RECORDED);
        assert_eq!(status.name, "my: api");
        assert_eq!((status.tgid, status.tracer, status.threads), (4242, 17, 13));
        assert_eq!(status.uid, [1000, 1001, 1002, 1003]);
        assert_eq!(status.inner_pid(), Some(1));
        assert_eq!(status.vm_hwm, 1692 * 1024);
        assert_eq!(status.vm_lck, 12 * 1024);
        assert!(status.has_capability(19) && !status.has_capability(21));
        assert!(!status.has_capability(200));
        assert!(status.no_new_privs && status.seccomp == 2);
        assert_eq!(status.thp_enabled, Some(true));
        assert_eq!(status.blocked, 0xffff_fffe_7ffb_feff);
        assert!(!status.shadow_stack);
        assert!(Status::parse("x86_Thread_features:\tshstk \n").shadow_stack);
    }

    #[test]
    fn nonsense_leaves_the_defaults() {
        let text = "Tgid:\t-1\nVmRSS:\t99999999999999999999 kB\nUid:\tx\nUid\n:\n";
        assert_eq!(Status::parse(text), Status::default());
        assert_eq!(kilobytes("18446744073709551615 kB"), u64::MAX);
    }
}
