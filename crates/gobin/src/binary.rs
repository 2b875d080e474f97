//! Skeleton: bodies follow.
#![allow(missing_docs, unused, reason = "skeleton")]
use crate::*;
use letgo_target::Addr;

/// One Go program in an ELF image. All addresses are link-time ones.
#[derive(Debug)]
pub struct GoBinary {
    pub build: BuildInfo,
    pub image: Image,
    pub functions: FunctionTable,
    /// `runtime.firstmoduledata` (of this image).
    pub moduledata: Addr,
    /// Its head, decoded.
    pub module: Moduledata,
    pub globals: Globals,
}

impl GoBinary {
    pub fn open(image: Image, cached: Option<&CachedFacts>) -> Result<GoBinary, Error> {
        Err(Error::NotGo {
            why: "skeleton".into(),
        })
    }
    pub fn facts_for_cache(&self) -> Option<CachedFacts> {
        None
    }
    /// No symbol table and no DWARF.
    pub fn stripped(&self) -> bool {
        !self.image.has_symtab() && !self.image.has_dwarf()
    }
    pub fn pie(&self) -> bool {
        self.image.is_pie()
    }
    pub fn cgo(&self) -> bool {
        false
    }
}
