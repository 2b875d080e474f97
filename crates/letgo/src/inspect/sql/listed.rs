//! [`Listed`]: tables that are few enough to be listed at once: spans, goroutines, roots, types.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use letgo_goruntime::{SpanUse, Status};
use letgo_query::{Ask, Column, Kind, Rows, Table, Value};

use super::Source;
use super::by_value::ByValue;
use super::objects::{ObjectRows, column};
use crate::inspect::goroutines::status;
use crate::inspect::roots::RootNames;

/// Makes all rows.
type Make = fn(&Rc<Source>) -> Vec<Vec<Value>>;

/// A table that is listed when it is first asked for.
struct Listed {
    name: &'static str,
    about: &'static str,
    columns: &'static [Column],
    make: Make,
    source: Option<Rc<Source>>,
    /// About how many.
    len: u64,
    rows: OnceCell<Vec<Vec<Value>>>,
    /// By each column, where that was asked for.
    by_value: Vec<OnceCell<ByValue>>,
}

/// Of so many rows one has some number, about.
const ALIKE: u64 = 64;

const SPANS: [Column; 10] = [
    column("base", Kind::Integer, "where it starts"),
    column("npages", Kind::Integer, "runtime pages, of 8 KiB"),
    column("bytes", Kind::Integer, "bytes of them"),
    column(
        "state",
        Kind::Text,
        "heap, stack, or gc for memory of the collector",
    ),
    column(
        "class",
        Kind::Integer,
        "size class of its slots; 0 for one object; null of other states",
    ),
    column(
        "noscan",
        Kind::Integer,
        "1 where its objects hold no pointers",
    ),
    column("nelems", Kind::Integer, "slots"),
    column("slot_bytes", Kind::Integer, "bytes of a slot"),
    column("used", Kind::Integer, "slots in use"),
    column(
        "resident_bytes",
        Kind::Integer,
        "bytes in RAM; null where there is no page table",
    ),
];

const GOROUTINES: [Column; 9] = [
    column("id", Kind::Integer, "its number"),
    column("state", Kind::Text, "what it does: waiting, running, ..."),
    column(
        "wait_reason",
        Kind::Text,
        "what it waits for, in the runtime's words",
    ),
    column(
        "waiting_ns",
        Kind::Integer,
        "how long at least, in nanoseconds; from the first GC on that saw it wait",
    ),
    column("stack_bytes", Kind::Integer, "bytes of its stack"),
    column(
        "function",
        Kind::Text,
        "the function that it was started with",
    ),
    column(
        "created_by",
        Kind::Text,
        "the function whose go statement started it",
    ),
    column("system", Kind::Integer, "1 of the runtime's own"),
    column("g", Kind::Integer, "address of its g"),
];

const ROOTS: [Column; 8] = [
    column("kind", Kind::Text, "data, bss, stack, finalizer, ..."),
    column("at", Kind::Integer, "where the word lies"),
    column(
        "value",
        Kind::Integer,
        "what it holds: an address in an object",
    ),
    column("target", Kind::Integer, "address of that object"),
    column("name", Kind::Text, "the variable, where there are symbols"),
    column(
        "place",
        Kind::Text,
        "where it lies in the program: data+0x1e40",
    ),
    column("goroutine", Kind::Integer, "whose stack it lies on"),
    column(
        "function",
        Kind::Text,
        "the function that this goroutine was started with",
    ),
];

const TYPES: [Column; 3] = [
    column("name", Kind::Text, "the type, where types are known"),
    column("objects", Kind::Integer, "its reachable objects"),
    column("slot_bytes", Kind::Integer, "bytes of their slots"),
];

pub(super) fn all(source: Option<&Rc<Source>>) -> Vec<Rc<dyn Table>> {
    let of = |count: fn(&Source) -> usize| source.map_or(0, |source| count(source) as u64);
    let listed = |name, about, columns: &'static [Column], make, len| -> Rc<dyn Table> {
        Rc::new(Listed {
            name,
            about,
            columns,
            make,
            source: source.cloned(),
            len,
            rows: OnceCell::new(),
            by_value: columns.iter().map(|_| OnceCell::new()).collect(),
        })
    };
    vec![
        listed("types", "types of reachable objects", &TYPES, types, 1000),
        listed(
            "spans",
            "runs of runtime pages in use",
            &SPANS,
            spans,
            of(|source| source.reading.census.spans.len()),
        ),
        listed(
            "goroutines",
            "goroutines that are not dead",
            &GOROUTINES,
            goroutines,
            of(|source| source.reading.census.goroutines.len()),
        ),
        listed(
            "roots",
            "words outside of objects that lead to one",
            &ROOTS,
            roots,
            of(|source| source.graph().roots().len()),
        ),
    ]
}

impl Table for Listed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn columns(&self) -> &[Column] {
        self.columns
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn finds(&self, column: usize) -> Option<u64> {
        let kind = self.columns.get(column)?.kind;
        (kind == Kind::Integer).then_some(self.len / ALIKE)
    }

    fn open(self: Rc<Self>, ask: Ask) -> Result<Box<dyn Rows>, String> {
        let Some(source) = &self.source else {
            return Err("there is no target".into());
        };
        self.rows.get_or_init(|| (self.make)(source));
        Ok(Box::new(ListedRows {
            table: self,
            ask,
            next: 0,
            row: 0,
        }))
    }
}

impl Listed {
    /// The row number `nth` of those that are asked for.
    fn nth(&self, ask: Ask, nth: usize) -> Option<usize> {
        let rows = self.rows.get()?;
        let row = match ask {
            Ask::Equal(column, number) => {
                let by_value = self.by_value.get(column)?;
                let by_value = by_value.get_or_init(|| ByValue::of(rows, column));
                by_value.nth(number, nth)? as usize
            }
            Ask::All | Ask::Sorted(_) => nth,
        };
        (row < rows.len()).then_some(row)
    }
}

struct ListedRows {
    table: Rc<Listed>,
    ask: Ask,
    next: usize,
    row: usize,
}

impl Rows for ListedRows {
    fn next(&mut self) -> Result<bool, String> {
        let row = self.table.nth(self.ask, self.next);
        self.next += 1;
        self.row = row.unwrap_or_default();
        Ok(row.is_some())
    }

    fn value(&self, column: usize) -> Result<Value, String> {
        let rows = self.table.rows.get();
        let row = rows.and_then(|rows| rows.get(self.row));
        let cell = row.and_then(|row| row.get(column));
        Ok(cell.cloned().unwrap_or(Value::Null))
    }
}

fn spans(source: &Rc<Source>) -> Vec<Vec<Value>> {
    let reading = &source.reading;
    let row = |(number, span): (u32, &letgo_goruntime::Span)| {
        let heap = span.used_for == SpanUse::Heap;
        let state = match span.used_for {
            SpanUse::Heap => "heap",
            SpanUse::Stack => "stack",
            SpanUse::WorkBuf | SpanUse::PtrScalarBits => "gc",
        };
        let of_heap = |value: Value| if heap { value } else { Value::Null };
        let used = source.reachable().span(number).map(|span| span.in_use);
        let resident = || reading.residency.resident_in(span.range()).0;
        vec![
            span.base.0.into(),
            u64::from(span.npages).into(),
            span.range().len().into(),
            state.into(),
            of_heap(u64::from(span.size_class()).into()),
            of_heap(span.is_noscan().into()),
            of_heap(u64::from(span.nelems).into()),
            of_heap(span.elem_size.into()),
            used.map(u64::from).into(),
            reading.rss.map(|_| resident()).into(),
        ]
    };
    (0u32..).zip(&reading.census.spans).map(row).collect()
}

fn goroutines(source: &Rc<Source>) -> Vec<Vec<Value>> {
    let (program, reading) = (source.program(), &source.reading);
    let names = RootNames::new(program, &reading.census, None);
    let row = |one: &letgo_goruntime::Goroutine| {
        let waits = matches!(one.status, Status::Waiting | Status::Leaked);
        let since = Some(one.wait_since_ns).filter(|since| waits && *since > 0);
        let waiting = since.zip(reading.monotonic_ns);
        let reason = Some(one.wait_reason).filter(|reason| !reason.is_empty());
        vec![
            one.goid.into(),
            status(one).as_str().into(),
            reason.into(),
            waiting.map(|(since, now)| now.saturating_sub(since)).into(),
            one.stack.len().into(),
            names.started_with(one.start_pc).into(),
            Some(one.go_pc)
                .filter(|pc| !pc.is_null())
                .and_then(|pc| names.function(pc))
                .into(),
            one.system.into(),
            one.g.0.into(),
        ]
    };
    reading.census.goroutines.iter().map(row).collect()
}

fn roots(source: &Rc<Source>) -> Vec<Vec<Value>> {
    let names = RootNames::new(
        source.program(),
        &source.reading.census,
        source.reading.marked.as_ref(),
    );
    let graph = source.graph();
    let row = |root: &letgo_heap::Root| {
        let named = names.name(root);
        let object = graph.object_at(root.value);
        vec![
            named.kind.as_str().into(),
            root.at.0.into(),
            root.value.0.into(),
            object.map(|object| source.range(object).start().0).into(),
            named.name.into(),
            named.place.into(),
            named.goroutine.into(),
            named.function.into(),
        ]
    };
    graph.roots().iter().map(row).collect()
}

fn types(source: &Rc<Source>) -> Vec<Vec<Value>> {
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut objects = ObjectRows::new(Rc::clone(source), Ask::All);
    while objects.advance() {
        let name = source.type_of(objects.object());
        if let Some(name) = name.filter(|_| objects.is_reachable()) {
            let sum = sums.entry(name).or_default();
            sum.0 += 1;
            sum.1 += source.range(objects.object()).len();
        }
    }
    let row = |(name, (objects, bytes)): (String, (u64, u64))| {
        vec![name.into(), objects.into(), bytes.into()]
    };
    sums.into_iter().map(row).collect()
}
