//! Where the program keeps its variables and types: the list of `runtime.moduledata`.
//!
//! The executable has one moduledata, each plugin another; they are linked. The tables that a
//! moduledata leads to are not read here (see `letgo_gobin` and [`crate::Plugins`]).
//!
//! Source: src/runtime/symtab.go, go1.19 to go1.27. The order of sections is the linker's, and
//! differs where a C compiler links.

use letgo_target::{Addr, AddrRange, Coverage, ReadMemory};

use crate::view::View;
use crate::{Error, Runtime};

/// Images there may be: a program has few plugins.
const MOST_MODULES: usize = 1024;
/// Largest part of an image that is believed: the linker's own limit on amd64 is 2 GiB.
const MOST_DATA: u64 = 4 << 30;

/// Initialised and zeroed variables of every image: two pairs each, those that may hold pointers
/// and those that do not.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(crate) fn data(
    view: View<'_>,
    coverage: &mut Coverage,
) -> Result<Vec<(AddrRange, AddrRange)>, Error> {
    let fields = &view.layout().moduledata;
    let mut modules = Vec::new();
    each(view, coverage, &mut |_, bytes, coverage| {
        let bounds = [
            [fields.data, fields.edata, fields.bss, fields.ebss],
            [
                fields.noptrdata,
                fields.enoptrdata,
                fields.noptrbss,
                fields.enoptrbss,
            ],
        ];
        for [data, edata, bss, ebss] in bounds {
            let data = range(data.addr(bytes), edata.addr(bytes));
            let bss = range(bss.addr(bytes), ebss.addr(bytes));
            match (data, bss) {
                (Some(data), Some(bss)) => modules.push((data, bss)),
                _ => coverage.skip("moduledata", "its variables' bounds make no sense"),
            }
        }
    })?;
    Ok(modules)
}

/// Where every image keeps the descriptors of its types.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(crate) fn types(
    runtime: &Runtime,
    memory: &dyn ReadMemory,
    coverage: &mut Coverage,
) -> Result<Vec<AddrRange>, Error> {
    let fields = &runtime.layout().moduledata;
    let (Some(types), Some(etypes)) = (fields.types, fields.etypes) else {
        coverage.skip("types", "it is not known where the program keeps them");
        return Ok(Vec::new());
    };
    let mut found: Vec<AddrRange> = Vec::new();
    let view = View::new(runtime, memory);
    each(view, coverage, &mut |_, bytes, coverage| {
        let own = range(types.addr(bytes), etypes.addr(bytes)).filter(|own| !own.is_empty());
        match own {
            Some(own) if !found.contains(&own) => found.push(own),
            Some(_) => {}
            None => coverage.skip("moduledata", "its types' bounds make no sense"),
        }
    })?;
    Ok(found)
}

/// Every image's moduledata: where it lies, and its bytes.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(crate) fn heads(
    runtime: &Runtime,
    memory: &dyn ReadMemory,
    coverage: &mut Coverage,
) -> Result<Vec<(Addr, Vec<u8>)>, Error> {
    let mut found = Vec::new();
    each(View::new(runtime, memory), coverage, &mut |at, bytes, _| {
        found.push((at, bytes.to_vec()));
    })?;
    Ok(found)
}

/// Hands every image's moduledata to `take`: where it lies, and its bytes.
fn each(
    view: View<'_>,
    coverage: &mut Coverage,
    take: &mut dyn FnMut(Addr, &[u8], &mut Coverage),
) -> Result<(), Error> {
    let fields = &view.layout().moduledata;
    let mut next = view.runtime.moduledata;
    let mut modules = 0;
    while !next.is_null() {
        modules += 1;
        if modules > MOST_MODULES {
            coverage.skip("moduledata", "the list of images does not end");
            break;
        }
        let bytes = match view.structure(next, fields.size).map_err(Error::from) {
            Ok(bytes) => bytes,
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => {
                coverage.skip("moduledata", error.to_string());
                break;
            }
        };
        take(next, &bytes, coverage);
        next = fields.next.addr(&bytes);
    }
    Ok(())
}

/// A range whose bounds make sense.
fn range(start: Addr, end: Addr) -> Option<AddrRange> {
    let sane = start <= end && end.since(start) <= MOST_DATA;
    sane.then(|| AddrRange::new(start, end))
}
