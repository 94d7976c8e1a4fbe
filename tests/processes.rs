//! Real processes on the loopback: the served rehearsal world, the agent, and commands beside it.

#[cfg(test)]
#[path = "process_cases/kills.rs"]
mod kills;
#[cfg(test)]
#[path = "process_cases/life.rs"]
mod life;
#[cfg(test)]
#[path = "process_cases/loopback.rs"]
mod loopback;
#[cfg(test)]
mod support;
