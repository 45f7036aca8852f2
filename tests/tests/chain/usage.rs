//! What they say when they are called wrongly, and what they say of themselves.

use crate::{beside, check, clean, place};
use tests::program;

/// Runs both in an empty directory without input.
#[track_caller]
fn said(name: &str, words: &[&str]) -> tests::Output {
    let scratch = place();
    beside(name, |path| clean(path, words).cwd(scratch.path()).run(b""))
}

#[test]
fn a_wrong_call_gets_the_usage_and_100() {
    let check = |name: &str, wrong: &[&[&str]], usage: &str, code: u8| {
        for words in wrong {
            let out = said(name, words);
            check(&out, &format!("exit {code}"), "", &format!("{name}: usage: {usage}\n"));
        }
    };
    check("setuidgid", &[&[], &["root"]], "setuidgid account child", 100);
    check("envuidgid", &[&[], &["root"]], "envuidgid account child", 100);
    // A quirk that scripts may know.
    check("envdir", &[&[], &["env"], &["nowhere"]], "envdir dir child", 111);
    check("pgrphack", &[&[]], "pgrphack child", 100);
    check("fghack", &[&[]], "fghack child", 100);
    let setlock = "setlock [ -nNxX ] file program [ arg ... ]";
    check("setlock", &[&[], &["lock"], &["-n"], &["-nx", "--", "lock"], &["--x", "lock"]], setlock, 100);
    let softlimit = "softlimit [-a allbytes] [-c corebytes] [-d databytes] [-f filebytes] [-l lockbytes] \
                     [-m membytes] [-o openfiles] [-p processes] [-r residentbytes] [-s stackbytes] \
                     [-t cpusecs] child";
    let wrong: &[&[&str]] =
        &[&[], &["-o", "5"], &["-o", "x", "true"], &["-ox", "-z"], &["-o", "-1", "true"], &["-o5k", "true"]];
    check("softlimit", wrong, softlimit, 100);
}

#[test]
fn an_illegal_option_is_named_before_the_usage() {
    let check = |name: &str, words: &[&str], first: &str| {
        let out = said(name, words);
        assert_eq!(out.status(), "exit 100", "{out}");
        assert_eq!(out.messages().lines().next(), Some(first), "{out}");
        assert_eq!(out.messages().lines().count(), 2, "{out}");
    };
    check("softlimit", &["-z", "true"], "softlimit: illegal option -- z");
    check("softlimit", &["-o5", "-zo", "5", "true"], "softlimit: illegal option -- z");
    check("softlimit", &["-o", "5", "-m"], "softlimit: option requires an argument -- m");
    check("softlimit", &["-:", "true"], "softlimit: illegal option -- :");
    check("setlock", &["-nq", "lock", "true"], "setlock: illegal option -- q");
    check("setlock", &["-n-", "lock", "true"], "setlock: illegal option -- -");
}

#[test]
fn options_end_where_the_originals_do() {
    let check = |name: &str, words: &[&str]| {
        let out = said(name, words);
        check(&out, "exit 0", "-n\n", "");
    };
    check("softlimit", &["printf", "%s\\n", "-n"]);
    check("softlimit", &["-o9", "--", "printf", "%s\\n", "-n"]);
    check("softlimit", &["--whatever", "printf", "%s\\n", "-n"]);
    check("setlock", &["-n", "--", "lock", "printf", "%s\\n", "-n"]);
    check("setlock", &["--n", "lock", "printf", "%s\\n", "-n"]);
    assert_eq!(
        said("softlimit", &["-", "true"]).messages(),
        "softlimit: fatal: unable to run -: file does not exist\n"
    );
}

#[test]
fn readproctitle_is_silent() {
    for words in [&[][..], &[""], &["x", "abcd"]] {
        check(&said("readproctitle", words), "exit 100", "", "");
    }
    check(&said("readproctitle", &["abcde"]), "exit 0", "", "");
}

#[test]
fn help_and_version_are_told_where_the_originals_had_only_the_usage() {
    for name in ["setuidgid", "envuidgid", "envdir", "softlimit", "setlock"] {
        let help = clean(&program(name), &["--help"]).run(b"");
        assert_eq!((help.status().as_str(), help.messages().as_str()), ("exit 0", ""), "{help}");
        assert!(help.stdout.starts_with(format!("usage: {name} ").as_bytes()), "{help}");
        check(
            &clean(&program(name), &["--version"]).run(b""),
            "exit 0",
            &format!("{name} {}\n", env!("CARGO_PKG_VERSION")),
            "",
        );
    }
    // Not alone, or where it is a child already: as ever.
    check(
        &said("setlock", &["--help", "lock"]),
        "exit 100",
        "",
        "setlock: usage: setlock [ -nNxX ] file program [ arg ... ]\n",
    );
    for name in ["pgrphack", "fghack"] {
        let missing = format!("{name}: fatal: unable to run --help: file does not exist\n");
        check(&said(name, &["--help"]), "exit 111", "", &missing);
    }
}
