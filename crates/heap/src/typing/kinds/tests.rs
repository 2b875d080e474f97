//! Kinds of types that lie, and leads as they are kept.

use super::what::NUMBER;
use super::*;

const BASE: u64 = 0x50_0000;
/// Bytes of a made-up descriptor.
const STEP: usize = 128;

/// Numbers that look random.
fn dice(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    *seed >> 33
}

/// Types that refer to each other in any way, sizes and counts at random.
fn lies(mut seed: u64, types: usize) -> TypeTable {
    let mut bytes = vec![0; types * STEP + 16];
    let name = types * STEP;
    bytes[name + 1] = 3;
    bytes[name + 2..name + 5].copy_from_slice(b"one");
    for own in bytes[..name].chunks_exact_mut(STEP) {
        let any = |seed: &mut u64| BASE + dice(seed) % types as u64 * STEP as u64;
        let kind = [17u8, 18, 20, 21, 22, 23, 24, 25, 26][index(dice(&mut seed) % 9)];
        let size = match kind {
            18 | 21 | 22 | 26 => 8,
            20 | 24 => 16,
            23 => 24,
            _ => 8 << (dice(&mut seed) % 40),
        };
        let pointers = if kind == 20 { 16 } else { 8 };
        let mut word = |at: usize, value: u64| {
            own[at..at + 8].copy_from_slice(&value.to_le_bytes());
        };
        word(0, size);
        word(8, pointers);
        word(16, u64::from(kind) << 56 | 8 << 48 | 8 << 40);
        word(40, name as u64);
        word(48, any(&mut seed));
        // A structure's fields may lie anywhere, other types included.
        word(56, any(&mut seed) + dice(&mut seed) % 4 * 8);
        let few = dice(&mut seed) % 8;
        word(64, if kind == 21 { any(&mut seed) } else { few });
        word(72, any(&mut seed));
    }
    TypeTable::of_sections(vec![(Addr(BASE), bytes)])
}

#[test]
fn types_that_lie_are_bounded_and_never_a_panic() {
    for seed in 0..200 {
        let types = 40;
        let table = lies(seed, types);
        let structures = table.structures();
        assert!(structures.len() <= types * STEP / 8);
        let mut kinds = Kinds::new(table, 96);
        for at in (0..types * STEP).step_by(8) {
            let at = Addr(BASE + at as u64);
            let all = [
                What::Value,
                What::Row,
                What::Map,
                What::Chan,
                What::MapSlots,
            ];
            for what in all {
                if let Some(number) = kinds.number(what(at)) {
                    kinds.words(number);
                    let _ = kinds.name(what(at));
                }
            }
            let _ = kinds.held_by_interface(at);
        }
        assert!(kinds.len() < types * STEP * 16);
    }
}

#[test]
fn a_lead_is_the_same_when_it_was_packed() {
    let leads = [
        Lead::None,
        Lead::Unknown,
        Lead::Whole(7),
        Lead::Row(NUMBER),
        Lead::Text,
        Lead::Func,
        Lead::MapParts(1),
    ];
    for lead in leads {
        assert_eq!(Lead::unpacked(lead.packed()), lead);
    }
}

#[test]
fn small_values_without_pointers_share_slots() {
    let is_tiny = |fit, pointers| {
        crate::typing::claims::is_tiny(&Kind {
            fit,
            pointers,
            ..plain(What::Value(Addr(BASE)))
        })
    };
    assert!(is_tiny(Fit::Once(8), Some(false)) && is_tiny(Fit::Once(15), Some(false)));
    assert!(
        !is_tiny(Fit::Once(16), Some(false)),
        "it has a slot of its own"
    );
    assert!(!is_tiny(Fit::Once(8), Some(true)), "it has pointers");
    assert!(!is_tiny(Fit::Rows(8), Some(false)), "rows have all sizes");
}
