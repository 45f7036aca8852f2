//! Whatever people write as a time, it is a moment or nothing; what mlog shows as a time means that second again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logcore::label::Label;
use std::ffi::OsStr;
use tai64n_tools::mlog::when;
use tai64n_tools::zone::Zone;

fuzz_target!(|input: (String, i64, u32)| {
    let (text, seconds, nanos) = input;
    let now = Label::from_unix(seconds, nanos);
    for tz in ["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3"] {
        let zone = Zone::named(Some(OsStr::new(tz)), None);
        let parsed = when::parse(&text, now, &zone);
        assert_eq!(parsed, when::parse(&format!(" {text} "), now, &zone));
    }
    // Years of four digits.
    let moment = Label::from_unix(seconds.rem_euclid(253_402_300_800), 0);
    assert_eq!(when::parse(&when::show(moment, &Zone::UTC), now, &Zone::UTC), Some(moment));
});
