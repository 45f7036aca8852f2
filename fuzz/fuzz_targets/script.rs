//! No argument makes the parser, the explanation or the selector panic, and what it says of a directory is within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logcore::explain::explain;
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
            assert_eq!(config.mode & 0o7700, 0o600);
        }
    }
    assert_eq!(script.rules.len(), script.shown.len());
    explain(&script);
    let groups = script.groups();
    Selector::new(&script.rules, &groups).select(&line, &mut vec![false; groups.len()]);
});
