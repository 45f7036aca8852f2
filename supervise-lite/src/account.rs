//! An account: its user and group, and how a process becomes it.
//!
//! Source: `prot.c` and `setuidgid.c` of daemontools 0.76. Accounts are looked up as the system is configured to
//! (nsswitch.conf), not only in /etc/passwd.

use crate::sys;
use logcore::strerr::Errno;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

/// An account of this system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    name: CString,
    /// Its user id.
    pub user: u32,
    /// Its own group.
    pub group: u32,
}

/// Which groups a process has once it is an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// The account's own group alone.
    Own,
    /// Its own, and all that it is a member of.
    All,
}

/// What is denied to a process that wants to be an account: most often it is not the superuser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The call, as messages name it behind "unable to".
    pub call: &'static str,
    /// The reason.
    pub errno: Errno,
}

impl Account {
    /// The account of this name; digits are a name, too. `None` if there is none, or nobody who could be asked answers.
    pub fn named(name: &OsStr) -> Option<Account> {
        let name = CString::new(name.as_bytes()).ok()?;
        let (user, group) = sys::account(&name)?;
        Some(Account { name, user, group })
    }

    /// Makes this process the account's, for good, and checks that it is: supplementary groups, then group, then user. When a
    /// step is denied, those before it have been taken.
    pub fn enter(&self, groups: Groups) -> Result<(), Denied> {
        let denied = |call| move |errno| Denied { call, errno };
        let superuser = rustix::process::geteuid().is_root();
        match groups {
            Groups::Own => sys::set_groups(self.group).map_err(denied("setgid"))?,
            Groups::All => sys::init_groups(&self.name, self.group).map_err(denied("initgroups"))?,
        }
        sys::set_group(self.group).map_err(denied("setgid"))?;
        sys::set_user(self.user).map_err(denied("setuid"))?;
        self.check(superuser).map_err(denied("setuid"))
    }

    /// The original believes the calls; who starts a daemon that strangers talk to had better look.
    ///
    /// For who was the `superuser` there must be no way back. Who had the right to change ids without being that keeps it
    /// (ambient capabilities), as with the original.
    fn check(&self, superuser: bool) -> Result<(), Errno> {
        use rustix::process::{getegid, geteuid, getgid, getuid};
        let are = [getuid().as_raw(), geteuid().as_raw(), getgid().as_raw(), getegid().as_raw()];
        let can_return = superuser && self.user != 0 && sys::set_user(0).is_ok();
        if can_return || are != [self.user, self.user, self.group, self.group] {
            Err(Errno::PERM)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_name_alone() {
        let check = |name: &str, wanted: Option<(u32, u32)>| {
            let found = Account::named(OsStr::new(name)).map(|account| (account.user, account.group));
            assert_eq!(found, wanted, "{name}");
        };
        check("root", Some((0, 0)));
        check("0", None);
        check("", None);
        check("ro\0ot", None);
        check(&"x".repeat(100_000), None);
    }
}
