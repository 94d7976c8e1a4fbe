//! The long-running agent: supervision, schedule, lock.

pub mod schedule;
