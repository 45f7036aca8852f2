//! A read that takes long: how far it is, on a terminal only, and what was found is shown meanwhile.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use tests::{Scratch, program};

use super::{SOON, line, old, put, terminal};

/// An old log with one line, and a `current` that nobody reads to its end in a second: a hole with a newline here and there.
fn long(scratch: &Scratch) {
    const BYTES: u64 = 16 << 30;
    put(&scratch.join("log"), &[(&old(9, "s"), &line(1, "needle"))]);
    let current = File::create(scratch.join("log/current")).expect("own directory");
    for end in (1..=BYTES >> 21).map(|number| number << 21) {
        current.write_all_at(b"\n", end - 1).expect("own file");
    }
}

/// mlog with its standard error on a terminal, and what comes to that terminal.
struct Run {
    child: Child,
    came: mpsc::Receiver<Vec<u8>>,
    text: String,
}

impl Run {
    fn start(scratch: &Scratch, arguments: &[&str], stdout: impl FnOnce(&File) -> Stdio) -> Run {
        let (ours, theirs) = terminal(80);
        let child = Command::new(program("mlog"))
            .args(arguments)
            .arg("log")
            .current_dir(scratch.path())
            .env("TZ", "UTC0")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(stdout(&theirs))
            .stderr(theirs)
            .spawn()
            .expect("it is built");
        let (send, came) = mpsc::channel();
        thread::spawn(move || pass_on(ours, &send));
        Run { child, came, text: String::new() }
    }

    /// Waits until this is on the terminal.
    #[track_caller]
    fn wait_for(&mut self, wanted: &str) {
        let start = Instant::now();
        while !self.text.contains(wanted) {
            let rest = SOON.saturating_sub(start.elapsed());
            match self.came.recv_timeout(rest) {
                Ok(bytes) => self.text += &String::from_utf8_lossy(&bytes),
                Err(error) => panic!("{error}: wanted {wanted:?}, found {:?}", self.text),
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn pass_on(terminal: OwnedFd, to: &mpsc::Sender<Vec<u8>>) {
    let mut terminal = File::from(terminal);
    let mut bytes = [0; 4096];
    while let Ok(len @ 1..) = terminal.read(&mut bytes) {
        if to.send(bytes[..len].to_vec()).is_err() {
            return;
        }
    }
}

fn same(terminal: &File) -> Stdio {
    terminal.try_clone().expect("a descriptor").into()
}

const SHOWN: &str = "1970-01-01 00:00:01.000000000 needle\r\n";

/// Whatever the long read is for, and when nothing is found too.
#[test]
fn a_long_read_tells_how_far_it_is() {
    let scratch = Scratch::new();
    long(&scratch);
    for arguments in [&["-g", "hay"][..], &["-n", "5", "-g", "needle"], &["--stat"], &["--stat", "-g", "hay"]]
    {
        let mut run = Run::start(&scratch, arguments, same);
        run.wait_for("\rmlog: ");
        run.wait_for(" read");
    }
    let mut run = Run::start(&scratch, &[], |_| Stdio::null());
    run.wait_for(" read");
}

/// Each line is there while the next is looked for, and the progress stands below it.
#[test]
fn what_is_found_is_shown_before_more_is_looked_for() {
    let scratch = Scratch::new();
    long(&scratch);
    let mut run = Run::start(&scratch, &["-g", "needle"], same);
    run.wait_for(SHOWN);
    run.wait_for(" read");
    assert!(run.text.starts_with(SHOWN), "{:?}", run.text);

    let mut run = Run::start(&scratch, &["-g", "needle"], |_| Stdio::piped());
    let mut line = [0; SHOWN.len() - 1];
    run.child.stdout.take().expect("a pipe").read_exact(&mut line).expect("it writes");
    assert_eq!(String::from_utf8_lossy(&line), SHOWN.replace('\r', ""));
}
