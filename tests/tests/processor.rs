//! What does a processor (`!command`) get, and what may it do to the log? It may fail, hang or be killed: logging goes on and
//! the raw lines are kept until it has succeeded.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};
use tests::rig::{Rig, SOON, skipped, stop, strace, warnings};
use tests::{LogDir, Output, Running, Signal, wait_for, wait_until};

/// Lines with a name and a number, as one input.
fn lines(name: &str, numbers: std::ops::Range<usize>) -> Vec<u8> {
    numbers.flat_map(|n| format!("{name} {n}\n").into_bytes()).collect()
}

/// Logs `text`, lets the logger rotate, and waits for the `count`-th old log.
#[track_caller]
fn rotate(rig: &mut Rig, running: &Running, text: &[u8], count: usize) {
    rig.pipe.write(text);
    rig.wait_for_current(text);
    running.signal(Signal::ALARM);
    wait_until(SOON, &format!("{count} old logs"), || rig.log().old_logs().len() == count);
}

/// The content of the only old log.
#[track_caller]
fn only_old_log(rig: &Rig) -> String {
    let names = rig.log().old_logs();
    assert_eq!(names.len(), 1, "{names:?}");
    String::from_utf8_lossy(&rig.log().read(&names[0])).into_owned()
}

/// Runs `command` once on one line, with the words in front of the logger, and gives its output and the logger's stderr.
#[track_caller]
fn output_of(command: &str, behind: &[&str]) -> (Rig, String, String) {
    let mut rig = Rig::new();
    let running = rig.logger(&[&format!("!{command}"), "./log"]).behind(behind).spawn_on(rig.pipe.stdin());
    rotate(&mut rig, &running, b"one\n", 1);
    let out = rig.finish(running);
    let text = only_old_log(&rig);
    (rig, text, out.messages())
}

/// One change of state to the worse was warned about once; the change to the better may be told, too.
#[track_caller]
fn one_failure(out: &Output) {
    let said = warnings(&out.stderr);
    assert_eq!(said.iter().filter(|line| line.contains("processor failed in ./log")).count(), 1, "{out}");
    assert!(said.len() <= 2, "{out}");
}

/// A process that a processor has named in a file; it is killed when the test is over.
struct Named(Pid);

impl Named {
    /// Waits until the file holds a process id.
    fn wait(file: &std::path::Path) -> Named {
        wait_for(SOON, "the processor names itself", || {
            let text = fs::read_to_string(file).ok()?;
            Some(Named(Pid::from_raw(text.strip_suffix('\n')?.parse().ok()?)?))
        })
    }

    fn is_alive(&self) -> bool {
        // A zombie that nobody has waited for yet is dead.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.as_raw_nonzero())).unwrap_or_default();
        test_kill_process(self.0).is_ok() && !stat.contains(") Z ")
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if self.is_alive() {
            _ = rustix::process::kill_process(self.0, Signal::KILL);
        }
    }
}

/// A parent that ignores SIGCHLD makes the system forget how children end.
#[test]
fn one_that_succeeds_is_believed_though_sigchld_was_ignored() {
    let ignoring = ["env", "--ignore-signal=CHLD"];
    if !std::process::Command::new(ignoring[0])
        .args([ignoring[1], "true"])
        .status()
        .is_ok_and(|it| it.success())
    {
        return skipped("env has no --ignore-signal");
    }
    let (_rig, text, said) = output_of("tr a-z A-Z", &ignoring);
    assert_eq!((&*text, &*said), ("ONE\n", ""));
}

#[test]
fn it_has_descriptors_0_1_2_4_and_5_and_no_other() {
    let stray = ["sh", "-c", r#"exec 3</dev/null 7</dev/null 8>/dev/null 9</dev/null; exec "$0" "$@""#];
    let (_, text, _) = output_of("ls /proc/$$/fd; true", &stray);
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "4", "5"]);
}

#[test]
fn its_descriptors_are_previous_processed_stderr_state_and_newstate() {
    let (rig, text, said) =
        output_of("for fd in 0 1 4 5; do readlink /proc/$$/fd/$fd; done; echo hello >&2; cat", &[]);
    let dir = rig.log().path().canonicalize().expect("the log directory");
    let right: Vec<String> = ["previous", "processed", "state", "newstate"]
        .map(|name| dir.join(name).display().to_string())
        .into_iter()
        .chain(["one".to_string()])
        .collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), right);
    assert_eq!(said, "hello\n");
}

#[test]
fn it_runs_in_the_directory_with_the_environment_and_the_umask_of_the_original() {
    let (rig, text, _) = output_of(
        "pwd -P; umask; echo $MARK; echo $0",
        &["env", "MARK=here", "sh", "-c", r#"umask 077; exec "$0" "$@""#],
    );
    let dir = rig.log().path().canonicalize().expect("the log directory").display().to_string();
    assert_eq!(text.lines().collect::<Vec<_>>(), [dir.as_str(), "0022", "here", "sh"]);
}

#[test]
fn no_signal_is_blocked_or_ignored_in_it() {
    let (_, text, _) = output_of("grep ^Sig /proc/self/status", &[]);
    let mask = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).expect("a line of the status");
        u64::from_str_radix(line.split_whitespace().nth(1).expect("a mask"), 16).expect("hexadecimal digits")
    };
    for (number, name) in
        [(13, "PIPE"), (14, "ALRM"), (15, "TERM"), (25, "XFSZ"), (1, "HUP"), (2, "INT"), (3, "QUIT")]
    {
        for set in ["SigBlk:", "SigIgn:", "SigCgt:"] {
            assert_eq!(mask(set) >> (number - 1) & 1, 0, "{set} has {name}");
        }
    }
}

#[test]
fn state_is_carried_from_rotation_to_rotation_and_over_every_kind_of_restart() {
    let mut rig = Rig::new();
    let script = ["!read n <&4; n=$((${n:-0} + 1)); echo $n >&5; echo run $n; cat", "n99", "./log"];
    let mut running = rig.start(&script);
    for run in 1..=6 {
        rotate(&mut rig, &running, format!("line {run}\n").as_bytes(), run);
        assert_eq!(rig.log().read("state"), format!("{run}\n").into_bytes());
        match run {
            2 => {
                stop(running, Signal::TERM);
                running = rig.start(&script);
            }
            4 => {
                running.kill();
                running = rig.start(&script);
            }
            _ => {}
        }
    }
    rig.finish(running);
    let right: String = (1..=6).map(|run| format!("run {run}\nline {run}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&rig.log().all()), right);
    assert_eq!(rig.log().names()[6..], ["current", "lock", "state"]);
}

#[test]
fn one_that_fails_is_run_again_until_it_succeeds_and_is_warned_about_once() {
    let mut rig = Rig::new();
    let command = "!echo try >>../tries; echo half; test -e ../works && cat";
    let running = rig.start(&[command, "./log"]);
    rig.pipe.write(b"one\n");
    rig.wait_for_current(b"one\n");
    running.signal(Signal::ALARM);
    let tries = || fs::read(rig.join("tries")).map_or(0, |text| text.len() / 4);
    wait_until(SOON, "a first try", || tries() >= 1);
    // Logging goes on meanwhile, and the raw lines are there.
    rig.pipe.write(b"two\n");
    rig.wait_for_current(b"two\n");
    wait_until(SOON, "a second try", || tries() >= 2);
    assert_eq!(rig.log().read("previous"), b"one\n");
    assert_eq!(rig.log().old_logs(), [""; 0]);
    let said = warnings(&running.stderr());
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("processor failed in ./log"), "{said:?}");
    fs::write(rig.join("works"), "").expect("a file");
    wait_until(SOON, "an old log", || rig.log().old_logs().len() == 1);
    let out = rig.finish(running);
    assert_eq!(only_old_log(&rig), "half\none\n");
    assert_eq!(rig.log().read("current"), b"two\n");
    one_failure(&out);
}

#[test]
fn a_failing_one_holds_back_the_writer_only_when_the_next_rotation_needs_its_place() {
    let mut rig = Rig::new();
    let input = lines("a line of some thirty bytes in all", 0..1_000);
    let script = ["s4096", "n99", "!false", "./log"];
    let running = rig.start(&script);
    rig.pipe.write(&input);
    wait_until(SOON, "a full current behind the previous one", || {
        rig.log().read("previous").len() > 2_000 && rig.log().read("current").len() > 2_000
    });
    wait_until(SOON, "a warning", || !warnings(&running.stderr()).is_empty());
    stop(running, Signal::TERM);
    assert!(rig.pipe.waiting() > 20_000, "{} bytes in the pipe", rig.pipe.waiting());
    assert_eq!(rig.log().old_logs(), [""; 0]);
    let next = rig.start(&["s4096", "n99", "!cat", "./log"]);
    rig.finish(next);
    assert!(rig.log().all() == input, "the log is not what went in");
    assert!(rig.log().old_logs().iter().all(|name| name.ends_with(".s")), "{:?}", rig.log().names());
}

/// Somebody reads our pipe while what we saw of it waits for a file to begin.
#[test]
fn what_another_reader_takes_meanwhile_does_not_end_the_logger() {
    let mut rig = Rig::new();
    let input = lines("a line of some thirty bytes in all", 0..1_000);
    rig.pipe.write(&input);
    let running = rig.start(&["s4096", "n99", "!while ! test -e go; do sleep 0.02; done; cat", "./log"]);
    wait_until(SOON, "a full current behind the previous one", || {
        rig.log().read("previous").len() > 2_000 && rig.log().read("current").len() > 2_000
    });
    let others = rig.pipe.rest();
    assert!(others.len() > 20_000, "{} bytes in the pipe", others.len());
    std::fs::write(rig.join("log/go"), b"").expect("a file");
    wait_until(SOON, "a line behind what the other one took", || {
        rig.pipe.write(b"another\n");
        rig.log().read("current").ends_with(b"another\n")
    });
    rig.finish(running);
}

#[test]
fn one_that_fails_at_the_end_of_input_leaves_previous_for_the_next_start() {
    let mut rig = Rig::new();
    let input = lines("a line of some thirty bytes in all", 0..100);
    rig.pipe.write(&input);
    let script = ["s4096", "!false", "./log"];
    let running = rig.start(&script);
    let out = rig.finish(running);
    assert_eq!(warnings(&out.stderr).len(), 1, "{out}");
    assert_eq!(rig.log().old_logs(), [""; 0]);
    assert!(rig.log().all() == input, "the raw lines");
    rig.pipe = tests::rig::HeldPipe::new();
    let next = rig.start(&["s4096", "!sed s/^/done:/", "./log"]);
    wait_until(SOON, "previous is processed", || rig.log().old_logs().len() == 1);
    rig.finish(next);
    assert!(only_old_log(&rig).starts_with("done:a line"));
    assert_eq!(rig.log().names()[1..], ["current", "lock", "state"]);
}

/// All lines are in the log then, and nothing is left to wait for.
#[test]
fn one_that_fails_does_not_hold_back_the_end_of_input_that_just_fills_the_next_file() {
    let mut rig = Rig::new();
    let input: Vec<u8> = (0..80).flat_map(|n| format!("{n:099}\n").into_bytes()).collect();
    rig.pipe.write(&input);
    let running = rig.start(&["s4096", "!false", "./log"]);
    let out = rig.finish(running);
    one_failure(&out);
    assert_eq!(rig.log().old_logs(), [""; 0]);
    assert_eq!((rig.log().read("previous").len(), rig.log().read("current").len()), (4000, 4000));
    assert!(rig.log().all() == input, "the raw lines");
}

#[test]
fn one_that_runs_at_the_end_of_input_is_awaited() {
    let mut rig = Rig::new();
    let running = rig.start(&["!sleep 0.5; cat", "./log"]);
    rig.pipe.write(b"one\n");
    rig.wait_for_current(b"one\n");
    running.signal(Signal::ALARM);
    wait_until(SOON, "previous", || rig.log().join("previous").exists());
    rig.finish(running);
    assert_eq!(only_old_log(&rig), "one\n");
}

/// A hung processor: logging goes on, TERM ends logger and processor within a second, and the file is processed later.
#[track_caller]
fn hangs(command: &str) {
    let mut rig = Rig::new();
    let running = rig.start(&[command, "./log"]);
    rig.pipe.write(b"one\n");
    rig.wait_for_current(b"one\n");
    running.signal(Signal::ALARM);
    let hung = Named::wait(&rig.join("pid"));
    for n in 0..50 {
        let text = lines("line", 0..n + 1);
        rig.pipe.write(format!("line {n}\n").as_bytes());
        rig.wait_for_current(&text);
    }
    stop(running, Signal::TERM);
    wait_until(Duration::from_millis(500), "the processor is gone", || !hung.is_alive());
    assert_eq!(rig.log().read("previous"), b"one\n");
    let next = rig.start(&["!cat", "./log"]);
    wait_until(SOON, "previous is processed", || rig.log().old_logs().len() == 1);
    rig.finish(next);
    assert_eq!(only_old_log(&rig), "one\n");
    assert_eq!(rig.log().read("current"), lines("line", 0..50));
    assert_eq!(rig.log().names()[1..], ["current", "lock", "state"]);
}

#[test]
fn a_hung_one_does_not_stop_logging_nor_term() {
    hangs("!echo $$ >../pid; exec sleep 600");
}

#[test]
fn a_hung_one_that_ignores_term_does_not_stop_logging_nor_term() {
    hangs("!trap '' TERM; echo $$ >../pid; exec sleep 600");
}

#[test]
fn a_hung_one_with_a_child_does_not_stop_logging_nor_term() {
    hangs("!sh -c 'echo $$ >../pid; exec sleep 600'; true");
}

/// The finisher that would end it waits for the disk.
#[test]
fn a_hung_one_does_not_outlive_a_logger_on_a_slow_disk() {
    let Some(strace) = strace() else { return };
    let mut rig = Rig::new();
    let current = rig.join("log/current");
    let options = ["-D", "-f", "-qq", "-o", "/dev/null", "-P", current.to_str().expect("it is text")];
    let slow = ["-e", "trace=fsync", "-e", "inject=fsync:delay_enter=3000000"];
    let words = [&[strace], &options[..], &slow].concat();
    let script = ["y1", "!echo $$ >../pid; exec sleep 600", "./log"];
    let running = rig.logger(&script).behind(words).spawn_on(rig.pipe.stdin());
    rig.pipe.write(b"one\n");
    rig.wait_for_current(b"one\n");
    running.signal(Signal::ALARM);
    let hung = Named::wait(&rig.join("pid"));
    rig.pipe.write(b"two\n");
    rig.wait_for_current(b"two\n");
    // Until the finisher syncs what is a second old.
    std::thread::sleep(Duration::from_millis(1500));
    running.signal(Signal::TERM);
    // strace lets nobody end before its delay is over.
    wait_until(SOON, "the logger ends", || running.has_ended());
    wait_until(Duration::from_millis(500), "the processor is gone", || !hung.is_alive());
    assert_eq!(running.wait_open().status(), "exit 111");
    let next = rig.start(&["!cat", "./log"]);
    rig.finish(next);
    assert_eq!(rig.log().all(), b"one\ntwo\n");
}

#[test]
fn one_that_is_killed_is_run_again_and_its_half_output_thrown_away() {
    let mut rig = Rig::new();
    let command = "!echo half; if test -e ../again; then cat; else touch ../again; kill -9 $$; fi";
    let running = rig.start(&[command, "./log"]);
    rotate(&mut rig, &running, b"one\n", 1);
    let out = rig.finish(running);
    assert_eq!(only_old_log(&rig), "half\none\n");
    one_failure(&out);
}

#[test]
fn an_orphan_of_a_killed_logger_writes_into_nobodys_file() {
    let mut rig = Rig::new();
    let command = "!if test -e ../pid; then cat; else echo $$ >../pid; \
                   until test -e ../go; do sleep 0.02; done; echo ORPHAN; echo ORPHAN >&5; fi";
    let running = rig.start(&[command, "./log"]);
    rig.pipe.write(b"one\n");
    rig.wait_for_current(b"one\n");
    running.signal(Signal::ALARM);
    let orphan = Named::wait(&rig.join("pid"));
    running.kill();
    let next = rig.start(&[command, "./log"]);
    wait_until(SOON, "previous is processed", || rig.log().old_logs().len() == 1);
    fs::write(rig.join("go"), "").expect("a file");
    wait_until(SOON, "the orphan has written", || !orphan.is_alive());
    rig.pipe.write(b"two\n");
    rig.wait_for_current(b"two\n");
    next.signal(Signal::ALARM);
    wait_until(SOON, "a second old log", || rig.log().old_logs().len() == 2);
    rig.finish(next);
    assert_eq!(rig.log().all(), b"one\ntwo\n");
    assert_eq!(rig.log().read("state"), b"");
}

#[test]
fn a_rotation_waits_for_a_slow_one_and_nothing_is_lost() {
    let mut rig = Rig::new();
    let input = lines("a line of some thirty bytes in all", 0..500);
    let script = ["s4096", "n99", "!sleep 0.1; cat", "./log"];
    let running = rig.start(&script);
    let start = Instant::now();
    rig.pipe.write(&input);
    rig.finish(running);
    assert!(rig.log().all() == input, "the log is not what went in");
    let files = rig.log().old_logs().len();
    assert!(files >= 4, "{files} files");
    // Never two at a time: they share state and newstate.
    assert!(start.elapsed() >= Duration::from_millis(100) * files as u32, "{:?}", start.elapsed());
}

#[test]
fn each_directory_has_the_one_before_it() {
    let mut rig = Rig::new();
    let running = rig.start(&["./plain", "!echo first; cat", "./log", "!echo second; cat", "./other"]);
    rig.pipe.write(b"one\n");
    rig.wait_for_current(b"one\n");
    let dirs = ["plain", "log", "other"].map(|name| LogDir::new(rig.join(name)));
    wait_until(SOON, "all have the line", || dirs.iter().all(|dir| dir.read("current") == b"one\n"));
    running.signal(Signal::ALARM);
    for (dir, right) in dirs.iter().zip(["one\n", "first\none\n", "second\none\n"]) {
        wait_until(SOON, "an old log", || dir.old_logs().len() == 1);
        assert_eq!(String::from_utf8_lossy(&dir.read(&dir.old_logs()[0])), right);
    }
    rig.finish(running);
}

#[test]
fn one_that_closes_its_output_or_writes_none_leaves_an_empty_old_log() {
    for command in ["!exec >&-", "!true", "!cat >/dev/null; exec 0<&- 1>&- 2>&- 4>&- 5>&-"] {
        let mut rig = Rig::new();
        let running = rig.start(&[command, "./log"]);
        rotate(&mut rig, &running, b"one\n", 1);
        rig.pipe.write(b"two\n");
        rig.wait_for_current(b"two\n");
        rig.finish(running);
        assert_eq!(only_old_log(&rig), "", "{command}");
        assert_eq!(rig.log().listing(), ["@.s 0744", "current 0744", "lock 0600", "state 0644"]);
    }
}

#[test]
fn wcode_names_finished_files() {
    let mut rig = Rig::new();
    let running = rig.start(&["wgz", "!gzip", "./log"]);
    rotate(&mut rig, &running, b"one\n", 1);
    rig.finish(running);
    assert_eq!(rig.log().listing(), ["@.gz 0744", "current 0744", "lock 0600", "state 0644"]);
    let file = rig.log().join(&rig.log().old_logs()[0]);
    let text =
        std::process::Command::new("gzip").arg("-dc").stdin(fs::File::open(file).expect("it")).output();
    assert_eq!(text.expect("gzip").stdout, b"one\n");
}

#[test]
fn files_with_a_code_are_counted_and_removed_like_others() {
    let mut rig = Rig::new();
    let running = rig.start(&["wx", "n3", "./log"]);
    for n in 0..5 {
        let before = rig.log().old_logs();
        let text = format!("line {n}\n");
        rig.pipe.write(text.as_bytes());
        rig.wait_for_current(text.as_bytes());
        running.signal(Signal::ALARM);
        wait_until(SOON, "a new old log", || {
            let now = rig.log().old_logs();
            now.last() != before.last() && now.len() <= 2
        });
    }
    rig.finish(running);
    assert_eq!(rig.log().forms(), ["@.x", "@.x", "current", "lock", "state"]);
    assert_eq!(rig.log().all(), b"line 3\nline 4\n");
}

#[test]
fn a_code_that_cannot_be_a_suffix_is_warned_about_and_s_stays() {
    for code in ["w", "wa/b"] {
        let mut rig = Rig::new();
        let running = rig.start(&[code, "./log"]);
        rotate(&mut rig, &running, b"one\n", 1);
        let out = rig.finish(running);
        assert_eq!(rig.log().forms()[0], "@.s", "{code}");
        let said = warnings(&out.stderr);
        assert_eq!(said.len(), 1, "{code}: {out}");
        assert!(said[0].contains(code), "{code}: {out}");
    }
}

#[test]
fn a_command_that_does_not_exist_fails_like_any_other() {
    let rig = Rig::new();
    let running = rig.start(&["!/no/such/command", "./log"]);
    rig.pipe.write(b"one\n");
    rig.wait_for_current(b"one\n");
    running.signal(Signal::ALARM);
    wait_until(SOON, "a warning", || !warnings(&running.stderr()).is_empty());
    rig.pipe.write(b"two\n");
    rig.wait_for_current(b"two\n");
    let out = stop(running, Signal::TERM);
    assert_eq!(warnings(&out.stderr).len(), 1, "{out}");
    assert_eq!(rig.log().all(), b"one\ntwo\n");
}
