//! Who is there to compare with.

use std::env;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::complain;
use crate::fail::{Fail, Unable};
use crate::options::Named;
use crate::peer::{Kind, Peer};

/// Ours, beside this program; the peers on the search path; those of the command line, in place of a peer of that name.
///
/// Without ours the peers are still worth a run, so that is a warning.
pub fn peers(named: &[Named]) -> Result<Vec<Peer>, Fail> {
    let mut peers = Vec::new();
    let ours = beside_us("multilog")?;
    if runs(&ours) {
        peers.push(Peer { name: "ours".into(), program: ours, kind: Kind::Ours });
    } else {
        let hint = "`cargo build --release` builds it, only the peers are compared";
        complain("warning", &Fail::new(format!("run {}", ours.display()), hint));
    }
    let known = [
        ("daemontools", "multilog", Kind::Daemontools),
        ("s6-log", "s6-log", Kind::S6),
        ("svlogd", "svlogd", Kind::Svlogd),
    ];
    for (name, program, kind) in known.into_iter().chain([("cat", "cat", Kind::Cat)]) {
        if let Some(program) = on_path(program) {
            peers.push(Peer { name: name.into(), program, kind });
        }
    }
    for Named { name, words } in named {
        // Options make sure that there is a first word.
        let Some((program, arguments)) = words.split_first() else { continue };
        let program =
            on_path(program).ok_or_else(|| Fail::new(format!("run {program}"), "file does not exist"))?;
        let peer = Peer { name: name.clone(), program, kind: Kind::Named(arguments.to_vec()) };
        match peers.iter_mut().find(|known| known.name == *name) {
            Some(known) => *known = peer,
            None => peers.push(peer),
        }
    }
    Ok(peers)
}

/// The program `name` on the search path; a name with a slash is looked for nowhere else.
pub fn on_path(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| runs(path));
    }
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| runs(path))
}

/// The program `name` of the same build as this one; it may not be there.
pub fn beside_us(name: &str) -> Result<PathBuf, Fail> {
    let own = env::current_exe().unable_to(|| "find this program".into())?;
    Ok(own.with_file_name(name))
}

/// Whether `path` can be executed.
pub fn runs(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}
