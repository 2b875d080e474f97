//! [`Variables`]: names of package-level variables by address, from `.symtab`.
//!
//! A stripped binary has none. Addresses are link-time ones.

use letgo_target::{Addr, AddrRange};

use crate::{Error, GoBinary, symbols};

/// Most symbols that are kept: the largest Go programs have some hundred thousand.
const MOST: usize = 4 << 20;

/// Variables, by address.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    sorted: Vec<(AddrRange, String)>,
}

impl GoBinary {
    /// The symbols of the data of this program, sorted; none where it is stripped and no debug file
    /// is used.
    ///
    /// # Errors
    /// Where a section cannot be read.
    pub fn variables(&self) -> Result<Variables, Error> {
        let mut sorted = Vec::new();
        let writable = |addr: Addr| {
            let mut segments = self.image.segments().iter();
            segments.any(|segment| segment.write && segment.range.contains(addr))
        };
        let any = |_: &[u8]| true;
        let debug = self.debug.as_ref().filter(|debug| debug.image.has_symtab());
        let image = debug.map_or(&self.image, |debug| &debug.image);
        symbols::each(image, &any, &mut |name, addr, len| {
            let own = debug.map_or(Some(addr), |debug| debug.own(addr));
            let Some(addr) = own else { return };
            // Without a size it is a mark of the linker's, such as `runtime.bss`.
            if len > 0 && writable(addr) && sorted.len() < MOST {
                let name = String::from_utf8_lossy(name).into_owned();
                sorted.push((AddrRange::sized(addr, len), name));
            }
        })?;
        sorted.sort();
        Ok(Variables { sorted })
    }
}

impl Variables {
    /// The variable that an address lies in, and how far in.
    pub fn at(&self, addr: Addr) -> Option<(&str, u64)> {
        let next = self
            .sorted
            .partition_point(|(range, _)| range.start() <= addr);
        let (range, name) = self.sorted.get(next.checked_sub(1)?)?;
        let within = range.contains(addr);
        within.then(|| (name.as_str(), addr.since(range.start())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_finds_the_variable_that_it_lies_in() {
        let variables = Variables {
            sorted: vec![
                (AddrRange::sized(Addr(0x100), 24), "main.keep".into()),
                (AddrRange::sized(Addr(0x118), 8), "main.m".into()),
            ],
        };
        assert_eq!(variables.at(Addr(0xff)), None);
        assert_eq!(variables.at(Addr(0x110)), Some(("main.keep", 0x10)));
        assert_eq!(variables.at(Addr(0x118)), Some(("main.m", 0)));
        assert_eq!(variables.at(Addr(0x120)), None);
    }
}
