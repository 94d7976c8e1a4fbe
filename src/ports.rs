//! The few traits between the rules and the world.
//!
//! [`Transport`] is the seam to Meta, at wire level: requests are plain values, so that the real client's paging,
//! throttling and error classes run in every rehearsal. [`MetaRead`] and [`MetaWrite`] are what the use cases see of
//! the Graph client; only `app::apply` may hold a [`MetaWrite`]. [`Store`] is history and intentions on disk.

mod clock;
pub mod meta;
mod stop;
pub mod store;
mod transport;

pub use clock::{Clock, SystemClock};
pub use meta::{MetaClass, MetaError, MetaRead, MetaWrite, WriteOutcome};
pub use stop::{NeverStopped, StopSwitch};
pub use store::{AgentHold, Armed, Record, Store, StoreError};
pub use transport::{BoxFuture, Method, Request, Response, Transport, TransportError};
