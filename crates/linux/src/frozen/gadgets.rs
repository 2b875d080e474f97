//! [`Gadgets`]: the few instructions of a target that a call made in it runs through.
//!
//! Who knows the program finds them (a Go program's runtime has them all) and gives their bytes;
//! here they are compared with what the process has in memory, so that nothing else is ever run.
//!
//! Does not look for them, and does not decode instructions.

use std::fmt::Write;

use letgo_target::{Addr, ReadMemory};

use crate::frozen::Hindrance;
use crate::{Error, LiveMemory, Process};

/// Most bytes of a snippet: a system call of Go's runtime takes fewer.
const MOST_BYTES: usize = 256;
/// Most places in which threads wait.
const MOST_IDLE: usize = 8;

/// Some instructions, where they lie in the process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snippet {
    /// Its first byte.
    pub addr: Addr,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Snippet {
    /// Behind its last byte.
    pub fn end(&self) -> Addr {
        self.addr.add(self.bytes.len() as u64)
    }

    fn encode(&self) -> String {
        let mut text = format!("{:x}:", self.addr.0);
        for byte in &self.bytes {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    fn decode(text: &str) -> Option<Snippet> {
        let (addr, digits) = text.split_once(':')?;
        let addr = Addr(u64::from_str_radix(addr, 16).ok()?);
        let sane = digits.is_ascii() && digits.len().is_multiple_of(2);
        if !sane || digits.is_empty() || digits.len() > 2 * MOST_BYTES {
            return None;
        }
        let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        let bytes = (0..digits.len())
            .step_by(2)
            .map(byte)
            .collect::<Option<_>>();
        Some(Snippet {
            addr,
            bytes: bytes?,
        })
    }
}

/// The instructions that letgo lets a thread run, at the addresses that they have in the process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gadgets {
    /// Starts with `syscall` (two bytes); from there on it changes general registers only and
    /// returns with `ret`, wherever it branches.
    pub syscall_ret: Snippet,
    /// `mov eax, 15; syscall`.
    pub sigreturn: Snippet,
    /// Ends the process with the code that lies at `8(%rsp)`.
    pub exit: Snippet,
    /// Each ends with the `syscall` in which a thread waits, best first. By the program's calling
    /// convention nothing lives there in floating point and vector registers, nor below the stack
    /// pointer, and there is room for [`crate::frozen::ROOM`] bytes.
    pub idle: Vec<Snippet>,
}

impl Gadgets {
    /// Whether the process has these very bytes.
    pub(crate) fn check(&self, process: &Process) -> Result<(), Error> {
        let memory = LiveMemory::new(process)?;
        let named = [
            ("a system call", &self.syscall_ret),
            ("the return from a signal", &self.sigreturn),
            ("the exit", &self.exit),
        ];
        let idle = self.idle.iter().map(|snippet| ("a wait", snippet));
        for (what, snippet) in named.into_iter().chain(idle) {
            let mut bytes = vec![0; snippet.bytes.len().min(MOST_BYTES)];
            memory.read(snippet.addr, &mut bytes)?;
            if bytes != snippet.bytes || bytes.is_empty() {
                let (pid, what) = (process.pid(), what.to_owned());
                return Err(Hindrance::Code { pid, what }.into());
            }
        }
        Ok(())
    }

    /// Which place of `idle` a thread at `pc` waits in.
    pub(crate) fn idle_at(&self, pc: Addr) -> Option<usize> {
        self.idle.iter().position(|snippet| snippet.end() == pc)
    }

    /// As one word, for the command line of a watchdog.
    pub fn encode(&self) -> String {
        let fixed = [&self.syscall_ret, &self.sigreturn, &self.exit];
        let all: Vec<String> = fixed
            .into_iter()
            .chain(&self.idle)
            .map(Snippet::encode)
            .collect();
        all.join(",")
    }

    /// What [`Gadgets::encode`] has written; nothing where the text is not that.
    pub fn decode(text: &str) -> Option<Gadgets> {
        let mut snippets = text.split(',').take(3 + MOST_IDLE).map(Snippet::decode);
        let gadgets = Gadgets {
            syscall_ret: snippets.next()??,
            sigreturn: snippets.next()??,
            exit: snippets.next()??,
            idle: snippets.collect::<Option<_>>()?,
        };
        (!gadgets.idle.is_empty()).then_some(gadgets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let snippet = |addr, bytes: &[u8]| Snippet {
            addr: Addr(addr),
            bytes: bytes.to_vec(),
        };
        let gadgets = Gadgets {
            syscall_ret: snippet(0x40_1000, &[0x0f, 0x05, 0xc3]),
            sigreturn: snippet(1, &[0xb8, 15]),
            exit: snippet(u64::MAX, &[0]),
            idle: vec![snippet(5, &[0x0f, 0x05]), snippet(9, &[0xff])],
        };
        assert_eq!(Gadgets::decode(&gadgets.encode()), Some(gadgets));
    }

    #[test]
    fn nonsense_is_nothing() {
        for text in [
            "",
            ",",
            "1:00,2:00,3:00",
            "1:0,2:00,3:00,4:00",
            "1:é0,2:00,3:00,4:00",
        ] {
            assert_eq!(Gadgets::decode(text), None, "{text}");
        }
    }
}
