//! Readers of TAI64N labels, as a library.
//!
//! ```text
//! feed → filter (how a line begins: stamping, or local ← zone ← calendar) → sink
//! logdir → files (unpack, in parallel) ↗                                   ↘ one output, in order
//! logdir → mlog (its own road; moment tells which stamp a line has)
//! ```
//!
//! A byte that is read is written: bad labels, lines of any length and compressed files that end too early pass as far as they
//! go, and nothing a log can hold makes a reader stop. Labels themselves are [`logcore::label`].
//!
//! ```
//! use tai64n_tools::filter::{Block, Filter};
//! use tai64n_tools::local::{Form, LocalTime};
//! use tai64n_tools::zone::Zone;
//!
//! // What `TZ=CET-1 tai64nlocal` makes of a line.
//! let zone = Zone::named(Some("CET-1".as_ref()), None);
//! let mut filter = Filter::new(LocalTime::new(zone, Form::default()), true);
//! let mut block = Block::default();
//! filter.change(b"@400000003b4a39c23294b13c fatal: out of memory\n", true, &mut block);
//! assert_eq!(block.filled(), b"2001-07-10 00:09:44.848605500 fatal: out of memory\n");
//! ```
#![forbid(unsafe_code)]

pub mod filter;

pub mod calendar;
pub mod local;
pub mod moment;
pub mod stamping;
pub mod zone;

pub mod descriptor;
pub mod escape;
pub mod files;
pub mod logdir;
pub mod mlog;
pub mod unpack;
