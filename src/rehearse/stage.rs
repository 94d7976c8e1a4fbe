//! One rehearsal world with one agent in it, which can die and be started again, and be copied to go on twice.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use secrecy::ExposeSecret;
use tokio::sync::OnceCell;

use super::{
    Coverage, RehearsalError, Violation, Witness, checks,
    tripwire::Tripwire,
    wire::{Border, Disk, Wire, WorldClock},
    witness::Mandate,
};
use crate::{
    app::{
        AppError, commands, restored, standing,
        tick::{Scope, tick},
    },
    boot::{
        self, AnyClock, AnyTransport, BootError, HOLD_FILE, Parts, Role, STOP_FILE, open_store,
    },
    config::{self, AccountConfig},
    domain::{
        ClimbId, Moment,
        climb::Command,
        policy::{BudgetMode, Mode},
    },
    ports::{Clock as _, Record, StopSwitch, Store, StoreError, SystemClock, store::PlanRow},
    sandbox::{
        FaultMix, Lateness, Options, Sandbox, Scenario, Town, TownPlan, market::MarketParams,
    },
    store::SqliteStore,
};

/// Days of history before the opening: enough for a rung choice, and quick to live through.
const HISTORY_DAYS: u32 = 70;
/// How much markets of different seeds differ.
const SPREAD: f64 = 0.3;
/// Limit of the sum of daily budgets in minor units; the account of the rehearsal starts at 80.00.
const DAILY_CAP_MINOR: i64 = 30_000;
/// The installation: always the same, so that a seed gives the same keys in every process.
const INSTALL_ID: &str = "7265686561727361";

/// What the only person here is called, and writes when guard rails are lifted.
pub(super) const PERSON: &str = "rehearsal";
const LOOKED_AT: &str = "it was looked at";
/// Texts of people in history, and notes of approvals; their salts have to be the same in every process, too.
const TEXTS: [&str; 10] = [
    PERSON,
    "guard:pacing",
    "guard:stop",
    "guard:stuck",
    "guard:sweep",
    LOOKED_AT,
    commands::WITHIN_LIMITS,
    commands::BY_COMMAND,
    commands::BY_ABORT,
    commands::ONLY_LOWERS,
];

/// Looks at a held lock, a millisecond apart, before giving up.
const LOCK_LOOKS: u32 = 5_000;

/// What a stage is set up with.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) mode: Mode,
    pub(super) rule: &'static str,
    pub(super) budget: BudgetMode,
    pub(super) opening: &'static str,
    pub(super) zone: &'static str,
    pub(super) list_lag_ms: i64,
    pub(super) lateness: Lateness,
    pub(super) scenario: Scenario,
    /// The shortest waits that a configuration may ask for.
    pub(super) quick: bool,
    /// A step down is tested like a step up, at any volume.
    pub(super) tested: bool,
    /// A study splits people between the arms.
    pub(super) study: bool,
}

/// The shortest waits a configuration may ask for: within its own table, and tables of their own.
const QUICK: (&str, &str) = (
    "rung_change_gap = \"7d\"\nmin_expected_conversions = 1\n",
    "[retry]\nafter = \"1d\"\nvolume_factor = 1.0\n[warming]\nmin = \"1d\"\nmax = \"1d\"\n",
);

impl Setting {
    pub(super) fn plain(seed: u64, mode: Mode, rule: &'static str) -> Self {
        Self {
            seed,
            mode,
            rule,
            budget: BudgetMode::Additive,
            // A Monday far from the blackout days of the default configuration.
            opening: "2026-01-05T06:30:00Z",
            zone: "Europe/Berlin",
            list_lag_ms: 0,
            lateness: Lateness::Fixed,
            scenario: Scenario::stuck_at_purchase(),
            quick: false,
            tested: false,
            study: false,
        }
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
    dir: Dir,
    parts: Option<Parts>,
    pub(super) seen: checks::Seen,
}

/// A stage at rest, to be gone on from any number of times.
#[derive(Debug)]
pub(super) struct Frozen {
    world: Sandbox,
    mix: FaultMix,
    witness: Witness,
    coverage: Coverage,
    setting: Setting,
    account: AccountConfig,
    files: Vec<(String, Vec<u8>)>,
    seen: checks::Seen,
}

/// The kill switch and the hold as files of the directory, seen from outside.
struct StopSeen(PathBuf);

impl StopSwitch for StopSeen {
    fn stopped(&self) -> Option<String> {
        let there = |name: &&str| self.0.join(name).exists();
        [STOP_FILE, HOLD_FILE]
            .iter()
            .find(|name| there(name))
            .map(|name| format!("{name} is there"))
    }
}

/// A directory of one stage, removed with it.
#[derive(Debug)]
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where stages stand: in memory where there is such a place, since a rehearsed crash is never one of the machine.
fn root() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

fn fresh_dir() -> Result<Dir, RehearsalError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = root().join(format!("rungwise-rehearsal-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    match std::fs::create_dir_all(&path).and_then(|()| path.canonicalize()) {
        Ok(path) => Ok(Dir(path)),
        Err(why) => Err(RehearsalError::Dir { path, why }),
    }
}

fn files_of(dir: &Path) -> Result<Vec<(String, Vec<u8>)>, RehearsalError> {
    let fail = |why| RehearsalError::Dir { path: dir.to_owned(), why };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Shared memory is made anew, the lock is not history.
        if entry.file_type().map_err(fail)?.is_file()
            && !(name.ends_with("-shm") || name == "agent.lock")
        {
            files.push((name, std::fs::read(entry.path()).map_err(fail)?));
        }
    }
    Ok(files)
}

fn put_files(dir: &Path, files: &[(String, Vec<u8>)]) -> Result<(), RehearsalError> {
    for (name, bytes) in files {
        let path = dir.join(name);
        std::fs::write(&path, bytes).map_err(|why| RehearsalError::Dir { path, why })?;
    }
    Ok(())
}

/// An empty database, made once per process.
async fn template() -> Result<&'static [(String, Vec<u8>)], RehearsalError> {
    static FILES: OnceCell<Vec<(String, Vec<u8>)>> = OnceCell::const_new();
    let make = || async {
        let dir = fresh_dir()?;
        SqliteStore::prepare(&dir.0, INSTALL_ID, &TEXTS).await?;
        files_of(&dir.0)
    };
    FILES.get_or_try_init(make).await.map(Vec::as_slice)
}

fn world(setting: &Setting) -> Sandbox {
    let opening: Moment = setting.opening.parse().expect("the opening is a moment");
    let mut scenario = setting.scenario.clone().seeded(setting.seed).starting(opening);
    scenario.history_days = HISTORY_DAYS;
    scenario.zone = setting.zone.parse().expect("the zone has an IANA name");
    let plan = TownPlan {
        base: MarketParams::stuck_at_purchase(),
        spread: SPREAD,
        opening: scenario.zone.day_of(opening),
    };
    let town = Town::new(setting.seed, plan);
    let (list_lag_ms, lateness) = (setting.list_lag_ms, setting.lateness);
    let options = Options { list_lag_ms, lateness, ..Options::default() };
    Sandbox::with(scenario, options, Box::new(town))
}

fn configuration(world: &Sandbox, setting: &Setting) -> Result<AccountConfig, RehearsalError> {
    let who = world.credentials();
    let (gates, more) = if setting.quick { QUICK } else { ("", "") };
    let (untested, tested) = if setting.tested { (0, 1_000) } else { (15, 30) };
    let isolation = if setting.study { "ad_study" } else { "none" };
    let text = format!(
        "[account]\nid = \"act_{}\"\n[mode]\nlevel = \"{}\"\n[compare]\nrule = \"{}\"\nbudget_mode = \"{}\"\n\
         isolation = \"{isolation}\"\n\
         [stabilising]\nmin = \"7d\"\n\
         [limits]\nmax_daily_spend = \"{}.00 EUR\"\nmax_spend_per_climb = \"90000.00 EUR\"\n\
         max_regret_per_climb = \"9000.00 EUR\"\n[api]\nbase_url = \"http://127.0.0.1:1\"\napp_id = \"{}\"\n\
         [freshness]\ninsights = \"24h\"\n[gates]\nuntested_below = {untested}\ntested_below = {tested}\n{gates}[placement]\njudged_by = \"volume\"\n{more}",
        who.account_id,
        setting.mode,
        setting.rule,
        setting.budget,
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

fn mandate(world: &Sandbox, setting: &Setting, account: &AccountConfig) -> Mandate {
    let who = world.credentials();
    Mandate {
        may_write: matches!(setting.mode, Mode::Supervised | Mode::Autonomous),
        daily_cap_minor: DAILY_CAP_MINOR,
        account: world.shown_account(),
        secrets: vec![
            who.access_token.expose_secret().to_owned(),
            who.app_secret.expose_secret().to_owned(),
        ],
        policy: Some(account.policy.clone()),
    }
}

impl Stage {
    /// A fresh world and a fresh agent. The fault mix starts silent.
    pub(super) async fn set(setting: Setting, trip: Tripwire) -> Result<Self, RehearsalError> {
        let world = world(&setting);
        let account = configuration(&world, &setting)?;
        let dir = fresh_dir()?;
        put_files(&dir.0, template().await?)?;
        let mix = FaultMix::new(setting.seed);
        mix.storm(0);
        let mut witness = Witness::new(setting.seed, mandate(&world, &setting, &account));
        witness.blind = setting.lateness == Lateness::HeavyTail
            || setting.list_lag_ms > crate::app::reconcile::QUIET_MS;
        let switch = Box::new(StopSeen(dir.0.clone()));
        let border = Border::new(world, mix, Arc::new(trip), witness, Coverage::default(), switch);
        let seen = checks::Seen::default();
        let mut stage = Self { border, setting, account, dir, parts: None, seen };
        stage.start().await?;
        Ok(stage)
    }
    /// A copy to go on from; the agent must be between two passes.
    pub(super) fn freeze(&self) -> Result<Frozen, RehearsalError> {
        Ok(Frozen {
            world: self.border.world.fork(),
            mix: self.border.mix.fork(),
            witness: self.border.witness().clone(),
            coverage: self.border.coverage().clone(),
            setting: self.setting.clone(),
            account: self.account.clone(),
            files: files_of(&self.dir.0)?,
            seen: self.seen.clone(),
        })
    }
    /// Where the agent keeps its files.
    pub(super) fn dir(&self) -> &Path {
        &self.dir.0
    }
    /// The time.
    pub(super) fn now(&self) -> Moment {
        self.border.now()
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
        let transport: AnyTransport = Arc::new(Wire::new(&self.border));
        let clock: AnyClock = Arc::new(WorldClock(Arc::clone(&self.border)));
        let seed = Some(self.setting.seed);
        self.parts = Some(Parts::assemble(store, &self.account, transport, clock, seed)?);
        Ok(())
    }
    /// Drops everything the process held and starts it anew on what is on disk.
    pub(super) async fn restart(&mut self) -> Result<(), RehearsalError> {
        self.bury().await;
        self.border.life.fetch_add(1, Ordering::Relaxed);
        self.border.witness().died();
        self.begin_life().await
    }
    /// Drops the agent. Its connection is closed here and now, as the system closes the files of a dead process.
    async fn bury(&mut self) {
        if let Some(parts) = self.parts.take() {
            parts.store.clone().close().await;
        }
    }
    /// Starts the agent on what is on disk.
    pub(super) async fn begin_life(&mut self) -> Result<(), RehearsalError> {
        // The dead agent's last commit ends before the next life begins; only then does counting start.
        let store = self.open().await?;
        self.border.trip.revive();
        self.assemble(store)
    }
    /// Stops the agent and puts an old copy in the place of its database; gives what the restore recorded.
    pub(super) async fn restore(&mut self, from: &Path) -> Result<Vec<Record>, RehearsalError> {
        self.bury().await;
        self.border.life.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        let restored = self.unlocked(async || {
            boot::restore(&self.dir.0, from, &self.account, None, PERSON, now).await
        });
        let store = restored.await?.store;
        let noted = restored::records(&store, now, PERSON).await?;
        store.close().await;
        Ok(noted)
    }
    /// Opens the database; whoever was cut off in a commit keeps the lock until that commit is through.
    async fn open(&self) -> Result<SqliteStore, RehearsalError> {
        self.unlocked(async || open_store(&self.dir.0, &self.account, Role::Agent).await).await
    }
    /// Tries until nobody holds the lock.
    async fn unlocked<T>(
        &self,
        act: impl AsyncFn() -> Result<T, BootError>,
    ) -> Result<T, RehearsalError> {
        let mut looks = 0;
        loop {
            match act().await {
                Err(BootError::Store(StoreError::Locked { .. })) if looks < LOCK_LOOKS => {
                    looks += 1;
                    SystemClock.wait_until(SystemClock.now().plus(1)).await;
                }
                other => return Ok(other?),
            }
        }
    }
    /// A person turns the kill switch off. Who is held after a restore is let go when that was looked at.
    pub(super) fn go_again(&self) {
        let switch = &self.parts().switch;
        if switch.held().is_none() {
            let _ = switch.start();
        }
    }
    /// What the daemon does once it is no longer held.
    pub(super) fn put_together_anew(&mut self) {
        self.parts = self.parts.take().map(|parts| parts.armed(&self.account));
    }
    /// One pass; a death on the way drops it where it stands.
    pub(super) async fn pass(&mut self, decide: bool) -> Passed {
        self.border.excused.store(false, Ordering::Relaxed);
        let parts = self.parts.as_ref().expect("an agent was started");
        let hands = parts.hands();
        let trip = Arc::clone(&self.border.trip);
        let work = tick(parts.desk("agent"), hands.as_ref(), Scope { decide });
        let ended = tokio::select! {
            biased;
            () = trip.death() => return Passed::Died,
            ended = work => ended,
        };
        self.border.end_of_pass();
        match ended {
            _ if trip.is_dead() => {
                // The note of death is taken along, so that the next life does not end at once.
                trip.death().await;
                Passed::Died
            }
            Ok(done) => {
                for alarm in &done.alarms {
                    self.border.witness().tell(self.border.now(), format!("alarm: {alarm}"));
                }
                Passed::Done
            }
            Err(e) => Passed::Failed(e),
        }
    }
    /// A failure that something done to the agent explains.
    pub(super) fn is_excused(&self, error: &AppError) -> bool {
        match error {
            AppError::AccountChanged(_) => {
                self.border.world.shown_account() != self.border.witness().mandate.account
            }
            AppError::Meta(_)
            | AppError::Store(StoreError::Database { doing: "rehearsing a crash", .. }) => true,
            // A clock that went back: what was read an hour ago lies in the future now.
            AppError::Store(StoreError::Conflict { .. }) => self.seen.clock_went_back,
            AppError::Store(_) => self.border.excused.load(Ordering::Relaxed),
            _ => false,
        }
    }
    /// Plans nobody has answered yet.
    pub(super) async fn unanswered(&self) -> Result<Vec<PlanRow>, RehearsalError> {
        let waits = {
            let witness = self.border.witness();
            let mut plans = witness.books.plans.values();
            plans.any(|p| p.outcome.is_none() && p.yes.is_empty() && !p.rejected)
        };
        if !waits {
            return Ok(Vec::new());
        }
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
        let done = commands::answer(store, self.now(), plan, PERSON, "", granted).await;
        if let Err(e) = done
            && !self.border.trip.is_dead()
            && !self.border.excused.load(Ordering::Relaxed)
        {
            self.border.witness().accuse("a_person_can_answer", e.to_string());
        }
    }
    /// True when guard rails have taken something, as far as the agent has noted.
    pub(super) fn was_taken_from(&self) -> bool {
        let witness = self.border.witness();
        standing::TAKEN.iter().any(|key| witness.books.notes.contains_key(*key))
    }
    /// A person's word about a climb. The disk is full for people as well, and a climb may have ended meanwhile.
    pub(super) async fn command(
        &self,
        climb: &ClimbId,
        command: Command,
    ) -> Result<(), RehearsalError> {
        let store = &self.parts().store;
        let given = commands::command(store, self.now(), climb, command, PERSON, "").await;
        match given {
            Ok(()) => {
                self.border.happened("person_command", &format!("{command:?} {climb}"));
                Ok(())
            }
            Err(AppError::Missing { .. }) => Ok(()),
            Err(AppError::Store(_)) if self.border.trip.is_dead() => Ok(()),
            Err(AppError::Store(_)) if self.border.excused.load(Ordering::Relaxed) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
    /// A person gives back what guard rails took.
    pub(super) async fn lift(&self) -> Result<(), RehearsalError> {
        let store = &self.parts().store;
        let given = standing::lift(store, self.now(), PERSON, LOOKED_AT).await;
        match given {
            // Cut off by a death, or by the disk: it is asked for again.
            Err(AppError::Store(_)) if self.border.trip.is_dead() => Ok(()),
            Err(AppError::Store(_)) if self.border.excused.load(Ordering::Relaxed) => Ok(()),
            other => Ok(other?),
        }
    }
    /// Ends the stage and tells what was found.
    pub(super) fn close(mut self) -> (Vec<Violation>, Vec<String>, Coverage) {
        self.parts = None;
        let witness = std::mem::take(&mut *self.border.witness());
        let coverage = self.border.coverage().clone();
        let (violations, story) = witness.into_parts();
        (violations, story, coverage)
    }
}

impl Frozen {
    /// Goes on from here in a directory of its own.
    pub(super) async fn thaw(&self, trip: Tripwire) -> Result<Stage, RehearsalError> {
        let dir = fresh_dir()?;
        put_files(&dir.0, &self.files)?;
        let mut witness = self.witness.clone();
        witness.died();
        let switch = Box::new(StopSeen(dir.0.clone()));
        let border = Border::new(
            self.world.fork(),
            self.mix.fork(),
            Arc::new(trip),
            witness,
            self.coverage.clone(),
            switch,
        );
        let (setting, account) = (self.setting.clone(), self.account.clone());
        let mut stage =
            Stage { border, setting, account, dir, parts: None, seen: self.seen.clone() };
        stage.start().await?;
        Ok(stage)
    }
}
