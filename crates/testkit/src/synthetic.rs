//! Runtimes built byte by byte.
