//! The verbs of the script that runs qmail everywhere: do the calls it makes have the same effects, words and codes with ours and
//! with Debian's?

use std::fs;

use rustix::process::kill_process;
use tests::tree::{SOON, Tree};
use tests::{Cmd, Signal, program, wait_until};

use crate::Set;

/// Its calls, as all versions of it make them. `queue` without the look at the queue.
const SCRIPT: &str = r#"
cd "$SERVICES" || exit 111
case "$1" in
start)
    for name in qmail-send qmail-smtpd; do
        if svok ./$name; then svc -u ./$name ./$name/log; else echo $name supervise not running; fi
    done ;;
stop)
    for name in qmail-smtpd qmail-send; do svc -d ./$name ./$name/log; done ;;
restart)
    svc -d ./qmail-smtpd ./qmail-smtpd/log
    svc -t ./qmail-send ./qmail-send/log
    svc -u ./qmail-smtpd ./qmail-smtpd/log ;;
stat|status)
    svstat ./qmail-send ./qmail-send/log ./qmail-smtpd ./qmail-smtpd/log ;;
pause) svc -p ./qmail-smtpd; svc -p ./qmail-send ;;
cont) svc -c ./qmail-smtpd; svc -c ./qmail-send ;;
queue|doqueue|flush) svc -a ./qmail-send ;;
reload|hup) svc -h ./qmail-send ;;
*) echo "usage: $0 verb" >&2; exit 1 ;;
esac"#;

/// Notes what it is told, and ends at TERM.
const DAEMON: &str = "for signal in HUP ALRM; do trap \"echo $signal >>got\" $signal; done
trap 'echo TERM >>got; exit' TERM
echo start >>got
while :; do sleep 0.02; done";

const NAMES: [&str; 4] = ["qmail-send", "qmail-send/log", "qmail-smtpd", "qmail-smtpd/log"];

/// Goes through all verbs with somebody's programs, and tells what was said.
fn through_all_verbs(set: &Set) -> String {
    let mut tree = Tree::new(&[&set.supervise, &set.svc, &set.svok, &set.svstat]);
    tree.script("bin/qmailctl", SCRIPT);
    for name in ["qmail-send", "qmail-smtpd"] {
        tree.store(name, DAEMON, "exec cat >>kept");
        tree.link(name);
    }
    let mut told = String::new();
    let mut qmailctl = |tree: &Tree, verb: &str| {
        let command = Cmd::new(tree.join("bin/qmailctl")).arg(verb);
        let out = command.env("PATH", tree.path()).env("SERVICES", tree.join("service")).run(b"");
        let said = String::from_utf8_lossy(&out.stdout).into_owned() + &out.messages();
        // Which process and for how long differs.
        let words = said.replace(&tree.join("bin").display().to_string(), "BIN");
        let words = words.split(' ').map(|word| {
            let digits = word.trim_end_matches(')');
            if digits.parse::<u64>().is_ok() { word.replace(digits, "N") } else { word.to_owned() }
        });
        told += &format!("{verb}: {}\n{}", out.status(), words.collect::<Vec<_>>().join(" "));
    };
    let got = |tree: &Tree, name: &str, wanted: &str| {
        wait_until(SOON, &format!("{name} got {wanted}"), || {
            let got = fs::read_to_string(tree.join(format!("store/{name}/got"))).unwrap_or_default();
            got.replace('\n', " ").trim_end() == wanted
        });
    };
    let are = |tree: &Tree, names: &[&str], what: &str, wanted: &dyn Fn(&[u8]) -> bool| {
        for name in names {
            let status = tree.join(format!("store/{name}/supervise/status"));
            wait_until(SOON, &format!("{name} is {what}"), || {
                fs::read(&status).is_ok_and(|status| wanted(&status))
            });
        }
    };
    let is_up = |status: &[u8]| status[12..16] != [0; 4] && status[17] == b'u';
    let (send, smtpd) = ("qmail-send", "qmail-smtpd");

    for verb in ["start", "stat", "stop"] {
        qmailctl(&tree, verb);
    }
    tree.start(&program("svscan"));
    are(&tree, &NAMES, "up", &is_up);
    got(&tree, send, "start");
    got(&tree, smtpd, "start");
    let loggers = [tree.pid("qmail-send/log", None), tree.pid("qmail-smtpd/log", None)];
    for verb in ["start", "stat", "doqueue"] {
        qmailctl(&tree, verb);
    }
    got(&tree, send, "start ALRM");
    qmailctl(&tree, "reload");
    got(&tree, send, "start ALRM HUP");

    qmailctl(&tree, "pause");
    are(&tree, &[send, smtpd], "paused", &|status| status[16] == 1);
    for verb in ["stat", "queue"] {
        qmailctl(&tree, verb);
    }
    qmailctl(&tree, "cont");
    are(&tree, &[send, smtpd], "not paused", &|status| status[16] == 0);
    got(&tree, send, "start ALRM HUP ALRM");

    qmailctl(&tree, "restart");
    got(&tree, send, "start ALRM HUP ALRM TERM start");
    got(&tree, smtpd, "start TERM start");
    are(&tree, &NAMES, "up", &is_up);
    // svc -d -u in one breath ends a logger, too: cat knows no better.
    tree.pid("qmail-send/log", Some(loggers[0]));
    tree.pid("qmail-smtpd/log", Some(loggers[1]));

    qmailctl(&tree, "stop");
    are(&tree, &NAMES, "down", &|status| status[12..16] == [0; 4] && status[17] == b'd');
    got(&tree, send, "start ALRM HUP ALRM TERM start TERM");
    got(&tree, smtpd, "start TERM start TERM");
    qmailctl(&tree, "stat");
    // What is down is not told.
    qmailctl(&tree, "hup");
    qmailctl(&tree, "start");
    are(&tree, &NAMES, "up", &is_up);
    got(&tree, send, "start ALRM HUP ALRM TERM start TERM start");
    got(&tree, smtpd, "start TERM start TERM start");
    qmailctl(&tree, "stat");
    qmailctl(&tree, "nonsense");

    // Without their supervises they are not started by the script.
    tree.kill();
    for name in NAMES {
        let supervise = tree.supervise(name, None);
        let pid = tree.pid(name, None);
        kill_process(supervise, Signal::KILL).expect("it runs");
        kill_process(pid, Signal::KILL).expect("it runs");
    }
    tree.wait_for_peace();
    for verb in ["start", "stat", "stop"] {
        qmailctl(&tree, verb);
    }
    told
}

#[test]
fn all_verbs_of_qmailctl_do_and_say_the_same() {
    let told = through_all_verbs(&crate::ours());
    let up = "./qmail-send: up (pid N) N seconds\n./qmail-send/log: up (pid N) N seconds\n\
              ./qmail-smtpd: up (pid N) N seconds\n./qmail-smtpd/log: up (pid N) N seconds\n";
    let paused = up.replace("send: up (pid N) N seconds", "send: up (pid N) N seconds, paused");
    let paused = paused.replace("smtpd: up (pid N) N seconds", "smtpd: up (pid N) N seconds, paused");
    let down = up.replace("up (pid N) N seconds", "down N seconds, normally up");
    let each = |text: &str| NAMES.map(|name| text.replace("NAME", name)).concat();
    let control = |reason: &str| {
        ["qmail-smtpd", "qmail-smtpd/log", "qmail-send", "qmail-send/log"]
            .map(|name| format!("svc: warning: unable to control ./{name}: {reason}\n"))
            .concat()
    };
    let not_running = "start: exit 0\nqmail-send supervise not running\nqmail-smtpd supervise not running\n";
    let wanted = [
        not_running.to_owned(),
        format!("stat: exit 0\n{}", each("./NAME: unable to open supervise/ok: file does not exist\n")),
        format!("stop: exit 0\n{}", control("file does not exist")),
        "start: exit 0\n".into(),
        format!("stat: exit 0\n{up}"),
        "doqueue: exit 0\n".into(),
        "reload: exit 0\n".into(),
        "pause: exit 0\n".into(),
        format!("stat: exit 0\n{paused}"),
        "queue: exit 0\n".into(),
        "cont: exit 0\n".into(),
        "restart: exit 0\n".into(),
        "stop: exit 0\n".into(),
        format!("stat: exit 0\n{down}"),
        "hup: exit 0\n".into(),
        "start: exit 0\n".into(),
        format!("stat: exit 0\n{up}"),
        "nonsense: exit 1\nusage: BIN/qmailctl verb\n".into(),
        not_running.to_owned(),
        format!("stat: exit 0\n{}", each("./NAME: supervise not running\n")),
        format!("stop: exit 0\n{}", control("supervise not running")),
    ];
    assert_eq!(told, wanted.concat());
    if let Some(theirs) = crate::theirs() {
        assert_eq!(through_all_verbs(&theirs), told);
    }
}
