//! Any cutting of the input gives the lines of the naive twin.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logcore::{naive, split};

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (text, cuts) = input;
    let mut got: Vec<Vec<u8>> = Vec::new();
    let (mut start, mut seen) = (0, 0);
    let mut cuts = cuts.iter().map(|cut| usize::from(*cut) + 1);
    loop {
        seen = (seen + cuts.next().unwrap_or(text.len())).min(text.len());
        let mut lines = split::lines(&text[start..seen]);
        got.extend(lines.by_ref().map(<[u8]>::to_vec));
        start += lines.offset();
        if seen == text.len() {
            break;
        }
    }
    if start < text.len() {
        got.push(text[start..].to_vec());
    }
    assert_eq!(got, naive::lines(&text));
});
