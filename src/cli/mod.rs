//! One file per command; stdout is data, stderr is talk.

pub mod simulate;
