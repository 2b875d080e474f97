//! [`grown`]: holders at a second look, beside what they were at the first.
//!
//! A holder is known again by its name, or its place: both are of the executable, not of the heap.

use std::collections::HashMap;

use letgo_diagnose::{Before, Holder};

/// The holders of the second look, `window_ns` after the first. One that was not among the largest
/// at the first look has no earlier figure: what it was is not known.
pub fn grown(first: &[Holder], second: Vec<Holder>, window_ns: u64) -> Vec<Holder> {
    let known: HashMap<&str, &Holder> = first.iter().map(|one| (one.name.as_str(), one)).collect();
    let add = |holder: Holder| {
        let before = known.get(holder.name.as_str()).map(|before| Before {
            window_ns,
            resident_bytes: before.resident_bytes,
            objects: before.objects,
            elements: before.elements,
        });
        Holder { before, ..holder }
    };
    second.into_iter().map(add).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_known_again_by_their_names() {
        let holder = |name: &str, resident_bytes: u64| Holder {
            name: name.into(),
            resident_bytes,
            ..Holder::default()
        };
        let first = [holder("main.a", 10), holder("main.b", 5)];
        let second = vec![holder("main.b", 9), holder("main.c", 3)];
        let grown = grown(&first, second, 7);
        let before = |at: usize| grown.get(at).and_then(|own| own.before);
        assert_eq!(
            before(0).map(|own| (own.resident_bytes, own.window_ns)),
            Some((5, 7))
        );
        assert_eq!(before(1), None);
    }
}
