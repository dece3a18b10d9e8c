//! Puts the functions that run when the gateway starts and serves side by side in an optimised binary, so that the rest
//! of it is not loaded: a quarter of the memory of an idle process. `bench/order/order.py` says which these are.

#![allow(clippy::print_stdout, reason = "that is how Cargo is told")]

use std::env;
use std::path::Path;

const ORDER: &str = "bench/order/order.ld";
/// Set for a binary whose functions valgrind can name.
const UNORDERED: &str = "TOLLGATE_UNORDERED";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ORDER}");
    println!("cargo::rerun-if-env-changed={UNORDERED}");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|found| found == wanted);
    // The linkers of Rust and of GNU understand it; who names another one does without it. A folder may have any name.
    let names = |flag: &str| flag.contains("link") && !flag.starts_with("--remap-path-prefix");
    let is_unwanted = env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.split('\x1f').any(names))
        || env::var_os("RUSTC_LINKER").is_some()
        || env::var_os(UNORDERED).is_some();
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let order = Path::new(&folder).join(ORDER);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("PROFILE", "release") && !is_unwanted && order.is_file() {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", order.display());
    }
}
