//! The kill switch as the door sees it: asked before every send, without the database.

/// Tells whether writes are stopped.
pub trait StopSwitch: Send + Sync {
    /// Why writes are stopped, or None while they are not. Must answer at once and never fail open: when the switch
    /// cannot be read, it is on.
    fn stopped(&self) -> Option<String>;
}

/// A switch that is never on; for rehearsals of the rest.
#[derive(Debug, Clone, Copy, Default)]
pub struct NeverStopped;

impl StopSwitch for NeverStopped {
    fn stopped(&self) -> Option<String> {
        None
    }
}
