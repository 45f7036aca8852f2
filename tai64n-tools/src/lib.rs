//! Readers of TAI64N labels: `tai64n`, `tai64nlocal` and `mlog` will stand here.
//!
//! Nothing is here yet. Labels themselves are [`logcore::label`].
#![forbid(unsafe_code)]
