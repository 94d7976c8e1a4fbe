//! Time enters the product here and nowhere else.

use std::{sync::LazyLock, time::Instant};

use crate::{domain::Moment, ports::BoxFuture};

/// Tells the time and waits.
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> Moment;
    /// Returns when `until` has come (at once if it has passed).
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()>;
    /// The present on an axis that nobody sets: only differences on it mean anything, and they are never negative. For
    /// waits between calls, which a wall clock that was a day ahead would stretch to a day once it is put right.
    fn steady(&self) -> Moment {
        self.now()
    }
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    fn now(&self) -> Moment {
        Moment::from_millis(jiff::Timestamp::now().as_millisecond())
    }
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let ms = u64::try_from(until.since(self.now())).unwrap_or(0);
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
        })
    }
    /// Stands still while the machine sleeps.
    fn steady(&self) -> Moment {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        let ms = i64::try_from(START.elapsed().as_millis()).unwrap_or(i64::MAX);
        Moment::from_millis(ms)
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Moment {
        (**self).now()
    }
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
        (**self).wait_until(until)
    }
    fn steady(&self) -> Moment {
        (**self).steady()
    }
}
