//! What came of a measurement.

/// A figure, or why there is none.
#[derive(Debug)]
pub enum Outcome<T> {
    Done(T),
    /// Not asked for, or this logger has no such thing.
    Cannot,
    /// The logger did not do the work, so its speed means nothing.
    Wrong(String),
}

impl<T> Outcome<T> {
    /// The figure, if there is one.
    pub fn done(&self) -> Option<&T> {
        match self {
            Outcome::Done(figure) => Some(figure),
            _ => None,
        }
    }

    /// What went wrong, if anything did.
    pub fn wrong(&self) -> Option<&str> {
        match self {
            Outcome::Wrong(why) => Some(why),
            _ => None,
        }
    }
}
