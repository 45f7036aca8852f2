//! pgrphack and fghack: a session of its own, and a child that shall not get away.

use std::path::Path;

use crate::{beside, check, clean};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tests::rig::SOON;
use tests::{Cmd, Scratch, original, program, wait_until};

#[test]
fn pgrphack_gives_a_new_session() {
    let show = |path: &Path| clean(path, &["cat", "/proc/self/stat"]).run(b"");
    for path in [Some(program("pgrphack")), original("pgrphack")].into_iter().flatten() {
        let out = show(&path);
        let stat = String::from_utf8_lossy(&out.stdout).into_owned();
        let fields: Vec<_> = stat.split(' ').collect();
        // Process, process group, session.
        assert!(fields.len() > 6 && fields[4] == fields[0] && fields[5] == fields[0], "{out}");
    }
}

#[test]
fn who_leads_a_group_already_is_let_through() {
    let out = beside("pgrphack", |path| clean(path, &["echo", "here"]).behind(["setsid", "-w"]).run(b""));
    check(&out, "exit 0", "here\n", "");
}

#[test]
fn fghack_passes_the_childs_end_on() {
    let check = |script: &str, status: &str, stderr: &str| {
        let out = beside("fghack", |path| clean(path, &["sh", "-c", script]).run(b""));
        check(&out, status, "", stderr);
    };
    check("exit 0", "exit 0", "");
    check("exit 42", "exit 42", "");
    check("kill -9 $$", "exit 111", "fghack: fatal: child crashed\n");
    check("kill -TERM $$", "exit 111", "fghack: fatal: child crashed\n");
    // What is written into the pipe is discarded.
    check("head -c 300000 /dev/zero >&9; exit 3", "exit 3", "");
}

#[test]
fn fghack_stays_while_something_runs_in_the_background() {
    for path in [Some(program("fghack")), original("fghack")].into_iter().flatten() {
        let scratch = Scratch::new();
        mknodat(CWD, scratch.join("go"), FileType::Fifo, Mode::RWXU, 0).expect("a FIFO");
        // It closes the descriptors that it knows.
        let script = "{ echo >started; read line <go; echo >done; } </dev/null 3>&- 4>&- & exit 7";
        let running = Cmd::new(path).args(["sh", "-c", script]).cwd(scratch.path()).spawn();
        wait_until(SOON, "the background runs", || scratch.join("started").exists());
        running.settle();
        assert!(!running.has_ended());
        std::fs::write(scratch.join("go"), "go\n").expect("somebody reads");
        let out = running.wait();
        check(&out, "exit 7", "", "");
        assert!(scratch.join("done").exists());
    }
}

#[test]
fn without_a_descriptor_or_a_process_fghack_says_so() {
    let out = beside("fghack", |path| {
        Cmd::new("sh").args(["-c", "ulimit -n 4; exec \"$@\"", "sh"]).arg(path).arg("true").run(b"")
    });
    check(&out, "exit 111", "", "fghack: fatal: unable to create pipe: process cannot open more files\n");
}

#[test]
fn with_sigchld_ignored_the_end_of_the_child_is_not_known() {
    let out =
        beside("fghack", |path| Cmd::new(path).arg("true").behind(["env", "--ignore-signal=CHLD"]).run(b""));
    check(&out, "exit 111", "", "fghack: fatal: wait failed: no child processes\n");
}
