//! The long-running agent: supervision, schedule, lock.
