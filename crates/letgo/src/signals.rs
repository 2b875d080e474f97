//! Signals that ask for an early end while a process is under our hands: the verb then puts
//! everything back and says how far it came. A second one ends letgo at once, and the watchdog puts
//! everything back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

static CAUGHT: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on the first signal is caught and noted.
pub fn catch() {
    CAUGHT.get_or_init(|| {
        let caught = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            // Where it cannot be caught it ends us, and the watchdog does the rest.
            let _ = flag::register_conditional_default(signal, Arc::clone(&caught));
            let _ = flag::register(signal, Arc::clone(&caught));
        }
        caught
    });
}

/// Whether one was caught.
pub fn caught() -> bool {
    CAUGHT
        .get()
        .is_some_and(|caught| caught.load(Ordering::Relaxed))
}
