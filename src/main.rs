//! The flinkops program: everything is in [`flinkops::cli`].

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A plan is thousands of small texts and maps, most of them short-lived. Built without transparent huge pages: a
/// command that is over in a moment touches little of each, and the kernel would clear two megabytes for it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    flinkops::cli::main()
}
