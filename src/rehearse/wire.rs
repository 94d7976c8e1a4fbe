//! The border of the agent: its way to the API and its way to the disk, both watched, both cut at will.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use super::{
    Coverage, Witness, chronicle, coverage,
    tripwire::{Event, Side, Tripwire},
    witness::Leaving,
};
use crate::{
    domain::{HOUR_MS, Moment, plan::Template},
    ports::{
        BoxFuture, Clock, Method, Request, Response, StopSwitch, StoreError, Transport,
        TransportError,
    },
    sandbox::{Edited, FaultMix, Sandbox},
    store::{Change, CommitHook},
};

/// What the disk answers for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiskTrouble {
    Full,
    Locked,
    Broken,
}

impl DiskTrouble {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Full => "disk_full",
            Self::Locked => "disk_locked",
            Self::Broken => "disk_broken",
        }
    }
    fn error(self) -> StoreError {
        let failing =
            |why: &str| StoreError::Database { doing: "committing a batch", why: why.to_owned() };
        match self {
            Self::Full => StoreError::Full { doing: "committing a batch" },
            Self::Locked => failing("database is locked"),
            Self::Broken => failing("disk I/O error"),
        }
    }
}

/// What both ways share.
pub(super) struct Border {
    pub(super) world: Sandbox,
    pub(super) mix: FaultMix,
    pub(super) trip: Arc<Tripwire>,
    /// How far the agent's clock is ahead of the world's, in milliseconds.
    pub(super) skew_ms: AtomicI64,
    /// Number of the present life; a request of an earlier one must not come.
    pub(super) life: AtomicU64,
    /// Something failed in this pass that excuses its end.
    pub(super) excused: AtomicBool,
    witness: Mutex<Witness>,
    coverage: Mutex<Coverage>,
    disk: Mutex<Option<(DiskTrouble, u32)>>,
    freeze_in: AtomicI64,
    switch: Box<dyn StopSwitch>,
    dies_after_commit: AtomicBool,
}

impl fmt::Debug for Border {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Border").field("trip", &self.trip).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds the process is stopped for.
const FREEZE_MS: i64 = 8 * HOUR_MS;

impl Border {
    pub(super) fn new(
        world: Sandbox,
        mix: FaultMix,
        trip: Arc<Tripwire>,
        witness: Witness,
        coverage: Coverage,
        switch: Box<dyn StopSwitch>,
    ) -> Arc<Self> {
        world.set_faults(mix.clone());
        world.forget_requests();
        Arc::new(Self {
            world,
            mix,
            trip,
            skew_ms: AtomicI64::new(0),
            life: AtomicU64::new(0),
            excused: AtomicBool::new(false),
            witness: Mutex::new(witness),
            coverage: Mutex::new(coverage),
            disk: Mutex::new(None),
            freeze_in: AtomicI64::new(-1),
            switch,
            dies_after_commit: AtomicBool::new(false),
        })
    }
    pub(super) fn witness(&self) -> MutexGuard<'_, Witness> {
        lock(&self.witness)
    }
    pub(super) fn coverage(&self) -> MutexGuard<'_, Coverage> {
        lock(&self.coverage)
    }
    /// The world's time.
    pub(super) fn now(&self) -> Moment {
        self.world.clock().now()
    }
    /// A person archives an object; false where Meta does not let them.
    pub(super) fn archived_by_person(&self, id: &str) -> bool {
        let before = self.world.inventory();
        if self.world.edit_as_person(id, &[("status", "ARCHIVED")]).is_err() {
            return false;
        }
        let touched = vec![(id.to_owned(), "status".to_owned())];
        let edited = Edited { what: format!("{id} is archived"), touched, ..Edited::default() };
        let after = self.world.inventory();
        self.witness().people_edited(self.now(), &edited, &before, &after);
        true
    }
    /// Adds to the story and counts the kind.
    pub(super) fn happened(&self, kind: &'static str, what: &str) {
        let at = self.now();
        self.witness().tell(at, format!("{kind}: {what}"));
        self.coverage().event(kind);
    }
    /// Counts where every open climb stands.
    pub(super) fn take_stock(&self) {
        let witness = self.witness();
        let mut coverage = self.coverage();
        for climb in witness.books.climbs.values().filter(|c| c.state.is_open()) {
            coverage.stood(climb.state.as_str(), climb.held.is_some());
        }
    }
    /// The next `commits` commits fail.
    pub(super) fn break_disk(&self, trouble: DiskTrouble, commits: u32) {
        *lock(&self.disk) = (commits > 0).then_some((trouble, commits));
    }
    /// The process is stopped for hours before the `events`-th request from now.
    pub(super) fn freeze_in(&self, events: i64) {
        self.freeze_in.store(events, Ordering::Relaxed);
    }
    fn disk_fails(&self) -> Option<StoreError> {
        let mut disk = lock(&self.disk);
        let (trouble, left) = (*disk)?;
        *disk = (left > 1).then_some((trouble, left - 1));
        drop(disk);
        self.excused.store(true, Ordering::Relaxed);
        self.happened(trouble.name(), "a commit failed");
        Some(trouble.error())
    }
    fn die(&self, what: &str, side: Side) {
        self.happened("crash", &format!("{side:?} {what} (number {})", self.trip.count()));
        self.trip.die();
    }
    /// The end of a pass is the end of a life that was to end after its last event.
    pub(super) fn end_of_pass(&self) {
        if self.trip.is_doomed() && !self.trip.is_dead() {
            self.die("the end of the pass", Side::Before);
        }
    }
}

/// True for everything that may change something; report runs and batches of reads change nothing.
fn writes(request: &Request) -> bool {
    let reads = |batch: &str| {
        serde_json::from_str::<Vec<serde_json::Value>>(batch)
            .is_ok_and(|all| all.iter().all(|element| element["method"] == "GET"))
    };
    let batch = request.form.iter().find(|(name, _)| name == "batch");
    request.method != Method::Get
        && !request.path.ends_with("/insights")
        && !batch.is_some_and(|(_, text)| reads(text))
}

/// The request as a template: without version and secrets.
fn template(request: &Request) -> Template {
    let path = request.path.trim_start_matches('/');
    let path = path.split_once('/').map_or(path, |(_, tail)| tail).to_owned();
    Template { method: request.method.to_string(), path, params: request.form.clone() }
}

/// The agent's clock: the world's, moved by what is wrong with it. Whoever waits on it lets the world's time pass.
#[derive(Debug)]
pub(super) struct WorldClock(pub(super) Arc<Border>);

impl Clock for WorldClock {
    fn now(&self) -> Moment {
        self.0.now().plus(self.0.skew_ms.load(Ordering::Relaxed))
    }
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
        self.0.world.advance_to(until.plus(-self.0.skew_ms.load(Ordering::Relaxed)));
        Box::pin(std::future::ready(()))
    }
    fn steady(&self) -> Moment {
        self.0.now()
    }
}

/// The watched way to the API of one life.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    border: Arc<Border>,
    life: u64,
}

impl Wire {
    pub(super) fn new(border: &Arc<Border>) -> Self {
        let life = border.life.load(Ordering::Relaxed);
        Self { border: Arc::clone(border), life }
    }
    /// The world acts while this is called; only the answer is waited for.
    fn exchange<'a>(
        &'a self,
        request: &'a Request,
    ) -> BoxFuture<'a, Result<Response, TransportError>> {
        let border = &self.border;
        if border.freeze_in.fetch_sub(1, Ordering::Relaxed) == 0 {
            border.happened("process_frozen", "for eight hours");
            border.world.advance_to(border.now().plus(FREEZE_MS));
        }
        let write = writes(request);
        let before = if write { border.world.inventory() } else { Vec::new() };
        if write {
            border.witness().tell(border.now(), chronicle::sent(request));
            let stopped = border.switch.stopped();
            let account = border.world.shown_account();
            border.witness().skew_ms = border.skew_ms.load(Ordering::Relaxed);
            border.witness().sends(Leaving {
                template: &template(request),
                stopped: stopped.as_deref(),
                world: &before,
                now: border.now(),
                account: &account,
                account_status: border.world.account_status(),
            });
        }
        let step = coverage::step(request);
        border.mix.next_is(step);
        let answer = border.world.send(request);
        let fault = border.mix.take();
        border.coverage().count(step, fault);
        if let Some(fault) = fault {
            let at = border.now();
            border.witness().tell(at, format!("{fault} on {step}"));
        }
        if write {
            let (after, clamped) = (border.world.inventory(), fault == Some("clamped"));
            border.witness().applied(border.now(), &before, &after, clamped);
        }
        answer
    }
    /// A clock that is wrong can be seen in the `Date` of the answers.
    async fn dated(
        &self,
        answer: BoxFuture<'_, Result<Response, TransportError>>,
    ) -> Result<Response, TransportError> {
        let mut response = answer.await?;
        if self.border.skew_ms.load(Ordering::Relaxed) != 0 {
            let text = self.border.now().timestamp().strftime("%a, %d %b %Y %H:%M:%S GMT");
            response.headers.push(("date".to_owned(), text.to_string()));
        }
        Ok(response)
    }
}

impl Transport for Wire {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        let border = &self.border;
        if self.life != border.life.load(Ordering::Relaxed) {
            border.witness().accuse("a_dead_agent_sends_nothing", coverage::step(request));
            return Box::pin(std::future::pending());
        }
        let side = border.trip.step(Event::Call);
        if border.trip.is_dead() {
            return Box::pin(std::future::pending());
        }
        if side == Some(Side::Before) {
            border.die(coverage::step(request), Side::Before);
            return Box::pin(std::future::pending());
        }
        let answer = self.exchange(request);
        match side {
            Some(Side::Applied) => {
                border.die(coverage::step(request), Side::Applied);
                Box::pin(std::future::pending())
            }
            Some(Side::ReplyLost) => {
                border.happened("reply_lost", coverage::step(request));
                let lost = TransportError::Lost("the rehearsal lost the answer".to_owned());
                Box::pin(std::future::ready(Err(lost)))
            }
            Some(Side::Before | Side::After) | None => Box::pin(self.dated(answer)),
        }
    }
}

/// The watched way to the disk.
#[derive(Debug)]
pub(super) struct Disk(pub(super) Arc<Border>);

fn dead() -> StoreError {
    StoreError::Database { doing: "rehearsing a crash", why: "the process is dead".to_owned() }
}

impl CommitHook for Disk {
    fn before(&self, _change: Change<'_>) -> Result<(), StoreError> {
        let side = self.0.trip.step(Event::Commit);
        if self.0.trip.is_dead() {
            return Err(dead());
        }
        if side == Some(Side::Before) {
            self.0.die("commit", Side::Before);
            return Err(dead());
        }
        if let Some(error) = self.0.disk_fails() {
            return Err(error);
        }
        let dies = matches!(side, Some(Side::Applied | Side::ReplyLost | Side::After));
        self.0.dies_after_commit.store(dies, Ordering::Relaxed);
        Ok(())
    }
    fn after(&self, change: Change<'_>) -> Result<(), StoreError> {
        if let Change::Batch(batch) = change {
            let now = self.0.now();
            let mut witness = self.0.witness();
            for line in chronicle::lines(&witness.books, batch) {
                witness.tell(now, line);
            }
            witness.committed(batch);
        }
        if self.0.dies_after_commit.swap(false, Ordering::Relaxed) {
            self.0.die("commit", Side::Applied);
            return Err(dead());
        }
        Ok(())
    }
}
