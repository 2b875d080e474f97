//! [`Forms`]: where the words of each type of context lie, from the types of the target.

use letgo_goruntime::types::{GoShape, TypeTable};
use letgo_target::Addr;
use rustc_hash::FxHashMap;

use crate::typing::{Kinds, What};

/// Deepest embedding that is followed.
const MOST_DEPTH: u32 = 4;

/// Where the words of a type of context lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Form {
    /// Bytes of a value.
    pub(super) size: u64,
    /// What it was derived from: the pointer of the interface.
    pub(super) parent: u64,
    /// That is a plain pointer to a `context.cancelCtx` (1.20).
    pub(super) leads_to_cancel: bool,
    /// Of one that can be cancelled, the first word of why it was.
    pub(super) err: Option<u64>,
    /// And the first word of the interface with its channel.
    pub(super) done: Option<u64>,
    /// Of one with a value, the type of its key; 16 bytes further is that of the value.
    pub(super) key: Option<u64>,
    /// It is not cancelled with what it was derived from (`context.WithoutCancel`).
    pub(super) is_detached: bool,
}

/// The types of contexts that a program has made any of.
#[derive(Debug, Default)]
pub(super) struct Forms {
    /// By number of their kind.
    forms: FxHashMap<u32, Form>,
    cancel: Option<Form>,
    value: Option<Form>,
}

impl Forms {
    /// Those among the kinds that were met so far.
    pub(super) fn of(kinds: &Kinds) -> Forms {
        let mut forms = Forms::default();
        let len = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
        for number in 1..=len {
            let what = kinds.get(number).map(|kind| kind.what);
            let Some(What::Value(at)) = what else {
                continue;
            };
            let Some(form) = form(&kinds.table, at) else {
                continue;
            };
            match kinds.table.name(at).as_str() {
                "context.cancelCtx" => forms.cancel = Some(form.clone()),
                "context.valueCtx" => forms.value = Some(form.clone()),
                "context.timerCtx" if form.leads_to_cancel && forms.cancel.is_none() => {
                    forms.cancel = embedded(&kinds.table, at);
                }
                _ => {}
            }
            forms.forms.insert(number, form);
        }
        forms
    }

    pub(super) fn is_empty(&self) -> bool {
        // Without keys there is no request, and without cancelling none has ended.
        self.value.is_none() || self.cancel.is_none()
    }

    /// That of a kind.
    pub(super) fn of_kind(&self, kind: u32) -> Option<&Form> {
        self.forms.get(&kind)
    }

    /// That of the package's own contexts that fill slots of so many bytes.
    pub(super) fn of_slot(&self, slot: u64) -> Option<&Form> {
        let fits = |form: &&Form| form.size <= slot && slot < form.size + 16;
        let all = [self.cancel.as_ref(), self.value.as_ref()];
        all.into_iter().flatten().find(fits)
    }

    pub(super) fn cancel(&self) -> Option<&Form> {
        self.cancel.as_ref()
    }
}

/// The form of a structure, if it is a context by its fields.
fn form(table: &TypeTable, at: Addr) -> Option<Form> {
    let head = table.head(at)?;
    let mut form = Form {
        size: head.size,
        parent: 0,
        leads_to_cancel: false,
        err: None,
        done: None,
        key: None,
        is_detached: false,
    };
    fill(table, at, 0, MOST_DEPTH, &mut form)?;
    let last = [form.parent, form.err.unwrap_or(0), form.key.unwrap_or(0)];
    last.iter().all(|at| at + 8 <= form.size).then_some(form)
}

/// Looks for a context among the fields of a structure that starts at `base` of another.
fn fill(table: &TypeTable, at: Addr, base: u64, depth: u32, form: &mut Form) -> Option<()> {
    let GoShape::Struct { fields } = table.get(at)?.shape else {
        return None;
    };
    let name = table.name(at);
    let field = |wanted: &str| {
        let mut all = fields.iter();
        all.find(|field| field.name == wanted)
            .map(|field| base + field.offset)
    };
    match name.as_str() {
        "context.cancelCtx" => (form.err, form.done) = (field("err"), field("done")),
        "context.valueCtx" => form.key = field("key"),
        _ => {}
    }
    let bare = name == super::DETACHED;
    form.is_detached |= bare;
    for own in fields.iter().filter(|field| field.embedded || bare) {
        let found = base.checked_add(own.offset)?;
        if table.name(own.typ) == "context.Context" {
            form.parent = found.checked_add(8)?;
            return Some(());
        }
        if depth == 0 {
            continue;
        }
        if let Some(GoShape::Pointer { elem }) = table.get(own.typ).map(|typ| typ.shape) {
            if table.name(elem) == "context.cancelCtx" {
                (form.parent, form.leads_to_cancel) = (found, true);
                return Some(());
            }
        } else if fill(table, own.typ, found, depth - 1, form).is_some() {
            return Some(());
        }
    }
    None
}

/// The form of the `context.cancelCtx` that another type has a pointer to.
fn embedded(table: &TypeTable, at: Addr) -> Option<Form> {
    let GoShape::Struct { fields } = table.get(at)?.shape else {
        return None;
    };
    let elems = fields.iter().filter_map(|field| {
        let GoShape::Pointer { elem } = table.get(field.typ)?.shape else {
            return None;
        };
        Some(elem)
    });
    let mut cancel = elems.filter(|elem| table.name(*elem) == "context.cancelCtx");
    form(table, cancel.next()?)
}
