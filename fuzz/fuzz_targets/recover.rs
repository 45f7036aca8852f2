//! A directory in any state at all: the next logger starts or says why not, keeps every whole line that was there, touches
//! nothing that is not its own, and logs what comes.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use logcore::disk::Kind;
use logcore::model::judge;
use logcore::model::life::live_in;
use logcore::model::{Act, Fault, Inode, World};
use logcore::pump::End;
use std::collections::BTreeSet;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Name {
    Current,
    Previous,
    Processed,
    State,
    Newstate,
    Old { number: u8, safe: bool },
    Future(u8),
    Foreign(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum What {
    Lines {
        count: u8,
        torn: bool,
        nuls: u8,
    },
    Directory,
    Link,
    Fifo,
    Immutable,
    /// A second name of the file before.
    Same,
}

#[derive(Arbitrary, Debug)]
struct Input {
    entries: Vec<(Name, What, bool)>,
    lock: Option<(bool, bool)>,
    script: u8,
    same_boot: bool,
    /// The first life ends here.
    killed: Option<u8>,
}

const SCRIPTS: [&[&str]; 4] = [
    &["n1000", "./a"],
    &["t", "n1000", "./a"],
    &["n1000", "!copy", "./a"],
    &["n1000", "s4096", "!count", "./a"],
];

fn text(name: Name) -> String {
    match name {
        Name::Current => "current".into(),
        Name::Previous => "previous".into(),
        Name::Processed => "processed".into(),
        Name::State => "state".into(),
        Name::Newstate => "newstate".into(),
        Name::Old { number, safe } => {
            format!("@400000006a0000{number:02x}00000000.{}", if safe { "s" } else { "u" })
        }
        Name::Future(number) => format!("@40000000ff0000{number:02x}00000000.s"),
        Name::Foreign(number) => {
            ["notes", "@notes", "@400000006a000000", "previous.gz"][usize::from(number % 4)].into()
        }
    }
}

/// The whole lines of all files that count, and everything that is not ours.
fn survey(world: &World) -> (BTreeSet<Vec<u8>>, Vec<(std::ffi::OsString, usize)>) {
    let whole = |content: &[u8]| -> Vec<Vec<u8>> {
        let end = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        content[..end]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    };
    let lines = judge::logs(world, "./a").into_iter().flat_map(|(_, content)| whole(content)).collect();
    let foreign = world.files.directories.values().flat_map(|directory| directory.live.iter());
    let foreign = foreign.filter(|(name, _)| {
        ["notes", "@notes", "@400000006a000000", "previous.gz"].iter().any(|foreign| **name == **foreign)
    });
    (lines, foreign.map(|(name, inode)| (name.clone(), *inode)).collect())
}

fuzz_target!(|input: Input| {
    let script = SCRIPTS[usize::from(input.script) % SCRIPTS.len()];
    let mut world = World::new();
    world.files.directories.insert("./a".into(), Default::default());
    let mut number = 0;
    for (name, what, safe) in input.entries.iter().take(12) {
        let mut inode = match *what {
            What::Lines { count, torn, nuls } => {
                let mut content = String::new();
                for _ in 0..count % 8 {
                    number += 1;
                    content.push_str(&format!("line {number} that was there\n"));
                }
                if torn {
                    content.push_str("torn");
                }
                content.push_str(&"\0".repeat(usize::from(nuls % 4)));
                Inode::old(content.as_bytes(), *safe)
            }
            // One of the protocol's own that cannot be removed is waited for, as the original does.
            What::Immutable if !matches!(name, Name::Old { .. } | Name::Foreign(_)) => continue,
            What::Immutable => Inode { immutable: true, ..Inode::old(b"immutable\n", *safe) },
            What::Directory => Inode { kind: Kind::Directory, ..Inode::new() },
            What::Link => Inode { kind: Kind::Link, ..Inode::new() },
            What::Fifo => Inode { kind: Kind::Other, ..Inode::new() },
            What::Same => {
                let Some(last) = world.files.inodes.len().checked_sub(1) else { continue };
                let Some(directory) = world.files.directories.values_mut().next() else { continue };
                // The original links `previous` and `processed` to old logs, and nothing else.
                if matches!(name, Name::Old { .. }) {
                    directory.live.entry(text(*name).into()).or_insert(last);
                    directory.durable = directory.live.clone();
                }
                continue;
            }
        };
        inode.writes.clear();
        world.files.place("./a", &text(*name), inode);
    }
    if let Some((line, this_boot)) = input.lock {
        let boot = if this_boot { "boot" } else { "before" };
        let text = format!("{boot}\n0:1\n{}\n", if line { "line" } else { "-" });
        world.files.place("./a", "lock", Inode::old(text.as_bytes(), false));
    }
    world.input.acts.push_back(Act::Write(b"a new line\nand another\n".to_vec()));
    let (before, foreign) = survey(&world);
    let boot = if input.same_boot { "boot" } else { "another boot" };
    if let Some(at) = input.killed {
        world = live_in(world.with(Fault::KillAfter(at.into())), script, boot).0;
        assert_eq!(world.stuck, None);
        world.next_session();
    }
    let (world, life) = live_in(world, script, boot);
    assert_eq!(world.stuck, None, "{:?}", life.said);
    let (after, kept) = survey(&world);
    assert_eq!(kept, foreign, "what is not ours is left alone");
    let missing: Vec<_> = before.difference(&after).map(|line| String::from_utf8_lossy(line)).collect();
    // Stamps are not compared: old lines have none.
    assert!(missing.is_empty(), "{missing:?} {:?} {:?}", life.end, life.said);
    match life.end {
        Ok(end) => {
            // File by file: what was there may end in the middle of a line.
            let logs = judge::logs(&world, "./a");
            let logged: Vec<_> =
                logs.iter().flat_map(|(_, content)| content.split(|byte| *byte == b'\n')).collect();
            let has = |wanted: &[u8]| logged.iter().any(|line| judge::unstamped(line) == wanted);
            assert!(has(b"a new line") && has(b"and another"), "{:?}", life.said);
            assert_eq!(end, End::Clean, "{:?}", life.said);
        }
        Err(error) => assert!(input.killed.is_some() || world.input.taken == 0, "{error}"),
    }
});
