//! The letgo binary as a library.
