//! One exit code per kind of ending; the table in the README repeats these numbers.

use std::process::ExitCode;

/// How a command can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Done, or nothing to do.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// Changes are proposed (`plan`).
    Proposed = 2,
    /// The command line is wrong.
    Usage = 64,
    /// An input file cannot be used.
    BadInput = 65,
    /// Meta, or the sandbox, cannot be reached or does not answer sensibly.
    Unavailable = 69,
    /// A stored document or the database is damaged.
    Damaged = 70,
    /// The state directory cannot be written.
    CannotWrite = 73,
    /// Another agent holds the lock.
    Busy = 75,
    /// Token or permission.
    NoPermission = 77,
    /// The configuration is wrong, or the database is not ours or too new.
    Config = 78,
    /// A plan may not be carried out: expired, altered, rejected, or approved under another hash.
    NotApproved = 79,
    /// Writes are stopped by the kill switch.
    Stopped = 80,
    /// The audit chain is broken.
    ChainBroken = 81,
    /// A replay came to another result.
    ReplayDiffers = 82,
    /// What was named does not exist.
    NotFound = 83,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending as u8)
    }
}
