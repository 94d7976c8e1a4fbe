//! The whole procedure in process: the same boot and passes as the daemon, the sandbox as the world, no network.
//!
//! What is asserted is taken from the sandbox's own request log and ledger, not from what the product says it did.

#[cfg(test)]
#[path = "support/asked.rs"]
mod asked;
#[cfg(test)]
#[path = "story_cases/custody.rs"]
mod custody;
#[cfg(test)]
#[path = "story_cases/disk.rs"]
mod disk;
#[cfg(test)]
#[path = "story_cases/frugal.rs"]
mod frugal;
#[cfg(test)]
#[path = "story_cases/isolation.rs"]
mod isolation;
#[cfg(test)]
#[path = "story_cases/people.rs"]
mod people;
#[cfg(test)]
#[path = "story_cases/propose.rs"]
mod propose;
#[cfg(test)]
#[path = "story_cases/rails.rs"]
mod rails;
#[cfg(test)]
#[path = "story_cases/refused.rs"]
mod refused;
#[cfg(test)]
#[path = "story_cases/relogin.rs"]
mod relogin;
#[cfg(test)]
#[path = "story_cases/settled.rs"]
mod settled;
#[cfg(test)]
#[path = "story_cases/support.rs"]
mod support;
#[cfg(test)]
#[path = "story_cases/tampered.rs"]
mod tampered;
#[cfg(test)]
#[path = "story_cases/worlds.rs"]
mod worlds;
