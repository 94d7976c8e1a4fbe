//! The agent's loop: waits for the next slot of any schedule, runs one pass, and starts over until told to stop.
//!
//! A schedule is only an alarm clock. Slots are keyed in UTC and each runs once; after sleep or downtime a job catches
//! up once, however many slots it missed. After a signal nothing more is sent, and the pass under way is given up when it
//! does not end soon: whatever it leaves half done is taken up at the next start, as after a crash.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use serde_json::json;

use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        self, AppError, Desk,
        tick::{Hands, Scope},
        ticked::Ticked,
    },
    daemon::{
        jumps::Jumps,
        schedule::{Job, Schedules},
    },
    domain::Moment,
    ports::{Clock, MetaRead, MetaWrite, Record, StopSwitch, Store, StoreError, SystemClock},
};

/// Longest wait without looking at clock and database, in milliseconds: timers stand still while a machine sleeps, and a
/// database that was replaced must be noticed soon.
const LOOK_MS: i64 = 5_000;
/// How long a pass may still take after a signal: a write that is on the wire gets its answer.
const GRACE: Duration = Duration::from_secs(95);

/// What keeps the history itself in order; the store's own business.
pub trait Upkeep {
    /// Looks whether the database is what it was: in its place, unchanged by others, with room to grow. What passes is
    /// only logged (and stops the door); an error means that going on makes no sense.
    fn look(&self) -> impl Future<Output = Result<(), StoreError>>;
    /// Leaves a sign of life.
    fn beat(&self, doing: &str);
    /// Why the agent only observes until a person has looked, if so.
    fn held(&self) -> Option<String>;
    /// Reads the whole audit chain; the error is for people.
    fn verify_audit(&self) -> impl Future<Output = Result<(), String>>;
    /// Copies the newest head of the audit chain out of the database.
    fn anchor(&self) -> impl Future<Output = Result<(), StoreError>>;
    /// Calls with the stored token from now on, when it is another than before: after a renewal, or a person's login.
    fn follow_token(&self) -> impl Future<Output = ()>;
    /// Renews the stored token when that is due and possible.
    fn renew_token(&self) -> impl Future<Output = ()>;
    /// Makes a verified copy.
    fn backup(&self, now: Moment) -> impl Future<Output = Result<(), String>>;
}

/// What the loop needs.
#[derive(Debug)]
pub struct Agent<'a, S, R, C, W, K, U> {
    /// Store, reads, clock, policy.
    pub desk: Desk<'a, S, R, C>,
    /// The write side, in the modes that write.
    pub hands: Option<Hands<'a, W, K>>,
    /// When to do what, in the account's zone.
    pub schedules: Schedules,
    /// Upkeep of the history.
    pub upkeep: U,
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// The agent was held and no longer is, or the other way round: it must be put together anew.
    Rearm,
}

impl<S, R, C, W, K, U> Agent<'_, S, R, C, W, K, U>
where
    S: Store,
    R: MetaRead,
    C: Clock,
    W: MetaWrite,
    K: StopSwitch,
    U: Upkeep,
{
    /// Runs until `stop` is cancelled. `after` is told what each pass did.
    pub async fn run(
        &self,
        stop: &CancellationToken,
        after: impl FnMut(&str, &Result<Ticked, AppError>),
    ) -> Result<Ended, AppError> {
        let life = self.life(stop, after);
        let patience = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            ended = life => ended,
            // Commits run to their end by themselves; a write without an answer is in doubt, as after a crash.
            () = patience => {
                tracing::warn!("the pass under way did not end in time and is given up");
                Ok(Ended::Stopped)
            }
        }
    }

    async fn life(
        &self,
        stop: &CancellationToken,
        mut after: impl FnMut(&str, &Result<Ticked, AppError>),
    ) -> Result<Ended, AppError> {
        let held = self.upkeep.held().is_some();
        let born = Instant::now();
        let mut jumps = Jumps::default();
        let mut fresh = false;
        while !stop.is_cancelled() {
            self.upkeep.beat("waiting");
            let lived = i64::try_from(born.elapsed().as_millis()).unwrap_or(i64::MAX);
            let jump = jumps.look(SystemClock.now(), lived);
            let until = match self.step(jump, &mut fresh, &mut after).await {
                Ok(until) => until,
                // A full disk or a held lock passes: nothing was sent that was not recorded.
                Err(AppError::Store(
                    e @ (StoreError::Full { .. } | StoreError::Database { .. }),
                )) => {
                    tracing::error!("the agent cannot go on yet: {e}");
                    Some(self.desk.clock.now().plus(LOOK_MS))
                }
                Err(e) => return Err(e),
            };
            if self.upkeep.held().is_some() != held {
                return Ok(Ended::Rearm);
            }
            let Some(until) = until else { continue };
            tokio::select! {
                () = self.desk.clock.wait_until(until) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(Ended::Stopped)
    }

    /// One thing to do, if there is any; else until when to wait.
    async fn step(
        &self,
        jump: Option<i64>,
        fresh: &mut bool,
        after: &mut impl FnMut(&str, &Result<Ticked, AppError>),
    ) -> Result<Option<Moment>, AppError> {
        self.upkeep.look().await?;
        if let Some(by_ms) = jump {
            *fresh = false;
            self.jumped(by_ms).await?;
        }
        if !*fresh {
            // Whatever is pending from before is looked at once, before anything is decided.
            *fresh = true;
            self.upkeep.beat("start");
            self.upkeep.renew_token().await;
            after("start", &self.pass(Scope { decide: false }).await);
            if let Err(e) = app::token::watch(self.desk).await {
                tracing::warn!("cannot look at the token: {e}");
            }
            return Ok(None);
        }
        let now = self.desk.clock.now();
        if let Some((job, slot)) = self.next_due(now).await? {
            self.upkeep.beat(job.as_str());
            if self.claim(job, slot).await?
                && let Some(done) = self.work(job).await
            {
                after(job.as_str(), &done);
            }
            return Ok(None);
        }
        let wake = self.schedules.values().filter_map(|s| s.next_after(now)).min();
        Ok(Some(wake.unwrap_or(now.plus(LOOK_MS)).min(now.plus(LOOK_MS))))
    }

    /// The machine slept, or its clock was set: recorded, and everything is read anew before the next decision.
    async fn jumped(&self, by_ms: i64) -> Result<(), StoreError> {
        tracing::warn!(by_ms, "the machine slept or its clock was set; everything is read anew");
        let body = json!({ "by_ms": by_ms });
        let link =
            app::journal::audit(self.desk.clock.now(), "clock_jumped", self.desk.actor, body);
        self.desk.store.commit(vec![link]).await
    }

    /// One pass over everything.
    pub async fn pass(&self, scope: Scope) -> Result<Ticked, AppError> {
        self.upkeep.follow_token().await;
        let done = app::tick::tick(self.desk, self.hands.as_ref(), scope).await;
        self.upkeep.anchor().await?;
        done
    }

    /// What a job does. Every pass also settles doubts, watches for drift and checks the token.
    async fn work(&self, job: Job) -> Option<Result<Ticked, AppError>> {
        match job {
            Job::Decide => Some(self.pass(Scope { decide: true }).await),
            Job::Pull => Some(self.pass(Scope { decide: false }).await),
            Job::VerifyAudit => {
                if let Err(e) = self.upkeep.verify_audit().await {
                    tracing::error!("the audit chain is broken: {e}");
                }
                None
            }
            Job::Backup => {
                match self.upkeep.backup(self.desk.clock.now()).await {
                    Ok(()) => tracing::info!("backup made and verified"),
                    Err(e) => tracing::error!("the backup failed: {e}"),
                }
                None
            }
            Job::AuditEvents => {
                if let Err(e) = app::events::weekly(self.desk).await {
                    tracing::warn!("the weekly audit of events failed: {e}");
                }
                None
            }
            Job::Watch => match app::watch::watch(self.desk).await {
                // What the watch wants paused is carried out at once.
                Ok(watched) if watched.stood_down => Some(self.pass(Scope { decide: false }).await),
                Ok(_) => None,
                Err(e) => {
                    tracing::warn!("the watch over delivery failed: {e}");
                    None
                }
            },
            Job::CheckToken => {
                self.upkeep.renew_token().await;
                if let Err(e) = app::token::watch(self.desk).await {
                    tracing::warn!("cannot look at the token: {e}");
                }
                None
            }
            Job::Reconcile => {
                if let Err(e) = app::reconcile::reconcile(self.desk).await {
                    tracing::warn!("cannot look up writes in doubt: {e}");
                }
                None
            }
        }
    }

    /// The most urgent slot that is due and was not run.
    async fn next_due(&self, now: Moment) -> Result<Option<(Job, Moment)>, StoreError> {
        let mut due: Option<(Job, Moment)> = None;
        for (job, schedule) in &self.schedules {
            let known = self.desk.store.last_slot(job.as_str()).await?;
            // A job that never ran starts with the next slot; remembering the start keeps it from catching up.
            if known.is_none() {
                self.claim(*job, now).await?;
            }
            let last = known.unwrap_or(now);
            if let Some(slot) = schedule.due_slots(last, now)
                && due.is_none_or(|(_, earliest)| slot < earliest)
            {
                due = Some((*job, slot));
            }
        }
        Ok(due)
    }

    /// Takes a slot; false when somebody ran it already.
    async fn claim(&self, job: Job, slot: Moment) -> Result<bool, StoreError> {
        let at = self.desk.clock.now();
        let record = Record::Slot { job: job.as_str().to_owned(), slot, at };
        match self.desk.store.commit(vec![record]).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }
}
