//! The binary: parse, run, map to an exit code.

use std::process::ExitCode;

/// Stories, pages and rows are many small pieces that come and go together.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    // The future of the whole program: its place is the heap, not a thread of some platform with a small stack.
    Box::pin(rungwise::cli::main(std::env::args_os().collect())).await.into()
}
