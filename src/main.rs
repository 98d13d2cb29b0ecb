//! The flinkops program: everything is in [`flinkops::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    flinkops::cli::main()
}
