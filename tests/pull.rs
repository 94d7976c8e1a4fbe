//! Reading the account: backfills that are cut off, what is read again, every code Meta may answer, and a line that is
//! down. The real client and the real store over the rehearsal world, or over answers as Meta gives them.

#[cfg(test)]
#[path = "pull_cases/backfill.rs"]
mod backfill;
#[cfg(test)]
#[path = "pull_cases/codes.rs"]
mod codes;
#[cfg(test)]
#[path = "pull_cases/outage.rs"]
mod outage;
#[cfg(test)]
#[path = "pull_cases/support.rs"]
mod support;
