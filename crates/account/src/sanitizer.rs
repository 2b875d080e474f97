//! [`Sanitizer`]: where race, msan and asan builds keep their shadow of the program's memory.
//!
//! The ranges are fixed for x86-64 Linux. What the sanitizer's runtime maps elsewhere (its own
//! allocator, thread states) is not shadow and is not looked for.
//!
//! Source: compiler-rt lib/tsan/rtl/tsan_platform.h (`MappingGo48`, and the traces that older
//! releases kept apart), lib/msan/msan.h (Linux x86_64), lib/asan/asan_mapping.h (Linux x86_64).

use letgo_target::{Addr, AddrRange, Mapping};

use crate::Leaf;
use crate::claims::Claim;
use crate::maps::{is_accessible, is_anonymous};

/// A kind of instrumented build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sanitizer {
    /// `go build -race`
    Race,
    /// `go build -msan`
    Memory,
    /// `go build -asan`
    Address,
}

impl Sanitizer {
    fn shadow(self) -> &'static [(u64, u64)] {
        match self {
            Sanitizer::Race => &[
                (0x2000_0000_0000, 0x2380_0000_0000),
                (0x3000_0000_0000, 0x4000_0000_0000),
                (0x6000_0000_0000, 0x6200_0000_0000),
            ],
            Sanitizer::Memory => &[
                (0x0100_0000_0000, 0x1000_0000_0000),
                (0x1100_0000_0000, 0x4000_0000_0000),
                (0x5000_0000_0000, 0x5100_0000_0000),
                (0x6000_0000_0000, 0x6100_0000_0000),
            ],
            Sanitizer::Address => &[(0x0000_7fff_8000, 0x1000_7fff_8000)],
        }
    }
}

/// Claims of anonymous mappings inside of the shadow.
pub(crate) fn claims(sanitizer: Option<Sanitizer>, mappings: &[Mapping]) -> Vec<Claim> {
    let Some(sanitizer) = sanitizer else {
        return Vec::new();
    };
    let mut claims = Vec::new();
    for &(start, end) in sanitizer.shadow() {
        let shadow = AddrRange::new(Addr(start), Addr(end));
        for (index, mapping) in mappings.iter().enumerate() {
            let part = mapping.range.intersect(shadow);
            if !part.is_empty() && is_anonymous(mapping) {
                let mut claim = Claim::new(part, Leaf::SanitizerShadow).of_mapping(index);
                claim.counted = is_accessible(mapping);
                claims.push(claim);
            }
        }
    }
    claims
}
