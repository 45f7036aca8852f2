//! As many open files as we may have, for programs that hold some for each service.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises our limit to the hard one; returns what it was, for our children.
pub fn raise() -> Rlimit {
    let limit = getrlimit(Resource::Nofile);
    // What is refused is not needed before there are many services.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    limit
}
