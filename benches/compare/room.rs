//! Is there room for the largest log? A logger on a full disk waits for ever, and so would we.

use crate::fail::{Fail, Unable};
use crate::input::Input;
use crate::options::Options;

/// Fails if the logs of the largest case do not fit where they are to go. Input files are there already.
pub fn check(inputs: &[Input], options: &Options) -> Result<(), Fail> {
    let disk =
        rustix::fs::statvfs(&options.dir).unable_to(|| format!("examine {}", options.dir.display()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    // Two logs at once when memory is measured; 40 bytes are more than any stamp.
    let largest = inputs.iter().map(|input| input.whole.bytes + 40 * input.whole.lines).max().unwrap_or(0);
    let burst = 4 * crate::memory::burst_bytes(options) as u64;
    let needed = largest.max(burst);
    if free < needed {
        let reason =
            format!("{} MB are free, {} MB may be needed", free / 1_000_000, needed.div_ceil(1_000_000));
        return Err(Fail::new(format!("hold the logs in {}", options.dir.display()), reason));
    }
    Ok(())
}
