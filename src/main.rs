//! The program; what it does is the library's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    rlcredit::main()
}
