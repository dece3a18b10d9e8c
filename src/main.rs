//! The `tollgate` program: parses its arguments and runs the command they name.

use std::process::ExitCode;

/// A call makes some hundred allocations, many above the sizes for which the system's allocator is fast.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tollgate::cli::run(std::env::args_os())
}
