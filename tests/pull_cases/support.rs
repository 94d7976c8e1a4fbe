//! An agent over a rehearsal account, with a wire and a disk that can be cut.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rungwise::{
    boot::{self, AnyClock, AnyTransport, Parts, Role},
    config,
    domain::Moment,
    ports::{BoxFuture, Clock, Request, Response, StoreError, Transport, TransportError},
    sandbox::{Sandbox, Scenario},
    store::{Change, CommitHook},
};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::sync::Notify;

/// A Monday far from the blackout days of the default configuration.
pub(crate) const OPENING: &str = "2026-01-05T06:30:00Z";

/// An account with that many days of history: four ad sets in two campaigns.
pub(crate) fn shop(history_days: u32) -> Sandbox {
    let scenario = Scenario::default().starting(OPENING.parse().unwrap());
    Sandbox::new(Scenario { history_days, ..scenario })
}

/// The same with one campaign of two ad sets.
pub(crate) fn small_shop(history_days: u32) -> Sandbox {
    let mut scenario = Scenario::default().starting(OPENING.parse().unwrap());
    scenario.campaigns.truncate(1);
    Sandbox::new(Scenario { history_days, ..scenario })
}

/// The world's clock; whoever waits on it lets its time pass.
pub(crate) struct Driver(pub(crate) Sandbox);

impl Clock for Driver {
    fn now(&self) -> Moment {
        self.0.clock().now()
    }
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
        self.0.advance_to(until);
        Box::pin(std::future::ready(()))
    }
}

/// Dies at the n-th step: a request before it is answered, or a commit on either side of it.
#[derive(Debug, Default)]
pub(crate) struct Fuse {
    steps: AtomicU64,
    at: AtomicU64,
    pub(crate) died: Notify,
}

impl Fuse {
    pub(crate) fn set(&self, steps_from_now: u64) {
        self.at.store(self.steps() + steps_from_now, Ordering::SeqCst);
    }
    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::SeqCst)
    }
    /// True when this step is the last.
    fn step(&self) -> bool {
        let n = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        let dead = n == self.at.load(Ordering::SeqCst);
        if dead {
            self.died.notify_one();
        }
        dead
    }
}

/// The watched wire: counts, remembers what was asked, and may die.
pub(crate) struct Wire {
    pub(crate) world: Sandbox,
    pub(crate) fuse: Arc<Fuse>,
    pub(crate) asked: Mutex<Vec<Request>>,
    /// What is answered instead of the world's answer, if anything.
    #[expect(clippy::type_complexity, reason = "a script of answers")]
    pub(crate) instead:
        Box<dyn Fn(&Request) -> Option<Result<Response, TransportError>> + Send + Sync>,
}

impl Wire {
    pub(crate) fn to(world: &Sandbox) -> Arc<Self> {
        Self::with(world, |_| None)
    }
    pub(crate) fn with(
        world: &Sandbox,
        instead: impl Fn(&Request) -> Option<Result<Response, TransportError>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            fuse: Arc::default(),
            asked: Mutex::default(),
            instead: Box::new(instead),
        })
    }
    pub(crate) fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Transport for Wire {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        if self.fuse.step() {
            return Box::pin(std::future::pending());
        }
        self.asked.lock().unwrap().push(request.clone());
        match (self.instead)(request) {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => self.world.send(request),
        }
    }
}

#[derive(Debug)]
struct Disk(Arc<Fuse>);

fn dead() -> StoreError {
    StoreError::Database { doing: "dying", why: "the process is dead".to_owned() }
}
impl CommitHook for Disk {
    fn before(&self, _: Change<'_>) -> Result<(), StoreError> {
        if self.0.step() { Err(dead()) } else { Ok(()) }
    }
    fn after(&self, _: Change<'_>) -> Result<(), StoreError> {
        if self.0.step() { Err(dead()) } else { Ok(()) }
    }
}

/// An agent in a directory of its own.
pub(crate) struct Agent {
    pub(crate) dir: TempDir,
    pub(crate) parts: Parts,
    pub(crate) wire: Arc<Wire>,
}

impl Agent {
    pub(crate) async fn new(wire: Arc<Wire>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let parts = self::parts(dir.path(), &wire).await;
        Self { dir, parts, wire }
    }
    /// As after a death: the database closed and opened, everything else new.
    pub(crate) async fn again(self) -> Self {
        let Self { dir, parts, wire } = self;
        parts.store.clone().close().await;
        drop(parts);
        let parts = self::parts(dir.path(), &wire).await;
        Self { dir, parts, wire }
    }
}

async fn parts(dir: &Path, wire: &Arc<Wire>) -> Parts {
    let who = wire.world.credentials();
    let text = format!(
        "[account]\nid = \"act_{}\"\n[api]\nbase_url = \"http://127.0.0.1:1\"\napp_id = \"{}\"\n",
        who.account_id, who.app_id
    );
    let secrets = [
        ("api.token", who.access_token.expose_secret()),
        ("api.app_secret", who.app_secret.expose_secret()),
    ];
    let account = config::from_toml(&text, &secrets).unwrap().account(None).unwrap().clone();
    let store = boot::open_store(dir, &account, Role::Agent).await.unwrap();
    let store = store.with_hook(Arc::new(Disk(Arc::clone(&wire.fuse))));
    let transport: AnyTransport = Arc::clone(wire) as AnyTransport;
    let clock: AnyClock = Arc::new(Driver(wire.world.clone()));
    Parts::assemble(store, &account, transport, clock, Some(1)).unwrap()
}
