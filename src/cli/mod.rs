//! One file per command; stdout is data, stderr is talk.

pub mod advise;
pub mod compare;
pub mod files;
