//! [`Auxv`]: what the kernel told the program at its start.
//!
//! Pairs of 64-bit words. The program headers' address in memory against their link-time address
//! gives the load bias. Does not read ELF (see the `gobin` crate). 64-bit targets only.
//!
//! Source: getauxval(3), include/uapi/linux/auxvec.h.

use letgo_target::Addr;

const AT_NULL: u64 = 0;
const AT_PHDR: u64 = 3;
const AT_PHENT: u64 = 4;
const AT_PHNUM: u64 = 5;
const AT_BASE: u64 = 7;
const AT_ENTRY: u64 = 9;
const AT_UID: u64 = 11;
const AT_PAGESZ: u64 = 6;
const AT_SECURE: u64 = 23;
const AT_SYSINFO_EHDR: u64 = 33;

/// Most pairs that are looked at; kernels give about 20.
const PAIR_LIMIT: usize = 256;

/// The auxiliary vector.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Auxv {
    pairs: Vec<(u64, u64)>,
}

impl Auxv {
    /// Parses the bytes of `/proc/PID/auxv`. A cut last pair is left out.
    pub fn parse(bytes: &[u8]) -> Auxv {
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
        let pairs = bytes
            .chunks_exact(16)
            .take(PAIR_LIMIT)
            .filter_map(|pair| {
                let (key, value) = pair.split_at_checked(8)?;
                Some((word(key)?, word(value)?))
            })
            .take_while(|pair| pair.0 != AT_NULL)
            .collect();
        Auxv { pairs }
    }

    fn get(&self, key: u64) -> Option<u64> {
        let found = self.pairs.iter().find(|pair| pair.0 == key);
        found.map(|pair| pair.1)
    }

    fn addr(&self, key: u64) -> Option<Addr> {
        self.get(key).map(Addr).filter(|addr| !addr.is_null())
    }

    /// Where the program headers of the executable lie in memory.
    pub fn program_headers(&self) -> Option<Addr> {
        self.addr(AT_PHDR)
    }

    /// Bytes of one program header: 56 for a 64-bit executable, 32 for a 32-bit one.
    pub fn program_header_size(&self) -> Option<u64> {
        self.get(AT_PHENT)
    }

    /// How many program headers there are.
    pub fn program_header_count(&self) -> Option<u64> {
        self.get(AT_PHNUM)
    }

    /// Where the executable is entered.
    pub fn entry(&self) -> Option<Addr> {
        self.addr(AT_ENTRY)
    }

    /// Where the dynamic loader is loaded; nothing for static programs.
    pub fn loader(&self) -> Option<Addr> {
        self.addr(AT_BASE)
    }

    /// Where the vDSO lies.
    pub fn vdso(&self) -> Option<Addr> {
        self.addr(AT_SYSINFO_EHDR)
    }

    /// Bytes of an os page.
    pub fn page_size(&self) -> Option<u64> {
        self.get(AT_PAGESZ)
    }

    /// Real user at the start.
    pub fn uid(&self) -> Option<u64> {
        self.get(AT_UID)
    }

    /// Whether it was started set-user-id or with file capabilities.
    pub fn is_secure(&self) -> bool {
        self.get(AT_SECURE).is_some_and(|secure| secure != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn what_stands_behind_the_end_is_not_read() {
        let auxv = Auxv::parse(&words(&[9, 0x401000, 7, 0, 0, 0, 3, 0x400040]));
        assert_eq!(auxv.entry(), Some(Addr(0x40_1000)));
        assert_eq!(auxv.loader(), None, "0 is none");
        assert_eq!(auxv.program_headers(), None);
    }

    #[test]
    fn a_cut_pair_is_left_out() {
        let mut bytes = words(&[6, 4096, 9]);
        bytes.push(1);
        let auxv = Auxv::parse(&bytes);
        assert_eq!(auxv.page_size(), Some(4096));
        assert_eq!(auxv.entry(), None);
    }

    #[test]
    fn our_own_headers_lie_in_our_executable() {
        let process = crate::Process::open_self().unwrap();
        let auxv = process.auxv().unwrap();
        let maps = process.maps().unwrap();
        let headers = auxv.program_headers().unwrap();
        let mapping = letgo_target::Mapping::find(&maps, headers).unwrap();
        assert_eq!(
            mapping.name,
            process.exe_path().unwrap().path.to_string_lossy()
        );
        assert_eq!(auxv.program_header_size(), Some(56));
    }
}
