//! Whatever parses as a label is written back as it was; what is written parses; order is byte order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logcore::label::Label;

fuzz_target!(|input: (Vec<u8>, i64, u32, i64, u32)| {
    let (text, seconds, nanos, other_seconds, other_nanos) = input;
    if let Some(label) = Label::parse(&text) {
        assert_eq!(&label.format()[..], &text[..]);
        assert!(label.after() > label);
    }
    let label = Label::from_unix(seconds, nanos);
    let other = Label::from_unix(other_seconds, other_nanos);
    assert_eq!(Label::parse(&label.format()), Some(label));
    assert_eq!(label.cmp(&other), label.format().cmp(&other.format()));
});
