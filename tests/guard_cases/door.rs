//! Random plans through the one door: whatever leaves it is an authorised, unexpired, in-cap action of the plan as filed.
//!
//! What is right is worked out here a second time, from the plan, the approvals and the world as it stood when the
//! request was sent; nothing is asked of the guard.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rungwise::{
    app::{
        Desk,
        apply::{Door, Progress, apply},
        pull::READ_NOTE,
    },
    domain::{
        AccountInfo, CampaignId, ClimbId, HOUR_MS, LineId, Moment, Money, ObjectId, OpKey, Policy,
        Status, Zone,
        climb::{self, Climb},
        plan::{
            Action, Approval, Aspect, Expectation, ObjectKind, Op, Plan, PlanHash, PlanKind, Target,
        },
        policy::Mode,
    },
    ports::{
        Clock as _,
        store::{ClimbRow, PlanRow},
    },
};

use super::{
    approvals,
    caps::{eur, policy},
    memory::Memory,
    paper::{Paper, Sent, ThrownAt, Ticks, cases, on, template, tree},
};

/// A Wednesday at noon.
const NOON: i64 = 1_767_787_200_000;

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

/// Everything one story is made of.
struct Story {
    policy: Policy,
    ticks: std::sync::Arc<Ticks>,
    store: Memory,
    paper: Paper,
    plan: Plan,
    row: PlanRow,
    thrown: Option<Moment>,
}

pub(crate) fn climb_row(incumbent: &str) -> ClimbRow {
    let (id, line) = (ClimbId::new("c").expect("legal"), LineId::new("l").expect("legal"));
    let at = Moment::from_millis(0);
    let incumbent = CampaignId::new(incumbent).expect("digits");
    let id = ClimbId::new(format!("{id}-{incumbent}")).expect("legal");
    let climb =
        Climb::open(id.clone(), line.clone(), incumbent, "purchase", at, climb::Memory::default());
    let doc = serde_json::to_vec(&climb).expect("text keys");
    ClimbRow { id, line, state: "observing".into(), open: true, doc, updated_at: at }
}

pub(crate) fn account() -> AccountInfo {
    AccountInfo {
        name: "Shop".into(),
        currency: "EUR".parse().expect("letters"),
        zone: Zone::utc(),
        status: 1,
        min_daily_budget: None,
        min_spend_cap: None,
        business: None,
    }
}

impl Story {
    /// A story out of one number.
    fn draw(seed: u64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let odds = |rng: &mut Pcg64Mcg, percent: u32| rng.random_range(0..100) < percent;
        let now = Moment::from_millis(NOON + rng.random_range(0..7 * 24 * HOUR_MS));
        let ticks = Ticks::new(now, seed, 50);
        let mode = if odds(&mut rng, 97) { Mode::Supervised } else { Mode::Propose };
        let mut policy = policy(mode);
        policy.approval.quorum = if odds(&mut rng, 20) { 2 } else { 1 };
        let limits = policy.limits.as_mut().expect("limits");
        limits.max_daily_spend = eur(rng.random_range(5_000..40_000));
        limits.max_step = odds(&mut rng, 30).then(|| eur(rng.random_range(100..3_000)));
        if odds(&mut rng, 3) {
            policy.limits = None;
        }
        let end = odds(&mut rng, 80).then(|| now.plus(rng.random_range(1..40) * 24 * HOUR_MS));
        let mut trees = Vec::new();
        for id in [10, 20] {
            let minor = rng.random_range(1_000..20_000);
            let (on_campaign, on) = (odds(&mut rng, 50), odds(&mut rng, 60));
            trees.push(tree(id, minor, on_campaign, on, end));
        }
        let actions: Vec<Action> =
            (0..rng.random_range(1..=4)).map(|n| action(&mut rng, n, &trees, now)).collect();
        let kinds = [PlanKind::Activate, PlanKind::Shift, PlanKind::End, PlanKind::Split];
        let kind = kinds[rng.random_range(0..kinds.len())];
        let mut plan = approvals::plan(kind, actions, "ana");
        plan.created = now.plus(-HOUR_MS);
        plan.expires = now.plus(rng.random_range(-HOUR_MS..10 * HOUR_MS));
        plan.money.extra_total = eur(rng.random_range(0..130_000));
        let trouble = if odds(&mut rng, 30) { 40 } else { 0 };
        let paper = Paper::new(trees, std::sync::Arc::clone(&ticks), seed, trouble);
        if odds(&mut rng, 15) {
            let id =
                ObjectId::new(["10", "11", "20", "21"][rng.random_range(0..4)]).expect("digits");
            paper.world().edit = Some((rng.random_range(1..12), id, rng.random_range(500..30_000)));
        }
        let store = Memory::new(std::sync::Arc::clone(&ticks));
        let row = file(&mut rng, &store, &plan, now);
        let thrown = odds(&mut rng, 10).then(|| now.plus(rng.random_range(0..1_000)));
        Self { policy, ticks, store, paper, plan, row, thrown }
    }

    async fn live(&self) {
        if self.store.held().plans.iter().all(|p| p.end.is_some()) {
            return;
        }
        let switch = ThrownAt(std::sync::Arc::clone(&self.ticks), self.thrown);
        for hours in [0, 1, 7] {
            self.ticks.advance(hours * HOUR_MS);
            let desk = Desk {
                store: &self.store,
                meta: &self.paper,
                clock: &*self.ticks,
                policy: &self.policy,
                actor: "agent",
            };
            let mut door =
                Door { writer: &self.paper, switch: &switch, no_raises: None, alarms: vec![] };
            match apply(desk, &mut door, &self.row).await {
                Ok(Progress::Waiting(_)) => {}
                Ok(Progress::Done(_) | Progress::Ended(..)) | Err(_) => break,
            }
        }
    }
}

/// One random write, with expectations that mostly hold.
fn action(rng: &mut Pcg64Mcg, n: u32, trees: &[rungwise::domain::Tree], now: Moment) -> Action {
    let tree = &trees[rng.random_range(0..trees.len())];
    let campaign = Target::from(&tree.campaign.id);
    let (object, kind, budget) = if let Some(budget) = tree.campaign.daily_budget {
        (campaign.clone(), ObjectKind::Campaign, budget)
    } else {
        let set = &tree.adsets[0];
        (Target::from(&set.id), ObjectKind::AdSet, set.daily_budget.expect("its own"))
    };
    let expect = |object: &Target, kind, aspect, value: String| Expectation {
        object: object.clone(),
        kind,
        aspect,
        value,
    };
    let wrong = rng.random_range(0..100) < 5;
    let (op, expects) = if rng.random_range(0..4) == 0 {
        let runs = tree.campaign.status == Status::Active;
        let to = if runs { Status::Paused } else { Status::Active };
        let is = if wrong { to.to_string() } else { tree.campaign.status.to_string() };
        let kind = ObjectKind::Campaign;
        let expects = vec![expect(&campaign, kind, Aspect::Status, is)];
        (Op::SetStatus { object: campaign, kind, to }, expects)
    } else {
        let share = [70_i64, 90, 100, 105, 110, 119, 120, 121, 150][rng.random_range(0..9)];
        let to = eur(budget.minor() * share / 100);
        let is = if wrong { 7 } else { budget.minor() };
        let expects = vec![expect(&object, kind, Aspect::DailyBudget, is.to_string())];
        (Op::SetDailyBudget { object, kind, to }, expects)
    };
    let not_before =
        (rng.random_range(0..100) < 15).then(|| now.plus(rng.random_range(0..12 * HOUR_MS)));
    Action {
        key: format!("a{n}"),
        op_key: OpKey::new(format!("K{n}")).expect("legal"),
        request: template(&op),
        op,
        expects,
        not_before,
        reason: String::new(),
    }
}

/// Files the plan with random answers, sometimes altered on the way.
fn file(rng: &mut Pcg64Mcg, store: &Memory, plan: &Plan, now: Moment) -> PlanRow {
    let mut bytes = plan.bytes();
    let mut hash = plan.hash();
    match rng.random_range(0..20) {
        0 => {
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }
        1 => hash = PlanHash::named("0".repeat(64)),
        _ => {}
    }
    let row = PlanRow {
        hash: hash.clone(),
        line: plan.line.clone(),
        climb: plan.climb.clone(),
        kind: plan.kind,
        created: plan.created,
        expires: plan.expires,
        bytes,
        end: None,
    };
    let names: &[&[&str]] = &[
        &["ben"],
        &["ben"],
        &["ben"],
        &["ana"],
        &["ben", "cy"],
        &["ben", "ben"],
        &["guard:pacing"],
        &[],
        &["ana", "cy"],
    ];
    let mut held = store.held();
    for by in names[rng.random_range(0..names.len())] {
        let fate = rng.random_range(0..30);
        let plan = if fate == 0 { PlanHash::named("1".repeat(64)) } else { hash.clone() };
        let (by, note) = ((*by).to_owned(), String::new());
        held.approvals.push(Approval { plan, by, at: now, granted: fate != 1, note });
    }
    held.account = Some(account());
    held.climbs = vec![climb_row("10"), climb_row("20")];
    let read = now.plus(if rng.random_range(0..100) < 7 { -7 * HOUR_MS } else { 0 });
    held.notes.insert(READ_NOTE.to_owned(), read.millis().to_string());
    held.plans.push(row.clone());
    row
}

/// What is wrong with one request that was sent, judged from outside.
fn wrong(story: &Story, sent: &Sent, earlier: &[Sent]) -> Option<&'static str> {
    let (plan, row) = (&story.plan, &story.row);
    if PlanHash::of(&row.bytes) != row.hash || row.bytes != plan.bytes() {
        return Some("the plan was altered");
    }
    let Some(action) = plan.actions.iter().find(|a| a.op_key.as_str() == sent.op_key) else {
        return Some("no action of the plan");
    };
    if action.request != sent.request {
        return Some("not the request that was approved");
    }
    let held = story.store.held();
    let intent = held.intents.iter().find(|i| i.op_key == action.op_key);
    let began = held.links.iter().filter(|(kind, body)| {
        kind == "write_began" && String::from_utf8_lossy(body).contains(&action.request.digest())
    });
    if intent.is_none() || began.count() == 0 {
        return Some("no intent and audit link");
    }
    // Who agreed.
    let own: Vec<&Approval> = held.approvals.iter().collect();
    if own.iter().any(|a| a.plan != row.hash || !a.granted) {
        return Some("an answer for something else, or a no");
    }
    let two = story.policy.approval.quorum == 2;
    let mut people: Vec<&str> = own.iter().map(|a| a.by.as_str()).collect();
    people.sort_unstable();
    people.dedup();
    let agreed = people.iter().filter(|by| !(by.contains(':') || two && **by == "ana")).count();
    let full = agreed >= if two { 2 } else { 1 };
    let (before, after): (i64, i64) =
        (sent.before.iter().map(on).sum(), sent.after.iter().map(on).sum());
    let target: BTreeMap<&str, &str> =
        sent.request.params.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let from = sent.before.iter().find_map(|t| {
        let below = t.adsets.iter().find(|s| s.id.as_str() == sent.request.path);
        let own = t.campaign.id.as_str() == sent.request.path;
        let budget = if own { t.campaign.daily_budget } else { below.and_then(|s| s.daily_budget) };
        (own || below.is_some()).then(|| budget.map_or(0, Money::minor))
    });
    let from = from.unwrap_or(0);
    let to = target.get("daily_budget").and_then(|v| v.parse::<i64>().ok());
    let turns_on = target.get("status") == Some(&"ACTIVE");
    let raises = turns_on || to.is_some_and(|to| to > from);
    if !full && raises {
        return Some("a raise without enough people");
    }
    if !full && people.is_empty() {
        return Some("nobody agreed");
    }
    let first = earlier.first().map_or(sent.at, |s| s.at);
    // The clock moves up to 50 ms per step between the check and the send.
    if first.since(plan.expires) > 1_500 {
        return Some("begun after its expiry");
    }
    if action.not_before.is_some_and(|due| sent.at < due) {
        return Some("before its time");
    }
    if story.thrown.is_some_and(|at| sent.at.since(at) >= 1_000) {
        return Some("after the kill switch");
    }
    if story.policy.mode != Mode::Supervised || story.policy.limits.is_none() {
        return Some("in a mode that does not write");
    }
    let again = earlier.iter().filter(|s| s.op_key == sent.op_key).count();
    let absent = intent.map_or(0, |i| {
        let gone =
            |(_, e): &&(Moment, rungwise::domain::write_log::Entry)| e.as_str() == "found_absent";
        i.entries.iter().filter(gone).count()
    });
    if again > absent {
        return Some("sent again without proof of absence");
    }
    over_the_caps(story, raises, (from, to), (before, after))
}

fn over_the_caps(
    story: &Story,
    raises: bool,
    (from, to): (i64, Option<i64>),
    (before, after): (i64, i64),
) -> Option<&'static str> {
    let limits = story.policy.limits?;
    if !raises {
        return None;
    }
    if after > before && after > limits.max_daily_spend.minor() {
        return Some("over the daily cap");
    }
    if story.plan.money.extra_total > limits.max_spend_per_climb {
        return Some("over the cap of a climb");
    }
    if let Some(to) = to {
        if (to - from) * 10 > from * 2 {
            return Some("more than a fifth");
        }
        if limits.max_step.is_some_and(|most| to - from > most.minor()) {
            return Some("over the largest step");
        }
    }
    None
}

/// What some stories came to.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    wrote: u64,
    sent: u64,
    raised: u64,
}

/// Lives through one story and judges every request of it.
fn judge(runtime: &tokio::runtime::Runtime, seed: u64, count: &mut Count) {
    let story = Story::draw(seed);
    runtime.block_on(story.live());
    let log = story.paper.world().sent.clone();
    for (n, request) in log.iter().enumerate() {
        let found = wrong(&story, request, &log[..n]);
        assert_eq!(found, None, "seed {seed}: {request:#?}\n{:#?}", story.plan);
        let sum = |trees: &[rungwise::domain::Tree]| trees.iter().map(on).sum::<i64>();
        count.raised += u64::from(sum(&request.after) > sum(&request.before));
    }
    count.sent += log.len() as u64;
    count.wrote += u64::from(!log.is_empty());
}

#[test]
fn whatever_leaves_the_door_is_an_authorised_unexpired_in_cap_row() {
    let total = cases(300);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let part = |first: u64| {
        let (runtime, mut count) = (runtime(), Count::default());
        for seed in (first..total).step_by(usize::try_from(cores).expect("few cores")) {
            judge(&runtime, seed, &mut count);
        }
        count
    };
    let counts: Vec<Count> = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..cores).map(|first| scope.spawn(move || part(first))).collect();
        parts.into_iter().map(|p| p.join().expect("a mismatch")).collect()
    });
    let sum = |of: fn(&Count) -> u64| counts.iter().map(of).sum::<u64>();
    let (wrote, sent, raised) = (sum(|c| c.wrote), sum(|c| c.sent), sum(|c| c.raised));
    println!(
        "{total} plans, {wrote} of them wrote, {sent} requests, {raised} raises, 0 mismatches"
    );
    assert!(
        sent > total / 4 && raised > total / 50,
        "{sent} requests and {raised} raises show little"
    );
}

#[test]
fn no_write_starts_more_than_a_second_after_the_kill_switch() {
    let (runtime, total) = (runtime(), cases(120).min(10_000));
    let mut cut_short = 0_u64;
    for seed in 0..total {
        let mut rng = Pcg64Mcg::seed_from_u64(seed ^ 0x51_0b);
        let now = Moment::from_millis(NOON);
        // Up to two seconds for each read, commit and send: the switch is thrown anywhere among them.
        let ticks = Ticks::new(now, seed, 2_000);
        let trees = vec![tree(10, 5_000, true, true, None), tree(20, 5_000, true, true, None)];
        let actions: Vec<Action> = (0..8_u32)
            .map(|n| {
                let id = CampaignId::new(if n % 2 == 0 { "10" } else { "20" }).expect("digits");
                let (kind, to) = (ObjectKind::Campaign, eur(4_900 - 10 * i64::from(n / 2)));
                let op = Op::SetDailyBudget { object: Target::from(&id), kind, to };
                Action {
                    key: format!("a{n}"),
                    op_key: OpKey::new(format!("K{n}")).expect("legal"),
                    request: template(&op),
                    op,
                    expects: vec![],
                    not_before: None,
                    reason: String::new(),
                }
            })
            .take(6)
            .collect();
        let wanted = actions.len();
        let mut plan = approvals::plan(PlanKind::Shift, actions, "agent");
        plan.expires = now.plus(24 * HOUR_MS);
        let store = Memory::new(std::sync::Arc::clone(&ticks));
        let row = PlanRow {
            hash: plan.hash(),
            line: plan.line.clone(),
            climb: plan.climb.clone(),
            kind: plan.kind,
            created: plan.created,
            expires: plan.expires,
            bytes: plan.bytes(),
            end: None,
        };
        {
            let mut held = store.held();
            let (by, note) = ("ben".to_owned(), String::new());
            held.approvals.push(Approval { plan: plan.hash(), by, at: now, granted: true, note });
            held.account = Some(account());
            held.climbs = vec![climb_row("10"), climb_row("20")];
            held.notes.insert(READ_NOTE.to_owned(), now.millis().to_string());
            held.plans.push(row.clone());
        }
        let thrown = now.plus(rng.random_range(0..90_000));
        let paper = Paper::new(trees, std::sync::Arc::clone(&ticks), seed, 0);
        let told = Story {
            policy: policy(Mode::Supervised),
            ticks,
            store,
            paper,
            plan,
            row,
            thrown: Some(thrown),
        };
        runtime.block_on(told.live());
        let log = told.paper.world().sent.clone();
        for request in &log {
            let late = request.at.since(thrown);
            assert!(late <= 1_000, "seed {seed}: a write started {late} ms after the switch");
        }
        cut_short += u64::from(log.len() < wanted);
        // Still thrown: nothing more.
        runtime.block_on(told.live());
        assert_eq!(told.paper.world().sent.len(), log.len(), "seed {seed}");
        assert!(told.ticks.now() > now);
    }
    println!("{total} instants, {cut_short} plans cut short, 0 late writes");
    assert!(cut_short > total / 4, "only {cut_short} plans met the switch");
}
