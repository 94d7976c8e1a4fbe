//! The store on a real database file: what goes in comes out, what must not change does not, what goes wrong is said.

#[cfg(test)]
#[path = "support/asked.rs"]
mod asked;
#[cfg(test)]
#[path = "store_cases/bad_files.rs"]
mod bad_files;
#[cfg(test)]
#[path = "store_cases/chain.rs"]
mod chain;
#[cfg(test)]
#[path = "store_cases/ddl.rs"]
mod ddl;
#[cfg(test)]
#[path = "store_cases/history.rs"]
mod history;
#[cfg(test)]
#[path = "store_cases/personal.rs"]
mod personal;
#[cfg(test)]
#[path = "store_cases/room.rs"]
mod room;
#[cfg(test)]
#[path = "store_cases/seen_at.rs"]
mod seen_at;
#[cfg(test)]
#[path = "store_cases/story.rs"]
mod story;
#[cfg(test)]
#[path = "store_cases/support.rs"]
mod support;
#[cfg(test)]
#[path = "store_cases/tampers.rs"]
mod tampers;
#[cfg(test)]
#[path = "store_cases/torn.rs"]
mod torn;
#[cfg(test)]
#[path = "store_cases/transactions.rs"]
mod transactions;
#[cfg(test)]
#[path = "store_cases/upgrade.rs"]
mod upgrade;
