//! The long-running agent: supervision, schedule, lock.

mod lock;

pub use lock::{AgentLock, LOCK_FILE};
pub mod schedule;
