//! Kill points: places at which a test lets this process die, as `kill -9` would.
//!
//! A protocol that writes into a process must be safe at whatever point letgo dies. The code calls
//! [`step`] before and after everything that changes something: a line appended to the journal, a
//! store, a stop, a release, a restore. In builds with debug assertions two variables of the
//! environment act on it; in others nothing is compiled in.
//!
//! - `LETGO_STEPS=FILE`: the name of each step is appended to `FILE`, one a line. The line number
//!   is the step's number.
//! - `LETGO_DIE_AT=N`: the process sends itself SIGKILL at the N-th step, counted from 1.
//!
//! So a test runs a protocol once to learn the steps, and then once for each of them. A watchdog
//! does not inherit `LETGO_DIE_AT`; it dies at the step that `LETGO_WATCHDOG_DIE_AT` names.

/// Names the variable that lists the steps.
pub const STEPS: &str = "LETGO_STEPS";
/// Names the variable that kills.
pub const DIE_AT: &str = "LETGO_DIE_AT";
/// Names the variable that becomes [`DIE_AT`] in a watchdog.
pub const WATCHDOG_DIE_AT: &str = "LETGO_WATCHDOG_DIE_AT";

/// Passes a step.
#[cfg(debug_assertions)]
pub(crate) fn step(name: &str) {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    static PASSED: AtomicU64 = AtomicU64::new(0);
    let number = PASSED.fetch_add(1, Ordering::Relaxed) + 1;
    if let Some(path) = std::env::var_os(STEPS) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(format!("{name}\n").as_bytes()));
    }
    let dies = std::env::var(DIE_AT).ok();
    if dies.and_then(|text| text.parse().ok()) == Some(number) {
        let _ = kill(Pid::this(), Signal::SIGKILL);
        // The signal is on its way; nothing more is done.
        loop {
            std::thread::park();
        }
    }
}

/// Passes a step: nothing in this build.
#[cfg(not(debug_assertions))]
pub(crate) fn step(_: &str) {}
