//! The model as an [`Io`]: a pipe with a service at its other end, signals, and waits in which the clock runs.

use super::{Act, Call, Shared};
use crate::cyclog::Bell;
use crate::io::{Io, To, Woken};
use crate::signals::Request;
use crate::source::Look;
use crate::strerr::{Errno, Error};
use std::sync::Arc;
use std::time::Duration;

/// The input and the signals of a [`World`](super::World).
#[derive(Debug)]
pub struct ModelIo {
    world: Shared,
    held: Vec<u8>,
}

impl ModelIo {
    /// As the logger finds them when it starts.
    pub fn new(world: Shared) -> ModelIo {
        ModelIo { world, held: Vec::new() }
    }
}

impl Io for ModelIo {
    fn identity(&self) -> Option<String> {
        Some(format!("0:{}", self.world.lock().input.identity))
    }

    fn peeks(&self) -> bool {
        !self.world.lock().input.opaque
    }

    fn look(&mut self, buffer: &mut [u8]) -> Result<Look, Errno> {
        let held = &mut self.held;
        self.world.lock().call(Call::Look, |world, _| {
            let ended = world.input.pipe.is_empty() && world.input.is_last();
            if world.input.opaque {
                world.input.taken += world.input.pipe.len() as u64;
                held.append(&mut world.input.pipe);
            }
            let most = world.input.look_most.unwrap_or(usize::MAX);
            let pipe = &world.input.pipe[..world.input.pipe.len().min(most)];
            if pipe.is_empty() && held.is_empty() && !ended {
                return Err(Errno::AGAIN);
            }
            let len = (held.len() + pipe.len()).min(buffer.len());
            let (first, second) = buffer[..len].split_at_mut(held.len().min(len));
            first.copy_from_slice(&held[..first.len()]);
            second.copy_from_slice(&pipe[..second.len()]);
            Ok(Look { len, ended })
        })
    }

    fn take(&mut self, len: usize) -> Result<(), Errno> {
        if len == 0 {
            return Ok(());
        }
        let held = self.held.len().min(len);
        self.world.lock().call(Call::Take, |world, _| {
            world.input.pipe.drain(..len - held);
            world.input.taken += (len - held) as u64;
            Ok(())
        })?;
        self.held.drain(..held);
        Ok(())
    }

    fn hides_more(&self, len: usize) -> bool {
        self.held.len() + self.world.lock().input.pipe.len() > len
    }

    fn is_clogged(&mut self, _: usize, _: Duration) -> bool {
        self.world.lock().input.clogged
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let before = std::mem::take(&mut self.held);
        let more = bytes.get(before.len()..).unwrap_or_default();
        let taken = self.take(more.len());
        self.held = [&before[..], more].concat();
        taken
    }

    fn held(&self) -> &[u8] {
        &self.held
    }

    fn wait(&mut self, timeout: Option<Duration>, by_edge: bool) -> Result<Woken, Error> {
        let mut world = self.world.lock();
        let woken = |input, hung_up, signals| Ok(Woken { input, hung_up, signals });
        if world.dead || !world.pending.is_empty() {
            return woken(false, false, true);
        }
        if !world.input.pipe.is_empty() && !by_edge {
            return woken(true, world.input.is_last(), false);
        }
        let patience = timeout.unwrap_or(Duration::MAX);
        match world.input.acts.front_mut() {
            Some(Act::Rest(rest)) if *rest > patience => {
                *rest -= patience;
                world.pass(patience);
                return woken(false, false, false);
            }
            Some(Act::Rest(rest)) => {
                let rest = *rest;
                world.input.acts.pop_front();
                world.pass(rest);
                return woken(false, false, false);
            }
            Some(Act::Write(_)) => {
                if let Some(Act::Write(piece)) = world.input.acts.pop_front() {
                    world.input.pipe.extend_from_slice(&piece);
                }
            }
            None => (),
        }
        woken(true, world.input.is_last(), false)
    }

    fn pause(&mut self, timeout: Option<Duration>, _: Option<To>) {
        let mut world = self.world.lock();
        if world.pending.is_empty() && !world.dead {
            world.pass(timeout.unwrap_or(Duration::from_secs(1)));
        }
    }

    fn bell(&self) -> Bell {
        Arc::new(|| ())
    }

    fn request(&mut self) -> Option<Request> {
        let mut world = self.world.lock();
        if world.dead {
            // Once: the caller asks until there is none.
            return (!std::mem::replace(&mut world.told, true)).then_some(Request::Stop);
        }
        world.pending.pop_front()
    }

    fn alerts_to_terminal(&self) -> bool {
        false
    }

    fn write(&mut self, to: To, bytes: &[u8]) -> Result<usize, Errno> {
        self.world.lock().call(Call::Write, |world, extent| {
            let reader = match to {
                To::Output => &mut world.output,
                To::Alerts => &mut world.alerts,
            };
            reader.take(extent.of(bytes))
        })
    }
}
