//! Links the unwinder of the C compiler's library into our programs, so that the C library is the only one that they load.
//!
//! A chain loader is started as often as what it starts, and has to start where little memory is allowed (softlimit): the
//! shared libgcc_s takes 100 kB of address space, and time to be found and loaded.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_TARGET_ENV").is_some_and(|env| env == "gnu") {
        // Not bundled: the linker knows where it is.
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}
