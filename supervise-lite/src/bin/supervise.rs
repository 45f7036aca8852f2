//! supervise: starts a service, keeps it up, and tells and obeys those who ask.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use supervise_lite::keeper::Keeper;
use supervise_lite::{die, help, sys};

const HELP: &str = include_str!("supervise.txt");
/// svscan starts us in the service directory itself, for a name may lead elsewhere a moment later: our argument is `.`, and
/// the name comes behind this. The original's supervise may be started in the same way.
const CALLED: &[u8] = b"supervise ";

fn main() {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default().into_vec();
    let arguments: Vec<OsString> = arguments.collect();
    help::answer(&arguments, "supervise", HELP);
    let [dir] = &arguments[..] else { die::usage("supervise", "supervise dir") };
    let name = called.strip_prefix(CALLED).filter(|_| dir == ".");
    if name.is_some()
        && let Some(dot) = sys::last_argument()
    {
        // ps shows `supervise NAME`, as it always did.
        dot.fill(0);
    }
    // What was closed for us is closed for the service.
    sys::close_again();
    match Keeper::new(dir.as_bytes(), name.unwrap_or(dir.as_bytes())) {
        Ok(mut keeper) => keeper.keep(),
        Err(trouble) => die::fatal("supervise", &trouble.message()),
    }
}
