//! Any input in any pieces through the whole road, with faults and deaths on the way: each directory has the lines that the
//! naive twin selects, in order.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use logcore::model::life::live_in;
use logcore::model::{Act, Fault, World, judge};
use logcore::naive;
use logcore::pump::End;
use logcore::select::Sign;
use logcore::signals::Request;
use logcore::strerr::Errno;
use std::time::Duration;

#[derive(Arbitrary, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Line(u8),
    /// A byte, so many times sixteen.
    Long(u8, u8),
    End,
}

#[derive(Arbitrary, Debug)]
enum Wrong {
    Nothing,
    Fail { first: u16, count: u8, errno: u8 },
    Short { at: u16, bytes: u8 },
    Kill { at: u16, bytes: u8 },
    Stop(u16),
    Rotate(u16),
}

#[derive(Arbitrary, Debug)]
struct Input {
    writes: Vec<(Vec<Piece>, u8)>,
    /// The service writes while the logger works, each time so many calls after the time before; else while it waits, and
    /// rests behind a write of an odd number.
    meanwhile: bool,
    stamped: bool,
    processor: bool,
    synced: bool,
    /// There is an `o`, whose reader is not ready so many times.
    printed: Option<u8>,
    lives: Vec<Wrong>,
}

const ERRNOS: [Errno; 5] = [Errno::NOSPC, Errno::IO, Errno::INTR, Errno::MFILE, Errno::ROFS];

fn text(pieces: &[Piece]) -> Vec<u8> {
    let mut text = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => text.extend_from_slice(bytes),
            Piece::Line(byte) => text.extend_from_slice(format!("line {byte} of the service\n").as_bytes()),
            Piece::Long(byte, times) => text.extend(std::iter::repeat_n(*byte, usize::from(*times) * 16)),
            Piece::End => text.push(b'\n'),
        }
    }
    text
}

fuzz_target!(|input: Input| {
    let mut script = Vec::new();
    if input.stamped {
        script.push("t");
    }
    script.extend(["n1000", "s4096"]);
    if input.synced {
        script.push("y0");
    }
    if input.processor {
        script.push("!copy");
    }
    script.extend(["./a", "-*x*y*", "./b"]);
    let mut world = World::new();
    if let Some(busy) = input.printed {
        script.push("o");
        world.output.busy = busy.into();
    }
    let mut all = Vec::new();
    let mut call = 0;
    for (pieces, number) in input.writes.iter().take(40) {
        let text = text(pieces);
        all.extend_from_slice(&text);
        if input.meanwhile {
            call += u64::from(*number);
            world.input.meanwhile.push_back((call, text));
            continue;
        }
        world.input.acts.push_back(Act::Write(text));
        if *number % 2 == 1 {
            world.input.acts.push_back(Act::Rest(Duration::from_secs(4)));
        }
    }
    let mut disturbed = false;
    let mut ended = false;
    for wrong in input.lives.iter().take(3) {
        match wrong {
            Wrong::Nothing => (),
            Wrong::Fail { first, count, errno } => {
                let errno = ERRNOS[usize::from(*errno) % ERRNOS.len()];
                world.faults = vec![Fault::Fail { first: (*first).into(), count: (*count).into(), errno }];
                disturbed = true;
            }
            Wrong::Short { at, bytes } => {
                world.faults = vec![Fault::Short((*at).into(), usize::from(*bytes) + 1)];
            }
            Wrong::Kill { at, bytes } => {
                world.faults = vec![Fault::KillWithin((*at).into(), usize::from(*bytes) * 8)];
                disturbed = true;
            }
            Wrong::Stop(at) => {
                world.signals.push_back(((*at).into(), Request::Stop));
                disturbed = true;
            }
            Wrong::Rotate(at) => world.signals.push_back(((*at).into(), Request::Rotate)),
        }
        let (after, life) = live_in(world, &script, "boot");
        world = after;
        assert_eq!(world.stuck, None, "{:?}", life.said);
        let input = &world.input;
        ended = input.pipe.is_empty()
            && input.acts.is_empty()
            && input.meanwhile.is_empty()
            && life.end == Ok(End::Clean);
        world.next_session();
        if ended {
            break;
        }
    }
    if !ended {
        let (after, life) = live_in(world, &script, "boot");
        world = after;
        assert_eq!(world.stuck, None, "{:?}", life.said);
        assert_eq!(life.end, Ok(End::Clean), "{:?}", life.said);
    }
    let lines = naive::lines(&all).into_iter().map(|line| line.strip_suffix(b"\n").unwrap_or(line));
    let minus = &[(Sign::Minus, &b"*x*y*"[..])][..];
    for (directory, rules) in [("./a", &[][..]), ("./b", minus), ("o", minus)] {
        if directory == "o" && input.printed.is_none() {
            continue;
        }
        let stamp = "@400000006a66a75482306000 ";
        let selected = |line: &&[u8]| {
            let stamped = [if input.stamped { stamp.as_bytes() } else { b"" }, line].concat();
            naive::select(rules, &[rules.len()], &stamped) == [true]
        };
        let wanted: Vec<&[u8]> = lines.clone().filter(selected).collect();
        let found = if directory == "o" { judge::printed(&world) } else { judge::lines(&world, directory) };
        let found: Vec<&[u8]> =
            found.iter().map(|line| if input.stamped { judge::unstamped(line) } else { line }).collect();
        if disturbed {
            // Some may be there twice, or in part beside the whole. Lines that were passed on in pieces may have come apart.
            let mut rest = found.iter();
            for line in wanted.iter().filter(|line| line.len() < 900) {
                assert!(
                    rest.any(|found| found == line),
                    "{directory}: {:?}",
                    line.escape_ascii().to_string()
                );
            }
        } else {
            let first = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
            assert!(
                found == wanted,
                "{directory}: {} of {} lines, first other: {first:?}",
                found.len(),
                wanted.len()
            );
        }
    }
});
