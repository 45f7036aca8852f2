//! What people and machines get to see: marks, escapes, JSON, figures.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tests::{Cmd, Scratch, program};

use super::{label, line, mlog, old, put, shown, terminal};

/// What mlog writes to a terminal of 40 columns, with this in the environment.
fn on_a_terminal(scratch: &Scratch, arguments: &[&str], no_color: Option<&str>) -> String {
    let (terminal, other) = terminal(40);
    let mut command = Command::new(program("mlog"));
    command.args(arguments).current_dir(scratch.path()).env("TZ", "UTC0").env_remove("NO_COLOR");
    if let Some(value) = no_color {
        command.env("NO_COLOR", value);
    }
    let mut child = command.stdin(Stdio::null()).stdout(other).spawn().expect("it is built");
    drop(command);
    let mut text = Vec::new();
    // When the last program is gone a terminal ends with an error.
    _ = File::from(terminal).read_to_end(&mut text);
    assert_eq!(child.wait().expect("our child").code(), Some(0));
    String::from_utf8_lossy(&text).replace("\r\n", "\n")
}

#[test]
fn terminals_get_colours_and_nothing_to_obey() {
    let scratch = Scratch::new();
    put(&scratch.join("a"), &[("current", &line(1, "\u{1b}[31mred\u{7}"))]);
    put(&scratch.join("b"), &[("current", &line(2, "gr\u{fc}n\ttab"))]);
    let plain =
        "1970-01-01 00:00:01.000000000 a: \\x1b[31mred\\x07\n1970-01-01 00:00:02.000000000 b: grün\ttab\n";
    let raw = plain.replace("\\x1b", "\u{1b}").replace("\\x07", "\u{7}");
    assert_eq!(shown(scratch.path(), &["a", "b"]), raw);
    assert_eq!(shown(scratch.path(), &["--escape", "always", "a", "b"]), plain);

    let coloured = on_a_terminal(&scratch, &["a", "b"], None);
    assert!(coloured.starts_with("\u{1b}[2m1970-01-01 00:00:01.000000000\u{1b}[0m \u{1b}["), "{coloured:?}");
    assert!(coloured.contains("\u{1b}[0m: \\x1b[31mred\\x07\n"), "{coloured:?}");
    // The tab comes as blanks, or not, as the terminal is set.
    let without_tab = |text: &str| text.replace('\t', " ").split(' ').filter(|word| !word.is_empty()).count();
    let plainly = on_a_terminal(&scratch, &["a", "b"], Some("1"));
    assert!(plainly.starts_with("1970-01-01 00:00:01.000000000 a: \\x1b[31mred\\x07\n"), "{plainly:?}");
    assert_eq!(without_tab(&plainly), without_tab(plain));
    assert!(on_a_terminal(&scratch, &["a", "b"], Some("")).starts_with("\u{1b}[2m"));
    assert!(on_a_terminal(&scratch, &["--color=never", "a"], None).starts_with("1970-01-01"));
    let syslog = on_a_terminal(&scratch, &["-o", "syslog", "a"], None);
    assert!(syslog.contains(" a - - - \\x1b[31mred\\x07"), "{syslog:?}");
    let octets =
        |text: &str| text.split_once(' ').map(|(octets, rest)| (octets.parse().ok(), Some(rest.len())));
    assert!(octets(&syslog).is_some_and(|(told, found)| told == found), "{syslog:?}");
    let raw = on_a_terminal(&scratch, &["-o", "raw", "a"], None);
    assert_eq!(raw, line(1, "\\x1b[31mred\\x07"));
    assert!(on_a_terminal(&scratch, &["--escape=never", "--color=never", "a"], None).contains("\u{1b}[31m"));
    // Names of services are somebody's too.
    put(&scratch.join("c\u{7}"), &[("current", &line(3, "x"))]);
    let named = on_a_terminal(&scratch, &["--color=never", "a", "c\u{7}"], None);
    assert!(named.ends_with(" c\\x07: x\n"), "{named:?}");
}

/// Directories and files are named by somebody else: nothing in their names is obeyed, and none ends a line.
#[test]
fn names_are_made_harmless() {
    let scratch = Scratch::new();
    put(&scratch.join("\u{1b}[32mdir"), &[("current", &line(1, "x"))]);
    let figures = shown(scratch.path(), &["--stat", "\u{1b}[32mdir"]);
    assert!(figures.starts_with("\\x1b[32mdir (\\x1b[32mdir)\n"), "{figures:?}");
    put(&scratch.join("e\nvil"), &[("current", &line(2, "y"))]);
    let wanted =
        "1970-01-01 00:00:01.000000000 \\x1b[32mdir: x\n1970-01-01 00:00:02.000000000 e\\x0avil: y\n";
    assert_eq!(shown(scratch.path(), &["\u{1b}[32mdir", "e\nvil"]), wanted);
    let name = old(1, "\u{1b}[31mX");
    put(&scratch.join("damaged"), &[]);
    fs::write(scratch.join("damaged").join(&name), b"\x1f\x8b\x08").expect("own directory");
    for (program, arguments) in [("mlog", ["damaged"]), ("tai64nlocal", ["damaged"])] {
        let out = Cmd::new(tests::program(program)).args(arguments).cwd(scratch.path()).run(b"");
        let said = out.messages();
        assert!(said.contains(".\\x1b[31mX: ") && !said.contains('\u{1b}'), "{said:?}");
    }
}

#[test]
fn json_is_an_object_a_line() {
    let scratch = Scratch::new();
    put(&scratch.join("smtpd"), &[(&old(9, "s"), &line(1, "a \"quote\"")), ("current", "none\n")]);
    std::fs::write(scratch.join("smtpd/current"), b"none \xff\\\n").expect("own file");
    let wanted = format!(
        "{{\"time\":\"1970-01-01T00:00:01.000000000+00:00\",\"label\":\"{}\",\"service\":\"smtpd\",\
         \"file\":\"smtpd/{}\",\"message\":\"a \\\"quote\\\"\"}}\n\
         {{\"time\":null,\"label\":null,\"service\":\"smtpd\",\"file\":\"smtpd/current\",\
         \"message\":\"none \\\\xff\\\\\\\\\",\"escaped\":true}}\n",
        label(1, 0),
        old(9, "s")
    );
    assert_eq!(shown(scratch.path(), &["-o", "json", "smtpd"]), wanted);
}

/// A name that is not UTF-8 can be told from one that looks so, and had back.
#[test]
fn json_marks_names_that_are_escaped() {
    let scratch = Scratch::new();
    let name = |bytes: &'static [u8]| Path::new(OsStr::from_bytes(bytes));
    for (dir, shown, mark) in
        [(name(b"a\xff\\"), r"a\\xff\\\\", true), (name(br"a\xff\\"), r"a\\xff\\\\", false)]
    {
        put(&scratch.join(dir), &[("current", &line(1, "x"))]);
        let run = |arguments: &[&str]| {
            let out = mlog(scratch.path()).args(arguments).args(["-o", "json"]).arg(dir).run(b"");
            assert_eq!(out.status(), "exit 0", "{out}");
            String::from_utf8(out.stdout).expect("JSON is text")
        };
        let mark = |name: &str| if mark { format!(",\"{name}_escaped\":true") } else { String::new() };
        let wanted = format!("\"file\":\"{shown}/current\"{},\"message\":\"x\"}}\n", mark("file"));
        assert!(run(&[]).ends_with(&wanted), "{} is not {wanted}", run(&[]));
        let wanted = format!(",\"directory\":\"{shown}\"{},\"files\":1,", mark("directory"));
        assert!(run(&["--stat"]).contains(&wanted), "{} has no {wanted}", run(&["--stat"]));
    }
}

#[test]
fn figures_and_a_chart_that_fits() {
    let scratch = Scratch::new();
    let lines: String = (0..100).map(|hour| line(hour * 3600, "x").repeat(1 + hour as usize % 8)).collect();
    put(&scratch.join("smtpd"), &[("current", &lines)]);
    let wanted = "smtpd (smtpd)\n";
    let text = shown(scratch.path(), &["--stat", "smtpd"]);
    assert!(text.starts_with(wanted) && text.contains("1 file") && text.contains(" 442 lines\n"), "{text}");
    assert!(text.contains("  1970-01-01 00:00:00 to 1970-01-05 03:00:00\n"), "{text}");
    let width = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(width(&text) <= 80, "{text}");
    let narrow = on_a_terminal(&scratch, &["--stat", "smtpd"], None);
    let chart = narrow.lines().find(|line| line.contains('█')).expect("there is a chart");
    assert!((20..=40).contains(&chart.chars().count()), "{narrow}");
    let json = shown(scratch.path(), &["--stat", "-o", "json", "--since", "1970-01-05", "smtpd"]);
    assert!(json.contains("\"lines\":10,\"first\":\"1970-01-05T00:00:00.000+00:00\""), "{json}");
    assert_eq!(json.matches("\"hour\":").count(), 4);
}

/// A line is of the hour that the lines before it tell, whether these are wanted or not.
#[test]
fn figures_go_by_all_lines() {
    let scratch = Scratch::new();
    let twice = |text: &str| format!("2026-10-25 02:10:00.000 {text}\n2026-10-25 02:50:00.000 {text}\n");
    let day = "2026-11-01 01:10:00.000 aaa\n2026-11-01 05:50:00.000 bbb\nzzz\n";
    put(&scratch.join("log"), &[("current", &(twice("first") + &twice("second") + day))]);
    let check = |patterns: &[&str], first: &str, hours: &[(&str, u64)]| {
        let figures =
            mlog(scratch.path()).env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3").args(["--stat", "-o", "json"]);
        let out = patterns
            .iter()
            .fold(figures, |figures, pattern| figures.args(["-g", *pattern]))
            .arg("log")
            .run(b"");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let hour = |(hour, lines)| format!("{{\"hour\":\"2026-{hour}:00:00.000+00:00\",\"lines\":{lines}}}");
        let hours: Vec<String> = hours.iter().copied().map(hour).collect();
        assert!(text.contains(&format!("\"hours\":[{}]}}", hours.join(","))), "{patterns:?}: {text}");
        assert!(text.contains(&format!("\"first\":\"2026-{first}:00.000+00:00\"")), "{patterns:?}: {text}");
    };
    check(&["first"], "10-25T00:10", &[("10-25T00", 2)]);
    check(&["second"], "10-25T01:10", &[("10-25T01", 2)]);
    check(&["aaa", "zzz"], "11-01T00:10", &[("11-01T00", 1), ("11-01T04", 1)]);
    check(&["zzz"], "11-01T04:50", &[("11-01T04", 1)]);
}

#[test]
fn completions_are_for_their_shells() {
    let scratch = Scratch::new();
    for (shell, check) in [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")] {
        let text = shown(scratch.path(), &["--completion", shell]);
        assert!(text.contains(&format!("mlog --completion {shell}")), "{text}");
        let path = scratch.join(shell);
        std::fs::write(&path, text).expect("own directory");
        // Where the shell is installed, it understands the text.
        if let Ok(status) = Command::new(check).arg("-n").arg(&path).status() {
            assert!(status.success(), "{shell}");
        }
    }
    let completed = |words: &str, at: usize| {
        let script = format!(
            "source ./bash; COMP_WORDS=({words}); COMP_CWORD={at}; _mlog; echo \"${{COMPREPLY[@]}}\""
        );
        let out = Command::new("bash").arg("-c").arg(script).current_dir(scratch.path()).output();
        String::from_utf8_lossy(&out.expect("bash is everywhere").stdout).trim_end().to_owned()
    };
    assert_eq!(completed("mlog -o j", 2), "json");
    // bash parts words at the sign.
    assert_eq!(completed("mlog --output = j", 3), "json");
    assert_eq!(completed("mlog --color =", 2), "auto always never");
    assert_eq!(completed("mlog --st", 1), "--stat");
}
