//! [`changes`]: how many of each group came and went between two looks.
//!
//! The second look knows what goroutines do and not where: it reads no stack. Who is still there is
//! told by the goroutine's number, so that who went is known exactly. Who came is counted by what
//! the groups have alike without their stacks: function, `go` statement and wait reason. Where
//! several groups have that alike, those who came are shared out by how many each group has.
//!
//! Does not say whether a change is more than a swing of the load (see `letgo_diagnose`).

use std::collections::HashMap;

use letgo_diagnose::Change;
use letgo_goruntime::{Census, Goroutine};
use letgo_target::Addr;

use super::groups::Group;

/// What goroutines of two looks are matched by.
type Doing = (Addr, Addr, &'static str);

/// All goroutines that do the same.
#[derive(Debug, Default)]
struct Crowd {
    /// At the first look.
    before: u64,
    /// Those of the second look that the first did not have here.
    came: u64,
}

fn doing(one: &Goroutine) -> Doing {
    (one.start_pc, one.go_pc, one.wait_reason)
}

/// What changed of each group since the census that `of` and `groups` are of.
pub(super) fn changes(
    census: &Census,
    of: &[u32],
    groups: &[Group<'_>],
    later: &[Goroutine],
) -> Vec<Change> {
    let mut crowds: HashMap<Doing, Crowd> = HashMap::new();
    let mut first: HashMap<u64, (Doing, u32)> = HashMap::new();
    for (one, group) in census.goroutines.iter().zip(of) {
        crowds.entry(doing(one)).or_default().before += 1;
        first.insert(one.goid, (doing(one), *group));
    }
    let mut stayed = vec![0u64; groups.len()];
    for one in later {
        match first.get(&one.goid) {
            Some((was, group)) if *was == doing(one) => {
                if let Some(count) = stayed.get_mut(*group as usize) {
                    *count += 1;
                }
            }
            _ => crowds.entry(doing(one)).or_default().came += 1,
        }
    }
    let changes = groups.iter().zip(stayed).map(|(group, stayed)| {
        let crowd = crowds.get(&doing(group.first));
        Change {
            came: crowd.map_or(0, |crowd| share(crowd, group.count)),
            went: group.count.saturating_sub(stayed),
        }
    });
    changes.collect()
}

/// The part of those who came that a group with so many of a crowd gets.
fn share(crowd: &Crowd, count: u64) -> u64 {
    let part = u128::from(crowd.came) * u128::from(count) / u128::from(crowd.before.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use letgo_goruntime::Status;
    use letgo_target::AddrRange;

    use super::super::groups::group;
    use super::*;

    fn one(goid: u64, start: u64, wait_reason: &'static str) -> Goroutine {
        Goroutine {
            g: Addr(goid * 512),
            goid,
            status: Status::Waiting,
            wait_reason,
            wait_since_ns: 0,
            start_pc: Addr(start),
            go_pc: Addr(1),
            parent_goid: 1,
            labels: Addr::NULL,
            stack: AddrRange::default(),
            sp: Addr(0),
            system: false,
        }
    }

    fn looked(before: Vec<Goroutine>, later: &[Goroutine]) -> Vec<(u64, u64)> {
        let census = Census {
            goroutines: before,
            ..Census::default()
        };
        let (of, groups) = group(&census, None, None, None);
        let changes = changes(&census, &of, &groups, later);
        changes.iter().map(|one| (one.came, one.went)).collect()
    }

    #[test]
    fn who_came_and_who_went_is_told_by_numbers() {
        let before = vec![
            one(1, 7, "chan receive"),
            one(2, 7, "chan receive"),
            one(3, 8, "select"),
        ];
        // 1 stays, 2 ends, 3 waits for something else; 4 and 5 are new.
        let later = [
            one(1, 7, "chan receive"),
            one(3, 8, "chan receive"),
            one(4, 7, "chan receive"),
            one(5, 7, "chan receive"),
        ];
        assert_eq!(looked(before.clone(), &later), [(2, 1), (0, 1)]);
        assert_eq!(looked(before.clone(), &before), [(0, 0), (0, 0)]);
        assert_eq!(looked(before, &[]), [(0, 2), (0, 1)]);
    }

    #[test]
    fn who_came_is_shared_out_among_groups_that_only_stacks_tell_apart() {
        let mut running = one(9, 7, "select");
        running.status = Status::Leaked;
        let mut before: Vec<Goroutine> = (1..=3).map(|goid| one(goid, 7, "select")).collect();
        before.push(running);
        let mut later = before.clone();
        later.extend((20..28).map(|goid| one(goid, 7, "select")));
        assert_eq!(looked(before, &later), [(6, 0), (2, 0)]);
    }
}
