//! The binary: parse, run, map to an exit code.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    rungwise::cli::main(std::env::args_os().collect()).await.into()
}
