//! How fast calls may follow each other.
//!
//! Two brakes. The first counts points as Meta does for an ad account (read 1, write 3; Marketing API, "Rate limits")
//! and keeps below the allowance of the access tier without being told. The second obeys the usage headers of the last
//! answers. Both live on [`Clock`], so a rehearsal does not really wait. Writes that can only lower spend are never held
//! back: a tenth of the allowance is always kept for them.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as GovernorClock, Reference},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

use super::{
    error::plain,
    usage::{Pacing, Usage},
};
use crate::{
    domain::Moment,
    ports::{Clock, MetaClass, MetaError},
};

/// How long one reading of the usage headers is believed.
const BELIEVED_MS: i64 = 300_000;
/// The longest a read waits for its turn; after that the pull fails and is repeated later.
const PATIENCE_MS: i64 = 300_000;
/// Pauses between reads from 60 % and from 80 %.
const SLOW_MS: i64 = 2_000;
const SLOWER_MS: i64 = 5_000;
/// Points of a write.
const WRITE_POINTS: u32 = 3;

/// The product's clock as governor wants it.
#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl GovernorClock for Ticks {
    type Instant = Duration;
    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().millis()).unwrap_or(0))
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>;

#[derive(Debug, Clone, Copy)]
struct Load {
    pacing: Pacing,
    until: Moment,
}

/// The brakes of one account, shared by reading and writing.
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    reads: Option<Limiter>,
    writes: Option<Limiter>,
    load: Mutex<Option<Load>>,
}

impl Pace {
    /// `points` is the allowance of the access tier per five minutes (60 on the limited one, 9 000 on the full one);
    /// None counts nothing.
    pub(super) fn new(clock: Arc<dyn Clock>, points: Option<u32>) -> Self {
        // 60 % for reads, 30 % for writes, the rest stays free.
        let part = |percent: u32| points.map(|p| limiter(&clock, p.saturating_mul(percent) / 100));
        let (reads, writes) = (part(60), part(30));
        Self { clock, reads, writes, load: Mutex::new(None) }
    }

    /// Takes note of the usage headers of an answer.
    pub(super) fn observe(&self, usage: &Usage) {
        let told =
            usage.regain_ms.max(if usage.pacing() == Pacing::Stop { usage.reset_ms } else { 0 });
        let lasts = if told > 0 { told } else { BELIEVED_MS };
        let seen = Load { pacing: usage.pacing(), until: self.clock.now().plus(lasts) };
        let mut load = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        // Neither a milder reading nor a shorter one ends a block that was announced with its length.
        let blocked = load.filter(|l| l.pacing == Pacing::Stop && l.until > self.clock.now());
        *load = match blocked {
            Some(block) if seen.pacing != Pacing::Stop || block.until > seen.until => Some(block),
            _ => Some(seen),
        };
    }
    /// Takes note of a throttle: no read before it is over.
    pub(super) fn throttled(&self, wait_ms: i64) {
        let until = self.clock.now().plus(wait_ms);
        let mut load = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        *load = Some(Load { pacing: Pacing::Stop, until });
    }
    fn load(&self) -> (Pacing, Moment) {
        let now = self.clock.now();
        let load = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        load.filter(|l| l.until > now).map_or((Pacing::Free, now), |l| (l.pacing, l.until))
    }

    /// Waits until a read may go out; fails when that would take too long.
    pub(super) async fn read(&self, what: &str) -> Result<(), MetaError> {
        let (pacing, until) = self.load();
        let now = self.clock.now();
        match pacing {
            Pacing::Stop => self.patient(what, until).await?,
            Pacing::ReadsOnly => self.clock.wait_until(now.plus(SLOWER_MS)).await,
            Pacing::Slow => self.clock.wait_until(now.plus(SLOW_MS)).await,
            Pacing::Free => {}
        }
        while let Some(ms) = self.reads.as_ref().and_then(|l| turn(l, NonZeroU32::MIN)) {
            self.patient(what, self.clock.now().plus(ms)).await?;
        }
        Ok(())
    }
    async fn patient(&self, what: &str, until: Moment) -> Result<(), MetaError> {
        let wait = until.since(self.clock.now());
        if wait > PATIENCE_MS {
            return Err(held_back(MetaClass::Throttled, what, wait));
        }
        self.clock.wait_until(until).await;
        Ok(())
    }

    /// Lets a write go or holds it back; never waits, since what was read before it would grow old meanwhile.
    pub(super) fn write(&self, what: &str, only_lowers: bool) -> Result<(), MetaError> {
        let points = NonZeroU32::new(WRITE_POINTS).unwrap_or(NonZeroU32::MIN);
        let wait = self.writes.as_ref().and_then(|l| turn(l, points));
        if only_lowers {
            return Ok(());
        }
        let (pacing, until) = self.load();
        if pacing >= Pacing::ReadsOnly {
            return Err(held_back(MetaClass::NotSent, what, until.since(self.clock.now())));
        }
        wait.map_or(Ok(()), |ms| Err(held_back(MetaClass::NotSent, what, ms)))
    }
}

/// Nothing was sent: the call budget is nearly used up.
fn held_back(class: MetaClass, what: &str, wait_ms: i64) -> MetaError {
    let detail = format!("held back for {} s: the call budget is nearly used up", wait_ms / 1_000);
    let mut error = plain(class, what, detail);
    error.wait_ms = Some(wait_ms);
    error
}

/// Half the allowance may come at once and the other half trickles, so that no five minutes hold more than all of it.
fn limiter(clock: &Arc<dyn Clock>, points: u32) -> Limiter {
    let burst = NonZeroU32::new((points / 2).max(WRITE_POINTS)).unwrap_or(NonZeroU32::MIN);
    let period = Duration::from_mins(5) / burst.get();
    let quota = Quota::with_period(period).unwrap_or(Quota::per_minute(burst)).allow_burst(burst);
    RateLimiter::direct_with_clock(quota, Ticks(Arc::clone(clock)))
}

/// Takes `points`; milliseconds until they are there when they are not.
fn turn(limiter: &Limiter, points: NonZeroU32) -> Option<i64> {
    match limiter.check_n(points) {
        Ok(Ok(())) | Err(_) => None,
        Ok(Err(not_until)) => {
            let wait = not_until.earliest_possible().duration_since(limiter.clock().now());
            let ms = Duration::from(wait).as_millis();
            Some(i64::try_from(ms).unwrap_or(i64::MAX).saturating_add(1))
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::ports::BoxFuture;

    /// A clock on which waiting is instantaneous.
    #[derive(Debug, Default)]
    pub(crate) struct Leap(pub(crate) AtomicI64);

    impl Clock for Leap {
        fn now(&self) -> Moment {
            Moment::from_millis(self.0.load(Ordering::SeqCst))
        }
        fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
            self.0.fetch_max(until.millis(), Ordering::SeqCst);
            Box::pin(async {})
        }
    }

    fn pace(points: Option<u32>) -> (Arc<Leap>, Pace) {
        let clock = Arc::new(Leap::default());
        let pace = Pace::new(Arc::clone(&clock) as Arc<dyn Clock>, points);
        (clock, pace)
    }
    fn usage(percent: f64, regain_ms: i64) -> Usage {
        Usage { percent, regain_ms, ..Usage::default() }
    }

    #[tokio::test]
    async fn no_five_minutes_hold_more_reads_than_their_share() {
        let (clock, pace) = pace(Some(60));
        let mut sent = Vec::new();
        for _ in 0..200 {
            pace.read("r").await.unwrap();
            sent.push(clock.now().millis());
        }
        for (n, at) in sent.iter().enumerate() {
            let within = sent[n..].iter().filter(|t| **t < at + 300_000).count();
            assert!(within <= 36, "{within} reads within five minutes from {at}");
        }
    }

    #[tokio::test]
    async fn a_short_block_is_waited_for_and_a_long_one_is_an_error_without_a_call() {
        let (clock, pace) = pace(None);
        pace.observe(&usage(10.0, 60_000));
        pace.read("r").await.unwrap();
        assert_eq!(clock.now().millis(), 60_000);
        pace.observe(&usage(10.0, 3_600_000));
        let error = pace.read("r").await.unwrap_err();
        assert_eq!((error.class, error.wait_ms), (MetaClass::Throttled, Some(3_600_000)));
    }

    #[tokio::test]
    async fn reads_slow_down_and_writes_stop_but_a_pause_always_goes() {
        let (clock, pace) = pace(Some(60));
        pace.observe(&usage(70.0, 0));
        pace.read("r").await.unwrap();
        assert_eq!(clock.now().millis(), SLOW_MS);
        assert!(pace.write("w", false).is_ok());
        for percent in [80.0, 95.0, 300.0] {
            pace.observe(&usage(percent, 0));
            assert_eq!(pace.write("w", false).unwrap_err().class, MetaClass::NotSent);
            assert!(pace.write("w", true).is_ok(), "at {percent} %");
        }
    }

    #[test]
    fn a_milder_reading_does_not_end_a_block() {
        let (_, pace) = pace(None);
        pace.throttled(100_000);
        pace.observe(&usage(3.0, 0));
        assert!(pace.write("w", false).is_err());
    }

    #[test]
    fn writes_beyond_their_share_are_held_back_with_a_time() {
        let (_, pace) = pace(Some(60));
        let held = (0..10).filter(|_| pace.write("w", false).is_err()).count();
        assert_eq!(held, 7, "9 of 18 points come at once: three writes");
    }
}
