//! The life of one logger in a world: from its start to its end, or to its death.

use super::{ModelDisk, ModelIo, Shared, World};
use crate::pump::{End, Pump};
use crate::script::Script;
use crate::strerr::Error;

/// How a life went.
#[derive(Debug)]
pub struct Life {
    /// How it ended: refused to start, came to an end; without meaning when it was killed.
    pub end: Result<End, Error>,
    /// Its warnings.
    pub said: Vec<String>,
}

/// Runs a logger with this script (multilog's arguments) until it ends or is killed. `boot`: see
/// [`Writer`](crate::cyclog::Writer).
pub fn live(world: &Shared, script: &[&str], boot: &str) -> Life {
    let mut said = Vec::new();
    let mut say = |message: String| said.push(message);
    let io = ModelIo::new(world.clone());
    let pump =
        Pump::new(Script::parse(script), io, ModelDisk(world.clone()), Some(boot.to_owned()), &mut say);
    let end = pump.map(|pump| pump.run(&mut say));
    Life { end, said }
}

/// As [`live`], in a world of its own, which is given back.
pub fn live_in(world: World, script: &[&str], boot: &str) -> (World, Life) {
    let shared = Shared::new(world);
    let life = live(&shared, script, boot);
    let world = shared.lock().clone();
    (world, life)
}
