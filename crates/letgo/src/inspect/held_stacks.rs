//! [`held_stacks`]: who holds what, as stacks of names: the root, holders, the objects themselves.

use std::cell::RefCell;
use std::collections::HashMap;

use letgo_heap::{Dominators, Holder, Limits};
use letgo_report::HolderRoot;
use letgo_target::AddrRange;

use super::kinds::Kinds;
use super::owners::Owners;
use super::roots::RootNames;
use super::{Marked, Program, Reading};
use crate::inspect::room;

/// Stacks that are told apart; what is below comes into rests.
const MOST: usize = 20_000;
/// What is not told apart.
const REST: &str = "(rest)";

/// Objects that are held by the same names in the same order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldStack {
    /// The root first, the objects' own kind last.
    pub frames: Vec<String>,
    /// How many.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
}

/// All reachable objects by who holds them.
///
/// # Errors
/// Where the limits were hit.
pub fn held_stacks(
    program: &Program,
    reading: &Reading,
    marked: &Marked,
    limits: Limits,
) -> Result<Vec<HeldStack>, letgo_heap::Error> {
    let graph = &marked.graph;
    let names = RootNames::new(program, &reading.census, Some(marked));
    let owners = Owners::of(graph.roots(), &reading.census, &names);
    let options = room::options(limits);
    let weigh = |range: AddrRange| range.len();
    let dominators = Dominators::of(
        graph,
        &marked.reachable,
        &options,
        Some(&owners.of_root),
        &weigh,
    )?;
    let firsts = owners.firsts(graph.roots());
    let (known, listed) = (RefCell::new(HashMap::new()), RefCell::new(Vec::new()));
    let group = |holder: Holder| {
        let name = match holder {
            Holder::Group(group) => firsts
                .get(&group)
                .map_or_else(String::new, |(root, _)| name(&names.whole(root))),
            Holder::Finalizers => "finalizers".to_owned(),
            Holder::Top | Holder::Object(_) => "several roots".to_owned(),
        };
        let mut listed = listed.borrow_mut();
        *known
            .borrow_mut()
            .entry(name)
            .or_insert_with_key(|name: &String| {
                listed.push(name.clone());
                u32::try_from(listed.len() - 1).unwrap_or(u32::MAX)
            })
    };
    let kinds = Kinds::new(program, marked);
    let stacks = dominators.stacks(&group, &|object| kinds.number(object), MOST);
    let listed = listed.borrow();
    let named = stacks.iter().map(|stack| {
        let root = listed.get(stack.group as usize).cloned();
        let kind = |kind: &Option<u32>| {
            let kind = kind.and_then(|number| kinds.kind(number));
            kind.map_or_else(|| REST.to_owned(), |kind| kind.name())
        };
        HeldStack {
            frames: root
                .into_iter()
                .chain(stack.kinds.iter().map(kind))
                .collect(),
            objects: stack.own.objects,
            bytes: stack.own.bytes,
        }
    });
    Ok(named.collect())
}

/// A root in few words: goroutines by the function that they began with.
fn name(root: &HolderRoot) -> String {
    match (&root.function, &root.name, &root.place) {
        (Some(function), ..) if root.goroutine.is_some() => format!("goroutine {function}"),
        (_, Some(name), _) => name.clone(),
        (_, None, Some(place)) if place.contains('+') => place.clone(),
        _ => root.kind.as_str().replace('-', " "),
    }
}
