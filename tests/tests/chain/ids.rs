//! setuidgid and envuidgid: whose ids a child has, or is told of.

use std::path::Path;

use crate::{beside, check, clean, superuser, write};
use tests::{Cmd, Scratch, original, program};

/// Shows the ids of the child.
const SHOW: [&str; 4] = ["grep", "-E", "^(Uid|Gid|Groups):", "/proc/self/status"];

#[test]
fn a_child_has_the_ids_of_the_account_and_no_other_group() {
    if !superuser() {
        return;
    }
    for name in ["root", "nobody", "daemon"] {
        let out = beside("setuidgid", |path| clean(path, &[name]).args(SHOW).run(b""));
        let (user, group) = ids(name);
        let four = |id: u32| format!("{id}\t{id}\t{id}\t{id}");
        check(
            &out,
            "exit 0",
            &format!("Uid:\t{}\nGid:\t{}\nGroups:\t{group} \n", four(user), four(group)),
            "",
        );
    }
}

/// User and group of an account, as `id` knows them.
fn ids(name: &str) -> (u32, u32) {
    let id = |what: &str| {
        let out = Cmd::new("id").args([what, name]).run(b"");
        String::from_utf8_lossy(&out.stdout).trim().parse().expect("an account of every system")
    };
    (id("-u"), id("-g"))
}

#[test]
fn an_unknown_account_is_named() {
    for name in ["setuidgid", "envuidgid"] {
        for account in ["nobody-is-called-that", "0", "", "-s", "root:root"] {
            // With the flag alone there is no child.
            let words: &[&str] = if account == "-s" { &["-s", "-s", "true"] } else { &[account, "true"] };
            let run = |path: &Path| clean(path, words).run(b"");
            let out =
                if account == "-s" && name == "setuidgid" { run(&program(name)) } else { beside(name, run) };
            check(&out, "exit 111", "", &format!("{name}: fatal: unknown account {account}\n"));
        }
    }
}

#[test]
fn only_the_superuser_can_become_another() {
    if !superuser() {
        return;
    }
    let Some(drop) = original("setuidgid") else { return };
    let scratch = Scratch::new();
    let run = |path: &Path, words: &[&str]| {
        let cmd = Cmd::new(scratch.install(path)).args(words).cwd(scratch.path());
        cmd.behind([drop.as_os_str(), "nobody".as_ref()]).run(b"")
    };
    for account in ["root", "nobody"] {
        let out = beside("setuidgid", |path| run(path, &[account, "true"]));
        check(&out, "exit 111", "", "setuidgid: fatal: unable to setgid: permission denied\n");
    }
    let out = run(&program("setuidgid"), &["-s", "nobody", "true"]);
    check(&out, "exit 111", "", "setuidgid: fatal: unable to initgroups: permission denied\n");
    // To be told of them needs no right.
    let out = beside("envuidgid", |path| run(path, &["root", "printenv", "UID", "GID"]));
    check(&out, "exit 0", "0\n0\n", "");
}

/// As in a container whose first process is not the superuser.
#[test]
fn the_right_to_change_ids_is_enough() {
    if !superuser() {
        return;
    }
    let scratch = Scratch::new();
    let rights = ["--inh-caps", "+setuid,+setgid", "--ambient-caps", "+setuid,+setgid"];
    let user = ["setpriv", "--reuid", "61000", "--regid", "61000", "--clear-groups"];
    let run = |path: &Path| {
        let cmd = Cmd::new(scratch.install(path)).arg("nobody").args(SHOW).cwd(scratch.path());
        cmd.behind(user.into_iter().chain(rights)).run(b"")
    };
    let out = beside("setuidgid", run);
    let (id, group) = ids("nobody");
    assert!(String::from_utf8_lossy(&out.stdout).starts_with(&format!("Uid:\t{id}\t{id}\t")), "{out}");
    assert!(String::from_utf8_lossy(&out.stdout).contains(&format!("\nGid:\t{group}\t")), "{out}");
}

#[test]
fn ids_are_set_as_by_the_original() {
    let run = |path: &Path, before: &[&str]| {
        let cmd = Cmd::new(path).args(["nobody", "/usr/bin/env"]);
        cmd.behind(["/usr/bin/env", "-i"].iter().chain(before)).run(b"")
    };
    let (user, group) = ids("nobody");
    let check = |before: &[&str], wanted: &str| {
        let out = beside("envuidgid", |path| run(path, before));
        check(
            &out,
            "exit 0",
            &wanted.replace("USER", &user.to_string()).replace("GROUP", &group.to_string()),
            "",
        );
    };
    check(&[], "GID=GROUP\nUID=USER\n");
    check(&["A=1"], "A=1\nGID=GROUP\nUID=USER\n");
    // Each takes the last entry into its old place, be it the other.
    check(&["UID=1", "A=1", "B=2", "GID=2", "C=3"], "GID=GROUP\nA=1\nB=2\nC=3\nUID=USER\n");
}

#[test]
fn with_s_a_child_is_in_all_groups_of_the_account() {
    if !superuser() {
        return;
    }
    // Our own list of groups, in our own name space of mounts.
    let scratch = Scratch::new();
    write(&scratch.join("group"), b"root:x:0:\nfirst:x:4711:nobody\nsecond:x:4712:daemon,nobody\n", 0o644);
    let own = "mount --bind group /etc/group && exec \"$@\"";
    let cmd = |words: &[&str]| {
        let ours = Cmd::new(program("setuidgid")).args(words).args(SHOW).cwd(scratch.path());
        ours.behind(["unshare", "--mount", "sh", "-c", own, "sh"])
    };
    let groups = |words: &[&str]| {
        let out = cmd(words).run(b"");
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        said.lines().find_map(|line| line.strip_prefix("Groups:")).map(str::trim).map(String::from)
    };
    if !Cmd::new("unshare")
        .args(["--mount", "mount", "--bind", "/etc/group", "/etc/group"])
        .run(b"")
        .status()
        .eq("exit 0")
    {
        tests::rig::skipped("mounts are not allowed here");
        return;
    }
    let (_, group) = ids("nobody");
    assert_eq!(groups(&["-s", "nobody"]), Some(format!("4711 4712 {group}")));
    assert_eq!(groups(&["nobody"]), Some(group.to_string()));
}
