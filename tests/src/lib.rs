//! What the tests of whole programs share: a scratch directory, the program under test and the original beside it, a process
//! with a time limit, a log directory as it lies on disk, and stamps told by their form.
//!
//! The tests themselves are in `tests/`; each file there opens with the question it answers. Everything here runs programs from
//! outside, as a supervisor does; nothing links against logcore.
//!
//! ```no_run
//! use tests::{Cmd, LogDir, Scratch, program};
//!
//! let scratch = Scratch::new();
//! let out = Cmd::new(program("multilog")).args(["t", "./main"]).cwd(scratch.path()).run(b"hello\n");
//! assert_eq!(out.status(), "exit 0", "{out}");
//! assert_eq!(LogDir::new(scratch.join("main")).forms(), ["current", "lock", "state"]);
//! ```
#![forbid(unsafe_code)]

mod clock;
mod cmd;
pub mod faults;
pub mod feeder;
mod logdir;
mod programs;
pub mod rig;
mod scratch;
mod snapshot;
mod stamps;
pub mod trace;
pub mod tree;
mod wait;

pub use clock::Clock;
pub use cmd::{Cmd, Output, Running, Show};
pub use logdir::{Entry, LogDir};
pub use programs::{original, program, uses_original};
pub use scratch::Scratch;
pub use snapshot::{Item, Snapshot};
pub use stamps::{Stamp, mask_labels};
pub use wait::{wait_for, wait_until};

pub use rustix::process::Signal;

/// The name of this boot of this machine, as the first line of our `lock` file holds it.
///
/// # Panics
///
/// Where `/proc` is not mounted.
#[must_use]
pub fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("/proc is mounted");
    id.trim_end().to_owned()
}

/// How a pipe (or any other open file) is named in the second line of our `lock` file: `dev:ino`, decimal.
///
/// # Panics
///
/// Where the descriptor cannot be asked.
#[must_use]
pub fn pipe_id(file: &impl std::os::fd::AsFd) -> String {
    let stat = rustix::fs::fstat(file).expect("fstat of an open descriptor");
    format!("{}:{}", stat.st_dev, stat.st_ino)
}
