//! [`Debug`]: what GODEBUG set, as the runtime has it now.

use crate::layout::Member;
use crate::view::View;

/// Values of `runtime.debug`; `None` where the release has no such switch or the variable was not
/// found.
///
/// Source: src/runtime/runtime1.go, `var debug`, go1.19 to go1.27.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Debug {
    /// 1: memory is returned with `MADV_DONTNEED`, and RSS falls at once. 0: with `MADV_FREE`.
    pub madvdontneed: Option<i32>,
    /// 1: a line on standard error each GC cycle.
    pub gctrace: Option<i32>,
    /// 1: huge pages are kept away from the heap.
    pub disablethp: Option<i32>,
    /// 1: returned memory is unmapped too.
    pub harddecommit: Option<i32>,
}

impl Debug {
    pub(crate) fn read(view: View<'_>) -> Debug {
        let (Some(global), Some(fields)) =
            (view.runtime.global("runtime.debug"), view.layout().debug)
        else {
            return Debug::default();
        };
        let value = |member: Option<Member>| {
            let value = view.field(global, member?).ok()?;
            // A switch is a small number; anything else is not this variable.
            let value = i32::try_from(value).ok()?;
            (0..=1000).contains(&value).then_some(value)
        };
        Debug {
            madvdontneed: value(fields.madvdontneed),
            gctrace: value(fields.gctrace),
            disablethp: value(fields.disablethp),
            harddecommit: value(fields.harddecommit),
        }
    }
}
