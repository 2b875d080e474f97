//! [`grown`]: holders of a first look, with what they were at a second.
//!
//! A holder is known again by its name, or its place: both are of the executable, not of the heap.

use std::collections::HashMap;

use letgo_diagnose::{Holder, Later};

use super::variables::Held;

/// Who holds what at the first look, whose account is told; the second was `window_ns` later. What
/// a variable is that is not among the largest any more is not known.
pub fn grown(first: Held, second: &Held, window_ns: u64) -> Held {
    let heap_grew = second.reachable_bytes.saturating_sub(first.reachable_bytes);
    let all = second.variables.iter();
    let known: HashMap<&str, &Holder> = all.map(|one| (one.name.as_str(), one)).collect();
    let add = |holder: Holder| {
        let later = known.get(holder.name.as_str()).map(|later| Later {
            window_ns,
            heap_grew,
            resident_bytes: later.resident_bytes,
            objects: later.objects,
            elements: later.elements,
        });
        Holder { later, ..holder }
    };
    Held {
        variables: first.variables.into_iter().map(add).collect(),
        ..first
    }
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
        let held = |variables: Vec<Holder>, reachable_bytes: u64| Held {
            variables,
            reachable_bytes,
            ..Held::default()
        };
        let first = held(vec![holder("main.a", 10), holder("main.b", 5)], 20);
        let second = held(vec![holder("main.b", 9), holder("main.c", 3)], 22);
        let grown = grown(first, &second, 7).variables;
        let later = |at: usize| grown.get(at).and_then(|own| own.later);
        assert_eq!(later(0), None);
        assert_eq!(
            later(1).map(|own| (own.resident_bytes, own.window_ns, own.heap_grew)),
            Some((9, 7, 2))
        );
        assert_eq!(grown.len(), 2);
    }
}
