//! The only place that knows Meta's spelling.
//!
//! [`HttpTransport`] sends one request; [`Link`] adds version, secrets, pacing and repeats of reads; [`Client`] reads,
//! [`Writer`] sends armed writes. Everything above the transport runs unchanged against the rehearsal world.

mod batch;
mod client;
pub mod error;
#[cfg(test)]
mod fake;
pub mod fields;
mod http;
mod insights;
mod link;
mod mutation;
pub mod oauth;
mod outage;
mod pace;
mod page;
mod read;
mod report;
mod secrets;
mod surroundings;
mod template;
#[cfg(test)]
mod tests;
pub mod usage;
mod watch;
mod wire;
mod write;

pub use client::Client;
pub use http::{BadBaseUrl, HttpTransport, Timeouts};
pub use link::{Link, Options};
pub use mutation::is_mutation;
pub use page::{PageError, Step, Walk};
pub use secrets::Secrets;
pub use write::Writer;
