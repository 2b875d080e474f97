//! [`Contexts`]: contexts of package `context`, and which belong to a request that has ended.
//!
//! A context holds the one that it was derived from. That of a request of `net/http` hangs below
//! the contexts of its connection, which carry a value under a key of the type
//! `*http.contextKey`: in HTTP/1 and HTTP/2 alike the connection has a context that can be
//! cancelled, and each request one below that, which is cancelled when its handler has returned.
//! So the request of a context is the second of those that can be cancelled, from the connection
//! on; where the nearest such value is the server, the first (HTTP/2 up to 1.26).
//!
//! That of a call of gRPC is the first that can be cancelled below the connection, which is a value
//! under a key of the type `transport.connectionKey`; it is cancelled when the call has ended.
//!
//! Does not say who holds them (see `outliving`).
//!
//! Invariants: a type counts as a context by its fields only; an object is taken for one where an
//! interface says so, where a context says so of the one that it embeds, or where a stack leads to
//! it and its words are as a context's.
//!
//! Source: src/context/context.go; src/net/http/server.go, `Serve`, `serve`, `readRequest`;
//! h2_bundle.go, `http2serverConnBaseContext`; go1.19 to go1.27. grpc-go,
//! internal/transport/http2_server.go, `operateHeaders`, `SetConnection`; 1.50 to 1.76.

mod forms;
mod outliving;

use letgo_target::{Addr, gather};
use rustc_hash::FxHashMap;

use crate::Error;
use crate::bits::{index, word};
use crate::objects::{ObjectId, Objects};
use crate::program::Program;
use crate::roots::{RootKind, Roots};
use crate::typing::{Kinds, Seeds};
use forms::{Form, Forms};
pub use outliving::Outliving;

/// Most contexts that are read.
const MOST: usize = 1 << 20;
/// Longest line of contexts, each derived from the next, that is followed.
const MOST_DERIVED: usize = 256;
/// What keys of `net/http` are.
const HTTP_KEY: &str = "*http.contextKey";
/// What the key of a connection of gRPC is.
const GRPC_KEY: &str = "transport.connectionKey";
/// A context of `context.WithoutCancel`, and its bytes.
const DETACHED: &str = "context.withoutCancelCtx";
const DETACHED_BYTES: u64 = 16;
/// What the value is that a server has under its key.
const HTTP_SERVER: &str = "*http.Server";

/// What matters of a context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// It can be cancelled, and was or was not.
    Cancel { ended: bool },
    /// It carries a value of a server; of those below it that can be cancelled the request's is
    /// this one, counted from 1.
    Server { nth: usize },
    /// It goes on without what it was derived from, on purpose.
    Detached,
    /// Anything else.
    Plain,
}

/// A context.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The one that it was derived from, if that is an object.
    parent: Option<ObjectId>,
    role: Role,
}

/// The contexts that were found, by object.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    nodes: FxHashMap<ObjectId, Node>,
}

impl Contexts {
    /// Reads all of them, where the program has any; what cannot be read is not among them.
    ///
    /// # Errors
    /// Only what makes the whole target unreadable.
    pub(crate) fn read(
        program: &Program<'_>,
        objects: &Objects,
        seeds: &Seeds,
        roots: &Roots,
    ) -> Result<Contexts, Error> {
        let forms = Forms::of(&seeds.lock());
        let mut contexts = Contexts::default();
        if forms.is_empty() {
            return Ok(contexts);
        }
        let mut reader = Reader {
            program,
            objects,
            seeds,
            forms: &forms,
        };
        let mut next = reader.claimed();
        while !next.is_empty() {
            next.truncate(MOST.saturating_sub(contexts.nodes.len()));
            next = reader.read(&next, false, &mut contexts)?;
            next.retain(|(object, _)| !contexts.nodes.contains_key(object));
        }
        reader.detached(roots, &mut contexts)?;
        let on_stacks = reader.on_stacks(roots, &contexts);
        let next = reader.read(&on_stacks, true, &mut contexts)?;
        reader.read(&next, false, &mut contexts)?;
        Ok(contexts)
    }

    /// The context of the request that a context belongs to: where that has ended.
    fn ended_request(&self, context: ObjectId) -> Option<ObjectId> {
        let mut at = context;
        let mut cancels: Vec<(ObjectId, bool)> = Vec::new();
        for _ in 0..MOST_DERIVED {
            let node = self.nodes.get(&at)?;
            match node.role {
                Role::Cancel { ended } => cancels.push((at, ended)),
                Role::Server { nth } => {
                    let own = cancels.len().checked_sub(nth)?;
                    let (request, ended) = cancels.get(own)?;
                    return ended.then_some(*request);
                }
                Role::Detached => return None,
                Role::Plain => {}
            }
            at = node.parent?;
        }
        None
    }
}

/// An object, and what it is taken for.
type Taken<'a> = (ObjectId, &'a Form);

struct Reader<'a> {
    program: &'a Program<'a>,
    objects: &'a Objects,
    seeds: &'a Seeds,
    forms: &'a Forms,
}

impl<'a> Reader<'a> {
    /// Objects that interfaces say to be contexts.
    fn claimed(&self) -> Vec<Taken<'a>> {
        let mut found = Vec::new();
        for (object, claim) in self.seeds.claims.all() {
            if let Some(form) = self.forms.of_kind(claim.kind)
                && self.objects.in_use.has(object)
            {
                found.push((ObjectId(object), form));
            }
        }
        found
    }

    /// Those that stacks alone lead to and that go on without what they were derived from: told by
    /// the word before, as of an interface.
    fn detached(&self, roots: &Roots, into: &mut Contexts) -> Result<(), Error> {
        let named = roots.roots.iter();
        let named = named.filter(|root| root.kind == RootKind::Stack);
        let pairs = named.filter_map(|root| {
            let slot = self.objects.slot_at(root.value.0)?;
            let object = ObjectId(slot.number);
            let (_, span) = self.objects.place(object)?;
            let fits = slot.offset == 0 && span.elem_size == DETACHED_BYTES;
            let itab = Addr(root.at.0.checked_sub(8)?);
            (fits && !into.nodes.contains_key(&object)).then_some((object, itab))
        });
        let pairs: Vec<(ObjectId, Addr)> = pairs.take(MOST).collect();
        let gathered = gather(self.program.memory, pairs.iter().map(|(_, at)| (*at, 8)))?;
        let mut known: FxHashMap<u64, bool> = FxHashMap::default();
        for (object, at) in pairs {
            let Some(bytes) = gathered.get(at, 8) else {
                continue;
            };
            let itab = word(bytes, 0);
            if *known.entry(itab).or_insert_with(|| self.is_detached(itab)) {
                let (parent, role) = (None, Role::Detached);
                into.nodes.insert(object, Node { parent, role });
            }
        }
        Ok(())
    }

    fn is_detached(&self, itab: u64) -> bool {
        let kinds = self.seeds.lock();
        let held = self.held(&kinds, Addr(itab));
        held.is_some_and(|at| kinds.table.name(at) == DETACHED)
    }

    /// The type of what an interface with this itab holds.
    fn held(&self, kinds: &Kinds, itab: Addr) -> Option<Addr> {
        kinds.table.itab(itab).or_else(|| {
            let bytes = self.program.constant(itab, 24, 24).ok()?;
            kinds.table.decode_itab(&bytes)
        })
    }

    /// Objects that stacks lead to and that are as large as a context.
    fn on_stacks(&self, roots: &Roots, known: &Contexts) -> Vec<Taken<'a>> {
        let named = roots.roots.iter();
        let named = named.filter(|root| root.kind == RootKind::Stack);
        let mut found: Vec<ObjectId> = named
            .filter_map(|root| {
                let slot = self.objects.slot_at(root.value.0)?;
                (slot.offset == 0).then_some(ObjectId(slot.number))
            })
            .filter(|object| !known.nodes.contains_key(object))
            .collect();
        found.sort_unstable();
        found.dedup();
        let sized = found.into_iter().filter_map(|object| {
            let (_, span) = self.objects.place(object)?;
            let form = self.forms.of_slot(span.elem_size)?;
            Some((object, form))
        });
        let left = MOST.saturating_sub(known.nodes.len());
        sized.take(left).collect()
    }

    fn start(&self, object: ObjectId) -> Option<Addr> {
        let (slot, span) = self.objects.place(object)?;
        let offset = u64::from(slot.slot).checked_mul(span.elem_size)?;
        Some(Addr(span.base).add(offset))
    }

    /// Reads these; those that only look like contexts have to be ones by their words. Answers
    /// which others they lead to that nothing else names.
    fn read(
        &mut self,
        taken: &[Taken<'a>],
        checked: bool,
        into: &mut Contexts,
    ) -> Result<Vec<Taken<'a>>, Error> {
        let sized = taken.iter();
        let sized = sized.filter_map(|(object, form)| Some((self.start(*object)?, form.size)));
        let gathered = gather(self.program.memory, sized)?;
        let mut next = Vec::new();
        for (object, form) in taken {
            let bytes = self.start(*object);
            let bytes = bytes.and_then(|at| gathered.get(at, index(form.size)));
            let Some(bytes) = bytes else {
                continue;
            };
            if checked && !self.looks(form, bytes) {
                continue;
            }
            let parent = self
                .objects
                .object_at(Addr(word(bytes, index(form.parent))));
            if form.leads_to_cancel {
                next.extend(parent.zip(self.forms.cancel()));
            }
            let role = self.role(form, bytes);
            into.nodes.insert(*object, Node { parent, role });
        }
        Ok(next)
    }

    /// Whether words are those of a context: it holds another, as an interface.
    fn looks(&self, form: &Form, bytes: &[u8]) -> bool {
        let kinds = self.seeds.lock();
        let Some(itab) = form.parent.checked_sub(8) else {
            return false;
        };
        let is_context = self.held(&kinds, Addr(word(bytes, index(itab))));
        let known = |at: Addr| match word(bytes, index(form.done.unwrap_or_default())) {
            _ if form.done.is_none() => true,
            0 => true,
            typ => kinds.table.name(Addr(typ)) == "chan struct {}" && !at.is_null(),
        };
        is_context.is_some_and(|at| {
            let name = kinds.table.name(at);
            name.trim_start_matches('*').starts_with("context.") && known(at)
        })
    }

    fn role(&self, form: &Form, bytes: &[u8]) -> Role {
        if let Some(err) = form.err {
            return Role::Cancel {
                ended: word(bytes, index(err)) != 0,
            };
        }
        let Some(key) = form.key else {
            return match form.is_detached {
                true => Role::Detached,
                false => Role::Plain,
            };
        };
        let kinds = self.seeds.lock();
        let name = |at: u64| kinds.table.name(Addr(word(bytes, index(at))));
        match name(key).as_str() {
            HTTP_KEY if name(key.saturating_add(16)) != HTTP_SERVER => Role::Server { nth: 2 },
            HTTP_KEY | GRPC_KEY => Role::Server { nth: 1 },
            _ => Role::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contexts from the outermost on, each derived from the one before; numbered from 0.
    fn line(roles: &[Role]) -> Contexts {
        let mut contexts = Contexts::default();
        for (number, role) in (0u32..).zip(roles) {
            let node = Node {
                parent: number.checked_sub(1).map(ObjectId),
                role: *role,
            };
            contexts.nodes.insert(ObjectId(number), node);
        }
        contexts
    }

    const SERVER: Role = Role::Server { nth: 1 };
    const ADDRESS: Role = Role::Server { nth: 2 };
    const OVER: Role = Role::Cancel { ended: true };
    const OPEN: Role = Role::Cancel { ended: false };

    #[test]
    fn of_http_1_the_second_from_the_connection_on_is_the_requests() {
        let all = line(&[SERVER, ADDRESS, OPEN, OVER, Role::Plain, OPEN]);
        for number in [3, 4, 5] {
            assert_eq!(all.ended_request(ObjectId(number)), Some(ObjectId(3)));
        }
        assert_eq!(all.ended_request(ObjectId(2)), None, "the connection's");
        assert_eq!(all.ended_request(ObjectId(1)), None);
        assert_eq!(all.ended_request(ObjectId(9)), None, "no context");
    }

    #[test]
    fn of_http_2_it_is_the_first_below_the_server() {
        let all = line(&[SERVER, ADDRESS, OPEN, ADDRESS, SERVER, OVER, Role::Plain]);
        assert_eq!(all.ended_request(ObjectId(6)), Some(ObjectId(5)));
    }

    #[test]
    fn what_was_cancelled_within_a_request_does_not_end_it() {
        let all = line(&[SERVER, ADDRESS, OPEN, OPEN, OVER]);
        assert_eq!(all.ended_request(ObjectId(4)), None);
    }

    #[test]
    fn what_goes_on_without_the_request_does_not_keep_it_by_mistake() {
        let all = line(&[SERVER, ADDRESS, OPEN, OVER, Role::Detached, OPEN]);
        assert_eq!(all.ended_request(ObjectId(5)), None);
        assert_eq!(all.ended_request(ObjectId(3)), Some(ObjectId(3)));
    }

    #[test]
    fn contexts_of_no_server_belong_to_no_request() {
        let all = line(&[Role::Plain, OVER, OVER]);
        assert_eq!(all.ended_request(ObjectId(2)), None);
    }

    #[test]
    fn lines_that_lead_back_are_left() {
        let mut all = line(&[OVER, OVER]);
        let first = all.nodes.get_mut(&ObjectId(0)).expect("made above");
        first.parent = Some(ObjectId(1));
        assert_eq!(all.ended_request(ObjectId(1)), None);
    }
}
