//! What `./run` is started with: what supervise was started with, and nothing else.

use std::fs;

use tests::Cmd;

use crate::{Service, finish, ours, theirs};

/// Writes down what it has been given. Only built-in commands: they change nothing.
const TELLS: &str = "\
while read -r line; do case $line in Sig[PBI]*|NSpgid*) echo \"$line\";; esac; done </proc/self/status >told.new
while read -r line; do echo \"$line\"; done </proc/$$/limits >>told.new
for fd in /proc/$$/fd/*; do test -e $fd || test -L $fd && echo ${fd##*/}; done >>told.new
/usr/bin/env -i /bin/cat /proc/$$/environ >>told.new
echo \"$0 $# $(/bin/pwd -P)\" >>told.new
read -r group </proc/$$/stat; set -- $group; echo group $5 >group
/bin/mv told.new told
exec /bin/sleep 1000";

/// What the script told, without what it says of itself.
fn told(service: &Service) -> String {
    tests::wait_until(crate::SOON, "it has told", || service.join("told").exists());
    let told = fs::read(service.join("told")).expect("own file");
    let told = String::from_utf8_lossy(&told).replace(&service.scratch.path().display().to_string(), "");
    // A shell in front of it tells where it is itself.
    let lines = told.split(['\0', '\n']).filter(|line| !line.starts_with("PWD="));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn run_is_given_what_supervise_was_given() {
    let before: [&[&str]; 4] = [
        &["env", "A=B", "C="],
        &["env", "-i", "X=1", "X=1"],
        &["env", "--ignore-signal=PIPE", "--ignore-signal=HUP", "--ignore-signal=INT", "--block-signal=USR2"],
        &["sh", "-c", "ulimit -n 50; ulimit -c 0; exec 5</dev/null 7>/dev/null 0<&- 1>&-; exec \"$@\"", "sh"],
    ];
    for words in before {
        let direct = {
            let service = Service::new(TELLS);
            let cmd = Cmd::new("./run").cwd(service.dir()).behind(words);
            let _running = cmd.spawn_on(std::process::Stdio::null());
            told(&service)
        };
        for set in theirs().into_iter().chain([ours()]) {
            let service = Service::new(TELLS);
            let cmd = Cmd::new(&set.supervise).arg("s").cwd(service.scratch.path()).behind(words);
            let running = service.start_as(cmd);
            let through = told(&service);
            assert_eq!(through, direct, "{set:?} behind {words:?}");
            let pid = running.pid().as_raw_nonzero();
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
            let group = stat.split(' ').nth(4).expect("a group");
            tests::wait_until(crate::SOON, "the group", || {
                fs::read_to_string(service.join("group")).is_ok_and(|told| told == format!("group {group}\n"))
            });
            finish(&service, running);
        }
    }
}

#[test]
fn deaths_are_noticed_though_the_parent_ignores_sigchld() {
    let service = Service::new(crate::STAYS);
    let cmd =
        service.cmd(&ours().supervise, &[]).behind(["env", "--ignore-signal=CHLD", "--block-signal=CHLD"]);
    let running = service.start_as(cmd);
    let pid = service.wait_until_up();
    service.svc("-k");
    service.wait_for_state("a new process", |(now, ..)| now != 0 && now != pid);
    assert_eq!(finish(&service, running).messages(), "");
}
