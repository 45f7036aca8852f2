//! envdir: files as variables, with all its oddities.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tests::feeder::seed;
use tests::{Cmd, Output, Scratch, program};

use crate::{beside, check, clean, superuser, write};

/// An empty directory `env`.
fn place() -> Scratch {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("env")).expect("own directory");
    scratch
}

/// envdir and the environment that its child gets.
fn run(path: &Path, scratch: &Scratch) -> Output {
    clean(path, &["env", "/usr/bin/env", "-0"]).cwd(scratch.path()).run(b"")
}

#[test]
fn a_file_is_a_variable() {
    let check = |name: &str, content: &[u8], wanted: &str| {
        let scratch = place();
        write(&scratch.join("env").join(name), content, 0o644);
        let out = beside("envdir", |path| run(path, &scratch));
        check(&out, "exit 0", &wanted.replace(' ', "\0"), "");
    };
    const BEFORE: &str = "A=1 PATH=/usr/bin:/bin B=2 ";
    const WITHOUT: &str = "B=2 PATH=/usr/bin:/bin ";
    let with = |more: &str| format!("{BEFORE}{more} ");
    check("C", b"v", &with("C=v"));
    check("C", b"v\nw\n", &with("C=v"));
    check("C", b"v\t  \t\n", &with("C=v"));
    check("C", b"\n", &with("C="));
    check("C", b"\t\t\n", &with("C="));
    check("C", b"", BEFORE);
    check("C", b"a\0b", &with("C=a\nb"));
    check("C", b"v\r\n", &with("C=v\r"));
    check("A", b"v", &format!("{WITHOUT}A=v "));
    check("A", b"", WITHOUT);
    check("A=B", b"v", &format!("{WITHOUT}A=B=v "));
    check("A=B", b"", &format!("{WITHOUT}A=B "));
    check("=", b"v", &with("==v"));
    check(".C", b"v", BEFORE);
    check("PATH", b"/nowhere", "A=1 B=2 PATH=/nowhere ");
    check("C", &[b'x'; 100_000], &with(&format!("C={}", "x".repeat(100_000))));
}

#[test]
fn any_directory_makes_the_same_environment() {
    if tests::original("envdir").is_none() {
        return;
    }
    let name = "[ABC=]{1,3}|PATH|[a-z]{1,9}";
    let content = proptest::collection::vec(
        prop_oneof![Just(0), Just(b'\n'), Just(b' '), Just(b'\t'), Just(b'='), 1..=255_u8],
        0..12,
    );
    let config = Config {
        cases: 40,
        rng_seed: RngSeed::Fixed(seed()),
        failure_persistence: None,
        ..Config::default()
    };
    let files = proptest::collection::btree_map(name, content, 0..8);
    TestRunner::new(config)
        .run(&files, |files| {
            let scratch = place();
            for (name, content) in &files {
                write(&scratch.join("env").join(name), content, 0o644);
            }
            let out = beside("envdir", |path| run(path, &scratch));
            prop_assert_eq!(out.status(), "exit 0");
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}\nTEST_SEED={}", seed()));
}

#[test]
fn the_child_is_looked_for_in_the_old_path() {
    let scratch = place();
    write(&scratch.join("env/PATH"), b"/nowhere\n", 0o644);
    let out = beside("envdir", |path| clean(path, &["env", "printenv", "PATH"]).cwd(scratch.path()).run(b""));
    check(&out, "exit 0", "/nowhere\n", "");
}

#[test]
fn what_cannot_be_read_is_fatal() {
    let check = |make: &dyn Fn(&Path), words: &[&str], message: &str| {
        let scratch = place();
        make(&scratch.join("env"));
        let out = beside("envdir", |path| clean(path, words).cwd(scratch.path()).run(b""));
        check(&out, "exit 111", "", &format!("envdir: fatal: {message}\n"));
    };
    let nothing: &dyn Fn(&Path) = &|_| ();
    check(nothing, &["nowhere", "true"], "unable to switch to directory nowhere: file does not exist");
    check(nothing, &["", "true"], "unable to switch to directory : file does not exist");
    check(
        &|dir| write(&dir.join("C"), b"", 0o644),
        &["env/C", "true"],
        "unable to switch to directory env/C: not a directory",
    );
    check(
        &|dir| fs::create_dir(dir.join("C")).expect("own directory"),
        &["env", "true"],
        "unable to read env/C: is a directory",
    );
    check(
        &|dir| std::os::unix::fs::symlink("C", dir.join("C")).expect("own directory"),
        &["env", "true"],
        "unable to read env/C: symbolic link loop",
    );
    let long = "x".repeat(200_000);
    check(
        &|dir| write(&dir.join("C"), long.as_bytes(), 0o644),
        &["env", "true"],
        "unable to run true: argument list too long",
    );
}

#[test]
fn for_others_than_the_superuser_modes_count() {
    if !superuser() {
        return;
    }
    let Some(setuidgid) = tests::original("setuidgid") else { return };
    let check = |mode: u32, file: u32, here: u32, message: &str| {
        let scratch = place();
        write(&scratch.join("env/C"), b"v", file);
        write(&scratch.join("env/.hidden"), b"v", 0);
        fs::create_dir(scratch.join("here")).expect("own directory");
        let chmod = |dir: &str, mode| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(scratch.join(dir), fs::Permissions::from_mode(mode)).expect("own directory");
        };
        chmod("env", mode);
        chmod("here", here);
        let out = beside("envdir", |path| {
            let path = scratch.install(path);
            let cmd = Cmd::new(path).args(["../env", "true"]).cwd(scratch.join("here"));
            cmd.behind([setuidgid.as_os_str(), "nobody".as_ref()]).run(b"")
        });
        check(&out, "exit 111", "", &format!("envdir: fatal: {message}\n"));
    };
    check(0o755, 0o600, 0o755, "unable to read ../env/C: access denied");
    check(0o644, 0o644, 0o755, "unable to switch to directory ../env: access denied");
    check(0o711, 0o644, 0o755, "unable to read directory ../env: access denied");
    check(0o755, 0o644, 0o711, "unable to switch to current directory: access denied");
}

#[test]
fn a_fifo_without_a_writer_is_an_empty_file() {
    let scratch = place();
    mknodat(CWD, scratch.join("env/A"), FileType::Fifo, Mode::RWXU, 0).expect("a FIFO");
    let out = beside("envdir", |path| run(path, &scratch));
    check(&out, "exit 0", "B=2\0PATH=/usr/bin:/bin\0", "");
}

#[test]
fn a_dangling_link_is_fatal_and_gets_no_other_files_value() {
    let scratch = place();
    write(&scratch.join("env/SECRET"), b"v\n", 0o644);
    std::os::unix::fs::symlink("nowhere", scratch.join("env/C")).expect("own directory");
    let ours = run(&program("envdir"), &scratch);
    check(&ours, "exit 111", "", "envdir: fatal: unable to read env/C: file does not exist\n");
    // The original runs its child, and by the order of the directory with C=v.
    if let Some(original) = tests::original("envdir") {
        assert_eq!(run(&original, &scratch).status(), "exit 0");
    }
}

#[test]
fn names_are_bytes() {
    let scratch = place();
    let name = std::ffi::OsStr::from_bytes(b"\xff\n \x01");
    write(&scratch.join("env").join(name), b"\xfe", 0o644);
    let out = beside("envdir", |path| run(path, &scratch));
    assert!(out.stdout.ends_with(b"\xff\n \x01=\xfe\0"), "{out}");
    fs::create_dir(scratch.join("env").join(std::ffi::OsStr::from_bytes(b"\xff\n"))).expect("own directory");
    let out = beside("envdir", |path| run(path, &scratch));
    assert_eq!(out.stderr, b"envdir: fatal: unable to read env/\xff\n: is a directory\n", "{out}");
}

#[test]
fn a_file_larger_than_memory_allows_is_fatal() {
    let scratch = place();
    File::create(scratch.join("env/C")).and_then(|file| file.set_len(40_000_000)).expect("own directory");
    let Some(softlimit) = tests::original("softlimit") else { return };
    let out = beside("envdir", |path| {
        let cmd = Cmd::new(path).args(["env", "true"]).cwd(scratch.path());
        cmd.behind([softlimit.as_os_str(), "-a".as_ref(), "30000000".as_ref()]).run(b"")
    });
    check(&out, "exit 111", "", "envdir: fatal: unable to read env/C: out of memory\n");
}
