//! What does the reader of `o` get? Whole selected lines, all of them, however slow it is and whatever is killed.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::thread::{self, JoinHandle};

use tests::feeder::{BATCH, Rng, seed};
use tests::rig::{Rig, SOON, stop};
use tests::{Cmd, Running, Signal, wait_until};

/// A logger on the rig's pipe, whose standard output is this.
fn start(rig: &Rig, script: &[&str], output: &PipeWriter) -> Running {
    let cmd: Cmd = rig.logger(script);
    cmd.output(output.try_clone().expect("a descriptor")).spawn_on(rig.pipe.stdin())
}

/// Reads until nobody writes any more.
fn collect(mut reader: PipeReader) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).expect("a pipe");
        all
    })
}

#[test]
fn o_prints_selected_lines_as_they_are_in_the_log() {
    let long = "x".repeat(100_000);
    let input = format!("one\ntwo\n\n{long} two\nthree\nno end");
    let rig = Rig::new();
    for stamp in [&[][..], &["t"], &["i"]] {
        let script = [stamp, &["-*two", "o", "s1M", "./log", "-*", "./none"]].concat();
        let out = rig.logger(&script).run(input.as_bytes());
        assert_eq!((out.status(), out.messages()), ("exit 0".to_owned(), String::new()));
        let printed = String::from_utf8(out.stdout).expect("text");
        assert_eq!(printed.as_bytes(), rig.log().read("current"), "{stamp:?}");
        // The long line is selected by its first 1000 bytes.
        assert_eq!(printed.lines().count(), 5, "{stamp:?}");
        std::fs::remove_dir_all(rig.join("log")).expect("our own directory");
    }
    // Alone, twice, and behind `+`: a line is printed once.
    let out = rig.logger(&["o", "-*", "+t*", "o"]).run(b"one\ntwo\n");
    assert_eq!((out.status(), &*out.stdout), ("exit 0".to_owned(), &b"one\ntwo\n"[..]));
}

/// A reader that sleeps keeps the input from being taken, not the logger from ending; and then it gets everything.
#[test]
fn a_slow_reader_gets_everything() {
    for script in [&["o"][..], &["o", "s1M", "./log"]] {
        let mut rig = Rig::new();
        let (reader, output) = std::io::pipe().expect("a pipe");
        let lines: Vec<u8> = (0..30_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        rig.pipe.enlarge(1 << 20);
        rig.pipe.write(&lines);
        let running = start(&rig, script, &output);
        // What a pipe holds, in writes of whole lines, each of which takes a page.
        let held = || rustix::io::ioctl_fionread(&reader).expect("the bytes in a pipe");
        wait_until(SOON, "the reader's pipe is full", || held() > 60_000);
        running.settle();
        let waiting = rig.pipe.waiting();
        assert!(waiting >= lines.len() - held() as usize, "{waiting} bytes wait");
        stop(running, Signal::TERM);

        rig.pipe.close();
        let next = start(&rig, script, &output);
        drop(output);
        let printed = collect(reader);
        let out = next.wait_open();
        assert_eq!((out.status(), out.messages()), ("exit 0".to_owned(), String::new()));
        let printed = printed.join().expect("the reader");
        // Where there is a directory, what it does not have stays in the input, and is printed again.
        let again = printed.len() - lines.len();
        assert!(again <= if script.len() == 1 { 0 } else { BATCH as usize }, "{again} bytes twice");
        let same = printed.iter().zip(&lines).take_while(|(one, other)| one == other).count();
        assert!(printed[same..] == lines[same - again..], "{same} of {} bytes", printed.len());
        assert!(script.len() == 1 || rig.log().all() == lines);
    }
}

/// As in `multilog o ./log | reader`, when the reader ends: its supervisor starts both again, and nothing is missing.
#[test]
fn a_logger_whose_reader_has_gone_ends_and_leaves_the_rest_in_its_input() {
    let mut rig = Rig::new();
    let (reader, output) = std::io::pipe().expect("a pipe");
    drop(reader);
    rig.pipe.write(b"one\ntwo\n");
    for _ in 0..3 {
        let out = start(&rig, &["o", "./log"], &output).wait_open();
        assert_eq!(out.status(), "exit 111");
        assert_eq!(out.messages(), "multilog: warning: unable to write output: broken pipe\n");
        assert_eq!((rig.pipe.waiting(), rig.log().all().len()), (8, 0));
    }
    let (reader, output) = std::io::pipe().expect("a pipe");
    let running = start(&rig, &["o", "./log"], &output);
    drop(output);
    rig.finish(running);
    assert_eq!(collect(reader).join().expect("the reader"), b"one\ntwo\n");
    assert_eq!(rig.log().all(), b"one\ntwo\n");
}

#[test]
fn a_full_disk_under_the_output_is_waited_for() {
    let rig = Rig::new();
    rig.pipe.write(b"one\n");
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let running = rig.logger(&["o", "./log"]).output(full).spawn_on(rig.pipe.stdin());
    let said = "multilog: warning: unable to write output, pausing: out of disk space\n";
    wait_until(SOON, "it says so", || !running.stderr().is_empty());
    assert_eq!(String::from_utf8_lossy(&running.stderr()), said);
    stop(running, Signal::TERM);
    assert_eq!((rig.pipe.waiting(), rig.log().all().len()), (4, 0));
}

/// A line of up to 4096 bytes reaches the reader whole or not at all, and each of them reaches it.
#[test]
fn kills_cost_the_reader_no_line_and_no_part_of_one() {
    const LINES: usize = 20_000;
    let seed = seed();
    let mut rng = Rng::new(seed);
    let mut rig = Rig::in_memory();
    let (reader, output) = std::io::pipe().expect("a pipe");
    let printed = collect(reader);
    let mut writer = rig.pipe.writer();
    let mut lengths = rng.clone();
    let feeder = thread::spawn(move || {
        for number in 0..LINES {
            let length = if lengths.one_in(50) { 4_000 } else { lengths.range(0, 200) as usize };
            writeln!(writer, "{number:06} {}.", "x".repeat(length)).expect("the test reads it");
        }
    });
    let script = ["t", "s99999", "n9999", "o", "./log"];
    let mut kills = 0;
    while !feeder.is_finished() || kills < 30 {
        let running = start(&rig, &script, &output);
        thread::sleep(std::time::Duration::from_micros(rng.range(1_000, 12_000)));
        running.kill();
        kills += 1;
    }
    feeder.join().expect("the feeder");
    let last = start(&rig, &script, &output);
    drop(output);
    rig.finish(last);

    let printed = String::from_utf8(printed.join().expect("the reader")).expect("text");
    let mut seen = vec![false; LINES];
    for line in printed.lines() {
        let text = line.get(26..).unwrap_or_default();
        let whole = line.starts_with('@') && text.ends_with('.') && !text.contains('@');
        let number = text.get(..6).filter(|_| whole).and_then(|number| number.parse::<usize>().ok());
        let number = number.unwrap_or_else(|| panic!("TEST_SEED={seed}: no whole line: {line:?}"));
        seen[number] = true;
    }
    let missing = seen.iter().filter(|seen| !**seen).count();
    assert_eq!(missing, 0, "TEST_SEED={seed}: lines missing after {kills} kills");
    println!("{kills} kills, {} lines twice", printed.lines().count() - LINES);
}
