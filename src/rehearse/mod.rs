//! Rehearsals: the whole agent, put together as the daemon puts it together, lives through a world that goes wrong.
//!
//! [`weeks`] draws stories from seeds: passes at odd times, answers of people, edits in Ads Manager, a fault mix on the
//! wire, crashes and restarts anywhere. [`crashes`] counts the calls and commits of one climb and dies at each of them.
//! What must hold ([`law`]) is watched from outside by [`Witness`]: it sees requests and commits as they happen and
//! compares the truth of the rehearsal world with what became durable; it takes no word of the agent for anything.
//!
//! Reading order: [`tripwire`] (where a life ends), `wire` (the border that is watched), [`books`], [`witness`] and
//! [`law`] (what must hold), `stage` (world and agent), `trouble` and `old_backup` (what goes wrong), `steering` (what people want), then the two rehearsals.

pub mod books;
mod checks;
mod chronicle;
mod cores;
pub mod coverage;
pub mod crashes;
pub mod law;
mod old_backup;
mod reference;
mod rejoin;
mod stage;
mod steering;
pub mod tripwire;
pub mod trouble;
pub mod weeks;
mod wire;
pub mod witness;

pub use coverage::Coverage;
pub use crashes::CrashReport;
pub use weeks::WeeksReport;
pub use witness::{Violation, Witness};

use crate::{app::AppError, boot::BootError, config::ConfigError};

/// Why a rehearsal itself, not the agent in it, could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The directory of the rehearsal.
    #[error("cannot use the directory {path}: {why}")]
    Dir {
        /// Which one.
        path: std::path::PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// The configuration it writes for itself.
    #[error(transparent)]
    Config(#[from] Box<ConfigError>),
    /// The agent could not be started.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// History could not be read for a check.
    #[error(transparent)]
    App(#[from] AppError),
    /// The reference climb did not come to its end without any trouble.
    #[error("the reference climb of seed {seed} did not end: {why}")]
    NoReference {
        /// Its seed.
        seed: u64,
        /// Where it stood.
        why: String,
    },
}

impl From<crate::ports::StoreError> for RehearsalError {
    fn from(e: crate::ports::StoreError) -> Self {
        Self::App(e.into())
    }
}
