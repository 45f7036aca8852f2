//! What an outage or a hand has left.

use crate::*;

#[test]
fn a_file_that_an_outage_left_is_ended_before_it_gets_its_name() {
    let check = |lock: &str, size: u64, previous: &str, wanted: Option<&str>| {
        let mut rig = Rig::new(|config| config.size = size).with("lock", lock, false);
        rig = rig.with("previous", previous, false);
        let mut log = rig.start();
        rig.work(&mut log);
        let mut old = rig.files();
        old.retain(|file| !file.starts_with("current"));
        // What a killed logger left is all there, and is finished as it is.
        let how = if lock.starts_with("this boot") { "@.s+" } else { "@.u" };
        let wanted: Vec<_> = wanted.map(|text| format!("{how} {text}")).into_iter().collect();
        assert_eq!(old, wanted, "{lock:?} s{size} {:?}", previous.get(..20));
        // On disk as it is seen.
        let world = rig.world.lock();
        assert!(world.files.inodes.iter().all(|inode| inode.live == inode.durable
            || inode.live.starts_with(b"this")
            || *inode.live == *b"\n"));
    };
    let (ours, before) = ("this boot\n0:1\nline\n", "another boot\n0:1\nline\n");
    for lock in [ours, before] {
        check(lock, 5000, "one\n", Some("one|"));
        // The rest of its last line is in the next file.
        check(lock, 6, "one\ntw", Some("one|tw"));
    }
    check(before, 5000, "one\ntw", Some("one|tw|"));
    check(before, 7, "one\ntw", Some("one|tw|"));
    check(ours, 5000, "one\ntw", Some("one|tw"));
    check(ours, 5000, "one\n\0\0", Some("one|\0\0"));
    check(before, 5000, "one\n\0\0", Some("one|"));
    check(before, 5000, "one\ntw\0\0", Some("one|tw|"));
    check(before, 6, "one\ntw\0\0", Some("one|tw"));
    check(before, 5000, "o\0e\n\0", Some("o\0e|"));
    check(before, 5000, "\0\0", None);
    check(ours, 5000, "\0\0", Some("\0\0"));
    for nuls in [4091, 4092, 4093, 4096, 10_000] {
        check(before, 5000, &format!("one\n{}", "\0".repeat(nuls)), Some("one|"));
        check(before, 5000, &"\0".repeat(nuls), None);
    }
}

/// It was killed when the rest of a line was to go into the next file.
#[test]
fn a_line_that_does_not_go_on_in_current_ends_there() {
    let check = |previous: &str, current: &str, wanted: &str| {
        let mut rig =
            Rig::new(|_| ()).with("lock", "this boot\n0:1\n-\n", false).with("previous", previous, false);
        if !current.is_empty() {
            rig = rig.with("current", current, false);
        }
        let mut log = rig.start();
        rig.append(&mut log, "next\n");
        rig.work(&mut log);
        let old = format!("@.s+ {}", previous.replace('\n', "|"));
        assert_eq!(rig.files(), [&*old, wanted], "{previous} {current}");
        log.rotate();
        rig.work(&mut log);
        assert!(rig.read("lock").unwrap().ends_with("|line|"));
    };
    check("one\ntw", "", "current |next|");
    check("one\ntw", "o\n", "current o|next|");
    check("one\n", "", "current next|");
}

/// As when it was filled: what cannot be put on disk is written anew, and a stop leaves it to the next start.
#[test]
fn a_full_file_of_a_killed_logger_is_the_finishers() {
    let left = || {
        let rig = Rig::new(|config| config.processor = Some("copy".into()));
        rig.with("lock", "this boot\n0:1\nline\n", false).with("previous", "one\n", false)
    };
    let mut rig = left();
    let mut log = rig.start();
    rig.append(&mut log, "two\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|", "current two|"]);
    let mut rig = left();
    rig.world.lock().next_session();
    rig.refuse(Call::Sync, Errno::IO);
    let mut log = rig.open().unwrap();
    rig.work(&mut log);
    rig.relent();
    rig.work(&mut log);
    rig.append(&mut log, "two\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.u one|", "current two|"]);
    let mut rig = left();
    let mut log = rig.start();
    assert_eq!(rig.close(&mut log, true), Some(true));
    assert_eq!(rig.files(), ["current ", "previous one|"]);
}

#[test]
fn a_file_that_cannot_be_mended_keeps_its_end() {
    for call in [Call::Truncate, Call::Append, Call::ReadAt, Call::StatFile] {
        let mut rig = Rig::new(|_| ()).with("previous", "one\ntw\0", false).with("state", "", false);
        rig.refuse(call, Errno::IO);
        rig.open().unwrap();
        let wanted = if call == Call::Append { "@.u one|tw" } else { "@.u one|tw\0" };
        assert_eq!(rig.files()[0], wanted, "{call:?}");
    }
}

#[test]
fn a_file_with_a_second_name_is_not_named_again() {
    let check = |first: &str, second: &str, links: bool, kept: bool| {
        let mut rig = Rig::new(|_| ()).with(first, "one\n", true).with(OLDER, "older\n", true);
        {
            let mut world = rig.world.lock();
            if !links {
                world.files.place("./a", second, Inode::old(b"another\n", true));
            }
            let directory = world.files.directories.get_mut(std::path::Path::new("./a")).unwrap();
            let inode = directory.live[OsStr::new(first)];
            let name = if links { second } else { "a-note" };
            directory.live.insert(name.into(), inode);
            directory.durable.insert(name.into(), inode);
        }
        rig.start();
        let named = rig.files().iter().filter(|file| file.starts_with("@.s+ one|")).count();
        assert_eq!(named, usize::from(kept), "{first} {second} {links}");
        assert_eq!(rig.read(first), None);
    };
    for first in ["previous", "processed"] {
        check(first, OLD, true, true);
        check(first, OLD, false, true);
        check(first, "no-old-log", true, true);
    }
    // Not marked as finished, and named all the same: nobody does that, so its name says nothing about `previous`.
    let mut rig = Rig::new(|_| ()).with("processed", "one\n", false).with("previous", "raw\n", true);
    {
        let mut world = rig.world.lock();
        let directory = world.files.directories.get_mut(std::path::Path::new("./a")).unwrap();
        let inode = directory.live[OsStr::new("processed")];
        directory.live.insert(OLD.into(), inode);
        directory.durable.insert(OLD.into(), inode);
    }
    rig.start();
    assert_eq!(rig.files(), ["@.s one|", "@.s+ raw|", "current "]);
}

/// Where no rename can be told to replace nothing, it is a link and an unlink, and a kill may come in between.
#[test]
fn a_current_that_is_previous_already_is_only_that() {
    for (text, safe, wanted) in
        [("one\n", false, "@.s+ one|"), ("one\n", true, "@.s+ one|"), ("", false, "current two|")]
    {
        let mut rig =
            Rig::new(|_| ()).with("current", text, safe).with("lock", &OURS.replace('|', "\n"), false);
        {
            let mut world = rig.world.lock();
            let directory = world.files.directories.get_mut(std::path::Path::new("./a")).unwrap();
            let inode = directory.live[OsStr::new("current")];
            directory.live.insert("previous".into(), inode);
            directory.durable.insert("previous".into(), inode);
        }
        let mut log = rig.start();
        rig.append(&mut log, "two\n");
        rig.work(&mut log);
        let files = rig.files();
        assert_eq!(
            (&*files[0], files.last().map(String::as_str)),
            (wanted, Some("current two|")),
            "{text} {safe}"
        );
    }
}

#[test]
fn a_directory_that_cannot_be_read_is_refused() {
    let mut rig = Rig::new(|_| ()).with("previous", "one\n", true);
    {
        let mut world = rig.world.lock();
        let directory = world.files.directories.get_mut(std::path::Path::new("./a")).unwrap();
        let inode = directory.live[OsStr::new("previous")];
        directory.live.insert("another".into(), inode);
    }
    rig.refuse(Call::List, Errno::IO);
    assert_eq!(rig.open().err().unwrap().to_string(), "unable to read ./a: input/output error");
    assert_eq!(rig.files(), ["another+ one|", "previous+ one|"]);
}
