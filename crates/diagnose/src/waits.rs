//! [`Wait`]: what goroutines wait for, and what lets them go on.
//!
//! The runtime's words are more than matter here: a lock is a lock, whoever wants to read. Waits
//! that end by themselves or from outside (time, the network, GC) are [`Wait::Outside`].
//!
//! Source: src/runtime/runtime2.go, `waitReasonStrings`, go1.19 to go1.27. Locks have words of
//! their own from 1.20, wait groups from 1.24; before, both are `semacquire`.

/// First release with words for locks. Source: as above, `waitReasonSyncMutexLock`.
const FIRST_LOCKS: u32 = 20;

/// What a goroutine waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Wait {
    /// To send.
    Send,
    /// To receive, or for a close.
    Receive,
    /// For one of several channels.
    Select,
    /// For a channel that is nil.
    NilChannel,
    /// In a select without cases.
    Never,
    /// For a lock.
    Lock,
    /// For a wait group.
    Group,
    /// For a condition.
    Condition,
    /// For a lock or a wait group; the release does not say which.
    Semaphore,
    /// For nothing, or for what comes by itself or from outside.
    Outside,
}

/// A change of code, and what it brings.
pub(crate) type Advice = (&'static str, &'static str);

const UNLOCK: Advice = (
    "unlock with defer, right behind the Lock",
    "no return and no panic leaves it locked",
);
const DONE: Advice = (
    "call Add before the go statement, and Done by defer inside",
    "every way out counts down",
);

impl Wait {
    /// What these words of a release mean.
    pub(crate) fn of(reason: &str, go_minor: u32) -> Wait {
        // In a bubble of testing/synctest the same words have more behind them.
        let plain = reason
            .strip_suffix(" (durable)")
            .or_else(|| reason.strip_suffix(" (synctest)"));
        match plain.unwrap_or(reason) {
            "chan send" => Wait::Send,
            "chan receive" => Wait::Receive,
            "select" => Wait::Select,
            "chan send (nil chan)" | "chan receive (nil chan)" => Wait::NilChannel,
            "select (no cases)" => Wait::Never,
            "sync.Mutex.Lock" | "sync.RWMutex.Lock" | "sync.RWMutex.RLock" => Wait::Lock,
            "sync.WaitGroup.Wait" => Wait::Group,
            "sync.Cond.Wait" => Wait::Condition,
            "semacquire" if go_minor < FIRST_LOCKS => Wait::Semaphore,
            "semacquire" => Wait::Group,
            _ => Wait::Outside,
        }
    }

    /// Why nothing ends the wait, where that is proven.
    pub(crate) fn hopeless(self) -> &'static str {
        match self {
            Wait::Send => "nothing that can still run reaches the channel to receive from it",
            Wait::Receive => "nothing that can still run reaches the channel to send or close",
            Wait::Select => "nothing that can still run reaches any of the channels",
            Wait::NilChannel => "a nil channel is never ready",
            Wait::Never => "a select without cases never returns",
            Wait::Lock => "nothing that can still run reaches the lock to unlock it",
            Wait::Group => "nothing that can still run reaches the wait group to count it down",
            Wait::Condition => "nothing that can still run reaches the condition to signal it",
            Wait::Semaphore | Wait::Outside => {
                "nothing that can still run reaches what they wait for"
            }
        }
    }

    /// What to change so that the wait ends.
    pub(crate) fn advice(self) -> &'static [Advice] {
        match self {
            Wait::Send => &[(
                "give the channel room for what is sent when nobody receives any more (a buffer of \
                 1), or send in a select with ctx.Done()",
                "the sender ends though the receiver is gone",
            )],
            Wait::Receive => &[(
                "close the channel when nothing more is sent, or receive in a select with \
                 ctx.Done()",
                "the receiver ends with the sender, or with its context",
            )],
            Wait::Select => &[(
                "add a case <-ctx.Done(), or close one of the channels when the work is over",
                "it ends with its context",
            )],
            Wait::NilChannel => &[(
                "make the channel before it is used: the variable or field was never set",
                "it becomes ready",
            )],
            Wait::Never => &[(
                "return instead, or wait for ctx.Done() where something has to be kept open",
                "what it holds is freed",
            )],
            Wait::Lock => &[
                UNLOCK,
                (
                    "take several locks in one order everywhere, and none twice in a goroutine",
                    "no two wait for each other",
                ),
            ],
            Wait::Group => &[DONE],
            Wait::Condition => &[(
                "Broadcast after each change of what is waited for, and when the work is over",
                "nobody sleeps through the last change",
            )],
            Wait::Semaphore => &[UNLOCK, DONE],
            Wait::Outside => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_their_release_means_by_them() {
        for (reason, minor, wait) in [
            ("chan send", 27, Wait::Send),
            ("chan receive (durable)", 26, Wait::Receive),
            ("select (synctest)", 24, Wait::Select),
            ("select (no cases)", 19, Wait::Never),
            ("chan receive (nil chan)", 27, Wait::NilChannel),
            ("sync.RWMutex.RLock", 20, Wait::Lock),
            ("semacquire", 19, Wait::Semaphore),
            ("semacquire", 20, Wait::Group),
            ("sync.WaitGroup.Wait (durable)", 27, Wait::Group),
            ("sync.Cond.Wait", 22, Wait::Condition),
            ("IO wait", 27, Wait::Outside),
            ("sleep", 27, Wait::Outside),
            ("", 27, Wait::Outside),
        ] {
            assert_eq!(Wait::of(reason, minor), wait, "{reason}, go1.{minor}");
        }
    }
}
