//! Are all lines there, in the right order, and no others?

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use tests::feeder::seed;
use tests::{Cmd, LogDir, Scratch, original, program};

use super::{SOON, check, label, line, logger, mlog, numbered, old, pack, put, shown};

#[test]
fn one_log_is_shown_as_by_the_original() {
    let scratch = Scratch::new();
    let mut multilog = logger(scratch.path(), &["t", "s4096", "n1000", "./log"]);
    multilog.send(numbered(0, 3000).as_bytes());
    // Lines that are cut at the end of a file, and go on in the next.
    multilog.send(format!("{}\n{}\nend", "y".repeat(20_000), "z".repeat(3000)).as_bytes());
    multilog.wait();
    let all = LogDir::new(scratch.join("log")).all();
    assert_eq!(shown(scratch.path(), &["-o", "raw", "log"]).as_bytes(), all);
    assert_eq!(shown(scratch.path(), &["-o", "tai64n", "log"]).as_bytes(), all);
    if let Some(original) = original("tai64nlocal") {
        let out = Cmd::new(original).env("TZ", "UTC0").run(&all);
        assert!(shown(scratch.path(), &["log"]).as_bytes() == out.stdout);
    }
}

#[test]
fn a_line_without_an_end_is_joined_ended_or_as_it_is() {
    let scratch = Scratch::new();
    let check = |files: &[(&str, &str)], wanted: &str| {
        let dir = scratch.join("log");
        put(&dir, files);
        assert_eq!(shown(scratch.path(), &["-o", "raw", "log"]), wanted, "{files:?}");
        fs::remove_dir_all(dir).expect("own directory");
    };
    let (a, b) = (line(1, "a"), line(20, "b"));
    let cut = a.trim_end();
    check(&[(&old(10, "s"), cut), ("current", &format!(" rest\n{b}"))], &format!("{cut} rest\n{b}"));
    check(&[(&old(10, "s"), cut), ("current", &b)], &format!("{a}{b}"));
    check(&[(&old(10, "u"), cut), ("current", " rest\n")], &format!("{cut} rest\n"));
    check(&[(&old(10, "u"), "torn"), ("current", "next\n")], "torn\nnext\n");
    check(&[(&old(10, "s"), "cut"), ("current", " rest\n")], "cut rest\n");
    check(&[(&old(10, "s"), cut), (&old(11, "s"), " more"), (&old(12, "s"), ""), ("current", &b)], &{
        format!("{cut} more\n{b}")
    });
    check(&[("current", cut)], &a);
    check(&[("current", "")], "");
}

#[test]
fn compressed_files_are_read_whatever_their_names() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    let mut wanted = String::new();
    for (second, (program, suffix)) in
        [("gzip", "s"), ("zstd", "gz"), ("xz", "s.xz"), ("gzip", "notes")].into_iter().enumerate()
    {
        let second = second as i64 * 10;
        let text: String = (0..5).map(|number| line(second + number, program)).collect();
        if let Some(packed) = pack(program, &text) {
            put(&dir, &[]);
            fs::write(dir.join(old(second + 9, suffix)), packed).expect("own directory");
            wanted += &text;
        }
    }
    put(&dir, &[("current", &line(100, "last"))]);
    wanted += &line(100, "last");
    assert_eq!(shown(scratch.path(), &["-o", "raw", "log"]), wanted);
    let lines: Vec<&str> = wanted.split_inclusive('\n').collect();
    for last in 0..=lines.len() {
        let tail = lines[lines.len() - last..].concat();
        assert_eq!(shown(scratch.path(), &["-o", "raw", "-n", &last.to_string(), "log"]), tail);
    }
    // Whole lines from the middle of the second file on.
    let since = shown(scratch.path(), &["-o", "raw", "--since", &label(12, 0), "log"]);
    assert_eq!(since, lines.iter().filter(|line| ***line >= *label(12, 0)).copied().collect::<String>());
}

#[test]
fn every_stamp_is_placed_by_its_moment() {
    let scratch = Scratch::new();
    put(&scratch.join("t"), &[("current", &(line(10, "one") + &line(40, "four")))]);
    put(&scratch.join("d"), &[("current", "1970-01-01 00:00:20.000000000 two\n more\n")]);
    put(&scratch.join("i"), &[("current", "1970-01-01T01:00:30.5+01:00 three\n")]);
    put(&scratch.join("m"), &[("current", "1970-01-01 00:00:50.000 five\n")]);
    put(&scratch.join("T"), &[("current", "000000060.000001 six\n")]);
    let wanted = "1970-01-01 00:00:10.000000000 t: one\n1970-01-01 00:00:20.000000000 d: two\nd:  more\n\
        1970-01-01 00:00:30.500000000 i: three\n1970-01-01 00:00:40.000000000 t: four\n\
        1970-01-01 00:00:50.000000000 m: five\n1970-01-01 00:01:00.000001000 T: six\n";
    assert_eq!(shown(scratch.path(), &["T", "d", "i", "m", "t"]), wanted);
    assert_eq!(shown(scratch.path(), &["-o", "utc", "d"]), "1970-01-01 00:00:20.000000000 two\n more\n");
    assert_eq!(shown(scratch.path(), &["-o", "iso", "i"]), "1970-01-01T00:00:30.500000000+00:00 three\n");
    assert_eq!(shown(scratch.path(), &["-o", "tai64n", "T"]), format!("{} six\n", label(60, 1000)));
    assert_eq!(shown(scratch.path(), &["--since", "1970-01-01 00:00:45", "m", "T", "t"]).lines().count(), 2);
}

/// Lines without stamps belong to the last stamp before them, however many files lie between.
#[test]
fn lines_without_stamps_belong_to_the_last_stamp_files_before() {
    let scratch = Scratch::new();
    let first = line(0, "zero");
    put(&scratch.join("log"), &[(&old(1, "s"), &first), (&old(2, "s"), "one\n"), ("current", "two\n")]);
    let since = |second| shown(scratch.path(), &["--since", &label(second, 0), "-o", "raw", "log"]);
    assert_eq!(since(0), first + "one\ntwo\n");
    assert_eq!(since(60), "");
    // Where there is no stamp at all nobody can tell.
    put(&scratch.join("plain"), &[(&old(1, "s"), "one\n"), ("current", "two\n")]);
    assert_eq!(shown(scratch.path(), &["--since", &label(60, 0), "-o", "raw", "plain"]), "two\n");
}

#[test]
fn services_and_scan_directories_are_found() {
    let scratch = Scratch::new();
    put(&scratch.join("service/b/log/main"), &[("current", &line(2, "b"))]);
    put(&scratch.join("service/a/log/main"), &[("current", &line(1, "a"))]);
    let both = "1970-01-01 00:00:01.000000000 a: a\n1970-01-01 00:00:02.000000000 b: b\n";
    assert_eq!(shown(scratch.path(), &["service"]), both);
    assert_eq!(shown(scratch.path(), &["service/b", "service/a"]), both);
    assert_eq!(shown(&scratch.join("service/a"), &[]), "1970-01-01 00:00:01.000000000 a\n");
    assert_eq!(shown(scratch.path(), &["-s", "b", "service"]), "1970-01-01 00:00:02.000000000 b\n");
    // The same log twice is one log.
    assert_eq!(
        shown(scratch.path(), &["service/a", "service/a/log/main"]),
        "1970-01-01 00:00:01.000000000 a\n"
    );
}

/// A line of a log that is made up: its moment if it has a stamp, and its text.
type Made = (Option<i64>, String);

/// The lines of a log, its stamps not decreasing, and where its files end: after so many lines, plain or packed, cut or not.
fn made_log() -> impl Strategy<Value = (Vec<Made>, Vec<(usize, bool, bool)>)> {
    let step = prop_oneof![3 => Just(0i64), 3 => 1i64..3, 1 => 3i64..40];
    let line = (proptest::option::weighted(0.8, step), "[a-c]{0,3}");
    let lines = proptest::collection::vec(line, 0..120).prop_map(|lines| {
        let mut second = 1000;
        let stamped = |(at, (step, text)): (usize, (Option<i64>, String))| {
            // Only a log whose first line has a stamp has moments from its beginning on.
            let step = if at == 0 { Some(step.unwrap_or(0)) } else { step };
            second += step.unwrap_or(0);
            (step.map(|_| second), text)
        };
        lines.into_iter().enumerate().map(stamped).collect::<Vec<_>>()
    });
    (lines, proptest::collection::vec((0usize..30, any::<bool>(), any::<bool>()), 0..6))
}

/// Each line as it is in the log, and the moment that counts for it.
fn keyed(lines: &[Made]) -> Vec<(i64, String)> {
    let mut last = 0;
    let with_moment = |(second, text): &Made| {
        last = second.unwrap_or(last);
        (last, second.map_or(format!("{text}\n"), |second| line(second, text)))
    };
    lines.iter().map(with_moment).collect()
}

/// Writes the log into files that are named when they are full, as multilog does.
fn write_log(dir: &Path, lines: &[(i64, String)], files: &[(usize, bool, bool)]) {
    put(dir, &[]);
    let mut rest = lines;
    let mut carried = String::new();
    let mut last = 0;
    for (number, (len, is_packed, is_cut)) in files.iter().enumerate() {
        let (now, after) = rest.split_at((*len).min(rest.len()));
        let (Some((second, _)), false) = (now.last(), after.is_empty()) else { continue };
        rest = after;
        let mut text: String = std::mem::take(&mut carried);
        text.extend(now.iter().map(|(_, line)| line.as_str()));
        // The next line began before this file was full.
        if *is_cut && let Some(((_, line), after)) = rest.split_first() {
            let at = line.len() / 2;
            // In the middle of a stamp no logger cuts.
            if at > 26 || !line.starts_with('@') {
                text.push_str(&line[..at]);
                carried = line[at..].to_owned();
                rest = after;
            }
        }
        last = (*second).max(last);
        let name = format!("{}.s", label(last, 500 + number as u32));
        let packed = if *is_packed { pack("gzip", &text) } else { None };
        fs::write(dir.join(name), packed.unwrap_or_else(|| text.into_bytes())).expect("own directory");
    }
    let rest: String = carried + &rest.iter().map(|(_, line)| line.as_str()).collect::<String>();
    fs::write(dir.join("current"), rest).expect("own directory");
}

fn run_property<S: Strategy>(strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config {
        cases: 60,
        max_shrink_iters: 60,
        rng_seed: RngSeed::Fixed(seed()),
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config).run(strategy, test).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn what_is_found_by_bisection_is_what_reading_everything_finds() {
    let strategy = (made_log(), 990i64..1100, 990i64..1100, 0usize..20);
    run_property(&strategy, |((lines, files), since, until, last)| {
        let scratch = Scratch::new();
        let lines = keyed(&lines);
        write_log(&scratch.join("log"), &lines, &files);
        let wanted = |is_wanted: &dyn Fn(i64) -> bool| -> Vec<&str> {
            lines.iter().filter(|(moment, _)| is_wanted(*moment)).map(|(_, line)| line.as_str()).collect()
        };
        let (from, to) = (label(since, 0), label(until, 0));
        let run = |arguments: &[&str]| shown(scratch.path(), &[&["-o", "raw", "log"], arguments].concat());
        prop_assert_eq!(run(&[]), wanted(&|_| true).concat());
        prop_assert_eq!(run(&["--since", &from]), wanted(&|moment| moment >= since).concat());
        prop_assert_eq!(run(&["--until", &to]), wanted(&|moment| moment <= until).concat());
        let both = wanted(&|moment| moment >= since && moment <= until);
        prop_assert_eq!(run(&["--since", &from, "--until", &to]), both.concat());
        prop_assert_eq!(run(&["--all", "--since", &from, "--until", &to]), both.concat());
        let tail = |lines: &[&str]| lines[lines.len() - last.min(lines.len())..].concat();
        let number = last.to_string();
        prop_assert_eq!(run(&["-n", &number, "--since", &from, "--until", &to]), tail(&both));
        prop_assert_eq!(run(&["-n", &number]), tail(&wanted(&|_| true)));
        let matching: Vec<&str> = lines
            .iter()
            .map(|(_, line)| line.as_str())
            .filter(|line| line.rsplit(' ').next().is_some_and(|text| text.contains('a')))
            .collect();
        prop_assert_eq!(run(&["-n", &number, "-g", "a"]), tail(&matching));
        Ok(())
    });
}

/// When summer time ends an hour is shown twice: which one a line is of is told by the lines before, wherever reading begins.
#[test]
fn an_hour_that_comes_twice() {
    const END: i64 = 1_792_890_000; // 2026-10-25 01:00 UTC
    let scratch = Scratch::new();
    let moments: Vec<i64> = (END - 7200..END + 7200).step_by(2).collect();
    let mut text = String::new();
    for moment in &moments {
        let shown = moment + if *moment < END { 7200 } else { 3600 };
        let (hour, minute, second) = (shown / 3600 % 24, shown / 60 % 60, shown % 60);
        text += &format!("2026-10-25 {hour:02}:{minute:02}:{second:02}.000 {moment} {}\n", "x".repeat(100));
        text += "and\n";
    }
    put(&scratch.join("log"), &[("current", &text)]);
    put(&scratch.join("other"), &[("current", "")]);
    // The same in files of 100 lines with a stamp.
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (lines, moments) in lines.chunks(200).zip(moments.chunks(100)) {
        let name = format!("{}.s", label(moments[moments.len() - 1], 1));
        put(&scratch.join("files"), &[(&name, &lines.concat())]);
    }
    for from in [-7000, -3602, -3600, -3000, -2, 0, 2, 3000, 3600, 5000] {
        for until in [from + 2, -2000, 2000, 3599, 9000] {
            for last in ["all", "4"] {
                let (since, until) = (label(END + from, 0), label(END + until, 0));
                let wanted = moments.iter().filter(|moment| {
                    let moment = label(**moment, 0);
                    since <= moment && moment <= until
                });
                // Each line that is wanted, as JSON: its label, and its own number.
                let mut wanted: Vec<String> =
                    wanted.map(|moment| format!("{} {moment}", label(*moment, 0))).collect();
                if last == "4" {
                    wanted.drain(..wanted.len().saturating_sub(2));
                }
                for (format, logs) in [
                    ("tai64n", &["log"][..]),
                    ("tai64n", &["log", "other"]),
                    ("tai64n", &["files"]),
                    ("json", &["log"]),
                ] {
                    let out = mlog(scratch.path())
                        .env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
                        .args(["--since", &since, "--until", &until, "-n", last, "-o", format])
                        .args(logs)
                        .run(b"");
                    let found = String::from_utf8_lossy(&out.stdout).replace("log: ", "");
                    let found: Vec<String> =
                        found.lines().filter(|line| line.contains("xxx")).map(brief).collect();
                    assert_eq!(found, wanted, "{format} of {logs:?} from {from}, last {last}, {until}");
                }
            }
        }
    }
    // Half a line more: reading begins with one that has no stamp.
    for last in [10, 3700, 3701] {
        let wanted: Vec<String> = moments[moments.len() - last / 2..]
            .iter()
            .map(|moment| format!("{} {moment}", label(*moment, 0)))
            .collect();
        let out = mlog(scratch.path())
            .env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
            .args(["-n", &last.to_string(), "-o", "tai64n", "log"])
            .run(b"");
        let found = String::from_utf8_lossy(&out.stdout);
        let found: Vec<String> = found.lines().filter(|line| line.contains("xxx")).map(brief).collect();
        assert_eq!(found, wanted, "last {last}");
    }
}

/// A log may change its stamps: which of two equal hours is meant a label tells too.
#[test]
fn a_label_tells_the_hour_of_what_comes_after_it() {
    const SECOND: i64 = 1_792_890_600; // 2026-10-25 01:10 UTC, 02:10 in winter time
    let scratch = Scratch::new();
    let text = line(SECOND, "t") + "@no label\n2026-10-25 02:30:00.000 d\n";
    put(&scratch.join("mixed"), &[("current", &text)]);
    put(&scratch.join("other"), &[("current", "")]);
    let last = |arguments: &[&str]| {
        let mlog = mlog(scratch.path()).env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
        let out = mlog.args(arguments).arg("mixed").run(b"");
        String::from_utf8_lossy(&out.stdout).lines().last().unwrap_or_default().to_owned()
    };
    for more in [&[][..], &["other"]] {
        let check = |format: &str, wanted: &str| {
            let found = last(&[&["-o", format], more].concat()).replace("mixed: ", "");
            assert_eq!(found, wanted, "{format} {more:?}");
        };
        check("utc", "2026-10-25 01:30:00.000000000 d");
        check("iso", "2026-10-25T02:30:00.000000000+01:00 d");
        check("tai64n", &format!("{} d", label(SECOND + 1200, 0)));
    }
    assert!(last(&["-o", "json"]).contains("T01:30:00"));
}

/// Label and number of a line, also as JSON.
fn brief(line: &str) -> String {
    let at = line.find('@').expect("it has a label");
    let label = &line[at..at + 25];
    let number = line.split([' ', '"']).find(|word| word.len() == 10 && word.starts_with("17928"));
    format!("{label} {}", number.expect("it has a number"))
}

#[test]
fn merging_is_sorting() {
    let strategy = (proptest::collection::vec(made_log(), 1..5), 0usize..40);
    run_property(&strategy, |(logs, last)| {
        let scratch = Scratch::new();
        let mut all = Vec::new();
        for (number, (lines, files)) in logs.iter().enumerate() {
            let lines = keyed(lines);
            write_log(&scratch.join(format!("{number}")), &lines, files);
            all.extend(lines.into_iter().map(|(moment, line)| (moment, number, line)));
        }
        // Stable: within a log, and of equal moments, lines stay as they are.
        all.sort_by_key(|(moment, number, _)| (*moment, *number));
        let names: Vec<String> = (0..logs.len()).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let run = |arguments: &[&str]| shown(scratch.path(), &[arguments, &names].concat());
        let lines: Vec<&str> = all.iter().map(|(_, _, line)| line.as_str()).collect();
        prop_assert_eq!(run(&["-o", "raw"]), lines.concat());
        let tail = lines[lines.len() - last.min(lines.len())..].concat();
        prop_assert_eq!(run(&["-o", "raw", "-n", &last.to_string()]), tail);
        let matching =
            lines.iter().filter(|line| line.rsplit(' ').next().is_some_and(|text| text.contains('b')));
        prop_assert_eq!(run(&["-o", "raw", "-g", "b"]), matching.copied().collect::<String>());
        Ok(())
    });
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let scratch = Scratch::new();
    put(&scratch.join("good"), &[("current", &line(1, "good"))]);
    put(&scratch.join("empty"), &[]);
    put(&scratch.join("not"), &[("a-file", "x")]);
    let good = "1970-01-01 00:00:01.000000000 good\n";
    let warning = |what: &str| format!("mlog: warning: unable to read {what}\n");
    let run = |arguments: &[&str]| mlog(scratch.path()).args(arguments).run(b"");
    check(&run(&["gone", "good"]), "exit 111", good, &warning("gone: file does not exist"));
    check(&run(&["empty", "good"]), "exit 111", good, &warning("empty: no log in this directory"));
    check(
        &run(&["not/a-file"]),
        "exit 111",
        "",
        &warning("not/a-file: not a directory; tai64nlocal reads files"),
    );
    check(&run(&["-s", "x", "good"]), "exit 111", "", "mlog: fatal: unable to find service x: no such log\n");

    let text: String = (0..5000).map(|number| line(number, &format!("{}", number * 7919 % 10_007))).collect();
    let mut short = pack("gzip", &text).expect("gzip is part of every system");
    short.truncate(short.len() / 2);
    put(&scratch.join("log"), &[("current", &line(9999, "current"))]);
    fs::write(scratch.join("log").join(old(6000, "s")), short).expect("own directory");
    let out = run(&["-o", "raw", "log"]);
    let name = format!("log/{}: compressed data ends too early", old(6000, "s"));
    assert_eq!((out.status().as_str(), out.messages()), ("exit 111", warning(&name)));
    let shown = String::from_utf8(out.stdout).expect("the log is text");
    let body = shown.strip_suffix(&line(9999, "current")).expect("the rest went on");
    assert!(body.len() > text.len() / 4 && text.starts_with(body.trim_end()), "{} bytes", body.len());
}

#[test]
fn what_bzip2_has_packed_is_named_and_not_shown() {
    let run = |packed: &str| {
        let scratch = Scratch::new();
        put(&scratch.join("log"), &[("current", &line(9, "current")), (&old(6, "s"), packed)]);
        mlog(scratch.path()).args(["-o", "raw", "log"]).run(b"")
    };
    // Of each level, and nothing at all.
    for packed in ["BZh91AY&SY\0\n", "BZh11AY&SY\0\n", "BZh51AY&SY\0\n"] {
        let why = "compressed with bzip2, which is not read; unpack it with bzip2 -d";
        let warning = format!("mlog: warning: unable to read log/{}: {why}\n", old(6, "s"));
        check(&run(packed), "exit 111", &line(9, "current"), &warning);
    }
    for text in ["BZh91AY&S\n", "BZhx1AY&SY\n", "BZh\n", "BZh#1AY&SY\n"] {
        check(&run(text), "exit 0", &(text.to_owned() + &line(9, "current")), "");
    }
}

/// Beginnings of files that look packed: whoever writes a line that is cut at the end of a full file chooses what the next begins with.
fn packed_beginnings() -> Vec<Vec<u8>> {
    let marks = [&b"\x1f\x8b\x08"[..], b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh91AY&SY"];
    let mut beginnings: Vec<Vec<u8>> = marks.iter().map(|mark| mark.repeat(9)).collect();
    // One that can be unpacked, and what follows cannot.
    let whole =
        (0..).filter_map(|number| pack("gzip", &format!("whole {number}"))).find(|it| !it.contains(&b'\n'));
    beginnings.push(whole.expect("most have no newline"));
    beginnings
}

#[test]
fn a_line_that_looks_packed_hides_none() {
    for beginning in packed_beginnings() {
        let scratch = Scratch::new();
        let dir = scratch.join("log");
        put(&dir, &[(&old(10, "s"), &line(1, "cut "))]);
        let rest = |second: i64| {
            let lines: String = (second..second + 300).map(|second| line(second, "hidden")).collect();
            [&beginning[..], b"\n", lines.as_bytes()].concat()
        };
        let named = old(1000, "s");
        for (name, second) in [(&named[..], 20), ("previous", 1020), ("current", 2020)] {
            fs::write(dir.join(name), rest(second)).expect("own directory");
        }
        let wanted = [line(1, "cut ").into_bytes(), rest(20), rest(1020), rest(2020)].concat();
        let why = "compressed data is damaged; shown as it is";
        let said = |program: &str| format!("{program}: warning: unable to read log/{named}: {why}\n");
        let out = mlog(scratch.path()).args(["-o", "raw", "log"]).run(b"");
        assert!(out.stdout == wanted, "{}: {out}", beginning.escape_ascii());
        assert_eq!((out.status().as_str(), out.messages()), ("exit 111", said("mlog")));
        let shown = Cmd::new(program("tai64nlocal")).run(&wanted).stdout;
        let out = Cmd::new(program("tai64nlocal")).arg("log").cwd(scratch.path()).run(b"");
        assert!(out.stdout == shown, "{}: {out}", beginning.escape_ascii());
        assert_eq!((out.status().as_str(), out.messages()), ("exit 111", said("tai64nlocal")));
        // Nobody packs the file that is being written.
        let out = Cmd::new(program("tai64nlocal")).arg("log/current").cwd(scratch.path()).run(b"");
        assert!(out.status() == "exit 0" && out.stderr.is_empty(), "{out}");
        assert_eq!(out.stdout.iter().filter(|byte| **byte == b'\n').count(), 301);
    }
}

/// What is packed is random, and without lines a file says no more of itself than its first bytes.
#[test]
fn what_cannot_be_unpacked_at_all_is_shown_as_it_is() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(9, "current")), (&old(6, "s"), "\x1f")]);
    fs::write(scratch.join("log").join(old(7, "s")), b"\x1f\x8b\x08 no more\n").expect("own directory");
    let out = mlog(scratch.path()).args(["-o", "raw", "log"]).run(b"");
    let shown = [b"\x1f\x1f\x8b\x08 no more\n", line(9, "current").as_bytes()].concat();
    assert!(out.stdout == shown && out.status() == "exit 111", "{out}");
    assert!(out.messages().ends_with("; shown as it is\n"), "{out}");
}

/// It is passed on in pieces: one line as long as nothing comes between them.
#[test]
fn a_line_of_many_mebibytes_does_not_swallow_the_next() {
    const PIECE: usize = 16 << 20;
    let scratch = Scratch::new();
    let long = line(1, &("needle ".to_owned() + &"x".repeat(PIECE + 5000)));
    put(&scratch.join("a"), &[("current", &(long.clone() + &line(2, "needle two") + &line(4, "end")))]);
    put(&scratch.join("b"), &[("current", &line(3, "other"))]);
    let one = || shown(scratch.path(), &["a"]);
    let wanted =
        String::from_utf8(Cmd::new(program("tai64nlocal")).env("TZ", "UTC0").run(long.as_bytes()).stdout);
    let second = "1970-01-01 00:00:02.000000000 needle two\n";
    assert!(one() == wanted.expect("text") + second + "1970-01-01 00:00:04.000000000 end\n");
    // The rest has no needle.
    let raw = shown(scratch.path(), &["-o", "raw", "-g", "needle", "a"]);
    assert!(raw == long[..PIECE].to_owned() + "\n" + &line(2, "needle two"), "{}", &raw[raw.len() - 99..]);
    let local = shown(scratch.path(), &["-g", "needle", "a"]);
    assert!(local.ends_with(&("x\n".to_owned() + second)), "{}", &local[local.len() - 99..]);
    // Without an end, and with another log.
    put(&scratch.join("a"), &[("current", &long[..PIECE])]);
    assert!(shown(scratch.path(), &["-o", "raw", "a"]) == long[..PIECE].to_owned() + "\n");
    assert!(
        shown(scratch.path(), &["-o", "raw", "a", "b"])
            == long[..PIECE].to_owned() + "\n" + &line(3, "other")
    );
}

/// A processor that packs has finished, and its file has not got its name yet.
#[test]
fn what_was_packed_and_has_no_name_yet_is_read_whole() {
    let text: String = (0..500).map(|number| line(number, &format!("line {number}"))).collect();
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[("current", &line(900, "after"))]);
    fs::write(dir.join("processed"), pack("gzip", &text).expect("gzip is part of every system"))
        .expect("own directory");
    fs::set_permissions(dir.join("processed"), fs::Permissions::from_mode(0o744)).expect("own file");
    assert!(shown(scratch.path(), &["-o", "raw", "log"]) == text.clone() + &line(900, "after"));
    let last = shown(scratch.path(), &["-n", "2", "-o", "raw", "log"]);
    assert_eq!(last, line(499, "line 499") + &line(900, "after"));
}

#[test]
fn the_last_lines_are_so_many_with_all_too() {
    let scratch = Scratch::new();
    // The clock was set back: names and moments say nothing.
    let files = [(old(100, "s"), 90), (old(200, "s"), 10), ("current".to_owned(), 20)];
    for (name, second) in &files {
        let text: String = (0..5).map(|number| line(second + number, "x")).collect();
        put(&scratch.join("log"), &[(name, &text)]);
    }
    let last = |arguments: &[&str]| {
        let all = shown(scratch.path(), &[&["-o", "raw", "--all", "log"][..], arguments].concat());
        all.lines()
            .map(|line| i64::from_str_radix(&line[1..17], 16).expect("a stamp") & 0xff)
            .collect::<Vec<_>>()
    };
    let leap = 10;
    assert_eq!(last(&["-n", "3"]), [22, 23, 24].map(|second| second + leap));
    assert_eq!(last(&["-n", "7"]), [13, 14, 20, 21, 22, 23, 24].map(|second| second + leap));
    assert_eq!(last(&["-n", "2", "--since", "1970-01-01 00:01:00"]), [93, 94].map(|second| second + leap));
}

#[test]
fn more_logs_than_files_may_be_open_at_first() {
    let scratch = Scratch::new();
    for number in 0..80 {
        put(&scratch.join(format!("service-{number:02}/log/main")), &[("current", &line(number, "x"))]);
    }
    let script = "ulimit -S -n 40 && exec \"$0\" -o raw .";
    let out = Cmd::new("sh").args(["-c".as_ref(), script.as_ref(), program("mlog").as_os_str()]);
    let out = out.cwd(scratch.path()).run(b"");
    assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{out}");
    assert_eq!(out.stdout.iter().filter(|byte| **byte == b'\n').count(), 80);
}

/// An answer that lacks a log must not look whole; what no log is in is passed over.
#[test]
fn a_log_that_is_closed_to_us_is_named() {
    let scratch = Scratch::new();
    put(&scratch.join("scan/a/log/main"), &[("current", &line(1, "good"))]);
    put(&scratch.join("scan/b/log/main"), &[("current", &line(2, "secret"))]);
    let closed = [scratch.join("scan/b/log/main"), scratch.join("scan/a/supervise")];
    fs::create_dir(&closed[1]).expect("own directory");
    let close = |mode| {
        for dir in &closed {
            fs::set_permissions(dir, fs::Permissions::from_mode(mode)).expect("own directory");
        }
    };
    close(0);
    let run = |path: &str| {
        let cmd = mlog(scratch.path()).args(["-o", "raw", path]);
        if rustix::process::geteuid().is_root() {
            // No more than any owner.
            return cmd.behind(["setpriv", "--bounding-set=-dac_override,-dac_read_search"]).run(b"");
        }
        cmd.run(b"")
    };
    let warning = "mlog: warning: unable to read scan/b/log/main: access denied\n";
    check(&run("scan"), "exit 111", &line(1, "good"), warning);
    check(&run("scan/b"), "exit 111", "", warning);
    check(&run("scan/a"), "exit 0", &line(1, "good"), "");
    close(0o700);
}

#[test]
fn who_names_a_file_is_told_what_reads_it() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(1, "x"))]);
    let out = mlog(scratch.path()).arg("log/current").run(b"");
    let said = "mlog: warning: unable to read log/current: not a directory; tai64nlocal reads files\n";
    check(&out, "exit 111", "", said);
}

#[test]
fn wrong_usage_is_told() {
    let scratch = Scratch::new();
    let usage = |arguments: &[&str], wanted: &str| {
        let out = mlog(scratch.path()).args(arguments).run(b"");
        assert!(out.status() == "exit 100" && out.stdout.is_empty(), "{out}");
        let messages = out.messages();
        assert!(messages.starts_with("mlog: usage: ") && messages.contains(wanted), "{messages}");
        assert_eq!(messages.lines().count(), 1, "{messages}");
    };
    usage(&["-q"], "-q");
    usage(&["--since", "soon"], "--since: soon is no time; accepted are 2026-11-22, ");
    usage(&["-g", "a", "-x", "b", "-x", "("], "unable to understand regular expression (: unclosed group");
    usage(&["-o", "xml"], "one of local utc iso tai64n raw json syslog");
    let help = shown(scratch.path(), &["--help"]);
    assert!(help.starts_with("usage: mlog ") && help.lines().count() <= 24, "{help}");
    assert!(help.lines().all(|line| line.len() <= 80), "{help}");
    assert!(shown(scratch.path(), &["--version"]).starts_with("mlog "));
}

#[test]
fn the_beginning_is_found_without_reading_what_lies_before() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[]);
    for file in 1..=8 {
        let text: String = (0..100_000).map(|n| format!("{} {n:060}\n", label(file, n * 1000))).collect();
        fs::write(dir.join(format!("{}.s", label(file, 999_999_999))), text).expect("own directory");
    }
    put(&dir, &[("current", &line(9, "current"))]);
    let trace = scratch.join("trace");
    for arguments in [&["-n", "2"][..], &["--since", &label(8, 99_999_000)]] {
        let cmd = mlog(scratch.path()).args(["-o", "raw", "log"]).args(arguments).limit(SOON);
        let strace = tests::rig::strace();
        let out = match strace {
            Some(strace) => {
                let trace = trace.to_str().expect("a path of text");
                cmd.behind([strace, "-o", trace, "-e", "trace=pread64"]).run(b"")
            }
            None => cmd.run(b""),
        };
        let wanted = format!("{} {:060}\n", label(8, 99_999_000), 99_999) + &line(9, "current");
        assert_eq!(String::from_utf8_lossy(&out.stdout), wanted);
        if strace.is_some() {
            let text = fs::read_to_string(&trace).expect("strace wrote it");
            let read: u64 =
                text.lines().filter_map(|line| line.rsplit("= ").next()?.trim().parse::<u64>().ok()).sum();
            // Of seventy million.
            assert!(0 < read && read < 4 << 20, "{read} bytes were read");
        }
    }
}
