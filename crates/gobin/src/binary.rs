//! [`GoBinary`]: all that is known of a Go program from its image.

use std::sync::OnceLock;

use letgo_target::Addr;

use crate::debug::DebugFile;
use crate::moduledata::Moduledata;
use crate::typed::GlobalTypes;
use crate::{BuildInfo, CachedFacts, Error, FunctionTable, Globals, Image, pclntab};

/// The oldest release whose function table has the form that is read here.
const OLDEST_MINOR: u32 = 18;
/// `runtime/cgo`'s entry from C, which every program with it has.
const CGO_FUNCTION: &str = "crosscall2";

/// A Go program in an ELF image. All addresses are link-time ones.
#[derive(Debug)]
pub struct GoBinary {
    /// What the linker wrote down about the build.
    pub build: BuildInfo,
    /// The image itself.
    pub image: Image,
    /// The program's functions.
    pub functions: FunctionTable,
    /// `runtime.firstmoduledata`.
    pub moduledata: Addr,
    /// Its head, decoded.
    pub module: Moduledata,
    /// Where the runtime keeps its variables.
    pub globals: Globals,
    cgo: bool,
    /// Where symbols and DWARF are, if not in the image.
    pub(crate) debug: Option<DebugFile>,
    /// What is known of variables, once that was asked for.
    pub(crate) typed: OnceLock<Result<GlobalTypes, Error>>,
}

impl GoBinary {
    /// Reads a Go program. With `cached` facts of the same build, nothing is searched for; facts of
    /// another build, and facts that turn out not to be true, are not used.
    ///
    /// # Errors
    /// [`Error::NotGo`] where it is no Go program, [`Error::Unsupported`] for a release before
    /// 1.18, [`Error::Inconsistent`] where it is damaged. A variable that is not found is no error
    /// here (see [`Globals::get`]).
    pub fn open(image: Image, cached: Option<&CachedFacts>) -> Result<GoBinary, Error> {
        let build = BuildInfo::from_image(&image)?;
        if build.buildmode() == Some("plugin") {
            return Err(Error::Unsupported {
                found: "a Go plugin, which has no runtime of its own,".to_string(),
                supported: "Go programs and C shared libraries",
            });
        }
        if build.version.minor < OLDEST_MINOR {
            return Err(Error::Unsupported {
                found: format!("a program built by {}", build.version.raw),
                supported: "Go 1.19 and later",
            });
        }
        image.check_relocations()?;
        if let Some(facts) = cached
            && CachedFacts::key_of(&image).as_ref() == Some(&facts.key)
            && let Ok(header) = pclntab::Header::read(&image, facts.module.pc_header)
            && let Ok(module) = Moduledata::read(&image, facts.module.addr, &header)
            && module == facts.module
        {
            let functions = FunctionTable::open(&image, &module, &header)?;
            let globals = facts.globals.clone();
            return Ok(GoBinary {
                build,
                image,
                functions,
                moduledata: module.addr,
                module,
                globals,
                cgo: facts.cgo,
                debug: None,
                typed: OnceLock::new(),
            });
        }
        let (header, module) = pclntab::find(&image, &mut |header| {
            Some((header, Moduledata::find(&image, &header)?))
        })?;
        let functions = FunctionTable::open(&image, &module, &header)?;
        let globals = Globals::locate(&image, &module, &functions, &build.version)?;
        let cgo = functions.has_name(CGO_FUNCTION)?;
        Ok(GoBinary {
            build,
            image,
            functions,
            moduledata: module.addr,
            module,
            globals,
            cgo,
            debug: None,
            typed: OnceLock::new(),
        })
    }

    /// What the next opening of the same build need not search for; absent where the build has no
    /// id that would tell it from others.
    pub fn facts_for_cache(&self) -> Option<CachedFacts> {
        Some(CachedFacts {
            key: CachedFacts::key_of(&self.image)?,
            module: self.module.clone(),
            cgo: self.cgo,
            globals: self.globals.clone(),
        })
    }

    /// Whether it has neither symbols nor DWARF.
    pub fn stripped(&self) -> bool {
        !self.image.has_symtab() && !self.image.has_dwarf()
    }

    /// Whether a loader may place it anywhere.
    pub fn pie(&self) -> bool {
        self.image.is_pie()
    }

    /// Whether `runtime/cgo` is linked in, so that there may be C code with memory of its own.
    pub fn cgo(&self) -> bool {
        self.cgo
    }
}
