//! Real processes on the loopback: the served rehearsal world, the agent, and commands beside it.

#[cfg(test)]
#[path = "support/asked.rs"]
mod asked;
#[cfg(test)]
#[path = "process_cases/browser.rs"]
mod browser;
#[cfg(test)]
#[cfg(target_os = "linux")]
#[path = "process_cases/canaries.rs"]
mod canaries;
#[cfg(test)]
#[path = "process_cases/kills.rs"]
mod kills;
#[cfg(test)]
#[path = "process_cases/life.rs"]
mod life;
#[cfg(test)]
#[path = "process_cases/login.rs"]
mod login;
#[cfg(test)]
#[path = "process_cases/loopback.rs"]
mod loopback;
#[cfg(test)]
mod support;
