//! No argument makes the parser or the selector panic, and what it says of a directory is within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logcore::script::{SIZE_LEAST, Script, Sink};
use logcore::select::Selector;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

fuzz_target!(|input: (Vec<Vec<u8>>, Vec<u8>)| {
    let (arguments, line) = input;
    let script = Script::parse(arguments.into_iter().map(OsString::from_vec));
    for destination in &script.destinations {
        assert!(destination.rules <= script.rules.len());
        if let Sink::Cyclog(config) = &destination.sink {
            assert!(config.size >= SIZE_LEAST && config.num >= 2);
            assert!(!config.code.is_empty() && !config.code.contains(&b'/'));
        }
    }
    let groups = script.groups();
    Selector::new(&script.rules, &groups).select(&line, &mut vec![false; groups.len()]);
});
