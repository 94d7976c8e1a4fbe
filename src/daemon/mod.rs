//! The long-running agent: supervision, schedule, lock and kill switch.

pub mod beat;
pub mod hold;
pub mod jumps;
mod lock;
pub mod run;
pub mod schedule;
pub mod stop;

pub use lock::{AgentLock, LOCK_FILE};
