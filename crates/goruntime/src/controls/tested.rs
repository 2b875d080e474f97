//! Whether a runtime is one that may be written to: one that was tested, and all of it recognised.
//!
//! Reading goes by shape and takes what it can; writing does not. A doubt of any kind is a refusal.

use letgo_target::Skip;

use super::words::Word;
use crate::layout::{self, Layout, Origin};
use crate::{Error, Runtime};

/// The first and the last release that are written to; `tests/controls.rs` runs on each.
const TESTED: (u32, u32) = (21, 27);

/// Refuses a runtime that differs in any way from those that were tested.
///
/// # Errors
/// [`Error::Unsupported`], in a sentence.
pub(super) fn refuse_untested(runtime: &Runtime) -> Result<(), Error> {
    match doubt(runtime)? {
        None => Ok(()),
        Some(why) => Err(Error::Unsupported {
            found: runtime.version.raw.clone(),
            why,
        }),
    }
}

fn doubt(runtime: &Runtime) -> Result<Option<String>, Error> {
    let version = &runtime.version;
    let (oldest, newest) = TESTED;
    if version.minor < oldest || version.minor > newest {
        return Ok(Some(format!(
            "go1.{oldest} to go1.{newest} are the releases that letgo writes to"
        )));
    }
    if version.is_devel() || is_candidate(&version.suffix) {
        return Ok(Some(
            "letgo writes to releases only, and not to what came before one".to_owned(),
        ));
    }
    // Experiments that were not tested change what nobody knows, whatever DWARF says.
    if let Some(doubt) = layout::choose(version)?.doubt {
        return Ok(Some(doubt));
    }
    if let Origin::ShapeOnly(key) = &runtime.origin {
        return Ok(Some(format!(
            "its structures are known only by those of {key}"
        )));
    }
    Ok(unrecognised(&runtime.layout, &runtime.unrecognised.skipped))
}

/// `rc1`, `beta1`; a vendor's own suffix starts with a hyphen or in parentheses.
fn is_candidate(suffix: &str) -> bool {
    suffix.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// A variable that a control or a needed word is a part of, and that is in doubt.
fn unrecognised(layout: &Layout, skipped: &[Skip]) -> Option<String> {
    Word::needed_variables(layout).find_map(|name| {
        let skip = skipped.iter().find(|skip| skip.what == name)?;
        Some(format!("{name}: {}", skip.why))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_told_from_vendors() {
        for suffix in ["rc1", "beta2"] {
            assert!(is_candidate(suffix), "{suffix}");
        }
        for suffix in ["", "-corp", "(Red Hat 1.21.4-1.el9)"] {
            assert!(!is_candidate(suffix), "{suffix}");
        }
    }

    #[test]
    fn a_variable_that_rules_disagree_about_is_a_doubt_where_it_is_needed() {
        let skip = |what: &str| Skip {
            what: what.to_owned(),
            why: "the rules disagree".to_owned(),
            count: 1,
        };
        let layout = Layout::default();
        let said = unrecognised(&layout, &[skip("runtime.scavenger")]);
        assert_eq!(said.unwrap(), "runtime.scavenger: the rules disagree");
        let others = [skip("runtime.allfin"), skip("runtime.sweep")];
        assert_eq!(unrecognised(&layout, &others), None);
    }
}
