//! [`Environment`]: the actuator for a child that is about to be started.
//!
//! GOGC and GOMEMLIMIT are all that a Go program takes from its environment; any other knob is
//! refused. Starts nothing.
//!
//! Source: src/runtime/mgcpacer.go, `readGOGC`, `readGOMEMLIMIT`, go1.19 to go1.27.

use std::collections::BTreeMap;

use crate::{Actuator, Knob, Store};

/// Variables for a child's environment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Environment {
    /// Name and value.
    pub variables: BTreeMap<&'static str, String>,
}

/// A knob that no variable of the environment sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotInEnvironment(pub Knob);

impl Actuator for Environment {
    type Error = NotInEnvironment;

    fn store(&mut self, store: &Store) -> Result<(), NotInEnvironment> {
        let bits = store.bits.cast_signed();
        let (name, value) = match store.knob {
            Knob::GcPercent if bits < 0 => ("GOGC", "off".to_owned()),
            Knob::GcPercent => ("GOGC", bits.to_string()),
            Knob::MemoryLimit if bits == i64::MAX => ("GOMEMLIMIT", "off".to_owned()),
            Knob::MemoryLimit => ("GOMEMLIMIT", format!("{bits}B")),
            other => return Err(NotInEnvironment(other)),
        };
        self.variables.insert(name, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_the_runtime_parses() {
        let mut environment = Environment::default();
        let lasting = |knob, value: i64| Store::lasting(knob, value.cast_unsigned(), "");
        for (knob, value, name, text) in [
            (Knob::GcPercent, 50, "GOGC", "50"),
            (Knob::GcPercent, -1, "GOGC", "off"),
            (Knob::MemoryLimit, 1 << 20, "GOMEMLIMIT", "1048576B"),
            (Knob::MemoryLimit, i64::MAX, "GOMEMLIMIT", "off"),
        ] {
            environment.store(&lasting(knob, value)).unwrap();
            assert_eq!(environment.variables[name], text);
        }
        let goal = lasting(Knob::GcPercentHeapGoal, 0);
        assert_eq!(
            environment.store(&goal),
            Err(NotInEnvironment(Knob::GcPercentHeapGoal))
        );
    }
}
