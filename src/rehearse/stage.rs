//! One rehearsal world with one agent in it, which can die and be started again.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use secrecy::ExposeSecret;

use super::{
    Coverage, RehearsalError, Violation, Witness, checks,
    tripwire::Tripwire,
    wire::{Border, Disk, Wire},
};
use crate::{
    app::{
        AppError, commands,
        tick::{Scope, tick},
    },
    boot::{AnyClock, AnyTransport, BootError, Parts, Role, open_store},
    config::{self, AccountConfig},
    domain::{Moment, policy::Mode},
    ports::{BoxFuture, Clock, StopSwitch, Store, StoreError, SystemClock, store::PlanRow},
    sandbox::{FaultMix, Options, Sandbox, Scenario, Town, TownPlan, market::MarketParams},
    store::SqliteStore,
};

/// A Monday far from the blackout days of the default configuration.
const OPENING: &str = "2026-01-05T06:30:00Z";
/// Days of history before it: enough for a rung choice, and quick to live through.
const HISTORY_DAYS: u32 = 70;
/// How much markets of different seeds differ.
const SPREAD: f64 = 0.3;
/// Limit of the sum of daily budgets in minor units; the account of the rehearsal starts at 80.00.
const DAILY_CAP_MINOR: i64 = 30_000;

/// Looks at a held lock, a millisecond apart, before giving up.
const LOCK_LOOKS: u32 = 5_000;

/// What a stage is set up with.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) mode: Mode,
    pub(super) rule: &'static str,
    pub(super) list_lag_ms: i64,
    pub(super) scenario: Scenario,
}

impl Setting {
    pub(super) fn plain(seed: u64, mode: Mode, rule: &'static str) -> Self {
        Self { seed, mode, rule, list_lag_ms: 0, scenario: Scenario::stuck_at_purchase() }
    }
}

/// How a pass ended.
#[derive(Debug)]
pub(super) enum Passed {
    Done,
    Failed(AppError),
    Died,
}

/// World, agent, border.
pub(super) struct Stage {
    pub(super) border: Arc<Border>,
    pub(super) setting: Setting,
    account: AccountConfig,
    dir: PathBuf,
    parts: Option<Parts>,
    pub(super) seen: checks::Seen,
}

/// The world's clock; whoever waits on it lets the world's time pass.
struct WorldClock(Sandbox);

impl Clock for WorldClock {
    fn now(&self) -> Moment {
        self.0.clock().now()
    }
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
        self.0.advance_to(until);
        Box::pin(std::future::ready(()))
    }
}

/// The kill switch as a file, seen from outside.
struct StopSeen(PathBuf);

impl StopSwitch for StopSeen {
    fn stopped(&self) -> Option<String> {
        self.0.exists().then(|| "the file is there".to_owned())
    }
}

fn fresh_dir() -> Result<PathBuf, RehearsalError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("rungwise-rehearsal-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_dir_all(&path);
    match std::fs::create_dir_all(&path).and_then(|()| path.canonicalize()) {
        Ok(path) => Ok(path),
        Err(why) => Err(RehearsalError::Dir { path, why }),
    }
}

fn world(setting: &Setting) -> Sandbox {
    let opening: Moment = OPENING.parse().expect("the opening is a moment");
    let mut scenario = setting.scenario.clone().seeded(setting.seed).starting(opening);
    scenario.history_days = HISTORY_DAYS;
    let plan = TownPlan {
        base: MarketParams::stuck_at_purchase(),
        spread: SPREAD,
        opening: scenario.zone.day_of(opening),
    };
    let town = Town::new(setting.seed, plan);
    let options = Options { list_lag_ms: setting.list_lag_ms, ..Options::default() };
    Sandbox::with(scenario, options, Box::new(town))
}

fn configuration(world: &Sandbox, setting: &Setting) -> Result<AccountConfig, RehearsalError> {
    let who = world.credentials();
    let text = format!(
        "[account]\nid = \"act_{}\"\n[mode]\nlevel = \"{}\"\n[compare]\nrule = \"{}\"\n[stabilising]\nmin = \"7d\"\n\
         [limits]\nmax_daily_spend = \"{}.00 EUR\"\nmax_spend_per_climb = \"90000.00 EUR\"\n\
         max_regret_per_climb = \"9000.00 EUR\"\n[api]\nbase_url = \"http://127.0.0.1:1\"\napp_id = \"{}\"\n\
         [freshness]\ninsights = \"24h\"\n[gates]\nuntested_below = 15\ntested_below = 30\n[placement]\njudged_by = \"volume\"\n",
        who.account_id,
        setting.mode,
        setting.rule,
        DAILY_CAP_MINOR / 100,
        who.app_id
    );
    let secrets = [
        ("api.token", who.access_token.expose_secret()),
        ("api.app_secret", who.app_secret.expose_secret()),
    ];
    let config = config::from_toml(&text, &secrets).map_err(Box::new)?;
    Ok(config.account(None).map_err(Box::new)?.clone())
}

impl Stage {
    /// A fresh world and a fresh agent. The fault mix starts silent.
    pub(super) async fn set(setting: Setting, trip: Tripwire) -> Result<Self, RehearsalError> {
        let world = world(&setting);
        let account = configuration(&world, &setting)?;
        let dir = fresh_dir()?;
        let mix = FaultMix::new(setting.seed);
        mix.storm(0);
        let may_write = matches!(setting.mode, Mode::Supervised | Mode::Autonomous);
        let witness = Witness::new(setting.seed, may_write, DAILY_CAP_MINOR);
        let switch = Box::new(StopSeen(dir.join("STOP")));
        let border = Border::new(world, mix, Arc::new(trip), witness, switch);
        let seen = checks::Seen::default();
        let mut stage = Self { border, setting, account, dir, parts: None, seen };
        stage.start().await?;
        Ok(stage)
    }
    /// The time.
    pub(super) fn now(&self) -> Moment {
        self.border.world.clock().now()
    }
    /// The agent; there is one except while it is being started.
    pub(super) fn parts(&self) -> &Parts {
        self.parts.as_ref().expect("an agent was started")
    }
    async fn start(&mut self) -> Result<(), RehearsalError> {
        let store = self.open().await?;
        self.assemble(store)
    }
    fn assemble(&mut self, store: SqliteStore) -> Result<(), RehearsalError> {
        let store = store.with_hook(Arc::new(Disk(Arc::clone(&self.border))));
        let transport: AnyTransport = Arc::new(Wire(Arc::clone(&self.border)));
        let clock: AnyClock = Arc::new(WorldClock(self.border.world.clone()));
        let seed = Some(self.setting.seed);
        self.parts = Some(Parts::assemble(store, &self.account, transport, clock, seed)?);
        Ok(())
    }
    /// Drops everything the process held and starts it anew on what is on disk.
    pub(super) async fn restart(&mut self) -> Result<(), RehearsalError> {
        self.parts = None;
        self.border.witness().died();
        // The dead agent's last commit ends before the next life begins; only then does counting start.
        let store = self.open().await?;
        self.border.trip.revive();
        self.assemble(store)
    }
    /// Opens the database; whoever was cut off in a commit keeps the lock until that commit is through.
    async fn open(&self) -> Result<SqliteStore, RehearsalError> {
        let mut looks = 0;
        loop {
            match open_store(&self.dir, &self.account, Role::Agent).await {
                Err(BootError::Store(StoreError::Locked { .. })) if looks < LOCK_LOOKS => {
                    looks += 1;
                    SystemClock.wait_until(SystemClock.now().plus(1)).await;
                }
                other => return Ok(other?),
            }
        }
    }
    /// One pass; a death on the way drops it where it stands.
    pub(super) async fn pass(&mut self, decide: bool) -> Passed {
        let parts = self.parts.as_ref().expect("an agent was started");
        let hands = parts.hands();
        let trip = Arc::clone(&self.border.trip);
        let work = tick(parts.desk("agent"), hands.as_ref(), Scope { decide });
        let ended = tokio::select! {
            biased;
            () = trip.death() => return Passed::Died,
            ended = work => ended,
        };
        match ended {
            _ if trip.is_dead() => {
                // The note of death is taken along, so that the next life does not end at once.
                trip.death().await;
                Passed::Died
            }
            Ok(_) => Passed::Done,
            Err(e) => Passed::Failed(e),
        }
    }
    /// Plans nobody has answered yet.
    pub(super) async fn unanswered(&self) -> Result<Vec<PlanRow>, RehearsalError> {
        let store = &self.parts().store;
        let mut open = Vec::new();
        for plan in store.plans(true, u32::MAX).await? {
            if plan.expires >= self.now() && store.approvals(&plan.hash).await?.is_empty() {
                open.push(plan);
            }
        }
        Ok(open)
    }
    /// A person's yes or no. A death on the way loses it or not, like everything else.
    pub(super) async fn answer(&self, plan: &PlanRow, granted: bool) {
        let store = &self.parts().store;
        let done = commands::answer(store, self.now(), plan, "rehearsal", "", granted).await;
        if let Err(e) = done
            && !self.border.trip.is_dead()
        {
            self.border.witness().accuse("a_person_can_answer", e.to_string());
        }
    }
    /// Ends the stage and tells what was found.
    pub(super) fn close(mut self) -> (Vec<Violation>, Vec<String>, Coverage) {
        self.parts = None;
        let _ = std::fs::remove_dir_all(&self.dir);
        let witness = std::mem::take(&mut *self.border.witness());
        let coverage = self.border.coverage().clone();
        let (violations, story) = witness.into_parts();
        (violations, story, coverage)
    }
}
