//! [`Shape`]: what a binary alone tells of its runtime, the same for every process that runs it.
//!
//! Finding it in DWARF takes milliseconds; a host that runs one binary a hundred times needs it
//! once. Knows no process (see [`Runtime`](crate::Runtime)).

use letgo_gobin::{GoBinary, Layouts};
use letgo_target::Coverage;

use crate::Error;
use crate::layout::{self, Layout, Origin};

/// How a binary's runtime lays out its structures.
#[derive(Clone, Debug)]
pub struct Shape {
    pub(crate) layout: Layout,
    pub(crate) origin: Origin,
    /// What could not be recognised in the binary.
    pub(crate) unrecognised: Coverage,
}

impl Shape {
    /// The structures' layout is the program's own DWARF where it has it, else the table of its
    /// release, else (a release newer than all tables) the newest table, as far as what it shows
    /// makes sense.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a release that is too old, or where a structure that we cannot
    /// do without is missing.
    pub fn of(binary: &GoBinary) -> Result<Shape, Error> {
        let mut unrecognised = Coverage::default();
        let (layouts, origin) = layouts_of(binary, &mut unrecognised)?;
        for disagreement in binary.globals.disagreements() {
            unrecognised.skip(
                disagreement.name.clone(),
                "the rules that find it in the binary disagree",
            );
        }
        Ok(Shape {
            layout: resolve(&layouts, &binary.build.version.raw)?,
            origin,
            unrecognised,
        })
    }
}

/// What we need of `layouts`, of the release `version`.
///
/// # Errors
/// [`Error::Unsupported`] naming what is missing.
pub(crate) fn resolve(layouts: &Layouts, version: &str) -> Result<Layout, Error> {
    Layout::resolve(layouts).map_err(|missing| Error::Unsupported {
        found: version.to_owned(),
        why: format!("its layout lacks {}", missing.join(", ")),
    })
}

/// The structures of a binary: its own DWARF, else a table.
fn layouts_of(binary: &GoBinary, coverage: &mut Coverage) -> Result<(Layouts, Origin), Error> {
    layout::refuse_older(&binary.build.version)?;
    if binary.image.has_dwarf() {
        match Layouts::from_dwarf(&binary.image, &layout::is_wanted) {
            Ok(layouts) if Layout::resolve(&layouts).is_ok() => {
                if let Some(unknown) = layout::newer_than_known(&binary.build.version) {
                    coverage.skip("release", format!("{unknown}; its own DWARF was used"));
                }
                return Ok((layouts, Origin::Dwarf));
            }
            Ok(layouts) => {
                let missing = Layout::resolve(&layouts).err().unwrap_or_default();
                let names = missing.join(", ");
                coverage.skip("DWARF", format!("it lacks {names}; a table was used"));
            }
            Err(error) => coverage.skip("DWARF", format!("{error}; a table was used")),
        }
    }
    let choice = layout::choose(&binary.build.version)?;
    if let Some(doubt) = choice.doubt {
        coverage.skip("layout", doubt);
    }
    Ok((choice.layouts, choice.origin))
}
