//! softlimit: the limits that a child runs under.

use std::path::Path;

use crate::{beside, check};
use tests::{Cmd, Output, program};

/// A child's limits behind softlimit, started with these hard limits.
fn run(path: &Path, hard: &str, words: &[&str]) -> Output {
    let cmd = Cmd::new(path).args(words).args(["cat", "/proc/self/limits"]);
    cmd.behind(["sh", "-c", &format!("{hard}; exec \"$@\""), "sh"]).run(b"")
}

/// The soft limit of a resource that a child has shown.
fn soft<'a>(shown: &'a str, resource: &str) -> &'a str {
    let line = shown.lines().find_map(|line| line.strip_prefix(resource));
    line.and_then(|line| line.split_whitespace().next()).unwrap_or("not shown")
}

#[test]
fn each_option_limits_its_resource() {
    let check = |letter: &str, amount: &str, resources: &[&str]| {
        let out = beside("softlimit", |path| run(path, "true", &[letter, amount]));
        assert_eq!(out.status(), "exit 0", "{out}");
        for resource in resources {
            assert_eq!(soft(&String::from_utf8_lossy(&out.stdout), resource), amount, "{out}");
        }
    };
    check("-a", "50000000", &["Max address space"]);
    check("-c", "1000", &["Max core file size"]);
    check("-d", "40000000", &["Max data size"]);
    check("-f", "5000", &["Max file size"]);
    check("-l", "60000", &["Max locked memory"]);
    check("-o", "20", &["Max open files"]);
    check("-p", "5000", &["Max processes"]);
    check("-r", "70000000", &["Max resident set"]);
    check("-s", "1000000", &["Max stack size"]);
    check("-t", "100", &["Max cpu time"]);
    let all = ["Max data size", "Max stack size", "Max locked memory", "Max address space"];
    // Where locked memory has a lower hard limit, that is what it gets.
    let out = beside("softlimit", |path| run(path, "ulimit -Hl 10000", &["-m", "6000000"]));
    for resource in all {
        assert_eq!(soft(&String::from_utf8_lossy(&out.stdout), resource), "6000000", "{out}");
    }
}

#[test]
fn the_hard_limit_bounds_and_stays() {
    let check = |words: &[&str], files: &str| {
        let out = beside("softlimit", |path| run(path, "ulimit -Sn 30; ulimit -Hn 50", words));
        assert_eq!(soft(&String::from_utf8_lossy(&out.stdout), "Max open files"), files, "{words:?}: {out}");
    };
    check(&[], "30");
    check(&["-o", "40"], "40");
    check(&["-o", "50"], "50");
    check(&["-o", "51"], "50");
    check(&["-o", "18446744073709551615"], "50");
    check(&["-o", "="], "50");
    check(&["-o="], "50");
    check(&["-o", "="], "50");
    check(&["-o", "20", "-o", "25"], "25");
    check(&["-o40", "-c0", "-o", "10"], "10");
}

#[test]
fn a_number_that_is_too_large_is_the_most() {
    // The original's number starts again at 0, and its child has no files.
    for number in ["18446744073709551616", "99999999999999999999999999"] {
        let out = run(&program("softlimit"), "ulimit -Sn 30; ulimit -Hn 50", &["-o", number]);
        assert_eq!(soft(&String::from_utf8_lossy(&out.stdout), "Max open files"), "50", "{out}");
    }
}

#[test]
fn without_memory_a_child_dies() {
    for amount in ["", "0", "1"] {
        let out = beside("softlimit", |path| Cmd::new(path).args(["-m", amount, "/bin/true"]).run(b""));
        check(&out, "signal 11", "", "");
    }
}

#[test]
fn what_cannot_be_run_is_told_with_hardly_any_memory() {
    for limit in ["-m", "-a", "-s", "-d"] {
        let out = beside("softlimit", |path| Cmd::new(path).args([limit, "0", "/nowhere"]).run(b""));
        check(&out, "exit 111", "", "softlimit: fatal: unable to run /nowhere: file does not exist\n");
    }
}
