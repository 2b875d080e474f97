//! [`prefetch`]: asking for memory before it is needed.
//!
//! The one unsafe operation of this crate: safe Rust has no way to say it.

#![allow(unsafe_code, reason = "one prefetch; see Cargo.toml")]

/// Asks the processor to fetch the line where the item at `at` starts; nothing happens beyond the
/// end.
#[inline]
pub(crate) fn prefetch<T>(items: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(item) = items.get(at) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and faults on nothing, whatever the address; this one
        // is that of an item of a slice that we hold.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast()) };
    }
}
