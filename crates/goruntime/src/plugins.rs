//! [`Plugins`]: the modules that a program has beside its own, with the images they are from.
//!
//! A program that calls `plugin.Open` gets a further moduledata each time, in the list of all. Code
//! of a plugin has tables of its own: functions, stack maps, the masks of what they lead to.
//!
//! Does not open files: whoever knows where the target's images are hands them over.
//!
//! Invariant: each module is opened once, and is known by where its moduledata lies and where its
//! code is. A program never unloads one.
//!
//! Source: src/plugin/plugin_dlopen.go, src/runtime/plugin.go, symtab.go, `modulesinit`; go1.19 to
//! go1.27.

use std::sync::Arc;

use letgo_gobin::{Error, Function, Image, Plugin};
use letgo_target::{Addr, AddrRange, Coverage, ReadMemory};

use crate::{Runtime, modules};

/// A plugin where the program has it.
#[derive(Debug)]
pub struct LoadedPlugin {
    /// Its image and its functions.
    pub plugin: Plugin,
    /// What the loader added to its link-time addresses.
    pub bias: u64,
    /// Its code, in the target.
    pub text: AddrRange,
    /// All of its image, in the target.
    pub range: AddrRange,
    /// What offsets of stack maps count from, in the target.
    pub gofunc: Addr,
    /// What offsets of the masks of objects on stacks count from, in the target.
    pub rodata: Addr,
    /// Where its moduledata lies in the target.
    moduledata: Addr,
}

impl LoadedPlugin {
    /// Where an address of the target was linked to be.
    pub fn link_time(&self, addr: Addr) -> Addr {
        addr.biased(self.bias.wrapping_neg())
    }
}

/// The plugins of a program, in the order of its list of modules. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Plugins {
    all: Vec<Arc<LoadedPlugin>>,
    unread: usize,
}

impl Plugins {
    /// Opens the plugins in the program's list of modules that are not known yet. `image_of` gives
    /// the image that holds an address of the target's code, and its load bias. One without an
    /// image, or with another than was loaded, is passed over and counted: its code is then like
    /// that of C.
    pub fn update(
        &mut self,
        runtime: &Runtime,
        memory: &dyn ReadMemory,
        image_of: &dyn Fn(Addr) -> Option<(Image, u64)>,
    ) {
        // What cannot be read of the list is noted by those who read variables by it.
        let heads = modules::heads(runtime, memory, &mut Coverage::default());
        self.unread = 0;
        for (moduledata, bytes) in heads.unwrap_or_default() {
            let fields = &runtime.layout().moduledata;
            let text = AddrRange::new(fields.text.addr(&bytes), fields.etext.addr(&bytes));
            let known = |one: &Arc<LoadedPlugin>| one.moduledata == moduledata && one.text == text;
            if moduledata == runtime.moduledata() || self.all.iter().any(known) {
                continue;
            }
            let opened = image_of(text.start()).and_then(|(image, bias)| {
                let linked = moduledata.biased(bias.wrapping_neg());
                let plugin = Plugin::open(image, bias, linked, &bytes).ok()?;
                Some((plugin, bias))
            });
            let Some((plugin, bias)) = opened else {
                self.unread += 1;
                continue;
            };
            self.all.push(Arc::new(LoadedPlugin {
                range: plugin.range().biased(bias),
                plugin,
                bias,
                text,
                gofunc: fields.gofunc.addr(&bytes),
                rodata: fields.rodata.addr(&bytes),
                moduledata,
            }));
        }
    }

    /// How many the program has without an image that was loaded.
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// All that have one.
    pub fn iter(&self) -> impl Iterator<Item = &LoadedPlugin> {
        self.all.iter().map(|one| &**one)
    }

    /// The one whose code holds `pc`.
    pub fn of_code(&self, pc: Addr) -> Option<&LoadedPlugin> {
        self.iter().find(|one| one.text.contains(pc))
    }

    /// The one whose image holds `range`.
    pub fn holding(&self, range: AddrRange) -> Option<&LoadedPlugin> {
        self.iter().find(|one| one.range.covers(range))
    }

    /// The function of a plugin whose code holds `pc`, at its link-time addresses; nothing where
    /// `pc` is in no plugin.
    ///
    /// # Errors
    /// Where its tables cannot be read.
    pub fn function_at(&self, pc: Addr) -> Result<Option<Function>, Error> {
        match self.of_code(pc) {
            Some(one) => one.plugin.functions.function_at(one.link_time(pc)),
            None => Ok(None),
        }
    }
}
