//! readproctitle: shows the end of its input in its command line, for `ps`.
#![forbid(unsafe_code)]

use logcore::strerr::Errno;
use supervise_lite::die::{TROUBLE, USAGE};
use supervise_lite::{proctitle, sys};

/// The most that is read at once.
const BLOCK: usize = 4096;

/// Never says a word: what it would write to is often what it reads from.
fn main() {
    std::process::exit(show())
}

fn show() -> i32 {
    if std::env::args_os().len() < 2 {
        return USAGE;
    }
    let Some(argument) = sys::last_argument() else { return TROUBLE };
    let Some(title) = proctitle::clear(argument) else { return USAGE };
    let [input_closed, ..] = sys::closed_at_start();
    if input_closed {
        return TROUBLE;
    }
    let mut block = [0; BLOCK];
    loop {
        match rustix::io::read(rustix::stdio::stdin(), &mut block) {
            Ok(0) => return 0,
            Ok(count) => proctitle::append(title, &block[..count]),
            Err(Errno::INTR) => (),
            Err(_) => return TROUBLE,
        }
    }
}
