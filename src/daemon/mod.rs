//! The long-running agent: supervision, schedule, lock and kill switch.

mod lock;
pub mod run;
pub mod schedule;
pub mod stop;

pub use lock::{AgentLock, LOCK_FILE};
