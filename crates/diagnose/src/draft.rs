//! [`Draft`]: what a rule has to say, before bytes are assigned.
//!
//! A rule claims resident bytes of leaves; whether it gets them is decided in
//! [`crate::assign`], since a byte may stand out for two reasons and is counted once.

use letgo_account::{Leaf, Shares};

use crate::facts::{Facts, Measure};
use crate::finding::{Confidence, Location, Remedy, Severity};
use crate::pacer::Pacer;
use crate::thresholds::Thresholds;
use crate::words;

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    /// The reading.
    pub(crate) facts: &'a Facts,
    /// The runtime's arithmetic over it.
    pub(crate) pacer: Pacer<'a>,
    /// From where on something stands out.
    pub(crate) thresholds: &'a Thresholds,
}

impl Case<'_> {
    /// Whether so many bytes stand out: enough by themselves, and a share of RSS.
    pub(crate) fn stands_out(&self, bytes: u64, share: f64) -> bool {
        bytes >= self.thresholds.least_bytes && self.is_share(bytes, share)
    }

    /// Whether bytes reach a share of RSS.
    pub(crate) fn is_share(&self, bytes: u64, share: f64) -> bool {
        words::float(bytes) >= share * words::float(self.facts.rss_bytes)
    }

    /// What shares are of, as titles name it.
    pub(crate) fn whole(&self) -> &'static str {
        match self.facts.measure {
            Measure::Resident => "RSS",
            Measure::Virtual => "what the runtime had",
        }
    }

    /// Bytes of spans, what of them is resident where that is known.
    pub(crate) fn size(&self, spans: &Shares) -> u64 {
        match self.facts.measure {
            Measure::Resident => spans.resident.0,
            Measure::Virtual => spans.span_bytes,
        }
    }

    /// The same in words that say which.
    pub(crate) fn size_words(&self, spans: &Shares) -> String {
        let bytes = words::bytes(self.size(spans));
        match self.facts.measure {
            Measure::Resident => format!("{bytes} resident"),
            Measure::Virtual => bytes,
        }
    }

    /// Share of RSS in percent, without its sign.
    pub(crate) fn percent(&self, bytes: u64) -> String {
        words::percent(bytes, self.facts.rss_bytes)
    }

    /// Working set over limit of the container.
    pub(crate) fn filled(&self) -> Option<f64> {
        let container = self.facts.container.as_ref()?;
        let limit = container.limit.filter(|limit| *limit > 0)?;
        Some(words::float(container.working_set) / words::float(limit))
    }

    /// Whether the container's limit is near.
    pub(crate) fn limit_near(&self) -> bool {
        self.filled()
            .is_some_and(|filled| filled >= self.thresholds.limit_near)
    }

    /// The leaf that objects which are held count for.
    pub(crate) fn objects(&self) -> Leaf {
        match self.facts.reached {
            Some(_) => Leaf::HeapReachable,
            None => Leaf::HeapObjects,
        }
    }

    /// What a GC that does not run would look at: by the graph what it would take; else what was
    /// allocated since the last one.
    pub(crate) fn uncollected(&self) -> (Leaf, u64) {
        match self.facts.reached {
            Some(_) => (Leaf::HeapGarbage, self.facts.resident(Leaf::HeapGarbage)),
            None => (Leaf::HeapObjects, self.pacer.unexamined()),
        }
    }

    /// A command of letgo on what was read.
    pub(crate) fn letgo(&self, verb: &str) -> String {
        let target = &self.facts.target;
        match &target.file {
            Some(file) => format!("letgo {verb} {}", words::quoted(file)),
            None => format!("letgo {verb} {}", target.pid),
        }
    }

    /// Whether a remedy can be followed: of a file, only what reads it, and what is to be done
    /// before the program is started again.
    pub(crate) fn is_open(&self, remedy: &Remedy) -> bool {
        let reads = remedy.command.starts_with("letgo heap ");
        self.facts.target.file.is_none()
            || reads
            || (remedy.what != "now" && !remedy.command.starts_with("letgo "))
    }

    /// `letgo tune` with settings that fit; of a file, the variables to start the program with.
    pub(crate) fn tune(&self, gogc: Option<u64>, limit: Option<u64>) -> String {
        if self.facts.target.file.is_some() {
            let gogc = gogc.map(|gogc| format!(" GOGC={gogc}"));
            let limit = limit.map(|limit| format!(" GOMEMLIMIT={}", words::size_argument(limit)));
            let settings: String = gogc.into_iter().chain(limit).collect();
            return format!("start it with{settings}");
        }
        let mut command = self.letgo("tune");
        if let Some(gogc) = gogc {
            command.push_str(&format!(" --gogc {gogc}"));
        }
        if let Some(limit) = limit {
            command.push_str(&format!(" --limit {}", words::size_argument(limit)));
        }
        command
    }

    /// GOGC and the memory limit in force, as the first words of an explanation.
    pub(crate) fn settings(&self) -> String {
        let gogc = crate::settings::gogc_words(self.pacer.gogc());
        match self.pacer.limit() {
            None => format!("GOGC={gogc}, no memory limit"),
            Some(limit) => format!("GOGC={gogc}, memory limit {}", words::bytes(limit)),
        }
    }

    /// Where a setting in force comes from, if it is not the environment.
    pub(crate) fn origin(&self, name: &str) -> Option<String> {
        let settings = crate::settings::settings(self.facts);
        let setting = settings
            .into_iter()
            .find(|setting| setting.name == name && setting.differs)?;
        let asked = match setting.environment {
            Some(asked) => format!("The environment has {name}={}", clipped(&asked)),
            None => format!("{name} is not in the environment"),
        };
        Some(format!(
            "{asked}; {} was set since the start, by the program or from outside.",
            setting.live
        ))
    }
}

/// A string of the target, cut to what one line can hold.
fn clipped(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}...", text.get(..cut).unwrap_or_default()),
        None => text.into(),
    }
}

/// What a rule has to say.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) confidence: Confidence,
    pub(crate) title: String,
    pub(crate) least: Severity,
    pub(crate) most: Severity,
    pub(crate) claims: Vec<(Leaf, u64)>,
    pub(crate) count: Option<u64>,
    pub(crate) holder: Option<String>,
    pub(crate) location: Option<Location>,
    pub(crate) evidence: Vec<String>,
    pub(crate) remedies: Vec<Remedy>,
}

impl Draft {
    pub(crate) fn new(confidence: Confidence, title: impl Into<String>) -> Draft {
        Draft {
            confidence,
            title: title.into(),
            least: Severity::Info,
            most: Severity::High,
            claims: Vec::new(),
            count: None,
            holder: None,
            location: None,
            evidence: Vec::new(),
            remedies: Vec::new(),
        }
    }

    /// Claims up to so many resident bytes of a leaf.
    #[must_use]
    pub(crate) fn claim(mut self, leaf: Leaf, bytes: u64) -> Draft {
        self.claims.push((leaf, bytes));
        self
    }

    /// It matters so much at least, whatever its bytes.
    #[must_use]
    pub(crate) fn least(mut self, severity: Severity) -> Draft {
        self.least = severity;
        self
    }

    /// It matters so much at most, whatever its bytes.
    #[must_use]
    pub(crate) fn most(mut self, severity: Severity) -> Draft {
        self.most = severity;
        self
    }

    #[must_use]
    pub(crate) fn count(mut self, count: u64) -> Draft {
        self.count = Some(count);
        self
    }

    #[must_use]
    pub(crate) fn holder(mut self, holder: impl Into<String>) -> Draft {
        self.holder = Some(holder.into());
        self
    }

    #[must_use]
    pub(crate) fn location(mut self, location: Option<&Location>) -> Draft {
        self.location = location.cloned();
        self
    }

    #[must_use]
    pub(crate) fn evidence(mut self, sentence: impl Into<String>) -> Draft {
        self.evidence.push(sentence.into());
        self
    }

    #[must_use]
    pub(crate) fn evidence_if(self, condition: bool, sentence: impl FnOnce() -> String) -> Draft {
        if condition {
            self.evidence(sentence())
        } else {
            self
        }
    }

    #[must_use]
    pub(crate) fn maybe(self, sentence: Option<String>) -> Draft {
        match sentence {
            Some(sentence) => self.evidence(sentence),
            None => self,
        }
    }

    #[must_use]
    pub(crate) fn remedy(
        mut self,
        what: &str,
        command: impl Into<String>,
        expect: impl Into<String>,
    ) -> Draft {
        self.remedies.push(Remedy {
            what: what.into(),
            command: command.into(),
            expect: expect.into(),
        });
        self
    }
}
