//! tai64n: puts a TAI64N label before each line of standard input.
//!
//! Like the original it overlooks arguments, says nothing, and exits 111 when it cannot read or write.
#![forbid(unsafe_code)]

use logcore::disk::{Disk, RealDisk};
use std::ffi::OsString;
use std::io::{stdin, stdout};
use std::process::ExitCode;
use tai64n_tools::descriptor::Descriptor;
use tai64n_tools::filter::Filter;
use tai64n_tools::stamping::Stamping;

/// Shown for `--help`.
const HELP: &str = include_str!("tai64n.txt");

/// The input cannot be read, or the output takes no more.
const TROUBLE: u8 = 111;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let output = &mut Descriptor(stdout());
    let done = match &arguments[..] {
        [only] if only == "--help" => output.write_all(HELP.as_bytes()).is_ok(),
        [only] if only == "--version" => {
            output.write_all(concat!("tai64n ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()).is_ok()
        }
        _ => {
            let stamping = Stamping::new(|| RealDisk.now());
            Filter::new(stamping, true).run(&mut Descriptor(stdin()), output).is_ok()
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::from(TROUBLE) }
}
