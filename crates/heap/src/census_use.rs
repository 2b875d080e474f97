//! Which slots are in use, and which of these the last GC found dead: from the spans' bits.

use letgo_goruntime::{Limits, Runtime, Span};
use letgo_target::{Coverage, ReadMemory};

use crate::Error;
use crate::bits::BitSet;
use crate::objects::HeapSpan;

/// Enters the slots of `own` that are `in_use`, and those of them that are `dead`.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(crate) fn enter(
    runtime: &Runtime,
    memory: &dyn ReadMemory,
    spans: &[Span],
    own: &[HeapSpan],
    in_use: &mut BitSet,
    dead: &mut BitSet,
) -> Result<Coverage, Error> {
    let mut changed = 0u64;
    let mut next = 0;
    let mut enter = |span: &Span, bits: letgo_goruntime::SlotBits<'_>| {
        let expected = own.get(next).is_some_and(|own| own.base == span.base.0);
        let at = match expected {
            true => Some(next),
            false => own.binary_search_by_key(&span.base.0, |own| own.base).ok(),
        };
        let Some((at, own)) = at.and_then(|at| Some((at, own.get(at)?))) else {
            return;
        };
        next = at + 1;
        if own.nelems != span.nelems || own.elem_size != span.elem_size {
            changed += 1;
            return;
        }
        let first = u64::from(own.first);
        for word in 0..own.nelems.div_ceil(64) {
            let number = first + u64::from(word) * 64;
            in_use.insert_word(number, bits.allocated_word(word));
            dead.insert_word(number, bits.garbage_word(word));
        }
    };
    let mut coverage = runtime.slots(memory, spans, &Limits::default(), &mut enter)?;
    if changed > 0 {
        let why = format!("{changed} of them were made anew meanwhile");
        coverage.skip("mspan", why);
    }
    Ok(coverage)
}
