//! What svc waits for: when have the letters done what they ask for?
//!
//! Pure. The only source is the status that supervise writes, so the original's supervise can be waited for as well: it
//! writes one after each of u d o p c x, and at each start and end.

use crate::control::Order;
use crate::status::{Status, Want};
use nix::sys::signal::Signal;

/// What must be true before svc is satisfied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goal {
    /// The last of u, d and o.
    want: Option<Want>,
    /// The process that was there has ended.
    ended: bool,
    /// The last of p and c.
    paused: Option<bool>,
    /// supervise has left.
    gone: bool,
}

/// A service as one look finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// No supervise is there.
    Gone,
    /// The state that supervise last told.
    Is(Status),
    /// The same, and its process is a copy of supervise still: it may not come to run `./run`.
    Starting(Status),
    /// It cannot be read.
    Unknown,
}

impl Look {
    fn status(self) -> Option<Status> {
        match self {
            Look::Is(status) | Look::Starting(status) => Some(status),
            Look::Gone | Look::Unknown => None,
        }
    }
}

impl Goal {
    /// What the letters ask for, all of them.
    pub fn of(letters: &[u8]) -> Goal {
        let mut goal = Goal::default();
        for order in letters.iter().filter_map(|&letter| Order::from_letter(letter)) {
            match order {
                Order::Up => goal.want = Some(Want::Up),
                Order::Once => goal.want = Some(Want::Once),
                Order::Down => (goal.want, goal.ended) = (Some(Want::Down), true),
                Order::Exit => goal.gone = true,
                Order::Pause => goal.paused = Some(true),
                Order::Continue => goal.paused = Some(false),
                Order::Send(Signal::SIGTERM | Signal::SIGKILL) => goal.ended = true,
                Order::Send(_) => (),
            }
        }
        goal
    }

    /// Whether nothing but the end of supervise will do.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Whether it is reached. `before`: a look before the letters were sent; `last`: the look before this one, if there was
    /// one. A process counts as up when two looks find it to be `./run`.
    pub fn is_reached(&self, before: Look, last: Option<Look>, look: Look) -> bool {
        if self.gone {
            return look == Look::Gone;
        }
        if *self == Goal::default() {
            return true;
        }
        let Some(status) = look.status() else { return false };
        let before = before.status();
        let old = before.map_or(0, |before| before.pid);
        let runs = |look| matches!(look, Look::Is(Status { pid, .. }) if pid != 0 && pid == status.pid);
        let is_up = || runs(look) && last.is_some_and(runs);
        let has_run = || before.is_some_and(|before| before.since != status.since);
        let ended = !self.ended || old == 0 || status.pid != old;
        let wanted = self.want.is_none_or(|want| {
            status.want == want
                && match want {
                    Want::Up => is_up(),
                    Want::Down => status.pid == 0,
                    Want::Once => is_up() || has_run(),
                }
        });
        ended && wanted && self.paused.is_none_or(|paused| status.paused == paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Since;

    fn is(pid: u32, want: Want, paused: bool, seconds: i64) -> Look {
        Look::Is(Status { since: Since::unix(seconds, 0), pid, paused, want })
    }

    #[test]
    fn each_letter_has_its_effect() {
        let up = is(7, Want::Up, false, 1);
        let down = is(0, Want::Down, false, 2);
        let check = |letters: &str, before: Look, last: Look, look: Look, wanted: bool| {
            let goal = Goal::of(letters.as_bytes());
            assert_eq!(goal.is_reached(before, Some(last), look), wanted, "{letters} {last:?} {look:?}");
        };
        check("u", up, up, up, true);
        check("u", down, down, down, false);
        check("u", down, is(8, Want::Up, false, 3), is(9, Want::Up, false, 4), false);
        check("u", down, down, is(8, Want::Once, false, 3), false);
        let starting =
            |want| Look::Starting(Status { since: Since::unix(3, 0), pid: 8, paused: false, want });
        check("u", down, starting(Want::Up), starting(Want::Up), false);
        check("u", down, starting(Want::Up), is(8, Want::Up, false, 3), false);
        check("d", down, starting(Want::Down), starting(Want::Down), false);
        check("d", up, up, is(7, Want::Down, false, 1), false);
        check("d", up, up, down, true);
        // Down already, but supervise has not heard us yet.
        check("d", is(0, Want::Up, false, 1), down, is(0, Want::Up, false, 1), false);
        check("o", down, down, is(0, Want::Once, false, 3), true);
        check("o", down, down, is(0, Want::Once, false, 2), false);
        check("du", up, up, up, false);
        check("du", up, is(8, Want::Up, false, 3), is(8, Want::Up, false, 3), true);
        check("t", up, up, up, false);
        check("t", up, up, is(0, Want::Up, false, 3), true);
        check("k", up, up, is(8, Want::Up, false, 3), true);
        check("t", down, down, down, true);
        check("p", up, up, is(7, Want::Up, true, 1), true);
        check("p", up, up, up, false);
        check("pc", up, up, up, true);
        check("h", up, up, up, true);
        check("h", Look::Unknown, Look::Unknown, Look::Unknown, true);
        check("x", up, up, up, false);
        check("dx", up, up, down, false);
        check("dx", up, up, Look::Gone, true);
        check("u", up, up, Look::Gone, false);
        check("u", up, up, Look::Unknown, false);
    }

    #[test]
    fn one_look_is_not_enough_to_be_up() {
        let up = is(7, Want::Up, false, 1);
        assert!(!Goal::of(b"u").is_reached(up, None, up));
    }
}
