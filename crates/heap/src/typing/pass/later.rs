//! Claims that are not made from object to object: those of variables before all others, and less
//! sure ones once nothing surer follows.

use letgo_target::Addr;

use super::*;

impl<'a> Pass<'a> {
    /// Makes the claims of variables: words of these kinds that lead to these objects.
    pub(in crate::typing) fn variables(
        &self,
        leads: &[(Lead, u32, u64)],
    ) -> (Vec<Entry<'a>>, Done) {
        let mut hands = Hands::default();
        for (lead, target, offset) in leads {
            let Some(span) = self.objects.span_of_slot(*target) else {
                continue;
            };
            // It does not matter where small values lie.
            let start = span.elem_size - span.usable();
            let behind = match span.is_tiny() {
                true => 0,
                false => offset.saturating_sub(start),
            };
            let (lead, strength) = match lead {
                Lead::Whole(kind) => (*kind, Strength::Pointer),
                Lead::Row(kind) => (*kind, Strength::Slice),
                Lead::Text => (TEXT, Strength::String),
                Lead::Func => {
                    self.closure(*target, span, &mut hands);
                    continue;
                }
                _ => continue,
            };
            match strength {
                Strength::Slice => self.slice(lead, (*target, span), behind, &mut hands),
                _ if behind == 0 || strength == Strength::String => {
                    self.claim(*target, span, lead, strength, &mut hands);
                }
                _ => {}
            }
        }
        (hands.stack, hands.done)
    }

    /// Makes the claims that waited, those of objects of which nothing is known still; answers
    /// which objects have a type now.
    pub(in crate::typing) fn later(
        &self,
        later: &mut Vec<Later>,
        larger: &FxHashMap<Addr, Vec<Addr>>,
        conflicts: &mut Conflicts,
    ) -> Vec<Entry<'a>> {
        later.sort_unstable();
        later.dedup();
        let mut hands = Hands::default();
        for one in later.drain(..) {
            let (Later::Within(target, kind)
            | Later::Alone(target, kind)
            | Later::First(target, kind)) = one;
            let known = self.known(target);
            if known.is_some_and(|known| known.strength > Strength::Looks) {
                continue;
            }
            let Some(span) = self.objects.span_of_slot(target) else {
                continue;
            };
            match one {
                Later::Within(..) | Later::Alone(..) => {
                    self.claim(target, span, kind, Strength::Within, &mut hands);
                }
                Later::First(..) => {
                    if let Some(kind) = self.larger(target, span, kind, larger) {
                        self.claim(target, span, kind, Strength::Looks, &mut hands);
                    }
                }
            }
        }
        conflicts.add(hands.done.conflicts);
        hands.stack
    }

    /// The only kind that starts with a value of `kind` and that an object may be.
    fn larger(
        &self,
        target: u32,
        span: &HeapSpan,
        kind: u32,
        larger: &FxHashMap<Addr, Vec<Addr>>,
    ) -> Option<u32> {
        let elem = self.kind(kind)?.elem?;
        let more = larger.get(&elem).map(Vec::as_slice).unwrap_or_default();
        let mut only = None;
        for at in std::iter::once(&elem).chain(more) {
            for what in [What::Value(*at), What::Row(*at)] {
                let number = self.seeds.lock().number(what);
                let Some(number) = number else { continue };
                let Some(own) = self.kind(number) else {
                    continue;
                };
                if !claims::fits(own, span) || (!span.noscan && !self.agrees(own, target, span)) {
                    continue;
                }
                // One value or a row of one is the same.
                let same = only.is_some_and(|(_, at)| Some(at) == own.elem);
                if only.is_some() && !same {
                    return None;
                }
                only = only.or(own.elem.map(|at| (number, at)));
            }
        }
        only.map(|(number, _)| number)
    }
}
