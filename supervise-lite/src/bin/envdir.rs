//! envdir: runs a program with an environment that the files of a directory change.
#![forbid(unsafe_code)]

use logcore::strerr::Errno;
use rustix::fs::{Dir, Mode, OFlags, open};
use rustix::io::retry_on_intr;
use rustix::process::{chdir, fchdir};
use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStrExt;
use supervise_lite::chain::Next;
use supervise_lite::env::{self, Change};
use supervise_lite::sys::{self, Words};
use supervise_lite::{die, help};

/// Shown for `--help`.
const HELP: &str = include_str!("envdir.txt");
const PROGRAM: &str = "envdir";

/// The least room for the next read of a file.
const BLOCK: usize = 4096;

fn main() {
    sys::close_again();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    help::answer(&arguments, PROGRAM, HELP);
    let [dir, child @ ..] = &arguments[..] else { usage() };
    let Some(mut next) = Next::new(child) else { usage() };

    let dir = dir.as_bytes();
    match changed(dir) {
        Ok(environment) => next.environment = environment,
        Err(failed) => failed.die(dir),
    }
    next.run(PROGRAM)
}

/// Our environment with the changes of a directory's files. We are in the same place afterwards.
fn changed(dir: &[u8]) -> Result<Words, Failed> {
    let mut environment = Words::environment().into_strings();
    let start = open(c".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(Failed::Here)?;
    chdir(dir).map_err(Failed::There)?;
    read_directory(|change| env::apply(&mut environment, change))?;
    fchdir(&start).map_err(Failed::Back)?;
    Ok(Words::new(environment))
}

/// The original exits 111 here, and not 100.
fn usage() -> ! {
    die::say(PROGRAM, "usage", b"envdir dir child");
    std::process::exit(die::TROUBLE)
}

/// Where it went wrong.
enum Failed {
    Here(Errno),
    There(Errno),
    Directory(Errno),
    File(CString, Errno),
    Memory,
    Back(Errno),
}

impl Failed {
    fn die(self, dir: &[u8]) -> ! {
        let unable = |doing: &[&[u8]], errno| die::unable(PROGRAM, &doing.concat(), errno);
        match self {
            Failed::Here(errno) => unable(&[b"switch to current directory"], errno),
            Failed::There(errno) => unable(&[b"switch to directory ", dir], errno),
            Failed::Directory(errno) => unable(&[b"read directory ", dir], errno),
            Failed::File(name, errno) => unable(&[b"read ", dir, b"/", name.to_bytes()], errno),
            Failed::Memory => die::fatal(PROGRAM, b"out of memory"),
            Failed::Back(errno) => unable(&[b"switch to starting directory"], errno),
        }
    }
}

/// Tells what the files of the current directory ask for, one by one, in the directory's own order. Those whose names begin
/// with a dot are none of them.
fn read_directory(mut tell: impl FnMut(Change)) -> Result<(), Failed> {
    let dir = open(c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    for entry in dir.and_then(Dir::new).map_err(Failed::Directory)? {
        let entry = entry.map_err(Failed::Directory)?;
        let name = entry.file_name();
        if name.to_bytes().starts_with(b".") {
            continue;
        }
        let content = read(name).map_err(|errno| Failed::File(name.to_owned(), errno))?;
        // A file's name and value hold no NUL.
        tell(Change::of_file(name.to_bytes(), content).map_err(|_| Failed::Memory)?);
    }
    Ok(())
}

/// All of a file; of one that would have to be waited for, such as a FIFO, what there is.
fn read(name: &CStr) -> Result<Vec<u8>, Errno> {
    let file = open(name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mut content = Vec::new();
    loop {
        content.try_reserve(BLOCK).map_err(|_| Errno::NOMEM)?;
        if retry_on_intr(|| rustix::io::read(&file, rustix::buffer::spare_capacity(&mut content)))? == 0 {
            return Ok(content);
        }
    }
}
