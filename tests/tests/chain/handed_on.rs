//! What a child is given: signals, mask and descriptors as the loader was given them.

use std::path::Path;

use crate::{beside, clean, loaders, place};
use tests::{Cmd, Output};

/// The signals of the child: pending, blocked, ignored, caught; not how many are queued for all processes.
fn signals(out: &Output) -> Vec<String> {
    let status = String::from_utf8_lossy(&out.stdout).into_owned();
    status
        .lines()
        .filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ"))
        .map(String::from)
        .collect()
}

#[test]
fn signals_are_handed_on() {
    let scratch = place();
    let start: &[&[&str]] = &[
        &["--default-signal"],
        &["--ignore-signal=PIPE"],
        &["--ignore-signal=INT"],
        &["--ignore-signal=PIPE,INT,HUP,QUIT,USR1", "--block-signal=TERM,ALRM"],
        &["--block-signal=PIPE,CHLD,USR1,RTMIN,RTMAX"],
        &["--ignore-signal=SEGV,BUS", "--block-signal=SEGV"],
    ];
    for (name, words) in loaders() {
        for options in start {
            let run = |path: &Path| {
                let child = ["cat", "/proc/self/status"];
                let cmd = Cmd::new(path).args(words).args(child).cwd(scratch.path());
                cmd.behind(["env"].iter().chain(*options)).run(b"")
            };
            let theirs = tests::original(name).map(|path| signals(&run(&path)));
            // What env gives is what the child has to have.
            let direct = Cmd::new("env").args(*options).args(["cat", "/proc/self/status"]).run(b"");
            let ours = signals(&run(&tests::program(name)));
            assert!(ours.len() >= 4, "{ours:?}");
            assert_eq!(ours, signals(&direct), "{name} {options:?}");
            assert_eq!(theirs.unwrap_or_else(|| ours.clone()), ours, "{name} {options:?}");
        }
    }
}

/// A child that says which descriptors it has, and what they are.
const DESCRIPTORS: &str = "(find /proc/$$/fd -mindepth 1 -printf '%f %l\\n' >fds 2>/dev/null); :";

/// Runs it behind a loader that a shell has started after `redirections`.
fn descriptors(path: &Path, words: &[&str], redirections: &str, place: &Path) -> Vec<String> {
    let started = format!("exec {redirections}; exec \"$@\"");
    let child = ["sh", "-c", DESCRIPTORS];
    let cmd = Cmd::new(path).args(words).args(child).cwd(place).behind(["sh", "-c", &started, "sh"]);
    let out = cmd.run(b"");
    assert_eq!(out.status(), "exit 0", "{out}");
    let found = std::fs::read_to_string(place.join("fds")).expect("the child has written it");
    // Which pipe is no matter.
    let line = |line: &str| line.split(":[").next().unwrap_or_default().to_owned();
    let mut found: Vec<_> = found.lines().map(line).collect();
    found.sort_by_key(|line| line.split(' ').next().and_then(|number| number.parse::<u32>().ok()));
    found
}

#[test]
fn descriptors_are_handed_on() {
    let scratch = place();
    let open = ["0</dev/null", "1>/dev/null", "2>/dev/zero"];
    let closed = ["0<&-", "1>&-", "2>&-"];
    for (name, words) in loaders() {
        for set in 0..8 {
            let low = [0, 1, 2].map(|fd| if set >> fd & 1 == 0 { open[fd] } else { closed[fd] }).join(" ");
            let redirections = format!("{low} 5</dev/null 7>/dev/full");
            let ours = descriptors(&tests::program(name), words, &redirections, scratch.path());
            for fd in [0, 1, 2] {
                let has = ours.iter().any(|line| line.starts_with(&format!("{fd} ")));
                assert_eq!(has, set >> fd & 1 == 0, "{name} {redirections}: {ours:?}");
            }
            // The originals open their own files on what is free, be it standard input: a lock file as standard error is
            // nothing that anybody can want.
            let opens_files = ["setlock", "fghack"].contains(&name);
            if (set == 0 || !opens_files)
                && let Some(original) = tests::original(name)
            {
                let theirs = descriptors(&original, words, &redirections, scratch.path());
                assert_eq!(ours, theirs, "{name} {redirections}");
            }
        }
    }
}

#[test]
fn a_child_is_where_the_loader_was_started() {
    let scratch = place();
    for (name, words) in loaders() {
        let out = beside(name, |path| {
            clean(path, words)
                .args(["sh", "-c", "pwd -P; umask"])
                .cwd(scratch.path())
                .behind(["sh", "-c", "umask 027; exec \"$@\"", "sh"])
                .run(b"")
        });
        let place = std::fs::canonicalize(scratch.path()).expect("own directory");
        assert_eq!(String::from_utf8_lossy(&out.stdout), format!("{}\n0027\n", place.display()));
    }
}
