//! The agent's loop: waits for the next slot of any schedule, runs one pass, and starts over until told to stop.
//!
//! A schedule is only an alarm clock. Slots are keyed in UTC and each runs once; after sleep or downtime a job catches
//! up once, however many slots it missed. A signal is heard between passes; a pass under way is finished first.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        self, AppError, Desk,
        tick::{Hands, Scope, Ticked},
    },
    daemon::schedule::{Job, Schedules},
    domain::Moment,
    ports::{Clock, MetaRead, MetaWrite, Record, StopSwitch, Store, StoreError},
};

/// Longest wait without looking at the clock, in milliseconds: timers stand still while a machine sleeps.
const LOOK_MS: i64 = 30_000;

/// What keeps the history itself in order; the store's own business.
pub trait Upkeep {
    /// Fails when the database file was replaced or removed under the agent.
    fn check_file(&self) -> Result<(), StoreError>;
    /// Reads the whole audit chain; the error is for people.
    fn verify_audit(&self) -> impl Future<Output = Result<(), String>>;
    /// Copies the newest head of the audit chain out of the database.
    fn anchor(&self) -> impl Future<Output = Result<(), StoreError>>;
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
        mut after: impl FnMut(&str, &Result<Ticked, AppError>),
    ) -> Result<(), AppError> {
        // Whatever is pending from before is looked at once at the start.
        after("start", &self.pass(Scope { decide: false }).await);
        while !stop.is_cancelled() {
            self.upkeep.check_file()?;
            let now = self.desk.clock.now();
            if let Some((job, slot)) = self.next_due(now).await? {
                if self.claim(job, slot).await?
                    && let Some(done) = self.work(job).await
                {
                    after(job.as_str(), &done);
                }
                continue;
            }
            let wake = self.schedules.values().filter_map(|s| s.next_after(now)).min();
            let until = wake.unwrap_or(now.plus(LOOK_MS)).min(now.plus(LOOK_MS));
            tokio::select! {
                () = self.desk.clock.wait_until(until) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// One pass over everything.
    pub async fn pass(&self, scope: Scope) -> Result<Ticked, AppError> {
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
            Job::Reconcile | Job::CheckToken => {
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
