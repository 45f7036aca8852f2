//! The chain loaders, and readproctitle, from outside: each beside the original on the same input, byte for byte; and the few
//! things that ours do otherwise.

mod exec;
mod handed_on;
mod ids;
mod lock;
mod memory;
mod session;
mod softlimit;
mod title;
mod usage;
mod variables;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tests::{Cmd, Output, Scratch, Show, original, program};

/// Runs ours, and the original where it is installed, the same way: both have to end and print alike. Gives what ours did.
#[track_caller]
fn beside(name: &str, run: impl Fn(&Path) -> Output) -> Output {
    let ours = run(&program(name));
    if let Some(theirs) = original(name).map(|path| run(&path)) {
        let shown = |out: &Output| {
            format!("{}\nstdout: {}\nstderr: {}", out.status(), Show(&out.stdout), Show(&out.stderr))
        };
        assert_eq!(shown(&ours), shown(&theirs), "ours and the original's, of {ours}");
        assert!(ours.stdout == theirs.stdout && ours.stderr == theirs.stderr, "{ours}\n{theirs}");
    }
    ours
}

/// A program in a small environment of its own.
fn clean(program: &Path, words: &[impl AsRef<OsStr>]) -> Cmd {
    let small = ["/usr/bin/env", "-i", "A=1", "PATH=/usr/bin:/bin", "B=2"];
    Cmd::new(program).args(words).behind(small)
}

#[track_caller]
fn check(out: &Output, status: &str, stdout: &str, stderr: &str) {
    let found = (out.status(), String::from_utf8_lossy(&out.stdout).into_owned(), out.messages());
    assert_eq!(found, (status.into(), stdout.into(), stderr.into()), "{out}");
}

/// What each loader wants before its child, in a directory of [`place`]; those that only the superuser can use for him alone.
fn loaders() -> Vec<(&'static str, &'static [&'static str])> {
    let mut loaders: Vec<(&str, &[&str])> = vec![
        ("envuidgid", &["root"]),
        ("envdir", &["env"]),
        ("softlimit", &["-o", "100"]),
        ("setlock", &["lock"]),
        ("pgrphack", &[]),
        ("fghack", &[]),
    ];
    if superuser() {
        loaders.push(("setuidgid", &["root"]));
    }
    loaders
}

/// Whether we are the superuser; where not, says that the test leaves something out.
fn superuser() -> bool {
    let is = rustix::process::geteuid().is_root();
    if !is {
        tests::rig::skipped("only the superuser can become others");
    }
    is
}

/// A directory with what [`loaders`] name in it.
fn place() -> Scratch {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("env")).expect("own directory");
    write(&scratch.join("env/C"), b"3\n", 0o644);
    scratch
}

/// Makes a file.
fn write(path: &Path, content: &[u8], mode: u32) {
    fs::write(path, content).expect("own directory");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own file");
}
