//! setlock: one holder at a time, ours or the original's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::{beside, check, clean, place, write};
use tests::rig::SOON;
use tests::{Cmd, Scratch, original, program, wait_until};

/// Ours, and the original where it is installed.
fn both() -> Vec<PathBuf> {
    [Some(program("setlock")), original("setlock")].into_iter().flatten().collect()
}

#[test]
fn ours_and_the_original_exclude_each_other() {
    for holder in both() {
        for other in both() {
            let scratch = Scratch::new();
            let lock = |path, words: &[&str]| Cmd::new(path).args(words).cwd(scratch.path());
            let mut held = lock(&holder, &["lock", "sh", "-c", "echo >held; cat"]).spawn();
            wait_until(SOON, "the lock is held", || scratch.join("held").exists());

            let refused = "setlock: fatal: unable to lock lock: temporary failure\n";
            check(&lock(&other, &["-n", "lock", "echo", "x"]).run(b""), "exit 111", "", refused);
            check(&lock(&other, &["-xnX", "lock", "echo", "x"]).run(b""), "exit 111", "", refused);
            check(&lock(&other, &["-Nnx", "lock", "echo", "x"]).run(b""), "exit 0", "", "");

            let waiting = lock(&other, &["-nN", "lock", "echo", "x"]).spawn();
            waiting.settle();
            assert!(!waiting.has_ended());
            held.close();
            assert_eq!(held.wait_open().status(), "exit 0");
            check(&waiting.wait(), "exit 0", "x\n", "");
        }
    }
}

#[test]
fn children_of_the_child_hold_the_lock_too() {
    let scratch = Scratch::new();
    let script = "exec 8<&0; (read line <&8) >/dev/null 2>&1 &";
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let cmd = Cmd::new(program("setlock")).args(["lock", "sh", "-c", script]).cwd(scratch.path());
    assert_eq!(cmd.spawn_on(reader).wait_open().status(), "exit 0");
    let again =
        || Cmd::new(program("setlock")).args(["-n", "lock", "true"]).cwd(scratch.path()).run(b"").status();
    assert_eq!(again(), "exit 111");
    drop(writer);
    wait_until(SOON, "the lock is free", || again() == "exit 0");
}

#[test]
fn the_file_is_made_for_its_owner_and_never_cut() {
    let scratch = place();
    write(&scratch.join("kept"), b"kept", 0o640);
    for (umask, file) in [("022", "new"), ("277", "strict")] {
        let out = beside("setlock", |path| {
            _ = fs::remove_file(scratch.join(file));
            let cmd = clean(path, &[file, "stat", "-c", "%a %s", file]).cwd(scratch.path());
            cmd.behind(["sh", "-c", &format!("umask {umask}; exec \"$@\""), "sh"]).run(b"")
        });
        check(&out, "exit 0", if umask == "022" { "600 0\n" } else { "400 0\n" }, "");
    }
    // The child gets it open to append.
    let script = "printf x >&3; cat kept";
    let out = beside("setlock", |path| {
        write(&scratch.join("kept"), b"kept", 0o640);
        clean(path, &["kept", "sh", "-c", script]).cwd(scratch.path()).run(b"")
    });
    check(&out, "exit 0", "keptx", "");
    let mode = fs::metadata(scratch.join("kept")).expect("own file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn what_cannot_be_locked_is_told_unless_x() {
    let scratch = place();
    let check = |file: &str, reason: &str| {
        let run = |words: &[&str]| beside("setlock", |path| clean(path, words).cwd(scratch.path()).run(b""));
        let message = format!("setlock: fatal: unable to open {file}: {reason}\n");
        check(&run(&[file, "true"]), "exit 111", "", &message);
        check(&run(&["-x", file, "true"]), "exit 0", "", "");
        check(&run(&["-x", "-X", file, "true"]), "exit 111", "", &message);
    };
    check("env", "is a directory");
    check("nowhere/lock", "file does not exist");
    check("", "file does not exist");
    check("env/C/lock", "not a directory");
    // A failure to run is none to lock.
    let out =
        beside("setlock", |path| clean(path, &["-x", "lock", "./nowhere"]).cwd(scratch.path()).run(b""));
    crate::check(&out, "exit 111", "", "setlock: fatal: unable to run ./nowhere: file does not exist\n");
}
