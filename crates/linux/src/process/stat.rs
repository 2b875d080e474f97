//! [`Stat`] and [`Statm`]: the two one-line files of a process.
//!
//! The name in `stat` stands in parentheses and may hold blanks and parentheses itself: the last
//! closing one ends it.
//!
//! Source: proc_pid_stat(5), proc_pid_statm(5).

use letgo_target::OS_PAGE;

use crate::Error;

/// What `/proc/PID/stat` says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stat {
    /// Name of the first thread, at most 15 bytes.
    pub name: String,
    /// `R`, `S`, `D`, `Z`, `T`, `t`, `X`, `I`.
    pub state: char,
    /// Pid of the parent.
    pub parent: u32,
    /// `PF_*` flags.
    pub flags: u64,
    /// Minor page faults.
    pub minor_faults: u64,
    /// Major page faults.
    pub major_faults: u64,
    /// Clock ticks in user mode.
    pub user_ticks: u64,
    /// Clock ticks in the kernel.
    pub system_ticks: u64,
    /// Threads.
    pub threads: u64,
    /// Start, in clock ticks since boot.
    pub start_ticks: u64,
    /// Bytes of address space.
    pub virtual_bytes: u64,
    /// Resident bytes, approximate on recent kernels.
    pub resident_bytes: u64,
    /// Where the code starts; 0 or 1 where we may not know.
    pub start_code: u64,
    /// Where the first thread's stack starts; 0 where we may not know.
    pub start_stack: u64,
    /// The signal that tells its parent of its end, 0 is none; nothing where there is no number.
    pub exit_signal: Option<u32>,
}

impl Stat {
    /// Parses the line.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where a field is missing or is no number.
    pub fn parse(text: &str) -> Result<Stat, Error> {
        let bad = |why: &str| Error::inconsistent("/proc/PID/stat", why);
        let (head, tail) = text
            .rsplit_once(')')
            .ok_or_else(|| bad("the name does not end"))?;
        let (_, name) = head
            .split_once('(')
            .ok_or_else(|| bad("the name does not start"))?;
        let mut words = tail.split_whitespace();
        let state = words.next().and_then(|word| word.chars().next());
        // Field 3 is the state; those behind it are numbers, some of them negative.
        let fields: Vec<&str> = words.collect();
        let number = |field: usize| -> Result<u64, Error> {
            let word = fields.get(field.saturating_sub(4));
            word.and_then(|word| word.parse().ok())
                .ok_or_else(|| bad(&format!("field {field} is no number")))
        };
        Ok(Stat {
            name: name.to_owned(),
            state: state.ok_or_else(|| bad("there is no state"))?,
            parent: u32::try_from(number(4)?).map_err(|_| bad("the parent is too large"))?,
            flags: number(9)?,
            minor_faults: number(10)?,
            major_faults: number(12)?,
            user_ticks: number(14)?,
            system_ticks: number(15)?,
            threads: number(20)?,
            start_ticks: number(22)?,
            virtual_bytes: number(23)?,
            resident_bytes: number(24)?.saturating_mul(OS_PAGE),
            start_code: number(26)?,
            start_stack: number(28)?,
            exit_signal: number(38).ok().and_then(|signal| signal.try_into().ok()),
        })
    }
}

/// What `/proc/PID/statm` says, in bytes. Approximate on recent kernels, which keep the counters
/// per CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statm {
    /// Address space.
    pub virtual_bytes: u64,
    /// Resident.
    pub resident_bytes: u64,
    /// Resident, of files and shared memory.
    pub shared_bytes: u64,
    /// Data and stack, mapped.
    pub data_bytes: u64,
}

impl Statm {
    /// Parses the line.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where a field is missing or is no number.
    pub fn parse(text: &str) -> Result<Statm, Error> {
        let field = |index: usize| -> Result<u64, Error> {
            let word = text.split_whitespace().nth(index);
            let os_pages: Option<u64> = word.and_then(|word| word.parse().ok());
            os_pages
                .map(|os_pages| os_pages.saturating_mul(OS_PAGE))
                .ok_or_else(|| {
                    Error::inconsistent("/proc/PID/statm", format!("field {index} is no number"))
                })
        };
        Ok(Statm {
            virtual_bytes: field(0)?,
            resident_bytes: field(1)?,
            shared_bytes: field(2)?,
            data_bytes: field(5)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "R 19808 19808 6265 0 -1 4194304 99 0 3 0 11 12 0 0 20 0 7 0 374751 3133440 \
                        409 18446744073709551615 94592259854336 94592259874217 140736005401168 0 0";

    #[test]
    fn a_name_may_hold_anything() {
        for name in ["cat", "a) R 1 (b", "((", "))", "", "x y\nz"] {
            let stat = Stat::parse(&format!("19813 ({name}) {TAIL}\n")).unwrap();
            assert_eq!(stat.name, name);
            assert_eq!(stat.state, 'R');
            assert_eq!(stat.parent, 19808);
            assert_eq!(stat.major_faults, 3);
            assert_eq!((stat.user_ticks, stat.system_ticks), (11, 12));
            assert_eq!(stat.threads, 7);
            assert_eq!(stat.start_ticks, 374_751);
            assert_eq!(stat.resident_bytes, 409 * 4096);
            assert_eq!(stat.start_stack, 140_736_005_401_168);
        }
    }

    #[test]
    fn a_cut_line_is_inconsistent() {
        let whole = format!("19813 (cat) {TAIL}");
        for text in ["", "1", "1 (a", "1 a)", "1 (a)", "1 (a) R x", &whole[..70]] {
            let error = Stat::parse(text).unwrap_err();
            assert!(matches!(error, Error::Inconsistent { .. }), "{text}");
        }
    }

    #[test]
    fn statm_is_in_os_pages() {
        let statm = Statm::parse("765 424 395 5 0 123 0\n").unwrap();
        assert_eq!(statm.resident_bytes, 424 * 4096);
        assert_eq!(statm.data_bytes, 123 * 4096);
        assert!(Statm::parse("1 2 3").is_err());
        assert!(Statm::parse("1 -2 3 4 5 6").is_err());
    }
}
