//! [`Owned`]: a child process that ends when its guard does.
//!
//! Only our own child is ever killed: until it is waited for, no other process has its pid.

use std::process::{Child, Command};

use anyhow::{Context, Result};

/// A child of ours. Dropping it kills it and waits for it.
#[derive(Debug)]
pub(super) struct Owned(pub(super) Child);

impl Owned {
    /// Starts it, tied to us where the program knows how to be.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn spawn(command: &mut Command) -> Result<Owned> {
        let program = command.get_program().to_owned();
        let child = command.env("LETGO_PATIENT_TETHER", "1").spawn();
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Owned(child))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Already dead is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
