//! The flinkops program: everything is in [`flinkops::cli`].

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A plan is thousands of small texts and maps, most of them short-lived.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    flinkops::cli::main()
}
