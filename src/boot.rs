//! The composition root: puts store, Graph client, clock and switch together for one account.
//!
//! `run`, `tick`, `apply` and `demo` all start here, so that what the demo shows is what the daemon does. The write
//! side is made in one place, [`Parts::hands`], and only in the modes that write.

pub mod custody;
mod history;
pub mod login;
mod restore;
pub mod seal;

pub use crate::daemon::{hold::HOLD_FILE, stop::STOP_FILE};
pub use history::{BACKUPS, History, anchor_file, prove};
pub use restore::{RESTORED, Restored, restore};

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use secrecy::SecretString;
use serde_json::Value;

use crate::{
    app::{Desk, tick::Hands},
    config::{AccountConfig, Config},
    daemon::{AgentLock, stop::StopFile},
    domain::{Moment, policy::Mode},
    graph::{Client, HttpTransport, Link, Options, Secrets, Timeouts, Writer},
    ports::{AgentHold, BoxFuture, Clock, MetaError, Request, StoreError, SystemClock, Transport},
    store::{Access, SqliteStore},
};
use history::{Copies, copy_head_out};

/// Keeps secrets out of core files, and other processes of the same user from looking into this one's memory and
/// environment. What the system refuses is said and does no harm.
pub fn keep_to_ourselves() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(e) = setrlimit(Resource::Core, none) {
        tracing::debug!("core files cannot be switched off: {e}");
    }
    #[cfg(target_os = "linux")]
    if let Err(e) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::debug!("this process's memory cannot be closed to others: {e}");
    }
}

/// Any transport, as one type.
pub type AnyTransport = Arc<dyn Transport>;
/// Any clock, as one type.
pub type AnyClock = Arc<dyn Clock>;

/// Reads of one account.
pub type Reader = Client<AnyTransport>;

/// Why the parts could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The state directory cannot be made.
    #[error("cannot make the state directory {path}: {why}")]
    Dir {
        /// Which one.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The API address.
    #[error(transparent)]
    BaseUrl(#[from] crate::graph::BadBaseUrl),
    /// No token.
    #[error("there is no access token for {0}")]
    NoToken(String),
}

impl BootError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Dir { .. } => "choose a directory you may write to with --dir",
            Self::Store(e) => e.hint(),
            Self::BaseUrl(e) => e.hint(),
            Self::NoToken(_) => {
                "`rungwise login`, or set RUNGWISE_API_TOKEN or api.token_file; a system-user token is best"
            }
        }
    }
}

/// How a command wants the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one agent: holds the lock.
    Agent,
    /// Writes commands and approvals beside the agent.
    Commands,
    /// Reads beside the agent.
    Reader,
}

/// Opens the database of an account in a directory.
pub async fn open_store(
    dir: &Path,
    account: &AccountConfig,
    role: Role,
) -> Result<SqliteStore, BootError> {
    let access = match role {
        Role::Agent => {
            std::fs::create_dir_all(dir)
                .map_err(|why| BootError::Dir { path: dir.to_owned(), why })?;
            let hold: Arc<dyn AgentHold> = Arc::new(AgentLock::acquire(dir)?);
            Access::Agent(hold)
        }
        Role::Commands => Access::Commands,
        Role::Reader => Access::Read,
    };
    Ok(SqliteStore::open(dir, &account.id, access).await?)
}

/// Everything one agent works with.
pub struct Parts {
    /// History.
    pub store: SqliteStore,
    /// Reads of Meta.
    pub client: Client<AnyTransport>,
    link: Arc<Link<AnyTransport>>,
    /// The write side; None in the modes that do not write.
    writer: Option<Writer<AnyTransport>>,
    /// The kill switch.
    pub switch: StopFile,
    /// The time.
    pub clock: AnyClock,
    /// What the account is configured with.
    pub account: AccountConfig,
    /// Backups kept.
    pub keep_backups: usize,
    /// Seals audit heads; None = the key file beside the database.
    pub head_key: Option<SecretString>,
    /// Where audit heads are copied to besides the anchor file and the log.
    pub heads_file: Option<PathBuf>,
    /// Keeps the stored token, where that is the one in use.
    pub keeper: Option<custody::Keeper>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let writes = self.writer.is_some();
        f.debug_struct("Parts")
            .field("store", &self.store)
            .field("writes", &writes)
            .finish_non_exhaustive()
    }
}

/// The way to an account's Graph API, with its secrets.
fn link(
    account: &AccountConfig,
    transport: AnyTransport,
    clock: AnyClock,
    seed: Option<u64>,
) -> Result<Arc<Link<AnyTransport>>, BootError> {
    let no_token = || BootError::NoToken(account.id.to_string());
    let token = account.api.token.as_ref().ok_or_else(no_token)?;
    let stored = token.source == crate::config::SecretSource::Stored;
    let secrets = secrets_of(account, token.value.clone(), stored);
    let options = Options {
        account: account.id.clone(),
        version: account.api.version.clone(),
        points: None,
        marker: format!("[{}:", account.policy.marker_prefix),
        seed,
    };
    Ok(Link::new(transport, clock, secrets, options))
}

/// A token with what the configuration knows about its app; a stored one of a system user renews itself.
fn secrets_of(account: &AccountConfig, token: SecretString, stored: bool) -> Secrets {
    let app = account.api.app_id.as_deref().zip(account.api.app_secret.as_ref().map(|s| &s.value));
    Secrets::new(token, app).renewable(stored && app.is_some())
}

/// Reads of Meta alone, without a database: for checks.
pub async fn reader(account: &AccountConfig) -> Result<(Reader, AnyClock), BootError> {
    let (transport, clock, _) = outside(account).await?;
    Ok((Client::new(link(account, transport, Arc::clone(&clock), None)?), clock))
}

impl Parts {
    /// Puts the parts together around any transport and clock. `seed` fixes the jitter of repeated reads.
    pub fn assemble(
        store: SqliteStore,
        account: &AccountConfig,
        transport: AnyTransport,
        clock: AnyClock,
        seed: Option<u64>,
    ) -> Result<Self, BootError> {
        let link = link(account, transport, Arc::clone(&clock), seed)?;
        let switch = StopFile::of(store.dir()).also(Arc::new(store.standing().clone()));
        let parts = Self {
            store,
            client: Client::new(Arc::clone(&link)),
            link,
            writer: None,
            switch,
            clock,
            account: account.clone(),
            keep_backups: 48,
            heads_file: None,
            head_key: None,
            keeper: None,
        };
        Ok(parts.armed(account))
    }

    /// The same parts with the write side the mode of `account` asks for, and without it while the agent is held.
    #[must_use]
    pub fn armed(mut self, account: &AccountConfig) -> Self {
        self.account = account.clone();
        if self.switch.held().is_some() {
            self.account.policy.mode = Mode::Observe;
        }
        let mode = self.account.policy.effective_mode().0;
        let may_write = matches!(mode, Mode::Supervised | Mode::Autonomous);
        self.writer = may_write.then(|| Writer::new(Arc::clone(&self.link)));
        self
    }

    /// What the use cases work at, in the name of `actor`.
    pub fn desk<'a>(
        &'a self,
        actor: &'a str,
    ) -> Desk<'a, SqliteStore, Client<AnyTransport>, AnyClock> {
        Desk {
            store: &self.store,
            meta: &self.client,
            clock: &self.clock,
            policy: &self.account.policy,
            actor,
        }
    }

    /// No write side, whatever the mode: what `plan` works with.
    pub fn no_hands<'a>() -> Option<&'a Hands<'a, Writer<AnyTransport>, StopFile>> {
        None
    }

    fn copies(&self) -> Copies<'_> {
        Copies { key: self.head_key.as_ref(), elsewhere: self.heads_file.as_deref() }
    }

    /// Copies the newest audit head out of the database: a line in the anchor file and in the log.
    pub async fn anchor(&self) -> Result<(), StoreError> {
        copy_head_out(&self.store, &self.copies()).await
    }

    /// The write side with its switch, where the mode writes.
    pub fn hands(&self) -> Option<Hands<'_, Writer<AnyTransport>, StopFile>> {
        self.writer.as_ref().map(|writer| Hands { writer, switch: &self.switch })
    }
}

/// The transport and clock an account's configuration asks for: Meta with the machine's clock, or a sandbox on this
/// machine with the sandbox's own clock.
pub async fn outside(
    account: &AccountConfig,
) -> Result<(AnyTransport, AnyClock, Option<Arc<SandboxClock>>), BootError> {
    let timeouts = Timeouts::default();
    let http: AnyTransport = Arc::new(HttpTransport::new(account.api.base_url.as_str(), timeouts)?);
    if account.api.base_url.is_loopback()
        && let Ok(clock) = SandboxClock::follow(Arc::clone(&http)).await
    {
        let clock = Arc::new(clock);
        return Ok((http, clock.clone(), Some(clock)));
    }
    Ok((http, Arc::new(SystemClock), None))
}

/// The clock of a sandbox on this machine: the machine's clock moved by what the sandbox said last.
pub struct SandboxClock {
    transport: AnyTransport,
    ahead_ms: AtomicI64,
}

impl std::fmt::Debug for SandboxClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxClock").field("ahead_ms", &self.ahead_ms).finish_non_exhaustive()
    }
}

impl SandboxClock {
    /// Asks the sandbox for its time; fails where there is no sandbox.
    pub async fn follow(transport: AnyTransport) -> Result<Self, MetaError> {
        let clock = Self { transport, ahead_ms: AtomicI64::new(0) };
        clock.sync().await?;
        Ok(clock)
    }
    /// Asks again: a sandbox can be advanced or run faster than the machine.
    pub async fn sync(&self) -> Result<Moment, MetaError> {
        let now = self.ask(&Request::get("/_sandbox/clock")).await?;
        Ok(self.set(now))
    }
    /// Moves the sandbox to `until`; its time never goes back.
    pub async fn advance_to(&self, until: Moment) -> Result<Moment, MetaError> {
        let now = self.sync().await?;
        let seconds = until.since(now).max(0) / 1000;
        let request = Request::post("/_sandbox/advance").form("seconds", seconds.to_string());
        let now = self.ask(&request).await?;
        Ok(self.set(now))
    }
    fn set(&self, now: Moment) -> Moment {
        self.ahead_ms.store(now.since(SystemClock.now()), Ordering::Relaxed);
        now
    }
    async fn ask(&self, request: &Request) -> Result<Moment, MetaError> {
        let wrong = |detail: String| MetaError {
            class: crate::ports::MetaClass::Unknown,
            what: "ask the sandbox for its clock".to_owned(),
            detail,
            code: None,
            subcode: None,
            status: None,
            trace: None,
            wait_ms: None,
        };
        let answer = self.transport.send(request).await.map_err(|e| wrong(e.to_string()))?;
        let body: Value = serde_json::from_slice(&answer.body).map_err(|e| wrong(e.to_string()))?;
        let now = body.get("now_ms").and_then(Value::as_i64);
        now.map(Moment::from_millis)
            .ok_or_else(|| wrong("there is no sandbox at this address".to_owned()))
    }
}

impl Clock for SandboxClock {
    fn now(&self) -> Moment {
        SystemClock.now().plus(self.ahead_ms.load(Ordering::Relaxed))
    }
    /// Looks at the sandbox's clock every so often, because its time can jump. Never waits longer than it would on the
    /// machine's clock: in a sandbox whose time stands still a pause between two reads would never end.
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
        const LOOK_MS: i64 = 200;
        Box::pin(async move {
            let start = SystemClock.now();
            let patience = until.since(self.now());
            while self.now() < until && SystemClock.now().since(start) < patience {
                let step = until.since(self.now()).clamp(1, LOOK_MS);
                SystemClock.wait_until(SystemClock.now().plus(step)).await;
                if let Err(e) = self.sync().await {
                    tracing::warn!("the sandbox does not tell its time: {e}");
                    SystemClock.wait_until(SystemClock.now().plus(LOOK_MS)).await;
                }
            }
        })
    }
}

/// The state directory: `--dir` before the configuration's own.
pub fn state_dir(config: &Config, dir: Option<&Path>) -> PathBuf {
    dir.map_or_else(|| config.dir.clone(), Path::to_owned)
}

impl Parts {
    /// Renews the stored token when that is due, and calls with it from now on.
    pub async fn tend_token(&self) {
        use crate::daemon::run::Upkeep as _;
        self.history().renew_token().await;
    }
    fn history(&self) -> History<'_> {
        History {
            store: &self.store,
            keep_backups: self.keep_backups,
            copies: self.copies(),
            token: self.keeper.as_ref().map(|keeper| (keeper, &self.client)),
        }
    }
    /// The agent's loop over these parts; `zone` is the account's.
    pub fn agent<'a>(&'a self, zone: &crate::domain::Zone) -> Running<'a> {
        crate::daemon::run::Agent {
            desk: self.desk("agent"),
            hands: self.hands(),
            schedules: self.account.schedules_in(zone),
            upkeep: self.history(),
        }
    }
}

/// The agent over SQLite and any transport.
pub type Running<'a> = crate::daemon::run::Agent<
    'a,
    SqliteStore,
    Client<AnyTransport>,
    AnyClock,
    Writer<AnyTransport>,
    StopFile,
    History<'a>,
>;
