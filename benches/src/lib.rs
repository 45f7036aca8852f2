//! Inputs for every measurement of this project, the same bytes on every machine and every day.
//!
//! [`corpora`] makes the log lines, [`patterns`] the scripts that select among them, and [`star`] says which lines a
//! script must leave over, so that a benchmark can tell a fast logger from one that loses lines.

pub mod corpora;
pub mod patterns;
mod random;
pub mod star;
