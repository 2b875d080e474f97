//! Open enums: words that we know today, and room for those of a later letgo.
//!
//! The contract says that enums are open: a reader must not fail on a word that it does not know.
//! Each type here is a JSON string, with the known words listed in the schema as examples, and
//! keeps an unknown word as it came. Order, where there is one, is by rank, lowest first.

use std::fmt;

macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(from = "String", into = "String")]
        #[schemars(with = "String", extend("examples" = [$($word),+]))]
        pub enum $name {
            /// A word that this version does not know.
            Other(String),
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// The words that this version knows, in their order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word in JSON and text.
            pub fn as_str(&self) -> &str {
                match self {
                    $name::Other(word) => word,
                    $($name::$variant => $word,)+
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> $name {
                match word.as_str() {
                    $($word => $name::$variant,)+
                    _ => $name::Other(word),
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> $name {
                $name::from(word.to_string())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.as_str().to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

open_enum! {
    /// How much a finding matters, lowest first.
    Severity {
        /// Worth knowing; nothing to do.
        Info = "info",
        /// 1 % of RSS or more.
        Low = "low",
        /// 5 % of RSS and 16 MiB or more.
        Medium = "medium",
        /// 20 % of RSS and 64 MiB or more, or the container's limit is near.
        High = "high",
    }
}

open_enum! {
    /// How sure a finding is, lowest first.
    Confidence {
        /// It fits what was read, and so may other causes.
        Possible = "possible",
        /// Other causes are improbable.
        Likely = "likely",
        /// What was read leaves no other cause.
        Proven = "proven",
    }
}

open_enum! {
    /// Whether the kernel lets a process run.
    RunState {
        /// It runs, or sleeps of its own accord.
        Runs = "runs",
        /// A signal, or somebody who traces it, has stopped it.
        Stopped = "stopped",
        /// Its cgroup is frozen.
        Frozen = "frozen",
    }
}

open_enum! {
    /// How a reading was taken.
    Method {
        /// Without stopping it.
        Running = "running",
        /// With all its threads stopped.
        Stopped = "stopped",
        /// From a copy that never runs.
        Frozen = "frozen",
        /// From a core file.
        Core = "core",
        /// From a snapshot file.
        Snapshot = "snapshot",
    }
}

open_enum! {
    /// What leads into a heap.
    HolderKind {
        /// An initialised variable.
        Data = "data",
        /// A variable that starts as zero.
        Bss = "bss",
        /// A word of a goroutine's stack.
        Stack = "stack",
        /// A finalizer whose object lives, or what that object holds.
        Finalizer = "finalizer",
        /// A finalizer that waits to be run, and its object.
        FinalizerQueue = "finalizer-queue",
        /// A cleanup whose object lives.
        Cleanup = "cleanup",
        /// A cleanup that waits to be run.
        CleanupQueue = "cleanup-queue",
        /// What weak pointers to an object go through.
        WeakHandle = "weak-handle",
        /// A word of a stack that may be no pointer.
        StackWord = "stack-word",
        /// A register of a thread; it may be no pointer.
        Register = "register",
        /// Several roots, none of which holds it alone.
        Several = "several",
    }
}

open_enum! {
    /// What lies at an address.
    PlaceKind {
        /// An object of the heap.
        Object = "object",
        /// A slot of the heap that is free.
        FreeSlot = "free-slot",
        /// Memory of a span in use behind its slots.
        SpanTail = "span-tail",
        /// Free memory of the heap.
        FreeHeap = "free-heap",
        /// A goroutine's stack.
        Stack = "stack",
        /// A stack that no goroutine has.
        FreeStack = "free-stack",
        /// A thread's stack.
        ThreadStack = "thread-stack",
        /// A variable of the program.
        Variable = "variable",
        /// Code or constants of the program.
        Binary = "binary",
        /// Structures of the runtime.
        Runtime = "runtime",
        /// Memory that something else mapped.
        Mapping = "mapping",
        /// No memory.
        Unmapped = "unmapped",
    }
}

open_enum! {
    /// What a goroutine does. The runtime's own words.
    GoroutineStatus {
        /// Being made.
        Idle = "idle",
        /// On a run queue.
        Runnable = "runnable",
        /// On a thread.
        Running = "running",
        /// In a system call or in C.
        Syscall = "syscall",
        /// Blocked: its wait reason says on what.
        Waiting = "waiting",
        /// Its stack is being moved.
        CopyStack = "copystack",
        /// Stopped for a look at its stack.
        Preempted = "preempted",
        /// The GC itself found that it can never run again.
        Leaked = "leaked",
    }
}

open_enum! {
    /// Whether goroutines can never run again, least sure first.
    Verdict {
        /// They run, or may run again, or nobody looked.
        None = "none",
        /// It fits what was read, with a guess in it.
        Likely = "likely",
        /// Nothing that can run leads to what they wait for.
        Proven = "proven",
    }
}

open_enum! {
    /// Why it is not proven of a goroutine that waits that it can never run again.
    Unproven {
        /// What it waits for can still be reached by what may run.
        Reached = "reached",
        /// It waits for what may always come: time, the network, the runtime.
        Event = "event",
        /// What it waits for is a variable of the program.
        Variable = "variable",
        /// It is the first goroutine: the program would end with it.
        Main = "main",
        /// What it waits for was not found.
        Unknown = "unknown",
        /// Something was left out of the reading.
        Incomplete = "incomplete",
        /// Its stack was not read to its end, with all its pointers.
        Stack = "stack",
        /// It is being woken.
        Waking = "waking",
        /// A thread has it in hand.
        InHand = "in-hand",
        /// C code called it.
        CalledByC = "called-by-c",
        /// It is in a bubble of `testing/synctest`.
        Bubble = "bubble",
        /// It went on since it was read.
        Moved = "moved",
        /// Nobody looked: the object graph was not read.
        NotAnalysed = "not-analysed",
    }
}

open_enum! {
    /// Where a number comes from, least trusted first.
    Source {
        /// Estimated.
        Estimated = "estimated",
        /// Computed from other numbers.
        Derived = "derived",
        /// A walk over the structures of a running target.
        WalkRunning = "walk-running",
        /// A walk over the structures of a target that stood still.
        WalkFrozen = "walk-frozen",
        /// A counter that the runtime keeps.
        RuntimeCounter = "runtime-counter",
        /// The kernel's own word.
        Kernel = "kernel",
    }
}

open_enum! {
    /// What a machine allows, worst first.
    State {
        /// Not allowed or not there.
        Missing = "missing",
        /// Allowed in part, or replaced by something slower.
        Limited = "limited",
        /// Could not be found out.
        Unknown = "unknown",
        /// Allowed and there.
        Ok = "ok",
    }
}

open_enum! {
    /// What a prediction rests on, least trusted first.
    Basis {
        /// The page allocator and the page table: what is garbage is not known.
        FreeSpans = "free-spans",
        /// The object graph as well: which spans no reachable object is in.
        Graph = "graph",
    }
}

open_enum! {
    /// How a release ended.
    Ending {
        /// Nothing more goes.
        Flat = "flat",
        /// The time allowed was over.
        TimedOut = "timed-out",
        /// The program sets GOGC by itself, and keeps it.
        ProgramSetsGcPercent = "program-sets-gogc",
        /// Somebody asked for an early end.
        Interrupted = "interrupted",
    }
}

open_enum! {
    /// What figures of an experiment count.
    Unit {
        /// Nothing: they are words.
        Text = "text",
        /// Bytes.
        Bytes = "bytes",
        /// Nanoseconds.
        Nanoseconds = "nanoseconds",
        /// Thousandths of what was there before.
        Permille = "permille",
        /// How many.
        Count = "count",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_word_survives_a_round_trip() {
        let json = "\"catastrophic\"";
        let severity: Severity = serde_json::from_str(json).unwrap();
        assert_eq!(severity, Severity::Other("catastrophic".into()));
        assert_eq!(serde_json::to_string(&severity).unwrap(), json);
    }

    #[test]
    fn severities_rank_and_an_unknown_one_ranks_lowest() {
        assert!(Severity::High > Severity::Medium);
        assert!(Severity::Low > Severity::Info);
        assert!(Severity::Info > Severity::from("catastrophic"));
    }
}
