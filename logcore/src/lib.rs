//! The road of a log line, as a library.
//!
//! ```text
//! source.look → split → stamp → select → append (output, alerts, status files, each log directory) → source.take
//!                                          └ current full → finisher: sync, processor, name, retain
//! ```
//!
//! The promise: a line that a service wrote is in the log or still in the pipe. Input is looked at, written, and only then
//! taken, so that a logger can be killed at any instruction. The modules stand in the order of the road; those that decide
//! (`script`, `split` to `frame`, `cyclog::name`, `cyclog::retain`) read no clock, open no file and print nothing.
//!
//! ```
//! use logcore::script::Script;
//! use logcore::select::Selector;
//!
//! // What `multilog t '-*debug*' ./main` decides about a line.
//! let script = Script::parse(["t", "-*debug*", "./main"]);
//! let mut selector = Selector::new(&script.rules, &script.groups());
//! let mut wanted = [true];
//! selector.select(b"@400000003b4a39c23294b13c debug: x", &mut wanted);
//! assert_eq!(wanted, [false]);
//! ```
#![forbid(unsafe_code)]

pub mod script;
pub mod explain;
pub mod source;
pub mod split;
pub mod digits;
pub mod label;
pub mod stamp;
pub mod pattern;
pub mod select;
pub mod frame;
mod alert;
mod status;
pub mod cyclog;
pub mod pump;

pub mod io;
pub mod stream;
pub mod signals;
mod waiter;
pub mod disk;
pub mod complaint;
pub mod strerr;

#[cfg(feature = "model")]
pub mod model;
#[cfg(feature = "model")]
pub mod naive;
