//! `.symtab`: addresses by name; and names by address, of functions of C.
//!
//! Source: System V ABI, symbol table.

use letgo_target::Addr;

use crate::bytes::{c_str, u16_at, u32_at, u64_at};
use crate::{Error, Image, Section};

const SYMBOL_BYTES: usize = 24;
/// Types of a symbol that is a function: `STT_FUNC`, `STT_GNU_IFUNC`.
const FUNCTIONS: [u8; 2] = [2, 10];
/// Most bytes of a name that is believed.
const MOST_NAME: usize = 4096;

/// Gives `found` each defined symbol whose name `wanted` likes: name, address, bytes.
///
/// # Errors
/// Where a section cannot be read. An image without symbols is no error.
pub(crate) fn each(
    image: &Image,
    wanted: &dyn Fn(&[u8]) -> bool,
    found: &mut dyn FnMut(&[u8], Addr, u64),
) -> Result<(), Error> {
    let Some(section) = image.sections().iter().find(|section| section.is_symtab()) else {
        return Ok(());
    };
    each_of(image, section, &mut |symbol| {
        let named = symbol.name().filter(|name| wanted(name));
        if let (Some(name), Some(addr)) = (named, symbol.addr()) {
            found(name, addr, symbol.len());
        }
    })
}

/// The names of the functions of C in which link-time addresses lie, by `.symtab`, or by
/// `.dynsym` where that was stripped off; the addresses are sorted. Nothing where one lies in no
/// function that is named: the next name below it may be of another.
///
/// # Errors
/// Where a section cannot be read. An image without symbols is no error.
pub fn c_functions(image: &Image, addrs: &[Addr]) -> Result<Vec<Option<String>>, Error> {
    let mut best: Vec<Option<Rank>> = vec![None; addrs.len()];
    let has = |wanted: fn(&Section) -> bool| image.sections().iter().find(|one| wanted(one));
    let section = has(Section::is_symtab).or_else(|| has(Section::is_dynsym));
    if let Some(section) = section.filter(|_| !addrs.is_empty()) {
        each_of(image, section, &mut |symbol| {
            let Some((start, end)) = symbol.function() else {
                return;
            };
            let first = addrs.partition_point(|addr| *addr < start);
            let inside = addrs.iter().skip(first).take_while(|addr| **addr < end);
            for (_, best) in inside.zip(best.iter_mut().skip(first)) {
                if let Some(rank) = symbol.rank() {
                    let other = best.take();
                    *best = Some(other.map_or(rank.clone(), |other| other.min(rank)));
                }
            }
        })?;
    }
    let names = best.into_iter().map(|best| best.map(|rank| rank.name));
    Ok(names.collect())
}

/// Names of one function, the one to show first: what a program calls, before what a library
/// calls it inside (`nanosleep`, `__nanosleep`, `__GI___nanosleep`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Rank {
    underscores: usize,
    is_local: bool,
    len: usize,
    name: String,
}

/// One entry of a symbol table.
struct Symbol<'a> {
    entry: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Symbol<'a> {
    fn name(&self) -> Option<&'a [u8]> {
        let at = usize::try_from(u32_at(self.entry, 0)?).ok()?;
        c_str(self.strings.get(at..)?)
    }

    fn addr(&self) -> Option<Addr> {
        u64_at(self.entry, 8).map(Addr)
    }

    fn len(&self) -> u64 {
        u64_at(self.entry, 16).unwrap_or(0)
    }

    fn info(&self) -> u8 {
        self.entry.get(4).copied().unwrap_or(0)
    }

    /// Where it begins and ends, if it is a function whose length is known.
    fn function(&self) -> Option<(Addr, Addr)> {
        let start = self.addr()?;
        let end = Addr(start.0.checked_add(self.len())?);
        (FUNCTIONS.contains(&(self.info() & 0xf)) && end > start).then_some((start, end))
    }

    fn rank(&self) -> Option<Rank> {
        let name = self.name()?;
        let name = name.get(..MOST_NAME).unwrap_or(name);
        let name = String::from_utf8_lossy(name).into_owned();
        (!name.is_empty()).then(|| Rank {
            underscores: name.len() - name.trim_start_matches('_').len(),
            is_local: self.info() >> 4 == 0,
            len: name.len(),
            name,
        })
    }
}

/// Gives `found` each defined symbol of a table.
fn each_of(
    image: &Image,
    section: &Section,
    found: &mut dyn FnMut(&Symbol<'_>),
) -> Result<(), Error> {
    let symbols = image.bytes_of(section)?;
    let strings = usize::try_from(section.link).ok();
    let strings = strings.and_then(|index| image.sections().get(index));
    let strings = match strings {
        Some(strings) => image.bytes_of(strings)?,
        None => return Ok(()),
    };
    for entry in symbols.chunks_exact(SYMBOL_BYTES) {
        if u16_at(entry, 6).is_some_and(|section| section != 0) {
            found(&Symbol {
                entry,
                strings: &strings,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(name: &str, info: u8) -> Rank {
        let mut entry = vec![0; SYMBOL_BYTES];
        entry[4] = info;
        let strings = [name.as_bytes(), b"\0"].concat();
        let symbol = Symbol {
            entry: &entry,
            strings: &strings,
        };
        symbol.rank().unwrap()
    }

    #[test]
    fn of_names_for_one_function_that_of_callers_is_shown() {
        let (local, global, weak) = (0x02, 0x12, 0x22);
        let mut names = [
            rank("__GI___nanosleep", local),
            rank("nanosleep_alias", global),
            rank("__nanosleep", global),
            rank("nanosleep", weak),
            rank("a", local),
        ];
        names.sort();
        assert_eq!(names[0].name, "nanosleep");
        assert_eq!(names[4].name, "__GI___nanosleep");
    }
}
