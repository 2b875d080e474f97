//! [`Plugin`]: the code of a module that a program has beside its own.
//!
//! A Go plugin (`-buildmode=plugin`) is an image with a moduledata and a function table of its own,
//! and without a runtime. Where its moduledata lies only the program's list of modules tells; its
//! words are taken from there, since a loader has made them whole.
//!
//! Addresses are link-time ones of the plugin's image.
//!
//! Invariant: what the moduledata says was checked against the image, so that a plugin is never
//! read by the tables of another build.
//!
//! Source: src/plugin/plugin_dlopen.go, src/runtime/plugin.go, go1.19 to go1.27.

use letgo_target::{Addr, AddrRange};

use crate::moduledata::Moduledata;
use crate::pclntab::Header;
use crate::{Error, FunctionTable, Image};

/// A module that a program has beside its own.
#[derive(Debug)]
pub struct Plugin {
    /// The image that it was loaded from.
    pub image: Image,
    /// Its functions.
    pub functions: FunctionTable,
    /// The head of its moduledata.
    pub module: Moduledata,
}

impl Plugin {
    /// Takes the module whose moduledata starts with `head` in the memory of the program, and which
    /// was loaded from `image`; `bias` is what the loader added to its link-time addresses, `addr`
    /// where the moduledata was linked.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where the image has other tables than the moduledata says.
    pub fn open(image: Image, bias: u64, addr: Addr, head: &[u8]) -> Result<Plugin, Error> {
        let linked = |pointer: u64| Addr(pointer).biased(bias.wrapping_neg());
        let module = Moduledata::parse(addr, head, &linked).ok_or_else(|| {
            Error::inconsistent("runtime.moduledata", addr, "it is cut off".to_string())
        })?;
        let header = Header::read(&image, module.pc_header)?;
        module.check(&image, &header, Moduledata::entries(head))?;
        Ok(Plugin {
            functions: FunctionTable::open(&image, &module, &header)?,
            image,
            module,
        })
    }

    /// Where it has its functions, its constants and its variables.
    pub fn range(&self) -> AddrRange {
        let segments = || self.image.segments().iter().map(|segment| segment.range);
        let start = segments().map(AddrRange::start).min();
        let end = segments().map(AddrRange::end).max();
        AddrRange::new(start.unwrap_or_default(), end.unwrap_or_default())
    }
}
