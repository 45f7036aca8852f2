//! A control group gives little memory: the page cache is taken away, or the kernel kills the logger.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tests::feeder::{Corpus, Mix, Rng, Rules, judge};
use tests::rig::{HeldPipe, SOON, skipped};
use tests::{Cmd, LogDir, Scratch, program};

/// Enough for the logger itself.
const LITTLE: u64 = 4 << 20;

/// A control group of our own; it goes when dropped.
struct Group {
    path: PathBuf,
    /// Its file with the limit, in bytes.
    limit: &'static str,
}

impl Group {
    /// In the one that the test runs in; `None`, said, where none can be made.
    fn new(scratch: &Scratch) -> Option<Group> {
        let ours = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut fields = ours.lines().map(|line| line.splitn(3, ':').skip(1).collect::<Vec<_>>());
        let (root, limit, own) = match fields.find(|line| line[0].split(',').any(|name| name == "memory")) {
            Some(line) => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", line[1].to_owned()),
            None => ("/sys/fs/cgroup", "memory.max", ours.trim_start_matches("0::").trim_end().to_owned()),
        };
        let name = scratch.path().file_name().expect("it has a name");
        let path = Path::new(root).join(own.trim_start_matches('/')).join(name);
        let made = fs::create_dir(&path);
        let group = Group { path, limit };
        match made.and_then(|()| group.allow(LITTLE)) {
            Ok(()) => Some(group),
            Err(error) => {
                skipped(&format!("no control group with a limit at {}: {error}", group.path.display()));
                None
            }
        }
    }

    fn allow(&self, bytes: u64) -> std::io::Result<()> {
        fs::write(self.path.join(self.limit), bytes.to_string())
    }

    /// The logger in it.
    fn logger(&self, script: &[&str], place: &Path) -> Cmd {
        let enter = r#"echo $$ >"$0"/cgroup.procs && exec "$@""#;
        let words = ["sh", "-c", enter, self.path.to_str().expect("it is text")];
        Cmd::new(program("multilog")).args(script).behind(words).cwd(place)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A killed process leaves it a moment after it was waited for.
        let end = Instant::now() + Duration::from_secs(1);
        while fs::remove_dir(&self.path).is_err() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn lines(bytes: u64) -> Corpus {
    let (mut corpus, mut rng) = (Corpus::new(), Rng::new(25));
    while corpus.bytes() < bytes {
        corpus.push(Mix::Short.draw(&mut rng));
    }
    corpus
}

#[track_caller]
fn has_every_line(log: &Path, corpus: &Corpus, kills: usize) {
    let rules =
        Rules { size: 1 << 20, stamped: false, classes: b"ABC", kills, splits_over: 32_768, trimmed: false };
    let verdict = judge(log, corpus, &rules);
    assert!(verdict.faults.is_empty(), "{kills} kills: {:#?}", verdict.faults);
}

const SCRIPT: [&str; 3] = ["s1048576", "n999", "./log"];

#[test]
fn a_small_page_cache_holds_nothing_up() {
    let scratch = Scratch::new();
    let Some(group) = Group::new(&scratch) else { return };
    let corpus = lines(12 * LITTLE);
    let out = group.logger(&SCRIPT, scratch.path()).run(&corpus.input());
    assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""));
    has_every_line(&scratch.join("log"), &corpus, 0);
}

/// A log in memory counts as the logger's: it is killed at its limit, and again, until there is more.
#[test]
fn a_logger_that_is_killed_for_want_of_memory_loses_nothing() {
    let scratch = Scratch::in_memory();
    let Some(group) = Group::new(&scratch) else { return };
    let corpus = lines(3 * LITTLE);
    let mut pipe = HeldPipe::new();
    let (mut writer, input) = (pipe.writer(), corpus.input());
    pipe.close();
    let feeder = thread::spawn(move || writer.write_all(&input));
    let mut kills = 0;
    for more in 0.. {
        assert!(more < 20, "it does not end");
        group.allow(LITTLE * (1 + more / 2)).expect("own group");
        let out = group.logger(&SCRIPT, scratch.path()).limit(SOON).spawn_on(pipe.stdin()).wait_open();
        match out.status().as_str() {
            "exit 0" => break,
            // The shell may be killed before it is a logger.
            "signal 9" => kills += 1,
            _ => panic!("{out}"),
        }
    }
    assert!(kills > 0, "it was never killed");
    feeder.join().expect("a writer that only writes").expect("a reader to the end");
    assert!(LogDir::new(scratch.join("log")).old_logs().len() > 5);
    has_every_line(&scratch.join("log"), &corpus, kills);
}
