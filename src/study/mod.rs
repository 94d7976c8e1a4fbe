//! The product's own decisions as a contender of the population study.
//!
//! [`population`](crate::sandbox::market::population) runs policies on seeded accounts; [`Rungwise`] is the policy that calls
//! the very `decide` the agent calls, once a day, on evidence made of nothing but what an account's owner can see.

mod account;
mod agent;

pub use agent::Rungwise;
