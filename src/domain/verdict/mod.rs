//! Comparing the CPA of two arms, honestly.

pub mod posterior;
pub mod special;

pub use posterior::{Exposure, Prior, RatioPosterior};
pub use special::round12;
