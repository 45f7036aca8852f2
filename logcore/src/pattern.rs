//! One pattern of the script: what it matches, and how it joins the automaton.
//!
//! Three languages. *Star patterns* are the original's (match.c): the whole line must match, a star takes everything up to
//! the **first** occurrence of the pattern's next byte and never comes back for another try, a star at the end takes the
//! rest. *Globs* (`F`) are those of fnmatch(3) with no flags in the C locale, and see a line up to its first NUL. *Regular
//! expressions* (`R`) match anywhere in the line; classes are ASCII, bytes that are not UTF-8 are bytes like others.

use crate::strerr::Error;
use memchr::memchr;
use regex_automata::hybrid::dfa;
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Look, Repetition};

mod glob;

/// A regular expression that takes more than this as an automaton is refused.
const REGEX_BYTES: usize = 4 << 20;

/// A pattern, ready to join the automaton; star patterns also match by themselves.
#[derive(Clone, Debug)]
pub struct Pattern(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Star(Star),
    Compiled(Hir),
}

impl Pattern {
    /// A star pattern. Every text is one.
    pub fn star(text: &[u8]) -> Self {
        Pattern(Kind::Star(Star::new(text)))
    }

    /// A glob. Every text is one; a bracket that is never closed stands for itself.
    pub fn glob(text: &[u8]) -> Self {
        Pattern(Kind::Compiled(glob::hir(text)))
    }

    /// A regular expression.
    ///
    /// # Errors
    /// The text is no regular expression: the message says where.
    pub fn regex(text: &[u8]) -> Result<Self, Error> {
        let complain = |reason: String| {
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Error::plain(format!("unable to understand regular expression {}: {reason}", text.escape_ascii()))
        };
        let text = std::str::from_utf8(text).map_err(|_| complain("not UTF-8".to_owned()))?;
        let config = syntax::Config::new().unicode(false).utf8(false);
        let hir = syntax::parse_with(text, &config).map_err(|error| complain(error.to_string()))?;
        let hir = Hir::concat(vec![anything(), hir]);
        // What the automaton cannot do (Unicode's word boundaries, endless repetitions of repetitions) shows here.
        let config = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(REGEX_BYTES));
        let nfa = thompson::Compiler::new().configure(config).build_from_hir(&hir);
        let nfa = nfa.map_err(|error| complain(error.to_string()))?;
        let config = dfa::Config::new().skip_cache_capacity_check(true);
        let built = dfa::Builder::new().configure(config).build_from_nfa(nfa);
        built.map_err(|error| complain(error.to_string()))?;
        Ok(Pattern(Kind::Compiled(hir)))
    }

    /// The star pattern, when it is one.
    pub(crate) fn as_star(&self) -> Option<&Star> {
        match &self.0 {
            Kind::Star(star) => Some(star),
            Kind::Compiled(_) => None,
        }
    }

    /// Whether every line matches, so that no earlier pattern matters.
    pub(crate) fn matches_everything(&self) -> bool {
        self.as_star().is_some_and(|star| star.0 == [Step::Rest])
    }

    /// The pattern as a regular expression, anchored at the start of the line.
    ///
    /// What may follow is left out where anything may: the automaton then stops as soon as it knows.
    pub(crate) fn hir(&self) -> Hir {
        match &self.0 {
            Kind::Star(star) => star.hir(),
            Kind::Compiled(hir) => hir.clone(),
        }
    }
}

/// A star pattern as the steps of matching it.
#[derive(Clone, Debug)]
pub(crate) struct Star(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// These bytes come next.
    Literal(Vec<u8>),
    /// Everything before the first such byte; the byte itself is left for the next step.
    SkipTo(u8),
    /// Everything to the end of the line.
    Rest,
}

impl Star {
    fn new(text: &[u8]) -> Self {
        let mut steps = Vec::new();
        let mut rest = text;
        while let Some((&first, after)) = rest.split_first() {
            if first != b'*' {
                let len = memchr(b'*', rest).unwrap_or(rest.len());
                steps.push(Step::Literal(rest[..len].to_vec()));
                rest = &rest[len..];
            } else {
                // The byte that a star looks for may be another star: it is then looked for as a byte, once.
                steps.push(after.first().map_or(Step::Rest, |&next| Step::SkipTo(next)));
                rest = after;
            }
        }
        Star(steps)
    }

    /// Whether the whole of `line` matches. Cost: one pass, no step back.
    #[doc(alias = "match")]
    #[inline]
    pub(crate) fn matches(&self, line: &[u8]) -> bool {
        let mut line = line;
        for step in &self.0 {
            match step {
                Step::Literal(literal) => match line.strip_prefix(&literal[..]) {
                    Some(rest) => line = rest,
                    None => return false,
                },
                Step::SkipTo(byte) => match memchr(*byte, line) {
                    Some(at) => line = &line[at..],
                    None => return false,
                },
                Step::Rest => return true,
            }
        }
        line.is_empty()
    }

    fn hir(&self) -> Hir {
        let mut parts = Vec::new();
        let mut steps = self.0.iter().peekable();
        while let Some(step) = steps.next() {
            match step {
                Step::Literal(literal) => parts.push(Hir::literal(literal.clone())),
                Step::SkipTo(byte) => {
                    parts.push(repeat(all_but(*byte)));
                    if matches!(steps.peek(), Some(Step::Literal(_))) {
                        continue;
                    }
                    // Only a run of stars gets here. It looks for one `*` ...
                    while steps.peek() == Some(&&Step::SkipTo(b'*')) {
                        steps.next();
                    }
                    // ... which, being left for the last star of the run, is the first byte that one takes.
                    parts.push(Hir::literal(*b"*"));
                }
                Step::Rest => return Hir::concat(parts),
            }
        }
        parts.push(Hir::look(Look::End));
        Hir::concat(parts)
    }
}

/// Any byte.
pub(super) fn any() -> Hir {
    Hir::class(Class::Bytes(ClassBytes::new([ClassBytesRange::new(0, 255)])))
}

/// Any number of any bytes.
pub(super) fn anything() -> Hir {
    repeat(any())
}

fn all_but(byte: u8) -> Hir {
    let mut class = ClassBytes::new([ClassBytesRange::new(byte, byte)]);
    class.negate();
    Hir::class(Class::Bytes(class))
}

pub(super) fn repeat(what: Hir) -> Hir {
    Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(what) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the original's manual and of runs of its binary.
    #[test]
    fn star_patterns_match_as_the_original_does() {
        let check = |pattern: &str, line: &str, wanted: bool| {
            assert_eq!(
                Star::new(pattern.as_bytes()).matches(line.as_bytes()),
                wanted,
                "{pattern:?} on {line:?}"
            );
        };
        check("hello", "hello", true);
        check("hello", "hello world", false);
        check("a*b", "axb", true);
        check("a*b", "axbb", false);
        check("*ab", "xab", true);
        check("*ab", "aab", false);
        check("a*", "a", true);
        check("a*", "ab", true);
        check("**", "a*b", true);
        check("**", "ab", false);
        check("***", "a*b", true);
        check("***", "ab", false);
        check("a**b", "ax*yb", true);
        check("a**b", "axyb", false);
        check("", "", true);
        check("", "x", false);
        check("[*] x", "[12] x", true);
        check("* fatal: *", "@400000003b4a39c23294b13c fatal: out of memory", true);
    }

    #[test]
    fn only_the_lone_star_matches_everything() {
        let check = |pattern: &str, wanted: bool| {
            assert_eq!(Pattern::star(pattern.as_bytes()).matches_everything(), wanted, "{pattern:?}");
        };
        check("*", true);
        check("", false);
        check("**", false);
        check("a*", false);
    }

    #[test]
    fn bad_regular_expressions_are_explained() {
        let error = Pattern::regex(b"a(b").expect_err("a group is open");
        assert!(error.to_string().starts_with("unable to understand regular expression a(b: "), "{error}");
        for bad in [&b"\xff"[..], br"(?u)\bfoo", b"((a{1000}){1000}){1000}"] {
            assert!(Pattern::regex(bad).is_err(), "{}", bad.escape_ascii());
        }
    }
}
