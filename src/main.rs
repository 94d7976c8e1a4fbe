//! The binary: parse, run, map to an exit code.

use std::process::ExitCode;

/// Stories, pages and rows are many small pieces that come and go together.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    rungwise::cli::main(std::env::args_os().collect()).await.into()
}
