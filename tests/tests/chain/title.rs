//! readproctitle: what `ps` shows is the tail of the input, as the original's.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use tests::feeder::seed;
use tests::rig::{HeldPipe, SOON};
use tests::{Cmd, Running, Show, original, program, wait_until};

/// What a process shows as its command line, its own name left out.
fn shown(running: &Running) -> Vec<u8> {
    let path = format!("/proc/{}/cmdline", running.pid().as_raw_nonzero());
    let words = std::fs::read(path).expect("a process not waited for yet");
    let name = words.iter().position(|&byte| byte == 0).map_or(0, |end| end + 1);
    words[name..].to_vec()
}

/// The command line after each block.
fn after_each(path: &Path, words: &[String], blocks: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut pipe = HeldPipe::new();
    let running = Cmd::new(path).args(words).spawn_on(pipe.stdin());
    let titles = blocks.iter().map(|block| {
        pipe.write(block);
        wait_until(SOON, "the input is read", || pipe.waiting() == 0);
        // It sleeps again: it has shown what it has read.
        running.settle();
        shown(&running)
    });
    let titles = titles.collect();
    pipe.close();
    assert_eq!(running.wait_open().status(), "exit 0");
    titles
}

#[test]
fn the_title_is_the_tail_of_the_input() {
    let title = ["service errors: ".to_owned(), "x".repeat(12)];
    let blocks =
        ["a", "bc\n", "", "\0\0d", "0123456789abcdef", "\u{ff}"].map(|block| block.as_bytes().to_vec());
    // An empty block is no input, but all else has to be shown before and after.
    let titles = after_each(&program("readproctitle"), &title, &blocks);
    let wanted = [
        "...........a",
        "........abc\n",
        "........abc\n",
        ".......abc\nd",
        "...789abcdef",
        "...9abcdef\u{ff}",
    ];
    for (title, wanted) in titles.iter().zip(wanted) {
        let wanted = [b"service errors: \0", wanted.as_bytes(), b"\0"].concat();
        assert_eq!(Show(title).to_string(), Show(&wanted).to_string());
    }
}

#[test]
fn after_any_input_the_title_is_the_originals() {
    let Some(original) = original("readproctitle") else { return };
    let ours = program("readproctitle");
    let byte = prop_oneof![1 => Just(0_u8), 1 => Just(b'\n'), 4 => any::<u8>()];
    let block = prop_oneof![
        8 => proptest::collection::vec(byte.clone(), 1..60),
        1 => proptest::collection::vec(byte, 3_000..20_000),
    ];
    let words = ("[a-z ]{0,20}", 5_usize..410).prop_map(|(first, length)| vec![first, ".".repeat(length)]);
    let config = Config {
        cases: 24,
        rng_seed: RngSeed::Fixed(seed()),
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&(words, proptest::collection::vec(block, 1..6)), |(words, blocks)| {
            let (ours, theirs) = (after_each(&ours, &words, &blocks), after_each(&original, &words, &blocks));
            for (ours, theirs) in ours.iter().zip(&theirs) {
                prop_assert_eq!(Show(ours).to_string(), Show(theirs).to_string());
                prop_assert!(ours == theirs);
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}\nTEST_SEED={}", seed()));
}

#[test]
fn a_flood_passes_and_nothing_is_said() {
    let mut flood = Cmd::new(program("readproctitle")).arg(".".repeat(400)).spawn();
    let block = [b'x'; 60_000];
    for _ in 0..1_000 {
        flood.send(&block);
    }
    flood.send(b"\nthe end");
    let out = {
        wait_until(SOON, "the flood has passed", || shown(&flood).ends_with(b"x\nthe end\0"));
        flood.wait()
    };
    crate::check(&out, "exit 0", "", "");
}

#[test]
fn input_that_cannot_be_read_is_111() {
    let closed = ["sh", "-c", "exec <&-; exec \"$@\"", "sh"];
    let directory = ["sh", "-c", "exec </; exec \"$@\"", "sh"];
    for before in [closed, directory] {
        let out = crate::beside("readproctitle", |path| Cmd::new(path).arg(".....").behind(before).run(b""));
        crate::check(&out, "exit 111", "", "");
    }
}
