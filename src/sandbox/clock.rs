//! The world's clock: it stands still until somebody advances it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    domain::Moment,
    ports::{BoxFuture, Clock},
};

/// A clock shared by the sandbox and whoever lives in it. Waiting advances nothing: [`SimClock::advance_to`] does.
#[derive(Debug, Clone)]
pub struct SimClock {
    now: Arc<watch::Sender<i64>>,
}

impl SimClock {
    /// A clock that shows `start`.
    pub fn new(start: Moment) -> Self {
        Self { now: Arc::new(watch::Sender::new(start.millis())) }
    }
    /// Moves to `moment` and wakes those who wait for it; never moves back.
    pub fn advance_to(&self, moment: Moment) {
        self.now.send_if_modified(|now| {
            let later = moment.millis() > *now;
            *now = moment.millis().max(*now);
            later
        });
    }
    /// Moves by `ms` milliseconds.
    pub fn advance_by(&self, ms: i64) {
        self.advance_to(self.now().plus(ms.max(0)));
    }
}

impl Clock for SimClock {
    fn now(&self) -> Moment {
        Moment::from_millis(*self.now.borrow())
    }
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
        let mut seen = self.now.subscribe();
        Box::pin(async move {
            // The sender lives as long as `self`, so this ends only when the time has come.
            let _ = seen.wait_for(|now| *now >= until.millis()).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_when_somebody_advances_and_time_never_runs_back() {
        let clock = SimClock::new(Moment::from_millis(1_000));
        let (other, until) = (clock.clone(), Moment::from_millis(5_000));
        let waiter = tokio::spawn(async move { other.wait_until(until).await });
        clock.advance_to(until);
        waiter.await.unwrap();
        clock.advance_to(Moment::from_millis(2_000));
        assert_eq!(clock.now(), until);
    }
}
