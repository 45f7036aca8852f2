//! Whether a promise was broken: what was written against what is logged.

use super::World;
use crate::cyclog::name;
use crate::disk::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;

/// The regular files of a log directory that hold lines, oldest first: old logs, `previous`, `current`. Of `previous` and a
/// sealed `processed` only the latter, whose lines they are.
pub fn logs<'a>(world: &'a World, directory: &str) -> Vec<(String, &'a [u8])> {
    let Some(directory) = world.files.directories.get(std::path::Path::new(directory)) else {
        return Vec::new();
    };
    let regular = |name: &str| {
        let inode = &world.files.inodes[*directory.live.get(std::ffi::OsStr::new(name))?];
        (inode.kind == Kind::Regular).then_some(inode)
    };
    let old = directory.live.keys().filter(|name| name::parse(name.as_bytes()).is_some());
    let mut names: Vec<_> = old.map(|name| name.to_string_lossy().into_owned()).collect();
    match regular("processed") {
        Some(processed) if processed.safe => names.push("processed".to_owned()),
        _ => names.push("previous".to_owned()),
    }
    names.push("current".to_owned());
    names.into_iter().filter_map(|name| Some((name.clone(), &regular(&name)?.live[..]))).collect()
}

/// All lines of a log directory in order, without their newlines; a last line without end counts.
pub fn lines(world: &World, directory: &str) -> Vec<Vec<u8>> {
    let all: Vec<u8> = logs(world, directory).into_iter().flat_map(|(_, content)| content.to_vec()).collect();
    split_lines(&all)
}

fn split_lines(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<_> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.pop_if(|last| last.is_empty());
    lines
}

/// A line without the stamp that `t` gives it.
pub fn unstamped(line: &[u8]) -> &[u8] {
    match line.split_at_checked(25) {
        Some((label, rest)) if crate::label::Label::parse(label).is_some() => {
            rest.strip_prefix(b" ").unwrap_or(rest)
        }
        _ => line,
    }
}

/// What is asked of a directory.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// So many lines may be there twice.
    pub twice: usize,
    /// Fragments of lines may be there beside them, ended.
    pub fragments: bool,
    /// No file is longer.
    pub size: usize,
    /// Files are in the order in which they were written.
    pub ordered: bool,
}

/// The first broken promise, if any: a line missing, too many twice, invented, out of order, a file too long, an entry left
/// behind.
///
/// `wanted`: the lines that must be there, each unlike all others, in order. `known`: those that may. Stamps are not compared.
pub fn broken(
    world: &World,
    directory: &str,
    wanted: &[&[u8]],
    known: &[&[u8]],
    terms: Terms,
) -> Option<String> {
    broken_lines(&lines(world, directory), wanted, known, terms).or_else(|| {
        logs(world, directory)
            .into_iter()
            .find(|(_, content)| content.len() > terms.size)
            .map(|(name, content)| format!("{name} has {} bytes", content.len()))
    })
}

/// All lines that the reader of standard output got.
pub fn printed(world: &World) -> Vec<Vec<u8>> {
    split_lines(&world.output.got)
}

/// As [`broken`], of what the reader of standard output got.
pub fn broken_output(world: &World, wanted: &[&[u8]], known: &[&[u8]], terms: Terms) -> Option<String> {
    broken_lines(&printed(world), wanted, known, terms)
}

fn broken_lines(found: &[Vec<u8>], wanted: &[&[u8]], known: &[&[u8]], terms: Terms) -> Option<String> {
    let place: BTreeMap<&[u8], usize> = known.iter().enumerate().map(|(at, line)| (*line, at)).collect();
    let mut seen = BTreeSet::new();
    let (mut twice, mut newest) = (0, 0);
    for line in found {
        let line = unstamped(line);
        match place.get(line) {
            Some(at) if !seen.insert(*at) => twice += 1,
            Some(at) if terms.ordered && *at + terms.twice < newest => {
                return Some(format!("out of order: {}", line.escape_ascii()));
            }
            Some(at) => newest = newest.max(*at),
            None if terms.fragments && known.iter().any(|known| contains(known, line)) => (),
            None => return Some(format!("nobody wrote {:?}", line.escape_ascii().to_string())),
        }
    }
    if let Some(missing) = wanted.iter().find(|line| !place.get(*line).is_some_and(|at| seen.contains(at))) {
        return Some(format!("missing: {}", missing.escape_ascii()));
    }
    if twice > terms.twice {
        return Some(format!("{twice} lines are there twice"));
    }
    None
}

/// A piece of a line, or of its stamp.
fn contains(line: &[u8], piece: &[u8]) -> bool {
    piece.is_empty()
        || line.windows(piece.len()).any(|window| window == piece)
        || (piece.len() <= 25 && piece.starts_with(b"@"))
}

/// Every whole line that is on the medium under a name that is: what a power cut must not cost. Names that are being removed
/// because they are too many do not count.
pub fn promised(world: &World, directory: &str) -> BTreeSet<Vec<u8>> {
    let Some(directory) = world.files.directories.get(std::path::Path::new(directory)) else {
        return BTreeSet::new();
    };
    let going =
        |name: &std::ffi::OsStr| name::parse(name.as_bytes()).is_some() && !directory.live.contains_key(name);
    let mut promised = BTreeSet::new();
    for (name, inode) in &directory.durable {
        let inode = &world.files.inodes[*inode];
        let logs = ["current", "previous"].map(std::ffi::OsStr::new).contains(&&**name)
            || name::parse(name.as_bytes()).is_some();
        if logs && !going(name) {
            let whole = &inode.durable[..crate::split::whole_bytes(&inode.durable)];
            let lines = whole.split(|byte| *byte == b'\n').map(|line| unstamped(line).to_vec());
            promised.extend(lines.filter(|line| !line.is_empty() && !line.contains(&0)));
        }
    }
    promised
}
