//! Giving a logger its input.

use std::fs::File;
use std::io::{self, Write};
use std::process::{ChildStdin, Stdio};

use crate::fail::{Fail, Unable};
use crate::input::Input;

/// Standard input for a timed run: the file of `input` if there is one, else a pipe.
pub fn stdin(input: &Input) -> Result<Stdio, Fail> {
    match &input.file {
        Some(path) => File::open(path).map(Stdio::from).unable_to(|| format!("open {}", path.display())),
        None => Ok(Stdio::piped()),
    }
}

/// Writes all of `input`. False if the logger stopped reading.
pub fn pour(input: &Input, pipe: &mut ChildStdin) -> Result<bool, Fail> {
    accepted(input.pieces().try_for_each(|piece| pipe.write_all(piece)))
}

/// True after a write that went well, false after one that nobody reads.
pub fn accepted(written: io::Result<()>) -> Result<bool, Fail> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).unable_to(|| "write to a logger".into()),
    }
}
