//! Does each kind of input keep what is only looked at, and give up exactly what is taken? On real descriptors, whose odd states
//! (slots all used, a reader that must not wait, a descriptor that cannot be looked into) no model has.
#![allow(clippy::unwrap_used)]

use logcore::source::{BATCH_BYTES, Look, Source};
use logcore::strerr::Errno;
use rustix::fs::{self, Mode, OFlags};
use rustix::net::{self, SendFlags};
use rustix::pipe::{self, PipeFlags};
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

const NO_TIME: Duration = Duration::ZERO;
/// Longer than any patience.
const LONG: Duration = Duration::from_secs(60);

fn text(source: &mut Source<impl AsFd>) -> String {
    let mut buffer = vec![0; BATCH_BYTES];
    let look = source.look(&mut buffer).unwrap();
    String::from_utf8(buffer[..look.len].to_vec()).unwrap()
}

/// A pipe in which each write is a packet with a slot of its own.
fn packet_pipe() -> (OwnedFd, std::fs::File) {
    let (read, write) = pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT).unwrap();
    (read, write.into())
}

/// What cannot be looked at: datagrams.
fn datagrams() -> (UnixDatagram, UnixDatagram) {
    let (read, write) = UnixDatagram::pair().unwrap();
    read.set_nonblocking(true).unwrap();
    (read, write)
}

#[test]
fn an_input_is_named_by_device_and_inode_where_something_can_be_left_in_it() {
    let named = |fd: &dyn Fn() -> OwnedFd| {
        let fd = fd();
        let stat = fs::fstat(&fd).unwrap();
        let identity = Source::new(fd).unwrap().identity();
        assert!(
            identity.is_none() || identity == Some(format!("{}:{}", stat.st_dev, stat.st_ino)),
            "{identity:?}"
        );
        identity.is_some()
    };
    assert!(named(&|| std::io::pipe().unwrap().0.into()));
    assert!(named(&|| tempfile::tempfile().unwrap().into()));
    assert!(named(&|| UnixStream::pair().unwrap().0.into()));
    assert!(!named(&|| datagrams().0.into()));
}

#[test]
fn dev_null_is_an_input_unless_it_stands_for_a_closed_one() {
    let open = |path: &str, how: OFlags| {
        let fd = fs::open(path, how | OFlags::CLOEXEC, Mode::empty()).unwrap();
        Source::new(fd).map(|source| source.peeks()).map_err(|error| error.to_string())
    };
    let closed = Err("unable to read input: file descriptor not open".to_owned());
    assert_eq!(open("/dev/null", OFlags::RDWR), closed);
    assert_eq!(open("/dev/null", OFlags::WRONLY), closed);
    assert_eq!(open("/dev/null", OFlags::RDONLY), Ok(false));
    assert_eq!(open("/dev/zero", OFlags::RDWR), Ok(false));
}

#[test]
fn a_pipe_is_made_as_large_as_it_may_be() {
    let limit: usize = std::fs::read_to_string("/proc/sys/fs/pipe-max-size").unwrap().trim().parse().unwrap();
    let (read, write) = std::io::pipe().unwrap();
    let _source = Source::new(read).unwrap();
    if limit >= 1024 * 1024 {
        assert_eq!(pipe::fcntl_getpipe_size(&write), Ok(1024 * 1024));
    }
}

#[test]
fn what_is_taken_leaves_the_input_and_nothing_else_does() {
    let check = |name: &str, input: OwnedFd| {
        let mut source = Source::new(input.try_clone().unwrap()).unwrap();
        assert_eq!(text(&mut source), "one\ntwo\nthree", "{name}");
        source.take(8).unwrap();
        // The next logger, on the same open file.
        let mut next = Source::new(input).unwrap();
        assert_eq!(text(&mut next), "three", "{name}");
        next.take(5).unwrap();
        let over = Look { len: 0, ended: true };
        assert_eq!(source.look(&mut [0; 8]), Ok(over), "{name}");
        assert_eq!(source.take(0), Ok(()), "{name}");
    };
    let (read, mut write) = std::io::pipe().unwrap();
    write.write_all(b"one\ntwo\nthree").unwrap();
    drop(write);
    check("pipe", read.into());

    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"taken before\none\ntwo\nthree").unwrap();
    file.seek(SeekFrom::Start(13)).unwrap();
    check("file", file.into());

    let (read, mut write) = UnixStream::pair().unwrap();
    write.write_all(b"one\ntwo\nthree").unwrap();
    drop(write);
    check("socket", read.into());
}

#[test]
fn a_look_is_as_long_as_its_buffer() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"abcdef").unwrap();
    file.rewind().unwrap();
    let (pipe, mut write) = std::io::pipe().unwrap();
    write.write_all(b"abcdef").unwrap();
    for input in [OwnedFd::from(file), pipe.into()] {
        let mut source = Source::new(input).unwrap();
        let mut buffer = [0; 4];
        assert_eq!(source.look(&mut buffer), Ok(Look { len: 4, ended: false }));
        assert_eq!(&buffer, b"abcd");
        source.hold(b"abcd").unwrap();
        assert_eq!(source.look(&mut buffer[..3]), Ok(Look { len: 3, ended: false }));
        assert_eq!(source.look(&mut []), Ok(Look { len: 0, ended: false }));
    }
}

/// Another reader may have been faster.
#[test]
fn what_somebody_else_has_taken_is_no_error() {
    fn check(read: impl AsFd, mut write: impl Write) {
        let mut source = Source::new(read).unwrap();
        write.write_all(b"one\n").unwrap();
        assert_eq!(text(&mut source), "one\n");
        let mut other = [0; 2];
        assert_eq!(rustix::io::read(source.descriptor(), &mut other), Ok(2));
        assert_eq!(source.take(4), Ok(()));
        assert_eq!(source.look(&mut [0; 8]), Err(Errno::AGAIN));
        assert_eq!(source.take(4), Ok(()));
        write.write_all(b"two\n").unwrap();
        assert_eq!(text(&mut source), "two\n");
        drop(write);
        assert_eq!(source.take(5), Ok(()));
        assert_eq!(source.look(&mut [0; 8]), Ok(Look { len: 0, ended: true }));
        assert_eq!(source.take(1), Ok(()));
    }
    let (read, write) = std::io::pipe().unwrap();
    check(read, write);
    let (read, write) = UnixStream::pair().unwrap();
    check(read, write);
}

#[test]
fn what_is_held_comes_first_and_goes_first() {
    let (read, mut write) = std::io::pipe().unwrap();
    let mut source = Source::new(read.try_clone().unwrap()).unwrap();
    write.write_all(b"abc").unwrap();
    assert_eq!(source.held(), b"");
    source.hold(b"abc").unwrap();
    assert_eq!(source.held(), b"abc");
    // It is nowhere else, and nothing new is no reason not to show it.
    assert_eq!(Source::new(read).unwrap().look(&mut [0; 8]), Err(Errno::AGAIN));
    assert_eq!(source.look(&mut [0; 8]), Ok(Look { len: 3, ended: false }));
    write.write_all(b"defgh").unwrap();
    assert_eq!(text(&mut source), "abcdefgh");
    source.hold(b"abcdef").unwrap();
    source.hold(b"abcde").unwrap();
    assert_eq!(source.held(), b"abcdef");
    assert_eq!(text(&mut source), "abcdefgh");
    source.take(2).unwrap();
    assert_eq!(text(&mut source), "cdefgh");
    assert_eq!(source.held(), b"cdef");
    source.take(5).unwrap();
    assert_eq!(text(&mut source), "h");
    assert_eq!(source.held(), b"");
}

#[test]
fn what_cannot_be_looked_at_ends_when_nothing_is_read() {
    let open = |path| Source::new(fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap());
    let mut source = open("/dev/zero").unwrap();
    assert_eq!(source.look(&mut [1; 8]), Ok(Look { len: 8, ended: false }));
    let mut source = open("/dev/null").unwrap();
    assert_eq!(source.look(&mut [1; 8]), Ok(Look { len: 0, ended: true }));
}

#[test]
fn what_cannot_be_looked_at_is_held_when_it_has_been_read() {
    let (read, write) = datagrams();
    let mut source = Source::new(read).unwrap();
    assert!(!source.peeks());
    assert_eq!(source.look(&mut [0; 8]), Err(Errno::AGAIN));
    write.send(b"one\ntw").unwrap();
    assert_eq!(text(&mut source), "one\ntw");
    assert_eq!(source.held(), b"one\ntw");
    source.take(4).unwrap();
    assert_eq!(text(&mut source), "tw");
    write.send(b"o\nthree").unwrap();
    assert_eq!(text(&mut source), "two\nthree");
    assert_eq!(source.held(), b"two\nthree");
    assert!(!source.hides_more(9));
    assert!(!source.is_clogged(9, LONG));
    source.take(9).unwrap();
    assert_eq!(source.held(), b"");
}

#[test]
fn more_packets_than_a_look_finds_are_not_overlooked() {
    let (read, mut write) = packet_pipe();
    let mut source = Source::new(read).unwrap();
    for packet in [b'a'; 5] {
        write.write_all(&[packet]).unwrap();
    }
    // A packet a read: all are found, as long as our own pipe has slots for them.
    assert_eq!(text(&mut source), "aaaaa");
    assert!(!source.hides_more(5));
    assert!(source.hides_more(4));
    for packet in [b'b'; 20] {
        write.write_all(&[packet]).unwrap();
    }
    let found = text(&mut source).len();
    assert!((6..25).contains(&found), "{found} of 25");
    assert!(source.hides_more(found));
    source.hold(&[&b"aaaaa"[..], &vec![b'b'; found - 5]].concat()).unwrap();
    assert!(source.hides_more(found));
    assert_eq!(text(&mut source).len(), 25);
    assert!(!source.hides_more(25));
}

#[test]
fn a_mark_in_a_socket_hides_what_is_behind_it() {
    let (read, mut write) = UnixStream::pair().unwrap();
    let mut source = Source::new(read).unwrap();
    write.write_all(b"before").unwrap();
    // Some kernels have no urgent bytes here.
    if net::send(&write, b"!", SendFlags::OOB).is_err() {
        return;
    }
    write.write_all(b"behind").unwrap();
    let mut all = String::new();
    while all.len() < 13 {
        let found = text(&mut source);
        assert!(!found.is_empty());
        assert_eq!(source.hides_more(found.len()), all.len() + found.len() < 13, "{all} {found}");
        source.take(found.len()).unwrap();
        all += &found;
    }
    assert_eq!(all, "before!behind");
}

#[test]
fn a_file_hides_nothing_and_is_never_clogged() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[b'x'; 4000]).unwrap();
    file.rewind().unwrap();
    let mut source = Source::new(file).unwrap();
    assert!(!source.hides_more(10));
    assert!(!source.is_clogged(4000, LONG));
}

#[test]
fn a_pipe_with_room_is_not_clogged_and_keeps_its_size() {
    let (read, mut write) = std::io::pipe().unwrap();
    let mut source = Source::new(read).unwrap();
    write.write_all(b"partial").unwrap();
    let size = pipe::fcntl_getpipe_size(&write).unwrap();
    assert!(!source.is_clogged(7, NO_TIME));
    assert_eq!(pipe::fcntl_getpipe_size(&write), Ok(size));
    // A line of half the pipe leaves no room to try.
    assert!(!source.is_clogged(size / 2 - 1, NO_TIME));
    assert!(source.is_clogged(size / 2, NO_TIME));
    assert_eq!(pipe::fcntl_getpipe_size(&write), Ok(size));
}

#[test]
fn a_pipe_whose_slots_are_used_is_clogged() {
    let (read, mut write) = packet_pipe();
    let mut source = Source::new(read).unwrap();
    // Sixteen slots.
    pipe::fcntl_setpipe_size(&write, 64 * 1024).unwrap();
    for packet in [b'x'; 16] {
        write.write_all(&[packet]).unwrap();
    }
    assert!(source.is_clogged(16, NO_TIME));
    assert_eq!(pipe::fcntl_getpipe_size(&write), Ok(64 * 1024));
    // With nine of them it cannot be halved either; with eight it can.
    source.take(7).unwrap();
    assert!(source.is_clogged(9, NO_TIME));
    source.take(1).unwrap();
    assert!(!source.is_clogged(8, NO_TIME));
    assert_eq!(pipe::fcntl_getpipe_size(&write), Ok(64 * 1024));
}

#[test]
fn the_smallest_pipe_counts_as_clogged() {
    let (read, write) = std::io::pipe().unwrap();
    let mut source = Source::new(read).unwrap();
    let smallest = pipe::fcntl_setpipe_size(&write, 1).unwrap();
    assert!(source.is_clogged(1, NO_TIME));
    assert_eq!(pipe::fcntl_getpipe_size(&write), Ok(smallest));
}

#[test]
fn a_socket_is_clogged_when_a_piece_has_waited_long() {
    let (read, _write) = UnixStream::pair().unwrap();
    let mut source = Source::new(read).unwrap();
    let second = Duration::from_secs(1);
    assert!(source.is_clogged(1, second));
    assert!(!source.is_clogged(0, second));
    assert!(!source.is_clogged(200, second - Duration::from_millis(1)));
}
