//! The last check before a write leaves, to the minor unit and to the millisecond; and the one door as a whole, by the
//! thousand (`RUNGWISE_CASES=1000000 cargo test --release --test guard door` for as many plans as wanted).

#[cfg(test)]
#[path = "guard_cases/approvals.rs"]
mod approvals;
#[cfg(test)]
#[path = "support/asked.rs"]
mod asked;
#[cfg(test)]
#[path = "guard_cases/caps.rs"]
mod caps;
#[cfg(test)]
#[path = "guard_cases/door.rs"]
mod door;
#[cfg(test)]
#[path = "guard_cases/exposure.rs"]
mod exposure;
#[cfg(test)]
#[path = "guard_cases/memory.rs"]
mod memory;
#[cfg(test)]
#[path = "guard_cases/paper.rs"]
mod paper;
#[cfg(test)]
#[path = "guard_cases/reckoned.rs"]
mod reckoned;
#[cfg(test)]
#[path = "guard_cases/standing.rs"]
mod standing;

#[path = "guard_cases/writes.rs"]
mod writes;
