//! [`plan`]: the stores that set GOGC and the memory limit at once, in a safe order, or why not.
//!
//! GOGC is three words: the setting itself, which the runtime looks at when a cycle ends, the
//! least heap goal, and the heap goal, which it looks at whenever it takes a span; all three
//! together act at once. The memory limit is one word and acts at once.
//!
//! What a GOGC makes of the heap goal is the runtime's arithmetic, and comes from the caller
//! ([`GcPercent`]). Pure; does not read and does not write.
//!
//! Invariants:
//! - GOGC is never off without a memory limit: the limit is written first and removed last;
//! - a limit below 1.3 x live + non-heap is refused unless forced: below that the program does
//!   little else than collect.
//!
//! Source: src/runtime/mgcpacer.go, `setGCPercent`, `commit`, `memoryLimitHeapGoal`, go1.21 to
//! go1.27.

use crate::{Knob, Look, Store};

/// No memory limit.
pub const NO_LIMIT: i64 = i64::MAX;

/// GOGC that needs no force, in percent: below, a program does little else than collect; above,
/// its heap is more garbage than anything.
pub const SANE_GC_PERCENT: std::ops::RangeInclusive<i32> = 10..=1000;

/// A GOGC and what the runtime makes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GcPercent {
    /// In percent; -1 is off.
    pub percent: i32,
    /// The least heap goal that goes with it.
    pub heap_minimum: u64,
    /// The heap goal that goes with it now.
    pub heap_goal: u64,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ask {
    /// GOGC, where it is to change.
    pub gc_percent: Option<GcPercent>,
    /// The memory limit in bytes, where it is to change; [`NO_LIMIT`] is none.
    pub memory_limit: Option<i64>,
    /// Beyond what is sane, on the user's word.
    pub force: bool,
}

/// Why a setting is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The memory limit leaves the live heap too little room.
    LimitTooLow {
        /// What was asked for.
        limit: u64,
        /// The least that is not refused.
        least: u64,
    },
    /// GOGC=off and no memory limit: nothing would ever start a cycle.
    OffWithoutLimit,
    /// GOGC beyond [`SANE_GC_PERCENT`].
    GcPercentBeyond {
        /// What was asked for.
        percent: i32,
    },
}

/// The least memory limit that is set without force: 1.3 x live + what is not heap.
pub fn least_limit(look: &Look) -> u64 {
    let live = look.live();
    let room = live / 10 * 3 + live % 10 * 3 / 10;
    live.saturating_add(room).saturating_add(look.non_heap())
}

/// The stores, in order. Empty where everything is as asked for.
///
/// # Errors
/// [`Refused`]; nothing is to be stored then.
pub fn plan(look: &Look, ask: &Ask) -> Result<Vec<Store>, Refused> {
    let limit = ask.memory_limit.unwrap_or(look.memory_limit);
    let percent = ask.gc_percent.map_or(look.gc_percent, |gc| gc.percent);
    if percent < 0 && limit == NO_LIMIT {
        return Err(Refused::OffWithoutLimit);
    }
    if !ask.force {
        check(look, ask)?;
    }
    let limit_store = ask.memory_limit.map(|limit| {
        let bits = limit.cast_unsigned();
        Store::lasting(Knob::MemoryLimit, bits, "the memory limit, as asked for")
    });
    let gc_stores = ask.gc_percent.map(gc_stores).unwrap_or_default();
    let mut stores: Vec<Store> = if limit == NO_LIMIT {
        gc_stores.into_iter().chain(limit_store).collect()
    } else {
        limit_store.into_iter().chain(gc_stores).collect()
    };
    stores.retain(|store| look.bits(store.knob) != store.bits);
    Ok(stores)
}

fn check(look: &Look, ask: &Ask) -> Result<(), Refused> {
    if let Some(limit) = ask.memory_limit.filter(|limit| *limit != NO_LIMIT) {
        let (limit, least) = (limit.unsigned_abs(), least_limit(look));
        if limit < least {
            return Err(Refused::LimitTooLow { limit, least });
        }
    }
    match ask.gc_percent {
        Some(gc) if gc.percent >= 0 && !SANE_GC_PERCENT.contains(&gc.percent) => {
            Err(Refused::GcPercentBeyond {
                percent: gc.percent,
            })
        }
        _ => Ok(()),
    }
}

/// The setting last: killed in between, the next cycle puts the goal right by the old one.
fn gc_stores(gc: GcPercent) -> Vec<Store> {
    let percent = i64::from(gc.percent).cast_unsigned();
    vec![
        Store::self_healing(
            Knob::GcPercentHeapGoal,
            gc.heap_goal,
            "the heap goal of the GOGC asked for, until the next cycle computes it",
        ),
        Store::lasting(
            Knob::HeapMinimum,
            gc.heap_minimum,
            "the least heap goal of the GOGC asked for",
        ),
        Store::lasting(Knob::GcPercent, percent, "GOGC, as asked for"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn look() -> Look {
        Look {
            num_gc: 3,
            gc_percent: 100,
            memory_limit: NO_LIMIT,
            heap_minimum: 4 * MIB,
            gc_percent_heap_goal: 200 * MIB,
            heap_marked: 100 * MIB,
            heap_live: 150 * MIB,
            heap_alloc: 150 * MIB,
            heap_free: 40 * MIB,
            mapped_ready: 220 * MIB,
            ..Look::default()
        }
    }

    fn gogc(percent: i32) -> Option<GcPercent> {
        Some(GcPercent {
            percent,
            heap_minimum: 1,
            heap_goal: 2,
        })
    }

    fn limit(mib: u64) -> Option<i64> {
        i64::try_from(mib * MIB).ok()
    }

    fn knobs(stores: &[Store]) -> Vec<Knob> {
        stores.iter().map(|store| store.knob).collect()
    }

    #[test]
    fn a_limit_is_written_before_gogc_goes_off_and_removed_after_it_is_on() {
        let ask = Ask {
            gc_percent: gogc(-1),
            memory_limit: limit(500),
            force: false,
        };
        let stores = knobs(&plan(&look(), &ask).unwrap());
        assert_eq!(stores.first(), Some(&Knob::MemoryLimit));
        assert_eq!(stores.last(), Some(&Knob::GcPercent));

        let limited = Look {
            memory_limit: 1 << 30,
            gc_percent: -1,
            ..look()
        };
        let ask = Ask {
            gc_percent: gogc(100),
            memory_limit: Some(NO_LIMIT),
            force: false,
        };
        let stores = knobs(&plan(&limited, &ask).unwrap());
        assert_eq!(stores.last(), Some(&Knob::MemoryLimit));
    }

    #[test]
    fn off_without_a_limit_is_refused_even_by_force() {
        let off = Ask {
            gc_percent: gogc(-1),
            force: true,
            ..Ask::default()
        };
        assert_eq!(plan(&look(), &off), Err(Refused::OffWithoutLimit));
        let unlimited = Ask {
            memory_limit: Some(NO_LIMIT),
            force: true,
            ..Ask::default()
        };
        let running_off = Look {
            gc_percent: -1,
            memory_limit: 1 << 30,
            ..look()
        };
        assert_eq!(
            plan(&running_off, &unlimited),
            Err(Refused::OffWithoutLimit)
        );
    }

    #[test]
    fn a_limit_needs_1_3_times_live_and_what_is_not_heap() {
        // 130 MiB for 100 MiB live, and 220 - 40 - 150 = 30 MiB that is not heap.
        assert_eq!(least_limit(&look()), 160 * MIB);
        let ask = |mib, force| Ask {
            memory_limit: limit(mib),
            force,
            ..Ask::default()
        };
        assert_eq!(
            plan(&look(), &ask(159, false)),
            Err(Refused::LimitTooLow {
                limit: 159 * MIB,
                least: 160 * MIB
            })
        );
        assert!(plan(&look(), &ask(160, false)).is_ok());
        assert!(plan(&look(), &ask(20, true)).is_ok());
    }

    #[test]
    fn what_is_so_already_is_not_stored() {
        let ask = Ask {
            gc_percent: Some(GcPercent {
                percent: 100,
                heap_minimum: 4 * MIB,
                heap_goal: 200 * MIB,
            }),
            memory_limit: Some(NO_LIMIT),
            force: false,
        };
        assert_eq!(plan(&look(), &ask), Ok(Vec::new()));
    }

    #[test]
    fn gogc_beyond_sanity_wants_force() {
        for percent in [0, 9, 1001] {
            let ask = Ask {
                gc_percent: gogc(percent),
                ..Ask::default()
            };
            assert_eq!(
                plan(&look(), &ask),
                Err(Refused::GcPercentBeyond { percent })
            );
            assert!(plan(&look(), &Ask { force: true, ..ask }).is_ok());
        }
    }
}
