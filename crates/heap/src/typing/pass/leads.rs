//! What a word that leads somewhere says of the object there.

use super::*;

impl<'a> Pass<'a> {
    /// Makes of a target what a word of a known kind says.
    #[inline]
    pub(super) fn lead(&self, led: Led<'a>, hands: &mut Hands<'a>) {
        let Some(span) = led.span else {
            return;
        };
        if self.says_nothing(&led) {
            return;
        }
        match Lead::unpacked(led.lead) {
            Lead::None | Lead::Unknown => {}
            Lead::Text => {
                self.claim(led.target, span, TEXT, Strength::String, hands);
            }
            Lead::Whole(kind) => self.whole(kind, led, span, hands),
            Lead::Row(kind) => self.row(kind, led, span, hands),
            Lead::Func => self.closure(led.target, span, hands),
            Lead::MapParts(map) => self.map_parts(map, led, span, hands),
        }
    }

    /// Makes the claim on an object without pointers of which nothing is known so far, as of most:
    /// whether it can be true is told by its slot alone. Says whether it was made, or was known; if
    /// not, there is more to be looked at.
    #[inline]
    pub(super) fn leaf(&self, led: &Led<'a>, hands: &mut Hands<'a>) -> bool {
        let (kind, strength) = match Lead::unpacked(led.lead) {
            Lead::Text => (TEXT, Strength::String),
            Lead::Whole(kind) => (kind, Strength::Pointer),
            Lead::Row(kind) => (kind, Strength::Slice),
            _ => return false,
        };
        let Some((span, None)) = self.seeds.claims.leaf(led.target) else {
            return false;
        };
        let within = strength != Strength::String && self.offset(span, led) != 0;
        if within || !self.fits_slot(kind, span, hands) {
            return false;
        }
        self.seeds.claims.put(led.target, Claim { kind, strength });
        true
    }

    /// Bytes behind the start of the object that a pointer leads to.
    #[inline]
    fn offset(&self, span: &'a HeapSpan, led: &Led<'_>) -> u64 {
        // It does not matter where small values lie.
        if span.is_tiny() {
            return 0;
        }
        u64::from(self.edges.offset(led.edge)).saturating_sub(span.elem_size - span.usable())
    }

    #[inline]
    fn whole(&self, kind: u32, led: Led<'a>, span: &'a HeapSpan, hands: &mut Hands<'a>) {
        if self.offset(span, &led) != 0 {
            return;
        }
        let known = self.known(led.target);
        if !self.claim(led.target, span, kind, Strength::Pointer, hands)
            && known.is_none()
            && hands.done.later.len() < MOST_LATER
        {
            hands.done.later.push(Later::First(led.target, kind));
        }
    }

    #[inline]
    fn row(&self, kind: u32, led: Led<'a>, span: &'a HeapSpan, hands: &mut Hands<'a>) {
        let behind = self.offset(span, &led);
        self.slice(kind, (led.target, span), behind, hands);
    }

    /// Takes what a slice of this kind says of an object that it leads to, so many bytes behind
    /// its start.
    #[inline]
    pub(super) fn slice(
        &self,
        kind: u32,
        (target, span): (u32, &'a HeapSpan),
        behind: u64,
        hands: &mut Hands<'a>,
    ) {
        if behind == 0 {
            self.claim(target, span, kind, Strength::Slice, hands);
        } else if self.known(target).is_none() && hands.done.later.len() < MOST_LATER {
            let size = match self.kind(kind).map(|kind| kind.fit) {
                Some(Fit::Rows(size)) => size.max(1),
                _ => return,
            };
            if behind.is_multiple_of(size) {
                hands.done.later.push(Later::Within(target, kind));
            }
        }
    }

    /// A function value leads to a closure, whose function may be known.
    pub(super) fn closure(&self, target: u32, span: &'a HeapSpan, hands: &mut Hands<'a>) {
        let known = self.known(target);
        let kind = known.map_or(CLOSURE, |known| known.kind);
        let is_closure = |kind: &Kind| matches!(kind.what, What::Closure(_));
        if self.kind(kind).is_some_and(is_closure)
            && known.is_none_or(|known| known.strength < Strength::Pointer)
        {
            self.claim(target, span, kind, Strength::Pointer, hands);
        }
    }

    /// What a map leads to: a directory starts with a pointer, a group never does.
    fn map_parts(&self, map: u32, led: Led<'a>, span: &'a HeapSpan, hands: &mut Hands<'a>) {
        let Some(What::Map(map)) = self.kind(map).map(|kind| kind.what) else {
            return;
        };
        let (first, _) = Pass::words_of(led.target, span);
        let is_directory = !span.noscan && self.seeds.bits(span, first, 1) != 0;
        let what = match is_directory {
            true => What::MapDirectory(map),
            false => What::MapSlots(map),
        };
        let number = self.seeds.lock().number(what);
        if let Some(kind) = number {
            let lead = Lead::Whole(kind).packed();
            if !self.says_nothing(&Led { lead, ..led }) {
                self.whole(kind, led, span, hands);
            }
        }
    }
}
