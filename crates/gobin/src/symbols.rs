//! `.symtab`: addresses by name.
//!
//! Source: System V ABI, symbol table.

use letgo_target::Addr;

use crate::bytes::{c_str, u16_at, u32_at, u64_at};
use crate::{Error, Image};

const SYMBOL_BYTES: usize = 24;

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
    let symbols = image.bytes_of(section)?;
    let strings = usize::try_from(section.link).ok();
    let strings = strings.and_then(|index| image.sections().get(index));
    let strings = match strings {
        Some(strings) => image.bytes_of(strings)?,
        None => return Ok(()),
    };
    for symbol in symbols.chunks_exact(SYMBOL_BYTES) {
        let name = u32_at(symbol, 0).and_then(|at| usize::try_from(at).ok());
        let name = name.and_then(|at| c_str(strings.get(at..)?));
        let defined = u16_at(symbol, 6).is_some_and(|section| section != 0);
        if let (Some(name), Some(value), true) = (name, u64_at(symbol, 8), defined)
            && wanted(name)
        {
            found(name, Addr(value), u64_at(symbol, 16).unwrap_or(0));
        }
    }
    Ok(())
}
