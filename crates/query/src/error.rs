//! [`Error`]: why a question has no answer.

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not SQL, or names what is not there: SQLite's own words.
    #[error("{0}")]
    Sql(String),
    /// There is no question in the text.
    #[error("there is no question in it")]
    Nothing,
    /// There is more than one.
    #[error("there is more than one question in it")]
    Several,
    /// It would change something or read something else.
    #[error("only questions are answered: select, or with ... select")]
    NotAllowed,
    /// It needs more memory than it may take.
    #[error("the question needs more than {limit} bytes of memory")]
    Memory {
        /// The limit.
        limit: u64,
    },
    /// It took longer than it may.
    #[error("the question took longer than {seconds} s")]
    Time {
        /// The limit.
        seconds: u64,
    },
    /// A table could not be made.
    #[error("{0}")]
    Table(String),
    /// The answer could not be written.
    #[error(transparent)]
    Write(#[from] std::io::Error),
}
