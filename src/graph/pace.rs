//! How fast calls may follow each other.
//!
//! Two brakes. The first counts points as Meta does for an ad account (read 1, write 3; Marketing API, "Rate limits")
//! and keeps below the allowance of the access tier without being told. The second obeys the usage headers of the last
//! answers: reads slow down from 60 %, nothing but reads and writes that can only lower spend goes from 80 %, nothing
//! but the latter from 95 %, and nothing at all while Meta blocks, since a call would prolong the block. The account's
//! score decays within five minutes, so reads wait until it is below 60 % again: that is what leaves room for the
//! write they precede, which itself never waits. Both brakes live on [`Clock`], so a rehearsal does not really wait.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    usage::{Gauge, Pacing, Usage},
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
/// Percent of the account's score at which reads begin to wait for it to decay.
const CALM: f64 = 60.0;
/// Time in which a call's share of the score decays.
const DECAY_MS: i64 = 300_000;
/// Points of a write.
const WRITE_POINTS: u32 = 3;

/// The product's clock as governor wants it.
#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl GovernorClock for Ticks {
    type Instant = Duration;
    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.steady().millis()).unwrap_or(0))
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>;

/// What kind of call; limits of insights do not concern the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Insights,
    Other,
}

/// One reading of an allowance, believed until then.
#[derive(Debug, Clone, Copy)]
struct Load {
    pacing: Pacing,
    until: Moment,
}

/// What the last answers said.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// The account's score in percent, and when it was read.
    score: Option<(f64, Moment)>,
    insights: Option<Load>,
    calls: Option<Load>,
    /// Ends of the blocks Meta announced.
    no_insights: Option<Moment>,
    no_calls: Option<Moment>,
}

/// The brakes of one account, shared by reading and writing.
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    reads: Option<Limiter>,
    writes: Option<Limiter>,
    told: Mutex<Told>,
}

impl Pace {
    /// `points` is the allowance of the access tier per five minutes (60 on the limited one, 9 000 on the full one);
    /// None counts nothing.
    pub(super) fn new(clock: Arc<dyn Clock>, points: Option<u32>) -> Self {
        // 60 % for reads, 30 % for writes, the rest stays free.
        let part = |percent: u32| points.map(|p| limiter(&clock, p.saturating_mul(percent) / 100));
        let (reads, writes) = (part(60), part(30));
        Self { clock, reads, writes, told: Mutex::default() }
    }
    /// All moments in here lie on the axis that nobody sets.
    fn now(&self) -> Moment {
        self.clock.steady()
    }
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of the usage headers of an answer.
    pub(super) fn observe(&self, usage: &Usage) {
        let now = self.now();
        let load = |gauge: Gauge| Load {
            pacing: Gauge { regain_ms: 0, ..gauge }.pacing(),
            until: now.plus(BELIEVED_MS),
        };
        let block = |gauge: Gauge| (gauge.regain_ms > 0).then(|| now.plus(gauge.regain_ms));
        let mut told = self.told();
        if let Some(percent) = usage.score {
            told.score = Some((percent, now));
        }
        (told.insights, told.calls) = (Some(load(usage.insights)), Some(load(usage.calls)));
        // A milder reading does not end a block that was announced with its length.
        told.no_insights = told.no_insights.max(block(usage.insights));
        told.no_calls = told.no_calls.max(block(usage.calls));
    }
    /// Takes note of a throttle: no such call before it is over.
    pub(super) fn throttled(&self, error: &MetaError) {
        let Some(ms) = error.wait_ms.filter(|_| error.class == MetaClass::Throttled) else {
            return;
        };
        let until = Some(self.now().plus(ms));
        let mut told = self.told();
        match (error.code, error.subcode) {
            // One object or one kind of edit, not the account.
            (_, Some(1_487_632 | 1_487_225 | 1_885_172 | 5_044_001 | 4_841_018)) => {}
            (Some(80_000), _) | (_, Some(1_504_022 | 1_504_039)) => {
                told.no_insights = told.no_insights.max(until);
            }
            _ => told.no_calls = told.no_calls.max(until),
        }
    }

    /// The end of the block that concerns a kind of call, if one is on.
    fn blocked(&self, kind: Kind) -> Option<Moment> {
        let told = *self.told();
        let narrow = if kind == Kind::Insights { told.no_insights } else { None };
        told.no_calls.max(narrow).filter(|until| *until > self.now())
    }
    /// The account's score by now: every call's share of it decays evenly to nothing.
    fn score(&self) -> f64 {
        let Some((percent, at)) = self.told().score else { return 0.0 };
        percent * (1.0 - float(self.now().since(at)) / float(DECAY_MS)).clamp(0.0, 1.0)
    }
    /// Milliseconds until the score has fallen below the point where reads wait; None when it is below.
    fn until_calm(&self) -> Option<i64> {
        let (percent, at) = self.told().score?;
        if self.score() < CALM {
            return None;
        }
        let whole = (float(DECAY_MS) * (1.0 - CALM / percent.max(CALM))).ceil();
        Some(millis(whole).saturating_add(1).saturating_sub(self.now().since(at)).max(1))
    }
    fn pacing(&self, kind: Kind) -> Pacing {
        let (told, now) = (*self.told(), self.now());
        let of =
            |load: Option<Load>| load.filter(|l| l.until > now).map_or(Pacing::Free, |l| l.pacing);
        match kind {
            Kind::Insights => of(told.calls).max(of(told.insights)),
            Kind::Other => of(told.calls),
        }
    }

    /// Waits until a read may go out; fails when that would take too long.
    pub(super) async fn read(&self, what: &str, kind: Kind) -> Result<(), MetaError> {
        while let Some(until) = self.blocked(kind) {
            self.patient(what, until).await?;
        }
        while let Some(ms) = self.until_calm() {
            self.patient(what, self.now().plus(ms)).await?;
        }
        let now = self.now();
        match self.pacing(kind) {
            Pacing::Stop => self.patient(what, now.plus(BELIEVED_MS)).await?,
            Pacing::ReadsOnly => self.wait(SLOWER_MS).await,
            Pacing::Slow => self.wait(SLOW_MS).await,
            Pacing::Free => {}
        }
        while let Some(ms) = self.reads.as_ref().and_then(|l| turn(l, NonZeroU32::MIN)) {
            self.patient(what, self.now().plus(ms)).await?;
        }
        Ok(())
    }
    async fn patient(&self, what: &str, until: Moment) -> Result<(), MetaError> {
        let wait = until.since(self.now());
        if wait > PATIENCE_MS {
            return Err(held_back(MetaClass::Throttled, what, wait));
        }
        self.wait(wait).await;
        Ok(())
    }
    async fn wait(&self, ms: i64) {
        self.clock.wait_until(self.clock.now().plus(ms)).await;
    }

    /// Lets a write go or holds it back; never waits, since what was read before it would grow old meanwhile. What only
    /// lowers spend is held back by nothing but a block, during which it would be refused anyway.
    pub(super) fn write(&self, what: &str, only_lowers: bool) -> Result<(), MetaError> {
        let points = NonZeroU32::new(WRITE_POINTS).unwrap_or(NonZeroU32::MIN);
        let wait = self.writes.as_ref().and_then(|l| turn(l, points));
        if let Some(until) = self.blocked(Kind::Other) {
            let left = until.since(self.now());
            return Err(held_back(MetaClass::NotSent, what, left));
        }
        if only_lowers {
            return Ok(());
        }
        if self.score() >= 80.0 || self.pacing(Kind::Other) >= Pacing::ReadsOnly {
            let left = self.until_calm().unwrap_or(BELIEVED_MS);
            return Err(held_back(MetaClass::NotSent, what, left));
        }
        wait.map_or(Ok(()), |ms| Err(held_back(MetaClass::NotSent, what, ms)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of some minutes")]
fn float(ms: i64) -> f64 {
    ms as f64
}
#[expect(clippy::cast_possible_truncation, reason = "at most the decay time")]
fn millis(ms: f64) -> i64 {
    ms as i64
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
        Usage { calls: Gauge { percent, regain_ms }, ..Usage::default() }
    }
    async fn read(pace: &Pace) -> Result<(), MetaError> {
        pace.read("r", Kind::Other).await
    }

    #[tokio::test]
    async fn no_five_minutes_hold_more_reads_than_their_share() {
        let (clock, pace) = pace(Some(60));
        let mut sent = Vec::new();
        for _ in 0..200 {
            read(&pace).await.unwrap();
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
        read(&pace).await.unwrap();
        assert_eq!(clock.now().millis(), 60_000);
        pace.observe(&usage(10.0, 3_600_000));
        let error = read(&pace).await.unwrap_err();
        assert_eq!((error.class, error.wait_ms), (MetaClass::Throttled, Some(3_600_000)));
    }

    #[tokio::test]
    async fn a_clock_put_right_does_not_stretch_a_block() {
        /// A machine whose wall clock is `.1` ahead of the time that passes.
        struct Ahead(Leap, AtomicI64);
        impl Clock for Ahead {
            fn now(&self) -> Moment {
                self.0.now().plus(self.1.load(Ordering::SeqCst))
            }
            fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
                self.0.wait_until(until.plus(-self.1.load(Ordering::SeqCst)))
            }
            fn steady(&self) -> Moment {
                self.0.now()
            }
        }
        let clock = Arc::new(Ahead(Leap::default(), AtomicI64::new(86_400_000)));
        let pace = Pace::new(Arc::clone(&clock) as Arc<dyn Clock>, Some(60));
        pace.observe(&usage(10.0, 60_000));
        for _ in 0..30 {
            read(&pace).await.unwrap();
        }
        clock.1.store(0, Ordering::SeqCst);
        let before = clock.steady();
        pace.observe(&usage(10.0, 60_000));
        read(&pace).await.unwrap();
        assert!(clock.steady().since(before) <= 120_000, "{}", clock.steady());
    }

    #[tokio::test]
    async fn reads_slow_down_and_writes_stop_but_a_pause_always_goes() {
        let (clock, pace) = pace(Some(60));
        pace.observe(&usage(70.0, 0));
        read(&pace).await.unwrap();
        assert_eq!(clock.now().millis(), SLOW_MS);
        assert!(pace.write("w", false).is_ok());
        for percent in [80.0, 95.0, 300.0] {
            pace.observe(&usage(percent, 0));
            assert_eq!(pace.write("w", false).unwrap_err().class, MetaClass::NotSent);
            assert!(pace.write("w", true).is_ok(), "at {percent} %");
        }
    }

    #[tokio::test]
    async fn while_meta_blocks_nothing_goes_not_even_a_pause() {
        let (clock, pace) = pace(None);
        pace.observe(&usage(3.0, 100_000));
        // A milder reading does not end a block.
        pace.observe(&usage(3.0, 0));
        for lowers in [false, true] {
            let held = pace.write("w", lowers).unwrap_err();
            assert_eq!((held.class, held.wait_ms), (MetaClass::NotSent, Some(100_000)));
        }
        clock.0.store(100_000, Ordering::SeqCst);
        assert!(pace.write("w", true).is_ok());
    }

    #[tokio::test]
    async fn a_block_of_insights_leaves_everything_else_alone() {
        let (_, pace) = pace(None);
        let mut error = held_back(MetaClass::Throttled, "r", 3_600_000);
        error.code = Some(80_000);
        pace.throttled(&error);
        assert!(pace.read("r", Kind::Insights).await.is_err());
        assert!(read(&pace).await.is_ok() && pace.write("w", false).is_ok());
        // One ad set's budget was changed too often: that is no reason to stop anything else.
        (error.code, error.subcode) = (Some(613), Some(1_487_632));
        pace.throttled(&error);
        assert!(read(&pace).await.is_ok());
        error.subcode = Some(1_487_742);
        pace.throttled(&error);
        assert!(read(&pace).await.is_err() && pace.write("w", true).is_err());
    }

    /// The account's score as Meta counts it, seen only through the header.
    #[tokio::test]
    async fn the_score_never_passes_two_thirds_by_reads_and_writes_find_room() {
        let (clock, pace) = pace(None);
        let mut calls: Vec<(i64, f64)> = Vec::new();
        let mut most = 0.0_f64;
        for n in 0..400 {
            read(&pace).await.unwrap();
            let write = n % 4 == 3;
            if write {
                pace.write("w", false).expect("the read before it left room");
            }
            let now = clock.now().millis();
            calls.push((now, if write { 3.0 } else { 1.0 }));
            let share =
                |(at, cost): &(i64, f64)| cost * (1.0 - float(now - at) / 300_000.0).max(0.0);
            let percent = calls.iter().map(share).sum::<f64>() / 60.0 * 100.0;
            most = most.max(percent);
            pace.observe(&Usage { score: Some(percent), ..Usage::default() });
        }
        assert!((50.0..67.0).contains(&most), "{most}");
        // The account is used as fast as it may be: not slower than half the allowance.
        assert!(clock.now().millis() < 400 * 300_000 / 20, "{}", clock.now());
    }

    #[test]
    fn writes_beyond_their_share_are_held_back_with_a_time() {
        let (_, pace) = pace(Some(60));
        let held = (0..10).filter(|_| pace.write("w", false).is_err()).count();
        assert_eq!(held, 7, "9 of 18 points come at once: three writes");
    }
}
