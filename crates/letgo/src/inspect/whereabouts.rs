//! [`whereabouts`]: what lies at an address of a program, in words.

use letgo_goruntime::{Span, SpanUse};
use letgo_heap::Graph;
use letgo_report as out;
use letgo_report::{PlaceKind, units};
use letgo_target::{Addr, AddrRange};

use super::{Program, Reading};

/// What lies at an address.
pub(super) fn whereabouts(
    program: &Program,
    reading: &Reading,
    graph: &Graph,
    addr: Addr,
) -> out::Place {
    object(graph, addr)
        .or_else(|| goroutine(reading, addr))
        .or_else(|| span(reading, addr))
        .or_else(|| thread(reading, addr))
        .or_else(|| variable(program, addr))
        .or_else(|| runtime(reading, addr))
        .or_else(|| mapping(reading, addr))
        .unwrap_or_else(|| out::Place {
            kind: PlaceKind::Unmapped,
            what: "no memory of the program".into(),
            start: None,
            bytes: None,
            offset: None,
        })
}

fn place(kind: PlaceKind, what: impl Into<String>, range: AddrRange, addr: Addr) -> out::Place {
    out::Place {
        kind,
        what: what.into(),
        start: Some(range.start().to_string()),
        bytes: Some(range.len()),
        offset: Some(addr.since(range.start())),
    }
}

fn object(graph: &Graph, addr: Addr) -> Option<out::Place> {
    let range = graph.range_of(graph.object_at(addr)?)?;
    let what = format!("an object of {}", units::bytes(range.len()));
    Some(place(PlaceKind::Object, what, range, addr))
}

fn goroutine(reading: &Reading, addr: Addr) -> Option<out::Place> {
    let mut all = reading.census.goroutines.iter();
    let own = all.find(|one| one.stack.contains(addr))?;
    let what = format!("the stack of goroutine {}", own.goid);
    Some(place(PlaceKind::Stack, what, own.stack, addr))
}

fn span(reading: &Reading, addr: Addr) -> Option<out::Place> {
    if let Some(span) = reading.census.span_of(addr) {
        return Some(in_span(span, addr));
    }
    let mut owned = reading.census.pages.in_use.iter();
    let range = owned.find(|range| range.contains(addr))?;
    let what = "free memory of the heap, in no span";
    Some(place(PlaceKind::FreeHeap, what, *range, addr))
}

fn in_span(span: &Span, addr: Addr) -> out::Place {
    let range = span.range();
    let within = addr.since(range.start());
    match span.used_for {
        SpanUse::Heap if within < span.slots_len() && span.elem_size > 0 => {
            let start = range.start().add(within / span.elem_size * span.elem_size);
            let slot = AddrRange::sized(start, span.elem_size);
            let what = format!("a free slot of {}", units::bytes(span.elem_size));
            place(PlaceKind::FreeSlot, what, slot, addr)
        }
        SpanUse::Heap => {
            let what = "what a span of the heap has behind its slots";
            place(PlaceKind::SpanTail, what, range, addr)
        }
        SpanUse::Stack => {
            let what = "stacks that no goroutine has now";
            place(PlaceKind::FreeStack, what, range, addr)
        }
        SpanUse::WorkBuf | SpanUse::PtrScalarBits => {
            place(PlaceKind::Runtime, "memory of the collector", range, addr)
        }
    }
}

fn thread(reading: &Reading, addr: Addr) -> Option<out::Place> {
    reading.census.threads.iter().find_map(|thread| {
        let stacks = [thread.g0_stack, thread.gsignal_stack];
        let stack = stacks.into_iter().find(|stack| stack.contains(addr))?;
        let what = format!("a stack of thread {}", thread.procid);
        Some(place(PlaceKind::ThreadStack, what, stack, addr))
    })
}

fn variable(program: &Program, addr: Addr) -> Option<out::Place> {
    let linked = Addr(addr.0.wrapping_sub(program.bias));
    let module = &program.binary.module;
    let parts = [
        ("data", module.data),
        ("bss", module.bss),
        ("noptrdata", module.noptrdata),
        ("noptrbss", module.noptrbss),
    ];
    if let Some((name, range)) = parts.iter().find(|(_, range)| range.contains(linked)) {
        let variables = program.binary.variables().unwrap_or_default();
        let at = format!("{name}+{:#x}", linked.since(range.start()));
        let what = match variables.at(linked) {
            Some((name, 0)) => format!("the variable {name}, {at}"),
            Some((name, within)) => format!("{name}+{within:#x}, {at}"),
            None => format!("a variable at {at}"),
        };
        let range = AddrRange::sized(range.start().biased(program.bias), range.len());
        return Some(place(PlaceKind::Variable, what, range, addr));
    }
    let segments = program.segments();
    let own = segments
        .iter()
        .find(|segment| segment.range.contains(addr))?;
    let what = "code or constants of the program";
    Some(place(PlaceKind::Binary, what, own.range, addr))
}

fn runtime(reading: &Reading, addr: Addr) -> Option<out::Place> {
    let mut all = reading.census.metadata.iter();
    let own = all.find(|own| own.range.contains(addr))?;
    let what = format!("memory of the runtime: {}", own.what);
    Some(place(PlaceKind::Runtime, what, own.range, addr))
}

fn mapping(reading: &Reading, addr: Addr) -> Option<out::Place> {
    let mut all = reading.mappings.iter();
    let own = all.find(|own| own.range.contains(addr))?;
    let what = match own.name.as_str() {
        "" => "memory that is not the Go heap's".to_owned(),
        name => format!("a mapping of {name}"),
    };
    Some(place(PlaceKind::Mapping, what, own.range, addr))
}
