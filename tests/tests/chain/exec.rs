//! Which program a loader becomes, and what it says when that cannot be.

use std::path::Path;

use crate::{beside, check, clean, loaders, place, write};
use tests::{Cmd, Scratch};

/// Files that cannot be executed, each in its own way, and places for `PATH`.
fn programs() -> Scratch {
    let scratch = place();
    let file = |name: &str, content: &str, mode| write(&scratch.join(name), content.as_bytes(), mode);
    for dir in ["forbidden", "good", "directory", "directory/prog"] {
        std::fs::create_dir(scratch.join(dir)).expect("own directory");
    }
    file("no-x-bit", "#!/bin/sh\n", 0o644);
    file("no-interpreter-line", "echo no shell may read this\n", 0o755);
    file("missing-interpreter", "#!/nowhere/sh\n", 0o755);
    file("crlf", "#!/bin/sh\r\n", 0o755);
    file("empty", "", 0o755);
    file("forbidden/prog", "#!/bin/sh\n", 0o644);
    file("good/prog", "#!/bin/sh\necho good \"$@\"\n", 0o755);
    file("good/no-line", "echo no shell may read this\n", 0o755);
    file("prog", "#!/bin/sh\necho here \"$@\"\n", 0o755);
    scratch
}

#[test]
fn what_cannot_be_run_is_told_in_djbs_words() {
    let scratch = programs();
    let check = |child: &str, reason: &str| {
        for (name, words) in loaders() {
            let out = beside(name, |path| clean(path, words).arg(child).cwd(scratch.path()).run(b""));
            check(&out, "exit 111", "", &format!("{name}: fatal: unable to run {child}: {reason}\n"));
        }
    };
    check("./nowhere", "file does not exist");
    check("nowhere", "file does not exist");
    check("./no-x-bit", "access denied");
    check("./no-interpreter-line", "exec format error");
    check("./missing-interpreter", "file does not exist");
    check("./crlf", "file does not exist");
    check("./empty", "exec format error");
    check("./directory", "access denied");
    check("./prog/x", "not a directory");
    check("", "access denied");
    check(&"x".repeat(300), "file name too long");
    check("/", "access denied");
}

#[test]
fn arguments_are_handed_on_as_they_are() {
    let scratch = programs();
    for (name, words) in loaders() {
        let child = ["printf", "<%s>", "-x", "", "--", "a b", "--help"];
        let out = beside(name, |path| clean(path, words).args(child).cwd(scratch.path()).run(b""));
        check(&out, "exit 0", "<-x><><--><a b><--help>", "");
    }
}

#[test]
fn the_path_is_searched_by_the_originals_rules() {
    let scratch = programs();
    let at = scratch.path().display();
    let run = |name, words: &[&str], path: &str, child: &str| {
        let path = format!("PATH={}", path.replace("@", &at.to_string()));
        beside(name, |program: &Path| {
            let cmd = Cmd::new(program).args(words).args([child, "x"]).cwd(scratch.path());
            cmd.behind(["/usr/bin/env", "-i", &path]).run(b"")
        })
    };
    let found = |path: &str, wanted: &str| {
        for (name, words) in loaders() {
            check(&run(name, words, path, "prog"), "exit 0", wanted, "");
        }
    };
    let refused = |path: &str, child: &str, reason: &str| {
        for (name, words) in loaders() {
            let message = format!("{name}: fatal: unable to run {child}: {reason}\n");
            check(&run(name, words, path, child), "exit 111", "", &message);
        }
    };
    found("@/good", "good x\n");
    found("/nowhere:@/good", "good x\n");
    found("@/forbidden:@/directory:@/good", "good x\n");
    found("", "here x\n");
    found(":@/good", "here x\n");
    found("@/good:", "good x\n");
    found("/nowhere:", "here x\n");
    found("good", "good x\n");
    found("@/good/", "good x\n");
    refused("/nowhere", "prog", "file does not exist");
    // What was forbidden is remembered, and what is no directory ends the search.
    refused("@/forbidden:/nowhere", "prog", "access denied");
    refused("@/directory:/nowhere", "prog", "access denied");
    refused("@/prog:@/good", "prog", "not a directory");
    refused("@/good:/usr/bin", "no-line", "exec format error");
}

#[test]
fn without_a_path_the_usual_places_are_searched() {
    let scratch = programs();
    for (name, words) in loaders() {
        let run = |child: &[&str]| {
            beside(name, |program: &Path| {
                let cmd = Cmd::new(program).args(words).args(child).cwd(scratch.path());
                cmd.behind(["/usr/bin/env", "-i"]).run(b"")
            })
        };
        check(&run(&["echo", "found"]), "exit 0", "found\n", "");
        check(
            &run(&["prog"]),
            "exit 111",
            "",
            &format!("{name}: fatal: unable to run prog: file does not exist\n"),
        );
    }
}

#[test]
fn exit_codes_are_the_childs() {
    let scratch = programs();
    for (name, words) in loaders() {
        for code in [0, 1, 99, 100, 111, 255] {
            let child = ["sh".to_owned(), "-c".into(), format!("exit {code}")];
            let out = beside(name, |path| clean(path, words).args(&child).cwd(scratch.path()).run(b""));
            check(&out, &format!("exit {code}"), "", "");
        }
    }
}
