//! The few traits between the rules and the world.
//!
//! [`Transport`] is the seam to Meta, at wire level: requests are plain values, so that the real client's paging,
//! throttling and error classes run in every rehearsal.

mod clock;
mod transport;

pub use clock::{Clock, SystemClock};
pub use transport::{BoxFuture, Method, Request, Response, Transport, TransportError};
