//! One account behind one transport: paths, secrets, pacing, and repeats of reads.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable, Sleeper};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{
    Secrets,
    error::{body_of, of_transport, plain},
    outage::{Outage, RetryBudget},
    pace::{Kind, Pace},
    page::{Step, Walk},
    usage::Usage,
};
use crate::{
    domain::{AccountId, Currency, Moment},
    ports::{
        BoxFuture, Clock, MetaClass, MetaError, Request, Response, Transport, meta::WireState,
    },
};

/// Requests under way at once in the whole process.
static ALL: Semaphore = Semaphore::const_new(8);

/// Rows asked per page at first; halved when Meta says that is too much.
const PAGE: u32 = 200;
/// Fewest rows per page worth asking for.
const SMALLEST_PAGE: u32 = 5;
/// Repeats of a read after its first try.
const REPEATS: usize = 3;
/// Longest pause before a repeat.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A throttle longer than this is not waited for within a read.
const LONGEST_THROTTLE_MS: i64 = 300_000;
/// No instant of a skew has been seen.
const UNSEEN: i64 = i64::MIN;

/// How to talk to one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The account.
    pub account: AccountId,
    /// API version, e.g. `v26.0`.
    pub version: String,
    /// Points per five minutes that the access tier allows (60 or 9 000); None for a rehearsal that counts itself.
    pub points: Option<u32>,
    /// The text every marker of ours begins with; rules with it in their name are our own.
    pub marker: String,
    /// Seed of the jitter before repeats; None draws one.
    pub seed: Option<u64>,
}

/// Waits on the product's clock.
#[derive(Clone)]
struct OnClock(Arc<dyn Clock>);

impl Sleeper for OnClock {
    type Sleep = BoxFuture<'static, ()>;
    fn sleep(&self, dur: Duration) -> Self::Sleep {
        let clock = Arc::clone(&self.0);
        let ms = i64::try_from(dur.as_millis()).unwrap_or(i64::MAX);
        Box::pin(async move { clock.wait_until(clock.now().plus(ms)).await })
    }
}

/// The way to one account, shared by [`super::Client`] and [`super::Writer`].
pub struct Link<T> {
    transport: T,
    pub(super) clock: Arc<dyn Clock>,
    secrets: Mutex<Secrets>,
    pub(super) options: Options,
    pub(super) pace: Pace,
    gate: Semaphore,
    jitter: Mutex<Pcg64Mcg>,
    currency: Mutex<Option<Currency>>,
    skew_ms: AtomicI64,
    version_warning: Mutex<Option<String>>,
    outage: Outage,
    budget: RetryBudget,
    /// Days one request for daily rows asks for; learned from what the account turned out to hold.
    pub(super) days_at_once: AtomicI64,
}

impl<T> std::fmt::Debug for Link<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<T: Transport> Link<T> {
    /// Ties the parts together; sends nothing.
    pub fn new(
        transport: T,
        clock: Arc<dyn Clock>,
        secrets: Secrets,
        options: Options,
    ) -> Arc<Self> {
        let seed = options.seed.unwrap_or_else(|| getrandom::u64().unwrap_or(1));
        Arc::new(Self {
            transport,
            pace: Pace::new(Arc::clone(&clock), options.points),
            clock,
            secrets: Mutex::new(secrets),
            options,
            gate: Semaphore::new(2),
            jitter: Mutex::new(Pcg64Mcg::seed_from_u64(seed)),
            currency: Mutex::new(None),
            skew_ms: AtomicI64::new(UNSEEN),
            version_warning: Mutex::new(None),
            outage: Outage::default(),
            budget: RetryBudget::default(),
            days_at_once: AtomicI64::new(super::insights::FIRST_DAYS),
        })
    }
    /// What the answers so far said about the way to Meta itself.
    pub(super) fn wire_state(&self) -> WireState {
        let warning = self.version_warning.lock().unwrap_or_else(PoisonError::into_inner);
        WireState { skew_ms: self.clock_skew_ms(), version_warning: warning.clone() }
    }
    /// How far Meta's clock is ahead of ours in milliseconds, from the `Date` of the last answer that had one.
    pub fn clock_skew_ms(&self) -> Option<i64> {
        Some(self.skew_ms.load(Ordering::Relaxed)).filter(|ms| *ms != UNSEEN)
    }

    /// `/v26.0/{tail}`: the one place where paths are built.
    pub(super) fn path(&self, tail: &str) -> String {
        format!("/{}/{}", self.options.version, tail.trim_start_matches('/'))
    }
    /// `/v26.0/act_1/{edge}`.
    pub(super) fn edge(&self, edge: &str) -> String {
        self.path(&format!("{}/{edge}", self.options.account.act()))
    }
    pub(super) fn secrets(&self) -> Secrets {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Calls with another token from the next request on: after a renewal, or a person's new login.
    pub fn change_secrets(&self, secrets: Secrets) {
        *self.secrets.lock().unwrap_or_else(PoisonError::into_inner) = secrets;
    }
    pub(super) fn known_currency(&self) -> Option<Currency> {
        *self.currency.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn learn_currency(&self, currency: Currency) {
        *self.currency.lock().unwrap_or_else(PoisonError::into_inner) = Some(currency);
    }

    /// Sends one signed request once and takes note of the headers.
    pub(super) async fn exchange(
        &self,
        what: &str,
        request: &Request,
    ) -> Result<Response, MetaError> {
        // At most two requests of an account are under way, and a few of the whole process.
        let _own = self.gate.acquire().await.ok();
        let _any = ALL.acquire().await.ok();
        self.budget.sent();
        let response =
            self.transport.send(request).await.map_err(|error| of_transport(what, &error))?;
        self.pace.observe(&Usage::of(&response));
        if let Some(text) = response.header("x-ad-api-version-warning") {
            let text = super::error::one_line(text);
            tracing::warn!(version = %self.options.version, "Meta warns about the API version: {text}");
            *self.version_warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        }
        if let Some(date) = response.header("date").and_then(http_date) {
            self.skew_ms.store(date.since(self.clock.now()), Ordering::Relaxed);
        }
        Ok(response)
    }
    async fn once<P>(
        &self,
        what: &str,
        request: &Request,
        parse: impl Fn(&str, &Response) -> Result<P, MetaError>,
    ) -> Result<P, MetaError> {
        let insights = request.path.ends_with("/insights");
        self.pace.read(what, if insights { Kind::Insights } else { Kind::Other }).await?;
        let response = self.exchange(what, request).await?;
        let body = parse(what, &response);
        if let Err(error) = &body {
            self.pace.throttled(error);
        }
        body
    }

    /// Reads one answer: at most four tries, full jitter, as long as the class promises something from repeating.
    pub(super) async fn get(&self, what: &str, request: Request) -> Result<Value, MetaError> {
        self.get_as(what, request, body_of).await
    }
    /// The same with a reader of one's own for the answer.
    pub(super) async fn get_as<P>(
        &self,
        what: &str,
        request: Request,
        parse: impl Fn(&str, &Response) -> Result<P, MetaError>,
    ) -> Result<P, MetaError> {
        let request = self.secrets().sign(request);
        self.get_signed(what, &request, parse).await
    }
    /// The same for a request that carries its own token.
    pub(super) async fn get_signed<P>(
        &self,
        what: &str,
        request: &Request,
        parse: impl Fn(&str, &Response) -> Result<P, MetaError>,
    ) -> Result<P, MetaError> {
        let probe = self.outage.may_ask(what, self.clock.steady())?;
        let backoff = ExponentialBuilder::new()
            .with_min_delay(Duration::from_secs(1))
            .with_factor(4.0)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(if probe { 0 } else { REPEATS });
        let attempt = || self.once(what, request, &parse);
        let found = attempt
            .retry(backoff)
            .sleep(OnClock(Arc::clone(&self.clock)))
            .when(|error| worth_repeating(error) && self.budget.allows())
            .adjust(|error, pause| pause.map(|p| self.pause(error, p)))
            .notify(|error, pause| tracing::debug!(%error, ?pause, "reading again"))
            .await;
        self.outage.learn(found.as_ref().err(), self.clock.steady());
        found
    }
    /// Anything up to the pause, and not before a throttle is over.
    fn pause(&self, error: &MetaError, most: Duration) -> Duration {
        let share: f64 = self.jitter.lock().unwrap_or_else(PoisonError::into_inner).random();
        let told = error.wait_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
        Duration::from_millis(told) + most.mul_f64(share)
    }

    /// Reads a list to its last page, or fails as a whole.
    pub(super) async fn list(
        &self,
        what: &str,
        request: Request,
        key: fn(&Value) -> Option<String>,
    ) -> Result<Vec<Value>, MetaError> {
        let mut limit = PAGE;
        let mut restarts = 0;
        let mut walk = Walk::new(key);
        let mut after: Option<String> = None;
        loop {
            let mut page = request.clone().with("limit", limit.to_string());
            if let Some(cursor) = &after {
                page = page.with("after", cursor);
            }
            match self.get(what, page).await {
                Ok(body) => match walk.take(body) {
                    Ok(Step::Next(cursor)) => after = Some(cursor),
                    Ok(Step::End) => break,
                    Err(error) => return Err(plain(MetaClass::Lost, what, error.to_string())),
                },
                Err(error) if is_too_much(&error) && limit > SMALLEST_PAGE => {
                    limit = (limit / 2).max(SMALLEST_PAGE);
                    tracing::debug!(what, limit, "asking for smaller pages");
                }
                // An expired cursor: the walk begins anew, once.
                Err(MetaError { code: Some(2642), .. }) if restarts == 0 && after.is_some() => {
                    restarts += 1;
                    after = None;
                    walk = Walk::new(key);
                }
                Err(error) => return Err(error),
            }
        }
        if walk.duplicates() > 0 {
            tracing::warn!(what, duplicates = walk.duplicates(), "rows came more than once");
        }
        Ok(walk.into_rows())
    }
}

/// Classes that a repeat of a read may cure.
fn worth_repeating(error: &MetaError) -> bool {
    match error.class {
        MetaClass::NotSent => error.wait_ms.is_none(),
        MetaClass::Transient | MetaClass::Lost => true,
        MetaClass::Throttled => error.wait_ms.is_none_or(|ms| ms <= LONGEST_THROTTLE_MS),
        MetaClass::Auth
        | MetaClass::Refused
        | MetaClass::Immutable
        | MetaClass::Policy
        | MetaClass::Version
        | MetaClass::Gone
        | MetaClass::TooMuch
        | MetaClass::Unknown => false,
    }
}

/// True when asking for less may help: Meta's plain "unknown error" (code 1) often has that cause as well.
pub(super) fn is_too_much(error: &MetaError) -> bool {
    error.class == MetaClass::TooMuch
        || error.class == MetaClass::Transient && error.code == Some(1)
}

fn http_date(text: &str) -> Option<Moment> {
    let zoned = jiff::fmt::rfc2822::DateTimeParser::new().parse_zoned(text).ok()?;
    Some(Moment::from_millis(zoned.timestamp().as_millisecond()))
}
