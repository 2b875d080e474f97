//! [`Limits`]: the resource limits that matter to memory.
//!
//! Source: getrlimit(2), fs/proc/base.c `proc_pid_limits`.

/// One limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limit {
    /// In force; nothing is unlimited.
    pub soft: Option<u64>,
    /// What `soft` may be raised to; nothing is unlimited.
    pub hard: Option<u64>,
}

/// The limits that matter to memory. A limit that the kernel does not list is absent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// `RLIMIT_AS`: bytes of address space.
    pub address_space: Option<Limit>,
    /// `RLIMIT_DATA`: bytes of private writable memory.
    pub data: Option<Limit>,
    /// `RLIMIT_STACK`: bytes of the first thread's stack.
    pub stack: Option<Limit>,
    /// `RLIMIT_NPROC`: processes and threads of its user.
    pub processes: Option<Limit>,
    /// `RLIMIT_NOFILE`: open files.
    pub open_files: Option<Limit>,
    /// `RLIMIT_MEMLOCK`: bytes locked into memory.
    pub locked: Option<Limit>,
    /// `RLIMIT_RTTIME`: microseconds of processor time without a sleep at a real-time priority.
    pub realtime: Option<Limit>,
}

impl Limits {
    /// Parses `/proc/PID/limits`.
    pub fn parse(text: &str) -> Limits {
        let find = |name: &str| text.lines().find_map(|line| parse_line(line, name));
        Limits {
            address_space: find("Max address space"),
            data: find("Max data size"),
            stack: find("Max stack size"),
            processes: find("Max processes"),
            open_files: find("Max open files"),
            locked: find("Max locked memory"),
            realtime: find("Max realtime timeout"),
        }
    }
}

fn parse_line(line: &str, name: &str) -> Option<Limit> {
    let mut words = line.strip_prefix(name)?.split_whitespace();
    Some(Limit {
        soft: value(words.next()?)?,
        hard: value(words.next()?)?,
    })
}

fn value(word: &str) -> Option<Option<u64>> {
    match word {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = "\
Limit                     Soft Limit           Hard Limit           Units     
Max data size             unlimited            unlimited            bytes     
Max stack size            8388608              unlimited            bytes     
Max processes             96364                96364                processes 
Max address space         -3                   unlimited            bytes     
Max realtime timeout      100000               unlimited            us        
";

    #[test]
    fn unlimited_is_none_and_a_bad_or_absent_line_is_absent() {
        let limits = Limits::parse(RECORDED);
        assert_eq!(limits.data, Some(Limit::default()));
        let stack = Limit {
            soft: Some(8_388_608),
            hard: None,
        };
        assert_eq!(limits.stack, Some(stack));
        assert_eq!(limits.address_space, None, "a negative number is nonsense");
        assert_eq!(limits.locked, None);
        assert_eq!(limits.realtime.and_then(|own| own.soft), Some(100_000));
    }
}
