//! One star pattern, of whatever form: it matches a line just when the naive twin says so.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use logcore::naive;
use logcore::pattern::Pattern;
use logcore::select::{Rule, Selector, Sign};

/// Few different bytes, so that patterns and lines meet.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Piece {
    Star,
    A,
    B,
    Other(u8),
}

#[derive(Arbitrary, Debug)]
struct Input {
    pattern: Vec<Piece>,
    lines: Vec<Vec<Piece>>,
    raw: Vec<u8>,
}

fn bytes(pieces: &[Piece]) -> Vec<u8> {
    let byte = |piece: &Piece| match piece {
        Piece::Star => b'*',
        Piece::A => b'a',
        Piece::B => b'b',
        Piece::Other(byte) => *byte,
    };
    pieces.iter().map(byte).collect()
}

fuzz_target!(|input: Input| {
    let pattern = bytes(&input.pattern);
    let rule = Rule { sign: Sign::Minus, pattern: Pattern::star(&pattern) };
    let mut selector = Selector::new(&[rule], &[1]);
    for line in input.lines.iter().map(|line| bytes(line)).chain([input.raw]) {
        let mut wanted = [true];
        selector.select(&line, &mut wanted);
        assert_eq!(!wanted[0], naive::star_matches(&pattern, &line), "{pattern:?} {line:?}");
    }
});
