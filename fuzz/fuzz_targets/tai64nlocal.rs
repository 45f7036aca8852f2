//! Any text in any pieces comes out of tai64nlocal as from a twin that looks at one line at a time and counts days one by one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tai64n_tools::filter::{Block, Filter};
use tai64n_tools::local::{Form, LocalTime};
use tai64n_tools::zone::Zone;

/// The label at the beginning of a line as UTC, if it is one of the years that are shown: 1 to 9999.
fn shown(line: &[u8]) -> Option<String> {
    let digits = std::str::from_utf8(line.get(1..25)?).ok()?;
    let is_label = line[0] == b'@' && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_label || line.get(25).is_some_and(u8::is_ascii_hexdigit) {
        return None;
    }
    let seconds = i128::from(u64::from_str_radix(&digits[..16], 16).ok()?) - (1 << 62) - 10;
    let nanos = u32::from_str_radix(&digits[16..], 16).ok()?;
    let mut days = seconds.div_euclid(86_400);
    let clock = seconds.rem_euclid(86_400);
    if nanos > 999_999_999 || !(-800_000..3_000_000).contains(&days) {
        return None;
    }
    let is_leap = |year: i128| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days < 0 {
        year -= 1;
        days += 365 + i128::from(is_leap(year));
    }
    while days >= 365 + i128::from(is_leap(year)) {
        days -= 365 + i128::from(is_leap(year));
        year += 1;
    }
    let months = [31, 28 + i128::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= months[month] {
        days -= months[month];
        month += 1;
    }
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    (1..=9999).contains(&year).then(|| {
        format!("{year}-{:02}-{:02} {hour:02}:{minute:02}:{second:02}.{nanos:09}", month + 1, days + 1)
    })
}

fuzz_target!(|input: (Vec<Vec<u8>>, bool)| {
    // Half of the inputs are made likelier to have labels.
    let (mut pieces, with_labels) = input;
    if with_labels {
        for piece in &mut pieces {
            piece.iter_mut().for_each(|byte| *byte = b"@0123456789abcdefA\n 4000"[usize::from(*byte) % 24]);
        }
    }
    let text = pieces.concat();
    let mut wanted = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        match shown(line) {
            Some(shown) => wanted.extend([shown.as_bytes(), &line[25..]].concat()),
            None => wanted.extend_from_slice(line),
        }
    }
    let mut filter = Filter::new(LocalTime::new(Zone::UTC, Form::default()), true);
    let mut block = Block::default();
    let (mut found, mut held) = (Vec::new(), Vec::new());
    for (number, piece) in pieces.iter().enumerate() {
        held.extend_from_slice(piece);
        let ended = number + 1 == pieces.len();
        loop {
            let progress = filter.change(&held, ended, &mut block);
            held.drain(..progress.used);
            found.extend_from_slice(block.filled());
            block.clear();
            if !progress.is_full {
                break;
            }
        }
    }
    assert_eq!(found.escape_ascii().to_string(), wanted.escape_ascii().to_string());
});
