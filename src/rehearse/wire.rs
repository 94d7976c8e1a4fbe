//! The border of the agent: its way to the API and its way to the disk, both watched, both cut at will.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    Coverage, Witness, coverage,
    tripwire::{Side, Tripwire},
};
use crate::{
    domain::plan::Template,
    ports::{
        BoxFuture, Clock as _, Method, Request, Response, StopSwitch, StoreError, Transport,
        TransportError,
    },
    sandbox::{FaultMix, Sandbox},
    store::{Change, CommitHook},
};

/// What both ways share.
pub(super) struct Border {
    pub(super) world: Sandbox,
    pub(super) mix: FaultMix,
    pub(super) trip: Arc<Tripwire>,
    witness: Mutex<Witness>,
    coverage: Mutex<Coverage>,
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

impl Border {
    pub(super) fn new(
        world: Sandbox,
        mix: FaultMix,
        trip: Arc<Tripwire>,
        witness: Witness,
        switch: Box<dyn StopSwitch>,
    ) -> Arc<Self> {
        world.set_faults(mix.clone());
        Arc::new(Self {
            world,
            mix,
            trip,
            witness: Mutex::new(witness),
            coverage: Mutex::default(),
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
    /// Adds to the story and counts the kind.
    pub(super) fn happened(&self, kind: &'static str, what: &str) {
        let at = self.world.clock().now();
        self.witness().tell(at, format!("{kind}: {what}"));
        self.coverage().event(kind);
    }
    fn die(&self, what: &str, side: Side) {
        let side = if side == Side::Before { "before" } else { "after" };
        self.happened("crash", &format!("{side} {what} (number {})", self.trip.count()));
        self.trip.die();
    }
}

/// True for everything that may change something: the agent starts no reports and sends no batches that read.
fn writes(request: &Request) -> bool {
    request.method != Method::Get && !request.path.ends_with("/insights")
}

/// The request as a template: without version and secrets.
fn template(request: &Request) -> Template {
    let path = request.path.trim_start_matches('/');
    let path = path.split_once('/').map_or(path, |(_, tail)| tail).to_owned();
    Template { method: request.method.to_string(), path, params: request.form.clone() }
}

/// The watched way to the API.
#[derive(Debug, Clone)]
pub(super) struct Wire(pub(super) Arc<Border>);

impl Wire {
    /// The world acts while this is called; only the answer is waited for.
    fn exchange<'a>(
        &'a self,
        request: &'a Request,
    ) -> BoxFuture<'a, Result<Response, TransportError>> {
        let border = &self.0;
        let write = writes(request);
        let before = if write { border.world.inventory() } else { Vec::new() };
        if write {
            let stopped = border.switch.stopped();
            border.witness().sends(&template(request), stopped.as_deref(), &before);
        }
        let answer = border.world.send(request);
        let fault = border.mix.take();
        let step = coverage::step(request);
        border.coverage().count(step, fault);
        if let Some(fault) = fault {
            let at = border.world.clock().now();
            border.witness().tell(at, format!("{fault} on {step}"));
        }
        if write {
            border.witness().applied(&before, &border.world.inventory());
        }
        answer
    }
}

impl Transport for Wire {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        let side = self.0.trip.step();
        if self.0.trip.is_dead() {
            return Box::pin(std::future::pending());
        }
        if side == Some(Side::Before) {
            self.0.die(coverage::step(request), Side::Before);
            return Box::pin(std::future::pending());
        }
        let answer = self.exchange(request);
        if side == Some(Side::After) {
            self.0.die(coverage::step(request), Side::After);
            return Box::pin(std::future::pending());
        }
        answer
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
        let side = self.0.trip.step();
        if self.0.trip.is_dead() {
            return Err(dead());
        }
        if side == Some(Side::Before) {
            self.0.die("commit", Side::Before);
            return Err(dead());
        }
        self.0.dies_after_commit.store(side == Some(Side::After), Ordering::Relaxed);
        Ok(())
    }
    fn after(&self, change: Change<'_>) -> Result<(), StoreError> {
        if let Change::Batch(batch) = change {
            self.0.witness().committed(batch);
        }
        if self.0.dies_after_commit.swap(false, Ordering::Relaxed) {
            self.0.die("commit", Side::After);
            return Err(dead());
        }
        Ok(())
    }
}
