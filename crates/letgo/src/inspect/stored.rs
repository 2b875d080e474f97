//! [`Stored`], [`stored_by`]: of which type a variable is, and which code stores into it.
//!
//! Found in the executable; where it is stripped, only some of it is known.

use letgo_gobin::{GoBinary, Types};
use letgo_report::Location;
use letgo_target::Addr;

/// Most functions that are listed of one variable.
const MOST: usize = 3;

/// What is needed to say it in words.
pub(super) struct Stored {
    pub(super) types: Types,
}

impl Stored {
    /// Nothing where the executable cannot be read in that way.
    pub(super) fn of(binary: &GoBinary) -> Option<Stored> {
        binary.globals_typed().ok()?;
        let types = binary.types().ok()?;
        Some(Stored { types })
    }

    /// The type of what lies at a link-time address: of the variable that starts there, else of
    /// that word.
    pub(super) fn type_at(&self, binary: &GoBinary, addr: Addr) -> Option<String> {
        let known = binary.globals_typed().ok()?;
        let variable = known.variable(addr);
        let whole = variable.filter(|one| one.range.start() == addr && !one.type_name.is_empty());
        match whole {
            Some(variable) => Some(variable.type_name.clone()),
            None => self.types.name_of_pointee(known.pointee(addr)?),
        }
    }
}

/// Where code stores into the word at a link-time address, initialisers of packages last.
pub(super) fn stored_by(binary: &GoBinary, addr: Addr) -> Vec<Location> {
    let Ok(known) = binary.globals_typed() else {
        return Vec::new();
    };
    let mut found: Vec<Location> = Vec::new();
    for pc in known.stores_into(addr) {
        let Ok(Some(call)) = binary.innermost_call(pc) else {
            continue;
        };
        if found.iter().all(|known| known.function != call.function) {
            found.push(Location {
                function: call.function,
                file: call.file,
                line: call.line,
            });
        }
    }
    found.sort_by_key(|location| is_initialiser(&location.function));
    found.truncate(MOST);
    found
}

/// Whether a function runs before main does: `main.init`, `main.init.0`, `main.init.func1`.
fn is_initialiser(function: &str) -> bool {
    let last = function.rfind('/').map_or(0, |at| at + 1);
    let mut parts = function.get(last..).unwrap_or_default().split('.');
    parts.nth(1) == Some("init")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialisers_are_known_by_their_names() {
        for name in ["main.init", "main.init.0", "example.com/x/api.init.func1"] {
            assert!(is_initialiser(name), "{name}");
        }
        for name in ["main.initialise", "main.(*T).init", "init.main"] {
            assert!(!is_initialiser(name), "{name}");
        }
    }
}
