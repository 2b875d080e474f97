//! Looking up functions by name without making 60,000 strings.

use letgo_target::read_bytes;

use super::{FUNC_NAME, FunctionTable};
use crate::Error;
use crate::bytes::{c_str, u32_at};

/// The indices of all functions whose name `wanted` likes. A function whose entry leaves its table
/// is passed over.
pub(crate) fn find_named(
    table: &FunctionTable,
    wanted: &dyn Fn(&[u8]) -> bool,
) -> Result<Vec<usize>, Error> {
    let whole = |range: letgo_target::AddrRange| {
        read_bytes(&table.image, range.start(), range.len(), range.len())
    };
    let names = whole(table.module.funcnametab)?;
    let funcs = whole(table.module.pclntable)?;
    let name_of = |func: u32| {
        let offset = usize::try_from(func).ok()?.checked_add(FUNC_NAME)?;
        let name = usize::try_from(u32_at(&funcs, offset)?).ok()?;
        c_str(names.get(name..)?)
    };
    let entries = table.entries.iter().enumerate();
    Ok(entries
        .filter(|(_, (_, func))| name_of(*func).is_some_and(wanted))
        .map(|(index, _)| index)
        .collect())
}
