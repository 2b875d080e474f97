//! Assigning resident bytes to findings, each byte once, and weighing them.
//!
//! Rules claim bytes of leaves in the order of the registry, the most specific first. What an
//! earlier rule took of a leaf the later one does not get: it is told in `also`, with the id of
//! the finding that has it.
//!
//! Invariants, for any facts:
//! - the bytes taken of a leaf never exceed the leaf's resident bytes;
//! - the bytes of all findings never exceed RSS.

use std::collections::BTreeMap;

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::finding::{Finding, Severity, Share};
use crate::thresholds::Thresholds;
use crate::words::float;

/// Turns drafts, in the order of the registry, into findings, the most severe first.
pub(crate) fn assign(case: &Case<'_>, drafts: Vec<(&'static str, Draft)>) -> Vec<Finding> {
    let mut ledger = Ledger {
        taken: BTreeMap::new(),
        left: case.facts.rss_bytes,
    };
    let mut findings: Vec<Finding> = drafts
        .into_iter()
        .map(|(id, draft)| finding(case, &mut ledger, id, draft))
        .collect();
    findings.sort_by(|a, b| {
        let weight = |f: &Finding| (f.severity, f.bytes, f.confidence);
        weight(b).cmp(&weight(a)).then(a.id.cmp(b.id))
    });
    findings
}

/// What was assigned so far.
struct Ledger {
    /// Bytes taken of each leaf, by whom, in order.
    taken: BTreeMap<Leaf, Vec<Share>>,
    /// Resident bytes that nobody has yet.
    left: u64,
}

impl Ledger {
    /// Takes up to `wanted` bytes of a leaf; returns how many, and who has the others.
    fn take(
        &mut self,
        id: &'static str,
        leaf: Leaf,
        resident: u64,
        wanted: u64,
    ) -> (u64, Vec<Share>) {
        let owners = self.taken.entry(leaf).or_default();
        let gone: u64 = owners.iter().map(|share| share.bytes).sum();
        let wanted = wanted.min(resident);
        let bytes = wanted.min(resident.saturating_sub(gone)).min(self.left);
        self.left -= bytes;
        let mut short = wanted - bytes;
        let mut shares = Vec::new();
        for owner in owners.iter().filter(|owner| owner.id != id) {
            let shared = owner.bytes.min(short);
            short -= shared;
            if shared > 0 {
                shares.push(Share {
                    id: owner.id,
                    bytes: shared,
                });
            }
        }
        if bytes > 0 {
            owners.push(Share { id, bytes });
        }
        (bytes, shares)
    }
}

fn finding(case: &Case<'_>, ledger: &mut Ledger, id: &'static str, draft: Draft) -> Finding {
    let mut bytes = 0;
    let mut also: Vec<Share> = Vec::new();
    for (leaf, wanted) in &draft.claims {
        let (got, shares) = ledger.take(id, *leaf, case.facts.resident(*leaf), *wanted);
        bytes += got;
        for share in shares {
            match also.iter_mut().find(|known| known.id == share.id) {
                Some(known) => known.bytes += share.bytes,
                None => also.push(share),
            }
        }
    }
    let weight = weigh(
        case.thresholds,
        bytes,
        case.facts.rss_bytes,
        case.limit_near(),
    );
    Finding {
        id,
        severity: weight.max(draft.least).min(draft.most),
        confidence: draft.confidence,
        bytes,
        also,
        count: draft.count,
        title: draft.title,
        holder: draft.holder,
        location: draft.location,
        evidence: draft.evidence,
        remedies: {
            let mut remedies = draft.remedies;
            remedies.retain(|remedy| case.is_open(remedy));
            remedies
        },
    }
}

/// How much bytes matter. Near the container's limit what is medium elsewhere is high.
fn weigh(thresholds: &Thresholds, bytes: u64, rss: u64, limit_near: bool) -> Severity {
    let reaches = |share: f64, least: u64| bytes >= least && float(bytes) >= share * float(rss);
    let medium = reaches(thresholds.medium_share, thresholds.medium_bytes);
    if reaches(thresholds.high_share, thresholds.high_bytes) || (medium && limit_near) {
        Severity::High
    } else if medium {
        Severity::Medium
    } else if bytes > 0 && reaches(thresholds.low_share, 0) {
        Severity::Low
    } else {
        Severity::Info
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn severity_is_as_the_contract_says() {
        let rss = 1000 * MIB;
        let cases = [
            (rss, 200 * MIB, Severity::High),
            (rss, 200 * MIB - 1, Severity::Medium),
            (rss, 50 * MIB, Severity::Medium),
            (rss, 50 * MIB - 1, Severity::Low),
            (rss, 10 * MIB, Severity::Low),
            (rss, 10 * MIB - 1, Severity::Info),
            (rss, 0, Severity::Info),
            (100 * MIB, 64 * MIB, Severity::High),
            (100 * MIB, 64 * MIB - 1, Severity::Medium),
            (20 * MIB, 15 * MIB, Severity::Low),
            (0, 0, Severity::Info),
        ];
        for (rss, bytes, severity) in cases {
            assert_eq!(
                weigh(&Thresholds::default(), bytes, rss, false),
                severity,
                "{bytes} of {rss}"
            );
        }
        assert_eq!(
            weigh(&Thresholds::default(), 50 * MIB, rss, true),
            Severity::High
        );
        assert_eq!(
            weigh(&Thresholds::default(), 49 * MIB, rss, true),
            Severity::Low
        );
    }

    #[test]
    fn a_second_claim_is_told_who_has_the_bytes() {
        let mut ledger = Ledger {
            taken: BTreeMap::new(),
            left: 100,
        };
        assert_eq!(ledger.take("a", Leaf::HeapIdle, 80, 60), (60, vec![]));
        let (bytes, shares) = ledger.take("b", Leaf::HeapIdle, 80, 70);
        assert_eq!(bytes, 20);
        assert_eq!(shares, vec![Share { id: "a", bytes: 50 }]);
        let (bytes, shares) = ledger.take("c", Leaf::MapsFile, 80, 80);
        assert_eq!((bytes, shares), (20, vec![]), "RSS bounds all of them");
    }
}
