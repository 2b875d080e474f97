//! [`PluginImages`]: what the plugins of a program were loaded from; [`constants`]: which of it a
//! file about the program has to hold.
//!
//! Of a process they are the files that it has mapped; of a core and of a snapshot what these hold
//! of them. Which of them are plugins of the program, its list of modules tells (see
//! [`letgo_goruntime::Plugins`]).

use std::fmt;
use std::sync::Arc;

use letgo_gobin::Image;
use letgo_goruntime::LoadedPlugin;
use letgo_target::{Addr, AddrRange, Fault, Mapping, OS_PAGE, ReadMemory};

/// Images of plugins, by where the target has them.
#[derive(Default)]
pub(super) struct PluginImages {
    /// Files, and what was added to their link-time addresses.
    files: Vec<(Image, u64)>,
    memory: Option<Memory>,
}

/// Memory that holds images, and where they are in it.
struct Memory {
    memory: Arc<dyn ReadMemory + Send + Sync>,
    mappings: Vec<Mapping>,
}

impl fmt::Debug for PluginImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginImages")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl PluginImages {
    /// Files that were mapped, each with what was added to its link-time addresses.
    pub(super) fn of_files(files: Vec<(Image, u64)>) -> PluginImages {
        PluginImages {
            files,
            memory: None,
        }
    }

    /// Those that some memory holds, which does not change.
    pub(super) fn of_memory(
        memory: Arc<dyn ReadMemory + Send + Sync>,
        mappings: Vec<Mapping>,
    ) -> PluginImages {
        PluginImages {
            files: Vec::new(),
            memory: Some(Memory { memory, mappings }),
        }
    }

    /// The same, and files of which they may be.
    #[must_use]
    pub(super) fn and_files(mut self, files: Vec<(Image, u64)>) -> PluginImages {
        self.files = files;
        self
    }

    /// The image that holds an address of the target's code, and what was added to its link-time
    /// addresses.
    pub(super) fn at(&self, code: Addr) -> Option<(Image, u64)> {
        let mut files = self.files.iter();
        let file = files.find(|one| holds(one, code)).cloned();
        file.or_else(|| self.memory.as_ref()?.at(code))
    }
}

/// Whether an address of the target lies in an image, as that was loaded.
fn holds((image, bias): &(Image, u64), addr: Addr) -> bool {
    let mut segments = image.segments().iter();
    segments.any(|segment| segment.range.biased(*bias).contains(addr))
}

impl Memory {
    /// Whether a range is kept at all: cores leave out all of a mapping that was not written to.
    fn is_there(&self, range: AddrRange) -> bool {
        let ends = [range.start(), Addr(range.end().0.saturating_sub(1))];
        ends.iter()
            .all(|at| self.memory.read(*at, &mut [0]).is_ok())
    }

    fn at(&self, code: Addr) -> Option<(Image, u64)> {
        // The code itself may not be among the mappings that a core tells of.
        let before = self.mappings.iter().rev();
        let mut before = before.filter(|mapping| mapping.range.start() <= code);
        let head = before.find(|mapping| mapping.is_file() && mapping.offset == 0)?;
        let start = head.range.start();
        let image = Image::from_memory(Box::new(Arc::clone(&self.memory)), start).ok()?;
        let bias = image.bias_from_lowest(start);
        let is_whole = fixed(&image).all(|range| self.is_there(range.biased(bias)));
        Some((image, bias)).filter(|one| is_whole && holds(one, code))
    }
}

/// What of an image is not written to once it was loaded, code aside.
fn fixed(image: &Image) -> impl Iterator<Item = AddrRange> + '_ {
    let segments = image.segments().iter();
    let fixed = segments.filter(|segment| !segment.write && !segment.execute);
    let fixed = fixed.map(|segment| segment.range).chain(image.relro());
    fixed.filter(|range| !range.is_empty())
}

/// What a plugin never changes once it was loaded, code aside: its headers, and what may be read
/// only. Whole os pages of the target.
pub(super) fn constants(one: &LoadedPlugin) -> Vec<AddrRange> {
    let head = AddrRange::sized(one.plugin.range().start(), OS_PAGE);
    let all = fixed(&one.plugin.image).chain([head]);
    all.map(|range| range.biased(one.bias).widen(OS_PAGE))
        .collect()
}

/// A plugin's image where the target has it.
pub(super) struct Placed<'a>(pub(super) &'a LoadedPlugin);

impl ReadMemory for Placed<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        // The rest of a segment's last os page is nobody's.
        buf.fill(0);
        let range = AddrRange::sized(self.0.link_time(addr), buf.len() as u64);
        let image = &self.0.plugin.image;
        for segment in image.segments() {
            let part = segment.range.intersect(range);
            let from = usize::try_from(part.start().since(range.start())).unwrap_or(usize::MAX);
            let len = usize::try_from(part.len()).unwrap_or(usize::MAX);
            let held = buf.get_mut(from..).and_then(|rest| rest.get_mut(..len));
            if let Some(held) = held.filter(|held| !held.is_empty()) {
                image.read(part.start(), held)?;
            }
        }
        Ok(())
    }
}
