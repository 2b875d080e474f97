//! [`beside`]: two things done at once.
//!
//! For what waits for the kernel, or reads what nobody changes: who holds what is found while types
//! are, and while the target is watched.
//!
//! Source: std::thread::scope.

use std::panic::resume_unwind;

/// Both answers. The first is found on a thread of its own, the second on the caller's.
pub(crate) fn beside<A: Send, B>(
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B,
) -> (A, B) {
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        let first = first.join().unwrap_or_else(|panic| resume_unwind(panic));
        (first, second)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn each_can_wait_for_the_other() {
        let (to_second, from_first) = channel();
        let (to_first, from_second) = channel();
        let both = beside(
            move || {
                to_second.send(1).unwrap();
                from_second.recv().unwrap()
            },
            move || {
                to_first.send(2).unwrap();
                from_first.recv().unwrap()
            },
        );
        assert_eq!(both, (2, 1));
    }
}
