//! [`Error`]: why there is no account at all.

/// Why there is no account at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The runtime could not be read any more.
    #[error(transparent)]
    Runtime(#[from] letgo_goruntime::Error),
}

impl Error {
    /// Which family it is of.
    pub fn family(&self) -> letgo_goruntime::Family {
        match self {
            Error::Runtime(error) => error.family(),
        }
    }
}
