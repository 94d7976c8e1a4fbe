//! The rehearsal world: a seeded market behind the Graph dialect.

pub mod market;
pub mod study;
