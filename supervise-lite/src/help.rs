//! What each program answers when `--help` or `--version` stands alone: else everything is as in the original.

use std::ffi::OsString;

/// Answers and exits 0 (or 111, when standard output takes nothing); returns if nothing of the kind was asked.
pub fn answer(arguments: &[OsString], program: &str, help: &str) {
    let text = match arguments {
        [only] if only == "--help" => help.to_owned(),
        [only] if only == "--version" => format!("{program} {}\n", env!("CARGO_PKG_VERSION")),
        _ => return,
    };
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::retry_on_intr(|| rustix::io::write(rustix::stdio::stdout(), rest)) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(_) => std::process::exit(crate::die::TROUBLE),
        }
    }
    std::process::exit(0)
}
