//! The model as a [`Disk`].

use super::{Call, Extent, Shared, World};
use crate::disk::{Disk, Ended, How, Kind, ProcessorFiles, Result, Stat};
use crate::label::Label;
use crate::strerr::Errno;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The disk of a [`World`](super::World).
#[derive(Clone, Debug)]
pub struct ModelDisk(pub Shared);

/// An open file.
#[derive(Debug)]
pub struct ModelFile {
    inode: usize,
}

/// A running processor: `copy` copies, `fail` fails, `hang` never ends, `deaf` not even when told to, `count` copies and counts
/// its runs in its state, `drop` makes nothing of everything.
#[derive(Debug)]
pub struct ModelChild {
    command: OsString,
    files: ProcessorFiles<ModelFile>,
    looks: u32,
    killed: bool,
}

impl std::fmt::Debug for ProcessorFiles<ModelFile> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "processor of inode {}", self.previous.inode)
    }
}

impl World {
    fn stat(&self, inode: usize) -> Stat {
        let file = &self.files.inodes[inode];
        Stat {
            kind: file.kind,
            safe: file.safe,
            size: file.live.len() as u64,
            links: self.files.links(inode),
            inode: inode as u64,
            modified: file.modified,
            owned: true,
        }
    }
}

impl ModelDisk {
    fn call<T>(&self, kind: Call, act: impl FnOnce(&mut World, Extent) -> Result<T>) -> Result<T> {
        self.0.lock().call(kind, act)
    }
}

impl Disk for ModelDisk {
    type Dir = PathBuf;
    type File = ModelFile;
    type Child = ModelChild;

    fn now(&self) -> Label {
        self.0.lock().now()
    }

    fn uptime(&self) -> Duration {
        self.0.lock().uptime()
    }

    fn sleep(&self, pause: Duration) {
        self.0.lock().pass(pause);
    }

    fn start_thread(&self, work: Box<dyn FnOnce() + Send>) -> Result<()> {
        self.0.start_thread(work)
    }

    fn make_dir(&self, path: &Path) -> Result<()> {
        self.call(Call::MakeDir, |world, _| {
            if world.files.directories.contains_key(path) {
                return Err(Errno::EXIST);
            }
            world.files.directories.insert(path.to_owned(), super::Directory::default());
            Ok(())
        })
    }

    fn open_dir(&self, path: &Path) -> Result<PathBuf> {
        self.call(Call::OpenDir, |world, _| {
            world.files.directories.get(path).map(|_| path.to_owned()).ok_or(Errno::NOENT)
        })
    }

    fn open_status(&self, path: &Path) -> Result<ModelFile> {
        self.call(Call::OpenStatus, |world, _| {
            let new = world.files.inodes.len();
            let inode = *world.files.loose.entry(path.to_owned()).or_insert(new);
            if inode == new {
                world.files.inodes.push(super::Inode::new());
            }
            Ok(ModelFile { inode })
        })
    }

    fn open(&self, dir: &PathBuf, name: &OsStr, how: How) -> Result<ModelFile> {
        self.call(Call::Open, |world, _| {
            let found = world.files.inode(dir, name);
            let inode = match (how, found) {
                (How::New(_), Ok(_)) => return Err(Errno::EXIST),
                (How::New(_) | How::Lock, Err(Errno::NOENT)) => world.files.create(dir, name)?,
                (_, found) => found?,
            };
            match world.files.inodes[inode].kind {
                Kind::Regular => Ok(ModelFile { inode }),
                Kind::Directory if how == How::Read => Ok(ModelFile { inode }),
                Kind::Directory => Err(Errno::ISDIR),
                Kind::Link => Err(Errno::LOOP),
                Kind::Other => Err(Errno::NXIO),
            }
        })
    }

    fn stat(&self, dir: &PathBuf, name: &OsStr) -> Result<Stat> {
        self.call(Call::Stat, |world, _| world.files.inode(dir, name).map(|inode| world.stat(inode)))
    }

    fn stat_file(&self, file: &ModelFile) -> Result<Stat> {
        self.call(Call::StatFile, |world, _| Ok(world.stat(file.inode)))
    }

    fn may_change_names(&self, _: &PathBuf) -> Result<()> {
        Ok(())
    }

    fn may_rename(&self, dir: &PathBuf, name: &OsStr) -> Result<()> {
        let world = self.0.lock();
        let stays = world.files.inode(dir, name).is_ok_and(|inode| world.files.inodes[inode].immutable);
        if stays { Err(Errno::PERM) } else { Ok(()) }
    }

    fn set_mode(&self, file: &ModelFile, mode: u32) -> Result<()> {
        self.call(Call::SetMode, |world, _| {
            world.files.inodes[file.inode].safe = mode & 0o100 != 0;
            Ok(())
        })
    }

    fn lock(&self, file: &ModelFile) -> Result<()> {
        self.call(Call::Lock, |world, _| {
            let session = world.session;
            let locked = &mut world.files.inodes[file.inode].locked;
            if locked.is_some_and(|holder| holder == session) {
                return Err(Errno::AGAIN);
            }
            *locked = Some(session);
            Ok(())
        })
    }

    fn rename_new(&self, dir: &PathBuf, from: &OsStr, to: &OsStr) -> Result<()> {
        self.call(Call::RenameNew, |world, _| world.files.rename(dir, from, to, false))
    }

    fn rename(&self, dir: &PathBuf, from: &OsStr, to: &OsStr) -> Result<()> {
        self.call(Call::Rename, |world, _| world.files.rename(dir, from, to, true))
    }

    fn unlink(&self, dir: &PathBuf, name: &OsStr) -> Result<()> {
        self.call(Call::Unlink, |world, _| world.files.remove(dir, name))
    }

    fn list(&self, dir: &PathBuf, each: &mut dyn FnMut(&OsStr, Kind)) -> Result<()> {
        let entries = self.call(Call::List, |world, _| {
            let directory = world.files.directories.get(dir).ok_or(Errno::NOENT)?;
            let kind = |inode: &usize| world.files.inodes[*inode].kind;
            Ok(directory.live.iter().map(|(name, inode)| (name.clone(), kind(inode))).collect::<Vec<_>>())
        })?;
        // In no order: here the youngest first.
        entries.iter().rev().for_each(|(name, kind)| each(name, *kind));
        Ok(())
    }

    fn append(&self, file: &ModelFile, bytes: &[u8]) -> Result<usize> {
        self.call(Call::Append, |world, extent| {
            let written = world.files.take_room(extent.of(bytes).len())?;
            let now = world.now().unix_seconds();
            let inode = &mut world.files.inodes[file.inode];
            inode.append(&bytes[..written]);
            inode.modified = now;
            Ok(written)
        })
    }

    fn read_at(&self, file: &ModelFile, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.call(Call::ReadAt, |world, _| {
            let live = &world.files.inodes[file.inode].live;
            let rest = live.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
            let read = rest.len().min(buffer.len());
            buffer[..read].copy_from_slice(&rest[..read]);
            Ok(read)
        })
    }

    fn overwrite(&self, file: &ModelFile, bytes: &[u8]) -> Result<()> {
        self.call(Call::Overwrite, |world, extent| {
            world.files.inodes[file.inode].overwrite(extent.of(bytes));
            Ok(())
        })
    }

    fn truncate(&self, file: &ModelFile, size: u64) -> Result<()> {
        self.call(Call::Truncate, |world, _| {
            world.files.inodes[file.inode].truncate(usize::try_from(size).unwrap_or(usize::MAX));
            Ok(())
        })
    }

    fn sync(&self, file: &ModelFile) -> Result<()> {
        self.call(Call::Sync, |world, extent| {
            world.files.inodes[file.inode].sync(extent == Extent::Failing);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &PathBuf) -> Result<()> {
        self.call(Call::SyncDir, |world, _| world.files.sync_directory(dir))
    }

    fn run(
        &self,
        _: &PathBuf,
        _: &Path,
        command: &OsStr,
        files: ProcessorFiles<ModelFile>,
    ) -> Result<ModelChild> {
        self.call(Call::Run, |_, _| Ok(()))?;
        Ok(ModelChild { command: command.to_owned(), files, looks: 0, killed: false })
    }

    fn ended(&self, child: &mut ModelChild) -> Result<Option<Ended>> {
        self.call(Call::Ended, |world, _| {
            if child.killed {
                return Ok(Some(Ended::Badly));
            }
            child.looks += 1;
            let files = &child.files;
            let input = std::sync::Arc::clone(&world.files.inodes[files.previous.inode].live);
            let (first, second) = input.split_at(input.len() / 2);
            let processed = files.processed.inode;
            let command = child.command.to_string_lossy();
            match (&*command, child.looks) {
                ("hang" | "deaf", _) => Ok(None),
                ("drop", _) => Ok(Some(Ended::Well)),
                // Half of it is written, then it takes a while, then the rest.
                (_, 1) => {
                    world.files.inodes[processed].append(first);
                    Ok(None)
                }
                ("fail", _) => Ok(Some(Ended::Badly)),
                (command, _) => {
                    world.files.inodes[processed].append(second);
                    if command == "count" {
                        let mut state = world.files.inodes[files.state.inode].live.to_vec();
                        state.push(b'x');
                        world.files.inodes[files.newstate.inode].append(&state);
                    }
                    Ok(Some(Ended::Well))
                }
            }
        })
    }

    fn kill(&self, child: &mut ModelChild, force: bool) {
        child.killed |= force || child.command != "deaf";
    }
}
