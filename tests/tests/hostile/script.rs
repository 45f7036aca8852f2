//! A script that says something else than it should is warned about, once and by name, and logging goes on: a logger that
//! refuses to start loses logs.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use tests::rig::{Rig, warnings};
use tests::{LogDir, Show};

use crate::{assert_same, logged, mixed_lines};

/// Every line is logged, and stderr has warnings, at most so many, each of which names the argument.
#[track_caller]
fn is_warned_about(argument: &str, most: usize) {
    let (_rig, out, all) = logged(&["+*", argument, "./log"], b"one\ntwo\n");
    assert_same(&all, b"one\ntwo\n");
    let said = warnings(&out.stderr);
    assert!((1..=most).contains(&said.len()), "{argument:?}: {out}");
    for line in said {
        assert!(line.starts_with("multilog: warning: "), "{out}");
        let named = line.contains(argument) || line.contains(&argument.as_bytes().escape_ascii().to_string());
        assert!(named, "{argument:?} is not in {line:?}");
    }
}

#[test]
fn unknown_and_misplaced_actions_are_warned_about_by_name_and_logging_goes_on() {
    for argument in ["x", "zap", "\u{e4}", "log", "~/log", "&", "t", "d", "m", "T", "tai64n"] {
        is_warned_about(argument, 1);
    }
    is_warned_about("", 1);
}

#[test]
fn numbers_with_rubbish_behind_them_are_warned_about_and_logging_goes_on() {
    for argument in [
        "s5000x",
        "s10kk",
        "s10 k",
        "s-5",
        "s",
        "sbig",
        "s99999999999999999999999",
        "nfoo",
        "n3x",
        "n",
        "n-1",
        "n 5",
    ] {
        // One for the rubbish, and one for the clamp where what is left is out of range.
        is_warned_about(argument, 2);
    }
}

#[test]
fn numbers_out_of_range_are_clamped_with_a_warning() {
    for argument in ["s1", "s0", "s104857601", "n0", "n1"] {
        is_warned_about(argument, 1);
    }
}

#[test]
fn an_argument_that_is_no_text_is_warned_about_and_logging_goes_on() {
    let rig = Rig::new();
    let out = rig.logger(&[]).arg(OsStr::from_bytes(b"\xff\x1b[31m")).arg("./log").run(b"one\n");
    assert_eq!(out.status(), "exit 0", "{out}");
    assert_same(&rig.log().all(), b"one\n");
    assert_eq!(warnings(&out.stderr).len(), 1, "{out}");
}

#[test]
fn a_directory_whose_name_is_no_text_is_a_directory_like_any_other() {
    let rig = Rig::new();
    let name = OsStr::from_bytes(b"./l\xffg\nx");
    let out = rig.logger(&["s4096", "n99"]).arg(name).run(&mixed_lines(10, 30_000));
    assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""));
    let log = LogDir::new(rig.join(name));
    assert_same(&log.all(), &mixed_lines(10, 30_000));
}

#[test]
fn a_script_without_a_directory_reads_to_the_end() {
    for script in [&[][..], &["t"], &["-*"], &["n5", "s9999"]] {
        let mut rig = Rig::new();
        rig.pipe.write(&mixed_lines(11, 20_000)[..20_000]);
        let running = rig.start(script);
        let out = rig.finish(running);
        assert!(out.messages().ends_with("all lines are thrown away\n"), "{out}");
        assert_eq!(out.messages().lines().count(), 1);
        assert_eq!(rig.pipe.waiting(), 0, "{script:?}");
        assert_eq!(fs::read_dir(rig.path()).expect("the directory").count(), 0);
    }
}

#[test]
fn help_and_version_stand_alone_or_are_patterns() {
    for option in ["--help", "--version"] {
        let (rig, out, _) = logged(&[option], b"");
        assert!(String::from_utf8_lossy(&out.stdout).contains("multilog"), "{out}");
        assert_eq!(out.messages(), "");
        assert_eq!(fs::read_dir(rig.path()).expect("the directory").count(), 0);
        // Among other actions they are what they always were: deselect the line that is the rest of the argument.
        let input = format!("one\n{}\n", &option[1..]);
        for script in [&[option, "./log"][..], &["t", option, "./log"]] {
            let (_, out, all) = logged(script, input.as_bytes());
            assert_eq!((out.stdout.len(), out.messages().as_str()), (0, ""));
            let stamped = script[0] == "t";
            let right = if stamped { input.len() + 2 * 26 } else { 4 };
            assert_eq!(all.len(), right, "{script:?}: {}", Show(&all));
        }
    }
}
