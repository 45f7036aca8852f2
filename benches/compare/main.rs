//! `compare`: our multilog beside the other loggers of this machine, timed from outside.
//!
//! Every logger gets the same bytes in turn, writes to a fresh directory in memory, and has its log counted afterwards.
//! `docs/bench.md` says how to read the figures and whom the method favours. Nothing is installed, nothing is left behind.

mod alone;
mod answer;
mod case;
mod chain;
mod fail;
mod feed;
mod filters;
mod find;
mod goals;
mod input;
mod memory;
mod options;
mod outcome;
mod peer;
mod process;
mod readers;
mod report;
mod room;
mod scratch;
mod services;
mod speed;
mod stop;
mod tree;

use std::io::{self, Write};
use std::process::ExitCode;

use fail::{Fail, Unable};
use options::{Options, Request};

fn main() -> ExitCode {
    // What is not UTF-8 is no option and no case, and is refused by name like any other mistake.
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    match options::parse(arguments).and_then(answer_request) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fail) => {
            complain("fatal", &fail);
            ExitCode::from(111)
        }
    }
}

fn answer_request(request: Request) -> Result<(), Fail> {
    match request {
        Request::Help => say(options::HELP),
        Request::Compare(options) => compare(&options),
    }
}

fn compare(options: &Options) -> Result<(), Fail> {
    stop::on_signals()?;
    let peers = find::peers(&options.peers)?;
    let scratch = scratch::Scratch::new(&options.dir)?;
    let cases = case::CASES.iter().filter(|case| options.wants(case.name));
    let inputs =
        cases.map(|case| input::Input::new(case, options, &scratch)).collect::<Result<Vec<_>, _>>()?;
    room::check(&inputs, options)?;
    say(&report::header(options, &peers)?)?;

    let speeds = speed::measure(&inputs, &peers, options, &scratch)?;
    if !inputs.is_empty() {
        say(&report::speeds(&inputs, &peers, &speeds))?;
    }
    let calls = alone::measure(&peers, options, &scratch)?;
    let memory = memory::measure(&peers, options, &scratch)?;
    if options.wants(case::ALONE) || options.wants(case::MEMORY) {
        say(&report::small(&peers, &calls, &memory))?;
    }
    let filters = filters::measure(options, &scratch)?;
    if filters::FILTERS.iter().any(|filter| options.wants(filter.name)) {
        say(&report::filters(&filters))?;
    }
    let chain = chain::measure(options, &scratch)?;
    if options.wants(chain::CHAIN) {
        say(&chain::report(&chain))?;
    }
    let trees = tree::measure(options, &scratch)?;
    if options.wants(tree::TREE) {
        say(&tree::report(&trees))?;
    }
    let readers = readers::measure(options, &scratch)?;
    if readers::READERS.iter().any(|reader| options.wants(reader.name)) {
        say(&report::readers(&readers))?;
    }
    let services = services::measure(options, &scratch)?;
    if options.wants(services::SERVICES) {
        say(&services::table(&services))?;
    }
    say(&goals::block(&goals::Measured {
        inputs: &inputs,
        peers: &peers,
        speeds: &speeds,
        calls: &calls,
        memory: &memory,
        filters: &filters,
        readers: &readers,
        services: &services,
        trees: &trees,
    }))?;
    scratch.close()
}

fn say(text: &str) -> Result<(), Fail> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).unable_to(|| "write to standard output".into())
}

/// One message line; where even that cannot be written there is nobody left to tell.
fn complain(level: &str, what: &dyn std::fmt::Display) {
    let _ = writeln!(io::stderr(), "compare: {level}: {what}");
}
