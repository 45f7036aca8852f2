//! Waiting for something to become true, never for time to pass.

use std::time::{Duration, Instant};

/// Asks until the answer is true.
///
/// # Panics
///
/// When it is still false after `limit`; the message says `what` was waited for.
pub fn wait_until(limit: Duration, what: &str, mut answer: impl FnMut() -> bool) {
    wait_for(limit, what, || answer().then_some(()));
}

/// Asks until there is an answer, and returns it.
///
/// # Panics
///
/// When there is none after `limit`; the message says `what` was waited for.
pub fn wait_for<T>(limit: Duration, what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(value) = answer() {
            return value;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} for this: {what}");
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
