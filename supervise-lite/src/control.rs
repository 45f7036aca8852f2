//! The letters that are written to `supervise/control`, and what each asks for.
//!
//! Source: `doit` in `supervise.c` and the options of `svc.c`, daemontools 0.76. `q`, `1` and `2` are ours; 0.76 ignores them.

use nix::sys::signal::Signal;

/// What one letter asks of supervise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `u`: start it, and again whenever it ends.
    Up,
    /// `d`: TERM, then CONT, and do not start it.
    Down,
    /// `o`: start it, but not again.
    Once,
    /// `x`: leave as soon as it is down.
    Exit,
    /// `p`: STOP.
    Pause,
    /// `c`: CONT.
    Continue,
    /// The others: a signal and nothing else.
    Send(Signal),
}

impl Order {
    /// The order of a letter; `None` for a byte that is none, and is passed over.
    pub fn from_letter(letter: u8) -> Option<Order> {
        Some(match letter {
            b'u' => Order::Up,
            b'd' => Order::Down,
            b'o' => Order::Once,
            b'x' => Order::Exit,
            b'p' => Order::Pause,
            b'c' => Order::Continue,
            b'h' => Order::Send(Signal::SIGHUP),
            b'a' => Order::Send(Signal::SIGALRM),
            b'i' => Order::Send(Signal::SIGINT),
            b't' => Order::Send(Signal::SIGTERM),
            b'k' => Order::Send(Signal::SIGKILL),
            b'q' => Order::Send(Signal::SIGQUIT),
            b'1' => Order::Send(Signal::SIGUSR1),
            b'2' => Order::Send(Signal::SIGUSR2),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// svc has an option for each.
    const LETTERS: &str = "udopchaitkxq12";

    #[test]
    fn the_letters_are_those_with_an_order() {
        for byte in 0..=u8::MAX {
            let is_letter = LETTERS.as_bytes().contains(&byte);
            assert_eq!(Order::from_letter(byte).is_some(), is_letter, "{}", byte.escape_ascii());
        }
    }
}
