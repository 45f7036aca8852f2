//! The compact supervise and svscan set: what its programs share.
//!
//! A program of this crate is thin: usage, parse, call, die. What is decided is decided here, without a system call; what
//! the system is asked for goes through [`sys`] and rustix.
#![deny(unsafe_code)]

pub mod service;
pub mod keeper;
pub mod home;
pub mod cause;
pub mod control;
pub mod status;
pub mod supervised;
pub mod effect;
pub mod watch;
pub mod view;
pub mod signals;
pub mod notice;
pub mod scan;
pub mod scandir;
pub mod changes;
pub mod logpipe;
pub mod openfiles;
pub mod errors;
pub mod chain;
pub mod die;
pub mod help;
pub mod account;
pub mod env;
pub mod limit;
pub mod options;
pub mod proctitle;
#[allow(unsafe_code)]
pub mod sys;
