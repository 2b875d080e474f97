//! What the pacer computes from GOGC: pure functions with the runtime's own arithmetic.
//!
//! Numbers wrap where Go's do. What the memory limit makes of the goal is not known here.
//!
//! Source: src/runtime/mgcpacer.go, `commit`, `setGCPercent`; the same in go1.21 to go1.27.

/// The least heap goal at GOGC=100. Source: mgcpacer.go, `defaultHeapMinimum`.
pub const HEAP_MINIMUM: u64 = 4 << 20;

/// What `setGCPercent` stores into `gcController.heapMinimum`: 4 MiB scaled by GOGC.
///
/// Any negative GOGC is off, for which the runtime stores a number beyond every heap.
pub fn heap_minimum(gc_percent: i32) -> u64 {
    HEAP_MINIMUM.wrapping_mul(widened(gc_percent.max(-1))) / 100
}

/// What `commit` stores into `gcController.gcPercentHeapGoal` when a cycle ends.
///
/// Bytes all of them. `u64::MAX` where GOGC is off.
pub fn heap_goal(
    gc_percent: i32,
    heap_marked: u64,
    last_stack_scan: u64,
    globals_scan: u64,
    heap_minimum: u64,
) -> u64 {
    let mut goal = u64::MAX;
    if gc_percent >= 0 {
        let scanned = heap_marked
            .wrapping_add(last_stack_scan)
            .wrapping_add(globals_scan);
        let room = scanned.wrapping_mul(widened(gc_percent)) / 100;
        goal = heap_marked.wrapping_add(room);
    }
    goal.max(heap_minimum)
}

/// `uint64(x)` of an `int32`: the sign goes all the way up.
fn widened(x: i32) -> u64 {
    i64::from(x).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_goal_is_scaled_by_gogc() {
        assert_eq!(heap_minimum(100), 4 << 20);
        assert_eq!(heap_minimum(400), 16 << 20);
        assert_eq!(heap_minimum(50), 2 << 20);
        assert_eq!(heap_minimum(33), 1_384_120);
        assert_eq!(heap_minimum(0), 0);
    }

    /// `4 << 20 * uint64(int32(-1)) / 100`, as a Go program prints it.
    #[test]
    fn off_stores_a_number_beyond_every_heap() {
        assert_eq!(heap_minimum(-1), 184_467_440_737_053_573);
        assert_eq!(heap_minimum(-7), heap_minimum(-1));
    }

    #[test]
    fn the_goal_is_what_is_marked_and_room_by_all_that_is_scanned() {
        let minimum = heap_minimum(100);
        let goal = heap_goal(100, 100 << 20, 1 << 20, 1 << 19, minimum);
        assert_eq!(goal, (201 << 20) + (1 << 19));
        let goal = heap_goal(50, 100 << 20, 0, 0, heap_minimum(50));
        assert_eq!(goal, 150 << 20);
        assert_eq!(heap_goal(0, 10 << 20, 5, 5, 0), 10 << 20);
    }

    #[test]
    fn a_small_heap_has_the_least_goal() {
        let goal = heap_goal(100, 300 << 10, 8 << 10, 100 << 10, heap_minimum(100));
        assert_eq!(goal, HEAP_MINIMUM);
    }

    #[test]
    fn off_has_no_goal() {
        assert_eq!(heap_goal(-1, 1 << 20, 0, 0, heap_minimum(-1)), u64::MAX);
    }

    /// Whatever a target says, nothing of ours overflows.
    #[test]
    fn numbers_wrap_where_those_of_go_do() {
        let goal = heap_goal(100, u64::MAX, 1, 0, 0);
        assert_eq!(goal, u64::MAX);
        assert_eq!(heap_goal(200, u64::MAX / 2 + 1, 0, 0, 7), 1 << 63);
    }
}
