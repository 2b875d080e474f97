//! [`Runtime`]: a Go program's runtime, found and recognised.
//!
//! Holds where the variables lie and how the structures are laid out; each reading takes the
//! memory anew. What was found is checked by meaning (see `check`) before anything relies on it.
//!
//! Does not find variables in a binary (see `letgo_gobin`).

use std::collections::BTreeMap;

use letgo_gobin::{FunctionTable, GoBinary, GoVersion, Layouts};
use letgo_target::{Addr, Coverage, ReadMemory};

use crate::counters::Plan;
use crate::layout::{Layout, Origin};
use crate::shape::{self, Shape};
use crate::{Error, Plugins, check};

/// What a runtime is made from where no [`GoBinary`] is at hand: a recorded case, a test.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The Go release.
    pub version: GoVersion,
    /// The structures, and where they are from.
    pub layouts: Layouts,
    /// Where the structures are from.
    pub origin: Origin,
    /// Variables by name (`runtime.mheap_`), at their addresses in the target.
    pub globals: BTreeMap<String, Addr>,
    /// What has to be added to a link-time address.
    pub bias: u64,
    /// `runtime.firstmoduledata` in the target, null where it is not known.
    pub moduledata: Addr,
}

/// A Go program's runtime: where its variables lie and how its structures are laid out.
#[derive(Clone, Debug)]
pub struct Runtime {
    pub(crate) version: GoVersion,
    pub(crate) layout: Layout,
    pub(crate) origin: Origin,
    pub(crate) globals: BTreeMap<String, Addr>,
    pub(crate) bias: u64,
    pub(crate) moduledata: Addr,
    pub(crate) plugins: Plugins,
    /// Where the counters lie.
    pub(crate) plan: Plan,
    /// What was not recognised while attaching; part of each census's coverage.
    pub(crate) unrecognised: Coverage,
}

impl Runtime {
    /// Recognises the runtime of `binary`, which runs at `bias` in `memory`.
    ///
    /// The structures' layout is the program's own DWARF where it has it, else the table of its
    /// release, else (a release newer than all tables) the newest table, as far as what it shows
    /// makes sense.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a release that is too old, or where something that we cannot do
    /// without is missing; [`Error::Inconsistent`] where what was found does not mean what it
    /// should, naming the check.
    ///
    /// # Consistency
    /// The checks hold for a running target; each is tried again before it counts as failed.
    pub fn attach(binary: &GoBinary, bias: u64, memory: &dyn ReadMemory) -> Result<Runtime, Error> {
        Runtime::attach_as(&Shape::of(binary)?, binary, bias, memory)
    }

    /// Like [`Runtime::attach`], with what is known of `binary` from another process.
    ///
    /// # Errors
    /// As [`Runtime::attach`].
    pub fn attach_as(
        shape: &Shape,
        binary: &GoBinary,
        bias: u64,
        memory: &dyn ReadMemory,
    ) -> Result<Runtime, Error> {
        let found = binary.globals.iter();
        let mut runtime = Runtime {
            version: binary.build.version.clone(),
            layout: shape.layout.clone(),
            origin: shape.origin.clone(),
            globals: found
                .map(|(name, found)| (name.to_owned(), found.addr.biased(bias)))
                .collect(),
            bias,
            moduledata: binary.moduledata.biased(bias),
            plugins: Plugins::default(),
            plan: Plan::default(),
            unrecognised: shape.unrecognised.clone(),
        };
        check::check(&mut runtime, memory)?;
        Ok(runtime)
    }

    /// Recognises a runtime whose parts are known already.
    ///
    /// # Errors
    /// As [`Runtime::attach`].
    pub fn from_parts(parts: Parts, memory: &dyn ReadMemory) -> Result<Runtime, Error> {
        let layout = shape::resolve(&parts.layouts, &parts.version.raw)?;
        let mut runtime = Runtime {
            version: parts.version,
            layout,
            origin: parts.origin,
            globals: parts.globals,
            bias: parts.bias,
            moduledata: parts.moduledata,
            plugins: Plugins::default(),
            plan: Plan::default(),
            unrecognised: Coverage::default(),
        };
        check::check(&mut runtime, memory)?;
        Ok(runtime)
    }

    /// The Go release that built the program.
    pub fn version(&self) -> &GoVersion {
        &self.version
    }

    /// Where the structures keep their fields.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where the layout is from.
    pub fn layout_origin(&self) -> &Origin {
        &self.origin
    }

    /// What is added to a link-time address to find it in the target.
    pub fn bias(&self) -> u64 {
        self.bias
    }

    /// `runtime.firstmoduledata` in the target, null where it is not known.
    pub fn moduledata(&self) -> Addr {
        self.moduledata
    }

    /// With what is known of plugins.
    #[must_use]
    pub fn with_plugins(mut self, plugins: Plugins) -> Runtime {
        self.plugins = plugins;
        self
    }

    /// The plugins that are known of.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// A variable's address in the target: `runtime.mheap_`.
    pub fn global(&self, name: &str) -> Option<Addr> {
        self.globals.get(name).copied()
    }

    /// What could not be recognised while attaching.
    pub fn unrecognised(&self) -> &Coverage {
        &self.unrecognised
    }

    /// A variable that nothing works without.
    pub(crate) fn need_global(&self, name: &str) -> Result<Addr, Error> {
        self.global(name).ok_or_else(|| Error::Unsupported {
            found: self.version.raw.clone(),
            why: format!("{name} was not found in the program"),
        })
    }

    /// Whether mark bits may lie in spans (Green Tea).
    pub fn has_inline_marks(&self) -> bool {
        let bits = self.layout.span_inline_mark_bits;
        bits.is_some_and(|bits| bits.marks.is_some())
    }

    /// Whether pointer bitmaps of small objects lie at the end of their spans (allocation headers,
    /// 1.22 and later).
    pub fn has_span_bitmaps(&self) -> bool {
        self.layout.mspan.large_type.is_some() && self.layout.heap_arena.bitmap.is_none()
    }

    /// The name of the function that starts at `pc` (in the target), where `functions` knows it.
    pub(crate) fn function_name(&self, functions: &FunctionTable, pc: Addr) -> Option<String> {
        let link_time = pc.biased(self.bias.wrapping_neg());
        let function = functions.function_at(link_time).ok()??;
        Some(function.name)
    }
}
