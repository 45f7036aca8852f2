//! What mlog finds by names and bisection, and from the end, is what reading every line finds: over random log directories.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use logcore::label::Label;
use std::fs;
use std::io::{Read, Seek};
use tai64n_tools::mlog::{Format, Options, Surroundings, read};
use tai64n_tools::zone::Zone;

#[derive(Arbitrary, Debug)]
struct Input {
    /// Stamps are local time, and some of it comes twice.
    local: bool,
    /// Of each line: seconds since the line before, or no stamp; how long its text is; whether a file ends behind it.
    lines: Vec<(Option<u8>, u16, bool)>,
    since: u16,
    until: u16,
    last: Option<u8>,
}

const START: i64 = 1_700_000_000;
/// Summer time ends: from here on it is an hour earlier by the clock.
const SET_BACK: i64 = 1_792_890_000;
const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// `2026-10-25 02:59:59.000`.
fn shown(moment: i64) -> String {
    let clock = moment + if moment < SET_BACK { 7200 } else { 3600 };
    let (day, second) = (25 + (clock - (SET_BACK - 3600)).div_euclid(86400), clock.rem_euclid(86400));
    format!("2026-10-{day:02} {:02}:{:02}:{:02}.000", second / 3600, second / 60 % 60, second % 60)
}

fuzz_target!(|input: Input| {
    let dir = tempfile::tempdir().expect("a directory");
    // A line in the second of two equal hours comes behind one that shows a later time: no step is as long as an hour.
    let (start, step_seconds, range_seconds, end) = match input.local {
        true => (SET_BACK - 9000, 200, 36, SET_BACK + 86_400),
        false => (START, 1, 1, i64::MAX),
    };
    let zone = if input.local { Zone::named(Some(ZONE.as_ref()), None) } else { Zone::UTC };
    let stamp = |moment| match input.local {
        true => shown(moment),
        false => Label::from_unix(moment, 0).format().escape_ascii().to_string(),
    };
    let (mut file, mut moment) = (String::new(), start);
    let mut lines = Vec::new();
    for (number, (step, len, ends)) in input.lines.iter().enumerate() {
        moment = end.min(moment + step_seconds * i64::from(step.unwrap_or(0) % 16));
        let text = format!("{number} {}\n", "x".repeat(usize::from(len % 3000)));
        // The first line has a stamp: otherwise nobody knows when it was.
        let line = match step {
            None if number > 0 => text,
            _ => format!("{} {text}", stamp(moment)),
        };
        file += &line;
        lines.push((moment, line));
        if *ends {
            let name = Label::from_unix(moment, number as u32 + 1).format();
            fs::write(dir.path().join(format!("{}.s", name.escape_ascii())), &file).expect("own directory");
            file.clear();
        }
    }
    fs::write(dir.path().join("current"), &file).expect("own directory");

    let point = |number| start + range_seconds * (i64::from(number) % 600);
    let (since, until) = (point(input.since), point(input.until));
    let mut wanted: Vec<&str> = lines
        .iter()
        .filter(|(moment, _)| (since..=until).contains(moment))
        .map(|(_, line)| line.as_str())
        .collect();
    if let Some(last) = input.last {
        wanted.drain(..wanted.len().saturating_sub(last.into()));
    }
    let options = Options {
        paths: vec![dir.path().to_owned()],
        since: Some(Label::from_unix(since, 0)),
        until: Some(Label::from_unix(until, 0)),
        last: input.last.map(u64::from),
        format: Format::Raw,
        ..Options::default()
    };
    let around =
        Surroundings { zone, host: Vec::new(), terminal: None, no_color: None, shows_progress: false };
    let mut output = tempfile::tempfile().expect("a file");
    let done = read(&options, &around, &output, &mut |message| panic!("{message}"));
    assert!(matches!(done, Ok(true)));
    let mut found = String::new();
    output.rewind().and_then(|()| output.read_to_string(&mut found)).expect("own file");
    assert_eq!(found, wanted.concat());
});
