//! An account on paper: a few campaigns that can be read and written, a clock that moves at every step, and answers that
//! get lost.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rungwise::{
    domain::{
        AccountId, AccountInfo, AdSet, Campaign, CampaignId, Day, DayRange, EffectiveStatus,
        Moment, Money, ObjectId, Objective, Optimisation, PixelId, Status, Tree,
        plan::{Aspect, ObjectKind, Op, Template},
    },
    ports::{
        Armed, BoxFuture, Clock, MetaClass, MetaError, MetaRead, MetaWrite, StopSwitch,
        WriteOutcome,
        meta::{
            Activity, Found, InsightPage, InsightPages, Interference, PixelHour, TokenInfo,
            WireState,
        },
    },
};

use super::caps::eur;

/// How many cases to try: `RUNGWISE_CASES`, else a few.
pub(crate) fn cases(few: u64) -> u64 {
    crate::asked::asked("RUNGWISE_CASES").unwrap_or(few)
}

/// A clock that every read, commit and send moves by up to `step` milliseconds.
#[derive(Debug)]
pub(crate) struct Ticks {
    state: Mutex<(Moment, Pcg64Mcg)>,
    step: i64,
}

impl Ticks {
    pub(crate) fn new(start: Moment, seed: u64, step: i64) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new((start, Pcg64Mcg::seed_from_u64(seed))), step })
    }
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().expect("nobody panics while holding it");
        let ms = state.1.random_range(0..=self.step);
        state.0 = state.0.plus(ms);
    }
    pub(crate) fn advance(&self, ms: i64) {
        let mut state = self.state.lock().expect("nobody panics while holding it");
        state.0 = state.0.plus(ms);
    }
}

impl Clock for Ticks {
    fn now(&self) -> Moment {
        self.state.lock().expect("nobody panics while holding it").0
    }
    fn wait_until(&self, _: Moment) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A kill switch that is thrown at an instant.
#[derive(Debug)]
pub(crate) struct ThrownAt(pub(crate) Arc<Ticks>, pub(crate) Option<Moment>);

impl StopSwitch for ThrownAt {
    fn stopped(&self) -> Option<String> {
        let thrown = self.1.is_some_and(|at| self.0.now() >= at);
        thrown.then(|| "thrown".to_owned())
    }
}

/// What was sent, and the world right before it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Moment,
    pub(crate) op_key: String,
    pub(crate) request: Template,
    pub(crate) before: Vec<Tree>,
    pub(crate) after: Vec<Tree>,
}

/// What a read of an object shows.
#[derive(Debug)]
pub(crate) enum Shown {
    /// There is none.
    Nothing,
    /// This.
    This(BTreeMap<Aspect, String>),
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) trees: Vec<Tree>,
    pub(crate) sent: Vec<Sent>,
    /// A person edits an object after so many reads: which, and its new budget.
    pub(crate) edit: Option<(u32, ObjectId, i64)>,
    reads: u32,
    rng: Pcg64Mcg,
    /// Per cent of writes that end in no clean yes.
    trouble: u32,
    /// What comes of the next writes, before chance decides: the class of the error if any, and whether it is applied.
    pub(crate) script: VecDeque<(Option<MetaClass>, bool)>,
    /// The account's log of activities.
    pub(crate) told: Vec<Activity>,
    /// What else acts on every campaign.
    pub(crate) meddling: Vec<Interference>,
    /// What a read of any object shows, where it is not the truth.
    pub(crate) shows: Option<Shown>,
}

/// The account.
#[derive(Debug)]
pub(crate) struct Paper {
    account: AccountId,
    world: Mutex<World>,
    ticks: Arc<Ticks>,
}

/// A campaign of one ad set; the budget is the campaign's, or the ad set's.
pub(crate) fn tree(id: u64, minor: i64, on_campaign: bool, on: bool, end: Option<Moment>) -> Tree {
    let status = if on { Status::Active } else { Status::Paused };
    let budget = |here: bool| here.then(|| eur(minor));
    let campaign = Campaign {
        id: CampaignId::new(id.to_string()).expect("digits"),
        name: format!("Campaign {id}"),
        objective: Objective::Sales,
        status: status.clone(),
        effective_status: EffectiveStatus::from(status.as_str()),
        daily_budget: budget(on_campaign),
        lifetime_budget: None,
        spend_cap: None,
        bid_strategy: None,
        special_ad_categories: vec![],
        fields: BTreeMap::new(),
    };
    let set = AdSet {
        id: (id + 1).to_string().parse().expect("digits"),
        campaign: campaign.id.clone(),
        name: format!("Set {id}"),
        status: Status::Active,
        effective_status: EffectiveStatus::Active,
        optimisation: Optimisation {
            goal: "OFFSITE_CONVERSIONS".into(),
            pixel_id: None,
            custom_event_type: None,
            custom_event_str: None,
            custom_conversion_id: None,
        },
        daily_budget: budget(!on_campaign),
        lifetime_budget: None,
        bid_strategy: None,
        bid_amount: None,
        end_time: end,
        learning: None,
        attribution: vec![],
        fields: BTreeMap::new(),
    };
    Tree { seen_at: Moment::from_millis(0), campaign, adsets: vec![set], ads: vec![] }
}

/// What of a campaign is on.
pub(crate) fn on(tree: &Tree) -> i64 {
    let off = tree.campaign.status != Status::Active;
    if off { 0 } else { tree.daily_budget().map_or(0, Money::minor) }
}

impl Paper {
    pub(crate) fn new(trees: Vec<Tree>, ticks: Arc<Ticks>, seed: u64, trouble: u32) -> Self {
        let rng = Pcg64Mcg::seed_from_u64(seed);
        let world = World {
            trees,
            sent: vec![],
            edit: None,
            reads: 0,
            rng,
            trouble,
            script: VecDeque::new(),
            told: vec![],
            meddling: vec![],
            shows: None,
        };
        let account = AccountId::new("1").expect("digits");
        Self { account, world: Mutex::new(world), ticks }
    }
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("nobody panics while holding it")
    }
    fn read(&self) -> MutexGuard<'_, World> {
        self.ticks.pass();
        let mut world = self.world();
        world.reads += 1;
        if let Some((after, id, minor)) = world.edit.clone()
            && world.reads == after
        {
            set_budget(&mut world.trees, &id, minor);
        }
        world
    }
}

fn set_budget(trees: &mut [Tree], id: &ObjectId, minor: i64) {
    for tree in trees {
        if tree.campaign.id.as_str() == id.as_str() {
            tree.campaign.daily_budget = Some(eur(minor));
        }
        for set in tree.adsets.iter_mut().filter(|s| s.id.as_str() == id.as_str()) {
            set.daily_budget = Some(eur(minor));
        }
    }
}

fn apply(trees: &mut [Tree], request: &Template) {
    let id = ObjectId::new(request.path.as_str()).expect("an object");
    for (name, value) in &request.params {
        match name.as_str() {
            "daily_budget" => set_budget(trees, &id, value.parse().expect("minor units")),
            "status" => {
                for tree in trees.iter_mut() {
                    if tree.campaign.id.as_str() == id.as_str() {
                        tree.campaign.status = Status::from(value.as_str());
                    }
                    for set in tree.adsets.iter_mut().filter(|s| s.id.as_str() == id.as_str()) {
                        set.status = Status::from(value.as_str());
                    }
                }
            }
            _ => {}
        }
    }
}

/// The request of a write, as simple as it can be.
pub(crate) fn template(op: &Op) -> Template {
    let (path, param) = match op {
        Op::SetStatus { object, to, .. } => (object.template(), ("status", to.to_string())),
        Op::SetDailyBudget { object, to, .. } => {
            (object.template(), ("daily_budget", to.minor().to_string()))
        }
        Op::DeleteRule { rule } => {
            let (method, path) = ("DELETE".to_owned(), rule.template());
            return Template { method, path, params: vec![] };
        }
        other => panic!("no such write on paper: {other:?}"),
    };
    let params = vec![(param.0.to_owned(), param.1)];
    Template { method: "POST".to_owned(), path, params }
}

fn error(class: MetaClass) -> MetaError {
    MetaError {
        class,
        what: "write".into(),
        detail: "on paper".into(),
        code: None,
        subcode: None,
        status: None,
        trace: None,
        wait_ms: None,
    }
}

/// No figures: what was read is in the store.
#[derive(Debug)]
pub(crate) struct NoPages;

impl InsightPages for NoPages {
    async fn next(&mut self) -> Result<Option<InsightPage>, MetaError> {
        Ok(None)
    }
}

impl MetaRead for Paper {
    type Pages<'a> = NoPages;
    fn account_id(&self) -> &AccountId {
        &self.account
    }
    async fn account(&self) -> Result<AccountInfo, MetaError> {
        Err(error(MetaClass::Unknown))
    }
    async fn trees(&self, only: &[CampaignId]) -> Result<Vec<Tree>, MetaError> {
        let world = self.read();
        let wanted = |t: &&Tree| only.is_empty() || only.contains(&t.campaign.id);
        Ok(world.trees.iter().filter(wanted).cloned().collect())
    }
    async fn twins(&self, ids: &[CampaignId]) -> Result<Vec<Tree>, MetaError> {
        self.trees(ids).await
    }
    async fn aspects(
        &self,
        _: ObjectKind,
        id: &ObjectId,
    ) -> Result<Option<BTreeMap<Aspect, String>>, MetaError> {
        let world = self.read();
        if let Some(shown) = &world.shows {
            return Ok(match shown {
                Shown::Nothing => None,
                Shown::This(aspects) => Some(aspects.clone()),
            });
        }
        let text = |m: Option<Money>| m.map_or_else(String::new, |m| m.minor().to_string());
        for tree in &world.trees {
            let c = &tree.campaign;
            if c.id.as_str() == id.as_str() {
                return Ok(Some(BTreeMap::from([
                    (Aspect::Status, c.status.to_string()),
                    (Aspect::DailyBudget, text(c.daily_budget)),
                ])));
            }
            if let Some(s) = tree.adsets.iter().find(|s| s.id.as_str() == id.as_str()) {
                return Ok(Some(BTreeMap::from([
                    (Aspect::Status, s.status.to_string()),
                    (Aspect::DailyBudget, text(s.daily_budget)),
                ])));
            }
        }
        Ok(None)
    }
    fn insights(&self, _: DayRange) -> NoPages {
        NoPages
    }
    async fn account_spend(&self, _: DayRange) -> Result<BTreeMap<Day, i64>, MetaError> {
        Ok(BTreeMap::new())
    }
    async fn find_marked(&self, _: ObjectKind, _: &str) -> Result<Vec<Found>, MetaError> {
        Ok(vec![])
    }
    async fn copies(&self, _: ObjectKind, _: &ObjectId) -> Result<Vec<Found>, MetaError> {
        Ok(vec![])
    }
    async fn activities(&self, _: Moment) -> Result<Vec<Activity>, MetaError> {
        Ok(self.world().told.clone())
    }
    async fn pixel_hours(&self, _: &PixelId, _: Moment) -> Result<Vec<PixelHour>, MetaError> {
        Ok(vec![])
    }
    fn wire(&self) -> WireState {
        WireState::default()
    }
    async fn interference(&self, _: &CampaignId) -> Result<Vec<Interference>, MetaError> {
        Ok(self.world().meddling.clone())
    }
    async fn token(&self) -> Result<TokenInfo, MetaError> {
        Err(error(MetaClass::Unknown))
    }
    fn template(&self, op: &Op) -> Template {
        template(op)
    }
}

impl MetaWrite for Paper {
    async fn send(&self, armed: Armed) -> WriteOutcome {
        let at = self.ticks.now();
        let mut world = self.world();
        let before = world.trees.clone();
        let trouble = world.trouble;
        let fate =
            if world.rng.random_range(0..100) < trouble { world.rng.random_range(0..4) } else { 4 };
        let class = match fate {
            0 => Some(MetaClass::Refused),
            1 => Some(MetaClass::NotSent),
            2 | 3 => Some(MetaClass::Lost),
            _ => None,
        };
        // Refused, not sent, lost before, lost after, done.
        let (class, applied) = world.script.pop_front().unwrap_or((class, fate >= 3));
        if applied {
            apply(&mut world.trees, armed.request());
        }
        let after = world.trees.clone();
        let (op_key, request) = (armed.op_key().to_string(), armed.request().clone());
        world.sent.push(Sent { at, op_key, request, before, after });
        drop(world);
        self.ticks.pass();
        match class {
            None => WriteOutcome::Done { id: None, trace: None },
            Some(class @ MetaClass::Lost) => WriteOutcome::Unknown(error(class)),
            Some(class) => WriteOutcome::Refused(error(class)),
        }
    }
    async fn validate(&self, _: &Template) -> Result<(), MetaError> {
        Ok(())
    }
}
