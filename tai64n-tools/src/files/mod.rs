//! Files and log directories, converted in parallel and written in order.
//!
//! ```text
//! jobs → workers → pieces of each job, in its own queue → writer, job by job
//!           ↑ emptied blocks ←────────────────────────────────┘
//! ```
//!
//! Memory is bounded: two jobs a worker are under way, and each is at most 8 MiB ahead of the writer. The oldest of them always
//! has a worker, so nothing waits for ever. Where there is one processor, or no thread can be started, the same
//! jobs are done one after the other.

mod jobs;
mod writer;

use crate::filter::{Block, Filter, Sink, Trouble};
use crate::local::LocalTime;
use crossbeam_channel::{Receiver, Sender, bounded};
use jobs::{Job, Jobs};
use logcore::strerr::{Errno, words};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;
use writer::Writer;

/// Blocks that a job may be ahead of the writer: 8 MiB.
const QUEUE_BLOCKS: usize = 64;
/// Emptied blocks that are kept for the next piece.
const SPARE_BLOCKS: usize = 16;

/// What a worker has for the writer.
enum Piece {
    Text {
        block: Block,
        labelled: bool,
    },
    /// What could not be read, and why.
    Trouble(String),
}

/// Writes every file of `paths` to `output` with labels shown as `local` shows them, in order. A directory stands for the files
/// of the log in it; `-` is standard input.
///
/// Compressed files are unpacked. Where a file ends in the middle of a line and the next one begins with a label, a newline
/// goes between. `say` is told what cannot be read; the rest goes on. `workers` threads work at once.
///
/// Returns whether everything could be read.
///
/// # Errors
/// `output` takes no more. Threads may still be at work on what nobody wants: the program is expected to end.
pub fn convert(
    paths: Vec<PathBuf>,
    local: &LocalTime,
    workers: usize,
    output: impl AsFd,
    say: &mut dyn FnMut(String),
) -> Result<bool, Errno> {
    let mut writer = Writer::new(output);
    let mut complete = true;
    let mut trouble = |message: String| {
        complete = false;
        say(message);
    };
    match start(&paths, local, workers) {
        None => {
            for job in Jobs::new(paths) {
                writer.next_job();
                work(job, local, &mut writer, &mut trouble)?;
            }
        }
        Some(Started { queues, spare }) => {
            for queue in queues {
                writer.next_job();
                for piece in queue {
                    match piece {
                        Piece::Text { mut block, labelled } => {
                            writer.put(&mut block, labelled)?;
                            // Enough are spare: this one goes.
                            let _ = spare.try_send(block);
                        }
                        Piece::Trouble(message) => trouble(message),
                    }
                }
            }
        }
    }
    Ok(complete)
}

/// What the writer has of the threads.
struct Started {
    /// The queue of each job, in order.
    queues: Receiver<Receiver<Piece>>,
    /// Takes emptied blocks back: memory from the system is slow to come by.
    spare: Sender<Block>,
}

/// Starts threads; `None` if they would be of no use, or cannot be started.
fn start(paths: &[PathBuf], local: &LocalTime, workers: usize) -> Option<Started> {
    if workers < 2 {
        return None;
    }
    let (give, take) = bounded::<(Job, Sender<Piece>)>(workers);
    let (order, queues) = bounded(workers);
    let (spare, emptied) = bounded(SPARE_BLOCKS);
    let mut started = 0;
    for _ in 0..workers {
        let (take, emptied, local) = (take.clone(), emptied.clone(), local.clone());
        let worker = thread::Builder::new().spawn(move || {
            for (job, queue) in take {
                // Both fail when the writer is gone, and then there is nobody to tell.
                let mut trouble = |message| drop(queue.send(Piece::Trouble(message)));
                let mut sink = Queue { queue: &queue, emptied: &emptied };
                let _ = work(job, &local, &mut sink, &mut trouble);
            }
        });
        started += usize::from(worker.is_ok());
    }
    drop(take);
    if started == 0 {
        return None;
    }
    let jobs = Jobs::new(paths.to_vec());
    let deal = move || {
        for job in jobs {
            let (sender, receiver) = bounded(QUEUE_BLOCKS);
            if order.send(receiver).is_err() || give.send((job, sender)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().spawn(deal).ok()?;
    Some(Started { queues, spare })
}

/// Does one job. What cannot be read is told to `trouble` and is no error.
fn work<S: Sink>(
    job: Job,
    local: &LocalTime,
    sink: &mut S,
    trouble: &mut dyn FnMut(String),
) -> Result<(), S::Error> {
    let shown = job.shown;
    let mut unable =
        |error: &io::Error| trouble(format!("unable to read {}: {}", shown.display(), reason(error)));
    match job.feed {
        Err(error) => unable(&error),
        Ok(mut feed) => match Filter::new(local.clone(), job.at_start).run(&mut feed, sink) {
            Ok(()) => (),
            Err(Trouble::Read(error)) => unable(&error),
            Err(Trouble::Sink(error)) => return Err(error),
        },
    }
    Ok(())
}

/// The suite's words for why a file could not be read.
pub(crate) fn reason(error: &io::Error) -> String {
    match (Errno::from_io_error(error), error.kind()) {
        (Some(errno), _) => words(errno).into(),
        (None, ErrorKind::UnexpectedEof) => "compressed data ends too early".into(),
        (None, ErrorKind::NotFound) => "no log in this directory".into(),
        (None, ErrorKind::Unsupported) => error.to_string(),
        (None, _) => "compressed data is damaged".into(),
    }
}

/// The writer's queue of a job.
struct Queue<'a> {
    queue: &'a Sender<Piece>,
    emptied: &'a Receiver<Block>,
}

impl Sink for Queue<'_> {
    /// The writer is gone.
    type Error = ();

    fn put(&mut self, block: &mut Block, labelled: bool) -> Result<(), ()> {
        let empty = self.emptied.try_recv().unwrap_or_default();
        self.queue.send(Piece::Text { block: std::mem::replace(block, empty), labelled }).map_err(drop)
    }
}
