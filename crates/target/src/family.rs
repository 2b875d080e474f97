//! [`Family`]: what kind of failure an error is, whichever crate's.

/// The four families of errors: which crate it comes from matters less to whoever reads it than
/// what can be done about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Family {
    /// Bytes could not be had, or not be written.
    Fault,
    /// An invariant is broken: corrupt, or halfway through an update.
    Inconsistent,
    /// It is sound, but nothing that we read or overwrite.
    Unsupported,
    /// The kernel refuses.
    Denied,
}
