//! What a power cut can leave of a world.
//!
//! Of each file any length between what is on the medium and what programs saw, the rest missing or read as NULs, with the
//! old or the new mode; of each directory the changes since its last sync up to any one of them, or any selection of them.
//! A [`Profile`] says which: no file system does all of it, ours has to bear all of it.

use super::{Files, Inode, Operation, World, files::Names};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How badly the file system keeps the order of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Names change in order (a journal).
    Ordered,
    /// Names change in any order that makes sense.
    Minimal,
}

/// Selections of changes are enumerated for up to so many.
const SELECTED_MOST: usize = 6;

/// Calls `each` with every world that a power cut can leave of this one, and returns how many there were.
///
/// The same files with another past are counted once. The input is gone, and with it the logger.
pub fn cuts(world: &World, profile: Profile, each: &mut dyn FnMut(World)) -> u64 {
    let mut count = 0;
    let mut base = world.clone();
    base.next_session();
    base.input = super::Input { identity: world.input.identity + 1, ..super::Input::default() };
    let (paths, choices): (Vec<_>, Vec<_>) = (world.files.directories.iter())
        .map(|(path, directory)| (path, names(&directory.durable, &directory.pending, profile)))
        .unzip();
    product(&choices.iter().map(Vec::len).collect::<Vec<_>>(), &mut |chosen| {
        let mut files = base.files.clone();
        let mut reachable = BTreeSet::new();
        for ((path, choices), chosen) in paths.iter().zip(&choices).zip(chosen) {
            let names = choices[*chosen].clone();
            reachable.extend(names.values().copied());
            if let Some(directory) = files.directories.get_mut(*path) {
                (directory.live, directory.durable) = (names.clone(), names);
                directory.pending.clear();
            }
        }
        reachable.extend(files.loose.values().copied());
        let dirty: Vec<_> = reachable.into_iter().filter(|inode| files.inodes[*inode].is_dirty()).collect();
        let remains: Vec<_> = dirty.iter().map(|inode| remains(&files.inodes[*inode])).collect();
        product(&remains.iter().map(Vec::len).collect::<Vec<_>>(), &mut |chosen| {
            let mut files = files.clone();
            for ((inode, remains), chosen) in dirty.iter().zip(&remains).zip(chosen) {
                set(&mut files, *inode, &remains[*chosen]);
            }
            count += 1;
            each(World { files, ..base.clone() });
        });
    });
    count
}

/// Content and mode.
type Remains = (Arc<Vec<u8>>, bool);

fn set(files: &mut Files, inode: usize, (content, safe): &Remains) {
    let inode = &mut files.inodes[inode];
    *inode = Inode {
        live: Arc::clone(content),
        durable: Arc::clone(content),
        safe: *safe,
        durable_safe: *safe,
        writes: Vec::new(),
        hole: 0..0,
        ..inode.clone()
    };
}

/// Every directory that the changes can have led to.
fn names(durable: &Names, pending: &[Operation], profile: Profile) -> Vec<Names> {
    let mut found = Vec::new();
    let mut add = |operations: &mut dyn Iterator<Item = &Operation>| {
        let mut names = durable.clone();
        operations.for_each(|operation| operation.apply(&mut names));
        if !found.contains(&names) {
            found.push(names);
        }
    };
    for count in 0..=pending.len() {
        add(&mut pending[..count].iter());
    }
    if profile == Profile::Minimal {
        let pending = &pending[..pending.len().min(SELECTED_MOST)];
        for selection in 0..1u32 << pending.len() {
            let selected = |(index, _): &(usize, &Operation)| selection >> index & 1 == 1;
            add(&mut pending.iter().enumerate().filter(selected).map(|(_, operation)| operation));
        }
    }
    found
}

/// Everything that can be left of a file.
fn remains(inode: &Inode) -> Vec<Remains> {
    let mut contents = vec![Arc::clone(&inode.durable)];
    let mut add = |content: Vec<u8>| {
        if contents.iter().all(|known| **known != content) {
            contents.push(Arc::new(content));
        }
    };
    let mut live = inode.live.to_vec();
    live[inode.hole.clone()].fill(0);
    let grown = live.len() > inode.durable.len() && live.starts_with(&inode.durable);
    if grown {
        for len in lengths(inode) {
            let mut content = live[..len].to_vec();
            add(content.clone());
            content.resize(live.len(), 0);
            add(content);
        }
    }
    add(live);
    let modes: &[bool] =
        if inode.safe == inode.durable_safe { &[inode.safe] } else { &[inode.durable_safe, inode.safe] };
    contents.iter().flat_map(|content| modes.iter().map(|mode| (Arc::clone(content), *mode))).collect()
}

/// Where the medium may have stopped: at the ends of writes, around them, and at sectors.
fn lengths(inode: &Inode) -> BTreeSet<usize> {
    let (from, to) = (inode.durable.len(), inode.live.len());
    let around = inode.writes.iter().flat_map(|end| [end.saturating_sub(1), *end, end + 1, end + 9]);
    let sectors = (from / 512 + 1..=to / 512).map(|sector| sector * 512);
    around.chain(sectors).filter(|len| (from..=to).contains(len)).collect()
}

/// Calls `each` with every choice of one index below each of `counts`.
fn product(counts: &[usize], each: &mut dyn FnMut(&[usize])) {
    let mut chosen = vec![0; counts.len()];
    loop {
        each(&chosen);
        let Some(place) = (0..counts.len()).rev().find(|place| chosen[*place] + 1 < counts[*place]) else {
            return;
        };
        chosen[place] += 1;
        chosen[place + 1..].fill(0);
    }
}
