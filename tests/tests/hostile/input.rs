//! Whatever bytes come and however they come, they are logged as they are.

use std::io::Write;
use std::thread;
use std::time::Duration;

use tests::feeder::Rng;
use tests::rig::{HeldPipe, Rig, SOON};
use tests::{Show, wait_until};

use crate::{assert_same, logged, mixed_lines, noise, status_kb};

#[test]
fn nul_and_all_other_bytes_are_kept_as_they_are() {
    let mut input: Vec<u8> = (0..=255).collect();
    input.extend([0; 3_000]);
    input.extend(b"\n\0\n\r\n\x1b[31m\xff\xfe\xe2\x80\xa8\n\n\n");
    input.extend(noise(1, 300_000));
    input.push(b'\n');
    for script in [&["n99", "./log"][..], &["n999", "s4096", "-no*", "./log"], &["n99", "-*", "+*", "./log"]]
    {
        let (_rig, out, all) = logged(script, &input);
        assert_same(&all, &input);
        assert_eq!(out.messages(), "");
    }
}

#[test]
fn a_last_line_without_newline_gets_one() {
    for (input, right) in
        [("one", "one\n"), ("one\ntwo", "one\ntwo\n"), ("one\n", "one\n"), ("\n", "\n"), ("\n\n", "\n\n")]
    {
        let (rig, out, all) = logged(&["./log"], input.as_bytes());
        assert_same(&all, right.as_bytes());
        assert_eq!(out.messages(), "");
        assert_eq!(rig.log().listing(), ["current 0744", "lock 0600", "state 0644"]);
    }
    let long = vec![b'x'; 70_000];
    assert_same(&logged(&["./log"], &long).2, &[long, b"\n".to_vec()].concat());
}

#[test]
fn no_input_at_all_leaves_an_empty_log() {
    for script in [&["./log"][..], &["t", "s4096", "!cat", "./log"]] {
        let (rig, out, all) = logged(script, b"");
        assert_eq!((all.len(), out.messages().as_str()), (0, ""));
        assert_eq!(rig.log().listing(), ["current 0744", "lock 0600", "state 0644"]);
    }
}

/// Megabytes in the line of the next test; more with `TEST_LINE_MEGABYTES`.
fn line_megabytes() -> usize {
    std::env::var("TEST_LINE_MEGABYTES").map_or(200, |text| text.parse().expect("a number"))
}

#[test]
fn a_line_of_200_megabytes_takes_no_memory_and_no_more_disk_than_allowed() {
    for script in [&["n3", "./log"][..], &["t", "n3", "-*no*", "+xx*", "./log"]] {
        let rig = Rig::in_memory();
        let mut running = rig.logger(script).limit(Duration::from_secs(120)).spawn();
        let megabyte = vec![b'x'; 1 << 20];
        for _ in 0..line_megabytes() {
            running.send(&megabyte);
        }
        let peak = status_kb(&running, "VmHWM:");
        assert!(peak < 8_192, "{peak} kB");
        let out = running.wait();
        assert_eq!(out.status(), "exit 0", "{out}");
        assert_eq!(rig.log().forms(), ["@.s", "@.s", "current", "lock", "state"]);
        for file in rig.log().entries() {
            assert!(file.size <= 99_999, "{} has {} bytes", file.name, file.size);
        }
        let old = rig.log().read(&rig.log().old_logs()[0]);
        assert!(old.len() == 99_999 && old.iter().all(|&byte| byte == b'x'), "{}", Show(&old));
    }
}

#[test]
fn any_chunking_gives_the_same_log() {
    let input = mixed_lines(3, 150_000);
    for script in [&["n99", "./log"][..], &["n99", "s4096", "./log"], &["n99", "-*", "+*B*", "./log"]] {
        let (_rig, _, right) = logged(script, &input);
        for seed in 0..8 {
            let mut rng = Rng::new(seed);
            let mut rest = input.as_slice();
            let mut chunks = Vec::new();
            while !rest.is_empty() {
                let most = [2, 40, 1_100, 9_000, 70_000][rng.range(0, 5) as usize];
                let (chunk, behind) = rest.split_at((rng.range(1, most) as usize).min(rest.len()));
                chunks.push(chunk);
                rest = behind;
            }
            let rig = Rig::in_memory();
            let out = rig.logger(script).run_chunks(chunks);
            assert_eq!(out.status(), "exit 0", "chunks of seed {seed}: {out}");
            assert_same(&rig.log().all(), &right);
        }
    }
}

/// Lines as long as a head, a page, a batch, a pipe or a file, and one byte more or less, newline and stamp counted or not.
#[test]
fn lines_at_every_limit_are_logged_whole() {
    const STAMP: usize = 26;
    let limits = [1_000, 4_096, 8_192, 32_768, 65_536, 99_999];
    let near = limits.into_iter().flat_map(|limit| [limit - STAMP, limit].into_iter());
    let lengths: Vec<usize> = near.flat_map(|limit| limit - 2..=limit + 1).collect();
    let line = |length: &usize| [&vec![b'x'; *length][..], b"\n"].concat();
    let all: Vec<u8> = lengths.iter().flat_map(line).collect();
    for select in [&["n999"][..], &["n999", "-no*"]] {
        for size in ["s4096", "s8192", "s99999"] {
            let script = [select, &[size, "./log"]].concat();
            let (rig, out, log) = logged(&script, &all);
            assert_same(&log, &all);
            assert_eq!(out.messages(), "", "{script:?}");
            let most = size[1..].parse().expect("a number");
            assert!(rig.log().entries().iter().all(|file| file.size <= most), "{:?}", rig.log().entries());
            let (_rig, _, stamped) = logged(&[&["t"], &script[..]].concat(), &all);
            let bare: Vec<u8> = stamped
                .split_inclusive(|&byte| byte == b'\n')
                .flat_map(|line| &line[STAMP..])
                .copied()
                .collect();
            assert_same(&bare, &all);
        }
        // Alone nothing helps it out of the pipe.
        for length in &lengths {
            let (_rig, _, log) = logged(&[select, &["./log"]].concat(), &line(length));
            assert_same(&log, &line(length));
        }
    }
}

/// Also where it is torn, and the next logger asks whether its source is still in the pipe.
#[test]
fn a_line_that_looks_like_a_stamp_is_a_line_like_any_other() {
    let stamp = "@4000000066a754823060f743";
    let input = format!("{stamp} {stamp} two\n{stamp}\n{stamp} \n@\n@40\n{stamp}0\n{stamp} end\n");
    let (_rig, _, all) = logged(&["./log"], input.as_bytes());
    assert_same(&all, input.as_bytes());
    for script in [&["./log"][..], &["t", "./log"]] {
        let mut rig = Rig::new();
        rig.pipe.write(b"\n");
        let running = rig.start(script);
        wait_until(SOON, "the first line is taken", || rig.pipe.waiting() == 0);
        running.kill();
        // As if it had died while it wrote the first of these lines.
        let bare = rig.log().read("current");
        for torn in 1..input.find('\n').expect("a line") {
            let own = if script.len() > 1 { format!("{stamp} ") } else { String::new() };
            let text = [&bare[..], own.as_bytes(), &input.as_bytes()[..torn]].concat();
            std::fs::write(rig.log().join("current"), text).expect("own file");
            let mut next = Rig::new();
            std::mem::swap(&mut next.pipe, &mut rig.pipe);
            next.pipe.write(input.as_bytes());
            let log = next.join("log");
            std::fs::create_dir(&log).expect("own directory");
            for name in ["current", "lock", "state"] {
                std::fs::copy(rig.log().join(name), log.join(name)).expect("own files");
            }
            let logger = next.start(script);
            wait_until(SOON, "all is taken", || next.pipe.waiting() == 0);
            logger.kill();
            let all = next.log().read("current");
            let bare: Vec<u8> = if script.len() > 1 {
                all.split_inclusive(|&byte| byte == b'\n').flat_map(|line| &line[26..]).copied().collect()
            } else {
                all
            };
            assert_same(&bare, format!("\n{input}").as_bytes());
            std::mem::swap(&mut next.pipe, &mut rig.pipe);
        }
    }
}

#[test]
fn a_hundred_thousand_writes_of_one_byte() {
    let input = &mixed_lines(4, 100_000)[..100_000];
    let rig = Rig::new();
    let out = rig.logger(&["./log"]).run_chunks(input.chunks(1));
    assert_eq!(out.status(), "exit 0", "{out}");
    let all = rig.log().all();
    assert_same(&all[..100_000], input);
    assert!(all.len() <= 100_001);
}

/// Runs a logger on the pipe while a thread writes `input` into it in blocks, and holds the log against it.
#[track_caller]
fn flows(mut rig: Rig, script: &[&str], input: Vec<u8>, block: usize) {
    let running = rig.start(script);
    let mut pipe = rig.pipe.writer();
    rig.pipe.close();
    let writer = thread::spawn(move || {
        for part in input.chunks(block) {
            pipe.write_all(part).expect("a reader");
        }
        input
    });
    rig.finish(running);
    let input = writer.join().expect("the writer");
    assert_same(&rig.log().all(), &input);
}

/// A writer that fills the pipe in the middle of one large write sleeps; whoever waits for it to write more sleeps too. It does
/// not wake the reader before when the pipe was not empty: here a partial line is in it, and the logger has seen that.
#[test]
fn a_write_larger_than_the_pipe_behind_a_partial_line_is_not_waited_for() {
    let mut rig = Rig::new();
    let running = rig.start(&["n9999", "./log"]);
    let mut input = Vec::new();
    for seed in 0..5 {
        input.extend(b"part");
        rig.pipe.write(b"part");
        wait_until(SOON, "only the partial line is left", || rig.pipe.waiting() == 4);
        // Nothing tells when the logger has looked at it; it does so within a few milliseconds.
        thread::sleep(Duration::from_millis(30));
        let block = mixed_lines(seed, 2 << 20);
        let mut pipe = rig.pipe.writer();
        let writer = thread::spawn(move || {
            pipe.write_all(&block).expect("a reader");
            block
        });
        wait_until(SOON, "the block is written", || writer.is_finished());
        input.extend(writer.join().expect("the writer"));
    }
    rig.finish(running);
    assert_same(&rig.log().all(), &input);
}

/// The same by chance, as any writer of large blocks does it.
#[test]
fn large_blocks_through_a_smaller_pipe_never_put_both_ends_to_sleep() {
    for block in [128 << 10, 3 << 20] {
        for seed in 0..2 {
            flows(Rig::new(), &["n9999", "./log"], mixed_lines(seed, 8 << 20), block);
        }
    }
}

#[test]
fn a_pipe_of_one_page_is_enough() {
    for block in [10, 3_000, 4_096, 10_000] {
        let rig = Rig::new();
        rustix::pipe::fcntl_setpipe_size(rig.pipe.writer(), 4_096).expect("a small pipe");
        flows(rig, &["n99", "./log"], mixed_lines(5, 200_000), block);
    }
}

#[test]
fn a_packet_pipe_of_single_bytes_is_no_trap() {
    let mut rig = Rig::new();
    rig.pipe = HeldPipe::packets();
    let mut input = b"short\n".repeat(200);
    input.extend([b'x'; 700]);
    input.push(b'\n');
    input.extend(b"end\n");
    flows(rig, &["./log"], input, 1);
}

#[test]
fn a_packet_pipe_with_mixed_lines_loses_nothing() {
    let mut rig = Rig::new();
    rig.pipe = HeldPipe::packets();
    flows(rig, &["n99", "./log"], mixed_lines(6, 500_000), 3_000);
}
