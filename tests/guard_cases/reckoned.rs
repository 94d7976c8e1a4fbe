//! Whatever the guard rails say is worked out a second time, by plain rules written down apart from theirs, over random
//! cases that crowd around every bound. `RUNGWISE_CASES` sets how many are tried.

use rand::{Rng, SeedableRng, seq::IndexedRandom as _};
use rand_pcg::Pcg64Mcg;
use rungwise::{
    app::{
        Desk,
        facts::{Moved, changes, pots},
        pull::READ_NOTE,
        standing,
    },
    domain::{
        AccountInfo, CampaignId, DAY_MS, Day, HOUR_MS, Moment, Money, ObjectId, OpKey, Status,
        Zone,
        eligibility::refusals,
        guard::{Facts, Movement, allow, exposure::Pot, exposure::Timeline, steps::Change},
        plan::{
            Action, Approval, ApprovedPlan, MoneyAtRisk, ObjectKind, Op, PlanHash, PlanKind,
            Target, Template,
        },
        policy::{Mode, Pattern, Policy},
        write_log::WriteStatus,
    },
};

use super::{
    approvals,
    caps::{eur, policy},
    memory::Memory,
    paper::{Paper, Ticks, cases, on, tree},
};

/// Sunday, 4 January 2026, 00:00 UTC: the first instant of one of Meta's budget weeks.
const SUNDAY: i64 = 1_767_484_800_000;

fn dice(seed: u64) -> Pcg64Mcg {
    Pcg64Mcg::seed_from_u64(seed)
}
fn odds(rng: &mut Pcg64Mcg, percent: u32) -> bool {
    rng.random_range(0..100) < percent
}
/// One unit around a bound, or far below it.
fn around(rng: &mut Pcg64Mcg, bound: i64) -> i64 {
    let near = bound + rng.random_range(-1..=1);
    if odds(rng, 60) { bound / 2 } else { near }
}
fn campaign(id: &str) -> CampaignId {
    CampaignId::new(id).expect("digits")
}

/// A question to the guard.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that may be wrong")]
struct Case {
    policy: Policy,
    kind: PlanKind,
    action: Action,
    movement: Movement,
    /// Budgets of the account's other campaigns.
    others: Vec<i64>,
    total: i64,
    regret: i64,
    worst: Option<i64>,
    /// How long ago money was moved, in milliseconds.
    moved: Vec<i64>,
    /// Earlier changes of the same budget: how long ago, from, to.
    changes: Vec<(i64, i64, i64)>,
    may_raise: bool,
    stopped: bool,
    no_raises: bool,
    closed: bool,
}

impl Case {
    fn draw(policy: &Policy, seed: u64) -> Self {
        let rng = &mut dice(seed);
        let mut policy = policy.clone();
        policy.mode = if odds(rng, 95) { Mode::Supervised } else { Mode::Propose };
        policy.shifting.max_steps_per_week = rng.random_range(1..=3);
        let kinds = [PlanKind::Activate, PlanKind::Shift, PlanKind::Split, PlanKind::End];
        let kind = *kinds.choose(rng).expect("some");
        let from = rng.random_range(1..7_000);
        let switches = odds(rng, 35);
        let (action, movement) = if switches { switch(rng, from) } else { budget(rng, from) };
        if let Some(limits) = policy.limits.as_mut() {
            let by = (movement.to - movement.from).max(1);
            limits.max_step = odds(rng, 40).then(|| eur(by + rng.random_range(-1..=1)));
        }
        // The other campaigns leave the room, or a unit more or less.
        let room = 10_000 - movement.after;
        let others = if odds(rng, 50) && room > 2 {
            let all = room + rng.random_range(-1..=1);
            let first = rng.random_range(0..=all);
            vec![first, all - first]
        } else {
            vec![rng.random_range(0..2_000)]
        };
        let total = if odds(rng, 50) { 0 } else { around(rng, 100_000) };
        let worst = odds(rng, 85).then(|| around(rng, total));
        let regret = around(rng, 10_000);
        let busy = |rng: &mut Pcg64Mcg, window: i64, cap: u32| {
            let n = if odds(rng, 70) { 0 } else { cap - rng.random_range(0..=1) };
            (0..n).map(|_| window - rng.random_range(0..=1)).collect::<Vec<i64>>()
        };
        let mut moved = busy(rng, HOUR_MS, policy.writes.per_hour);
        moved.extend(busy(rng, DAY_MS, policy.writes.per_day));
        let ages = [HOUR_MS, DAY_MS, 2 * DAY_MS, 7 * DAY_MS];
        let ages = ages.map(|ms| [ms - 1, ms]).concat();
        let count = if odds(rng, 50) { 0 } else { rng.random_range(1..5) };
        let changes = (0..count).map(|_| {
            let base = [from, from * 2 / 3, from * 4 / 5, movement.to * 2 / 3 + 1];
            (*ages.choose(rng).expect("some"), *base.choose(rng).expect("some"), from)
        });
        let mut changes: Vec<(i64, i64, i64)> = changes.collect();
        changes.sort_unstable_by_key(|(ago, ..)| -ago);
        changes.dedup_by_key(|(ago, ..)| *ago);
        let [stopped, no_raises, closed] = [odds(rng, 4), odds(rng, 4), odds(rng, 4)];
        let may_raise = odds(rng, 95);
        Self {
            policy,
            kind,
            action,
            movement,
            others,
            total,
            regret,
            worst,
            moved,
            changes,
            may_raise,
            stopped,
            no_raises,
            closed,
        }
    }

    fn asked(&self) -> bool {
        let now = Moment::from_millis(SUNDAY);
        let pot = |id: &str, minor| Pot {
            campaign: campaign(id),
            timeline: Timeline::constant(minor),
            delivered: vec![],
        };
        let mut pots = vec![pot("1", self.movement.before)];
        pots.extend(self.others.iter().enumerate().map(|(i, minor)| pot(&format!("5{i}"), *minor)));
        let moved: Vec<Moment> = self.moved.iter().map(|ago| now.plus(-ago)).collect();
        let changes: Vec<Change> = self
            .changes
            .iter()
            .map(|(ago, from, to)| Change { at: now.plus(-ago), from: *from, to: *to })
            .collect();
        let money = MoneyAtRisk {
            extra_per_day: eur(0),
            extra_total: eur(self.total),
            worst_regret: eur(self.regret),
            reversible: String::new(),
        };
        let no_raises = if self.no_raises { vec!["unsure".to_owned()] } else { vec![] };
        let facts = Facts {
            now,
            policy: &self.policy,
            zone: &Zone::utc(),
            stopped: self.stopped.then(|| "why".to_owned()),
            kind: self.kind,
            may_raise: self.may_raise,
            movement: Some(&self.movement),
            pots: &pots,
            money: &money,
            test_worst: self.worst,
            moved_at: &moved,
            changes: &changes,
            no_raises: &no_raises,
            closed: self.closed.then(|| "three refusals".to_owned()),
        };
        allow(&self.action, &facts).is_ok()
    }

    /// The same by the rules as they are written down for people. At the first instant of a week every campaign's worst
    /// week is seven times its budget, so the sum of the budgets says it all.
    fn reckoned(&self) -> bool {
        let m = &self.movement;
        let pauses = matches!(self.action.op, Op::SetStatus { to: Status::Paused, .. });
        let sets = matches!(self.action.op, Op::SetDailyBudget { .. });
        let younger =
            |ages: &mut dyn Iterator<Item = i64>, than: i64| ages.filter(|a| *a < than).count();
        let changed = |than: i64| younger(&mut self.changes.iter().map(|(ago, ..)| *ago), than);
        if self.stopped || self.policy.mode == Mode::Propose {
            return false;
        }
        if pauses {
            return true;
        }
        if sets && changed(HOUR_MS) >= 3 {
            return false;
        }
        if sets && m.to <= m.from {
            return true;
        }
        if self.closed || self.no_raises || !self.may_raise {
            return false;
        }
        let tested = self.kind == PlanKind::Activate && self.total > 0;
        let caps = self.total <= 100_000
            && (self.total == 0 || self.regret <= 10_000)
            && (!tested || self.worst.is_some_and(|worst| worst <= self.total))
            && m.after + self.others.iter().sum::<i64>() <= 10_000;
        let raised = |than: i64| {
            let raises = self.changes.iter().filter(|(_, from, to)| to > from);
            younger(&mut raises.map(|(ago, ..)| *ago), than)
        };
        let weekly = usize::try_from(self.policy.shifting.max_steps_per_week).expect("few");
        let step = || {
            let by = m.to - m.from;
            let most = self.policy.limits.and_then(|l| l.max_step).map_or(i64::MAX, Money::minor);
            let week = self.changes.iter().filter(|(ago, ..)| *ago < 7 * DAY_MS);
            let base = week.max_by_key(|(ago, ..)| *ago).map_or(m.from, |(_, from, _)| *from);
            by * 5 <= m.from
                && by <= most
                && changed(DAY_MS) == 0
                && changed(7 * DAY_MS) < 3
                && raised(2 * DAY_MS) == 0
                && raised(7 * DAY_MS) < weekly
                && m.to * 2 <= base.min(m.from) * 3
        };
        let moved = |than: i64| younger(&mut self.moved.iter().copied(), than);
        caps && (!sets || step()) && moved(HOUR_MS) < 10 && moved(DAY_MS) < 30
    }
}

fn action(op: Op) -> Action {
    Action {
        key: "campaign".into(),
        op_key: OpKey::new("K").expect("legal"),
        op,
        expects: vec![],
        not_before: None,
        reason: String::new(),
        request: Template { method: "POST".into(), path: "1".into(), params: vec![] },
    }
}

fn moves(before: i64, after: i64) -> Movement {
    let (at, object) = (Moment::from_millis(SUNDAY), None);
    Movement { campaign: campaign("1"), before, after, object, from: 0, to: 0, at, worst: 0 }
}

fn switch(rng: &mut Pcg64Mcg, minor: i64) -> (Action, Movement) {
    let object = Target::from(&campaign("1"));
    let on = odds(rng, 80);
    let to = if on { Status::Active } else { Status::Paused };
    let movement = if on { moves(0, minor) } else { moves(minor, 0) };
    (action(Op::SetStatus { object, kind: ObjectKind::Campaign, to }), movement)
}

fn budget(rng: &mut Pcg64Mcg, from: i64) -> (Action, Movement) {
    let object = Target::from(&campaign("1"));
    let fifth = from + from / 5;
    let to = match rng.random_range(0..5) {
        0 => from - rng.random_range(0..=from.min(50)),
        1 => from + rng.random_range(0..=fifth - from),
        _ => fifth + rng.random_range(-1..=1),
    };
    let id = ObjectId::new("1").expect("digits");
    let movement = Movement { object: Some(id), from, to, ..moves(from, to) };
    (action(Op::SetDailyBudget { object, kind: ObjectKind::Campaign, to: eur(to) }), movement)
}

#[test]
fn the_guard_says_what_a_second_reckoning_says() {
    let (mut yes, total) = (0_u64, cases(4_000));
    let policy = policy(Mode::Supervised);
    for seed in 0..total {
        let case = Case::draw(&policy, seed);
        let (asked, reckoned) = (case.asked(), case.reckoned());
        assert_eq!(asked, reckoned, "case {seed}: the guard against the reckoning: {case:#?}");
        yes += u64::from(asked);
    }
    assert!(yes * 20 > total && yes < total, "{yes} of {total} were allowed");
}

#[test]
fn approvals_count_as_a_second_reckoning_counts_them() {
    let names = ["ana", "ben", "cy", "guard:pacing", "policy:autonomous"];
    for seed in 0..cases(3_000) {
        let rng = &mut dice(seed);
        let kind = if odds(rng, 50) { PlanKind::Activate } else { PlanKind::End };
        let requested_by = if odds(rng, 50) { "ana" } else { "agent" };
        let plan = approvals::plan(kind, vec![], requested_by);
        let (bytes, hash) = (plan.bytes(), plan.hash());
        let answers: Vec<Approval> = (0..rng.random_range(0..4))
            .map(|_| Approval {
                plan: if odds(rng, 4) { PlanHash::named("1".repeat(64)) } else { hash.clone() },
                by: (*names.choose(rng).expect("some")).to_owned(),
                at: plan.created,
                granted: odds(rng, 94),
                note: String::new(),
            })
            .collect();
        let quorum = rng.random_range(1..=3);
        let late = rng.random_range(-1..=1);
        let started = odds(rng, 20);
        let now = plan.expires.plus(late);
        let found = ApprovedPlan::new(&bytes, &hash, &answers, quorum, now, started);
        let mut people: Vec<&str> = answers.iter().map(|a| a.by.as_str()).collect();
        people.sort_unstable();
        people.dedup();
        let asked_themselves = people.contains(&requested_by);
        let rail = people.contains(&"guard:pacing");
        people.retain(|p| *p != "guard:pacing" && (quorum < 2 || *p != requested_by));
        let full = people.len() >= quorum;
        let clean = answers.iter().all(|a| a.granted && a.plan == hash);
        let lowers = rail || asked_themselves && kind == PlanKind::End;
        let wanted = (clean && (full || lowers) && (late <= 0 || started)).then_some(full);
        let found = found.ok().map(|approved| approved.may_raise());
        assert_eq!(found, wanted, "case {seed}: {answers:#?} at {late} ms, quorum {quorum}");
    }
}

#[tokio::test]
async fn figures_are_stale_from_the_first_millisecond_on_and_not_before() {
    let mut policy = policy(Mode::Supervised);
    for seed in 0..cases(200) {
        let rng = &mut dice(seed);
        let ticks = Ticks::new(Moment::from_millis(SUNDAY), seed, 0);
        let store = Memory::new(std::sync::Arc::clone(&ticks));
        let paper = Paper::new(vec![], std::sync::Arc::clone(&ticks), seed, 0);
        policy.freshness.insights_ms = rng.random_range(1..48) * HOUR_MS;
        let status = if odds(rng, 90) { 1 } else { 2 };
        store.held().account = Some(AccountInfo {
            name: "Shop".into(),
            currency: "EUR".parse().expect("letters"),
            zone: Zone::utc(),
            status,
            min_daily_budget: None,
            min_spend_cap: None,
            business: None,
        });
        let late = rng.random_range(-1..=1);
        let read = SUNDAY - policy.freshness.insights_ms - late;
        store.held().notes.insert(READ_NOTE.to_owned(), read.to_string());
        let desk =
            Desk { store: &store, meta: &paper, clock: &*ticks, policy: &policy, actor: "a" };
        let why = standing::no_raises(desk).await.expect("a store in memory");
        assert_eq!(
            why.is_empty(),
            late <= 0 && status == 1,
            "case {seed}: {late} ms late: {why:?}"
        );
    }
}

#[test]
fn what_is_in_doubt_counts_as_done_and_at_its_worst() {
    let statuses =
        [WriteStatus::InDoubt, WriteStatus::Done, WriteStatus::Refused, WriteStatus::Absent];
    let object = ObjectId::new("10").expect("digits");
    for seed in 0..cases(1_000) {
        let rng = &mut dice(seed);
        let now = Moment::from_millis(SUNDAY + 3 * DAY_MS);
        let trees = [tree(10, rng.random_range(1..9_000), true, odds(rng, 80), None)];
        let moved: Vec<Moved> = (0..rng.random_range(0..5))
            .map(|n| {
                let at = now.plus(-HOUR_MS * (9 - n));
                let (from, to) = (rng.random_range(1..9_000), rng.random_range(1..9_000));
                Moved {
                    op_key: OpKey::new(format!("K{n}")).expect("legal"),
                    movement: Movement {
                        campaign: campaign("10"),
                        object: Some(object.clone()),
                        from,
                        to,
                        at,
                        ..moves(from, to)
                    },
                    status: *statuses.choose(rng).expect("some"),
                    known: at.plus(rng.random_range(-HOUR_MS..2 * HOUR_MS)),
                }
            })
            .collect();
        let zone = Zone::utc();
        let found = pots(&trees, &moved, &std::collections::BTreeMap::new(), now, &zone);
        let stands = |m: &&Moved| matches!(m.status, WriteStatus::InDoubt | WriteStatus::Done);
        let last = moved.iter().rfind(stands);
        let doubt = last.filter(|m| m.status == WriteStatus::InDoubt);
        let floor = doubt.map_or(0, |m| m.movement.before.max(m.movement.after));
        let is = found[0].timeline.last();
        assert!(is >= floor.max(on(&trees[0])), "case {seed}: {is} for {moved:#?}");
        // A process that slept before it sent has changed the budget when it woke, not when it began.
        let counted: Vec<Moment> =
            changes(&moved, Some(&object)).into_iter().map(|c| c.at).collect();
        let latest = moved.iter().filter(stands).map(|m| m.movement.at.max(m.known));
        assert_eq!(counted, latest.collect::<Vec<_>>(), "case {seed}: {moved:#?}");
    }
}

#[test]
fn amounts_are_exact_in_every_currency() {
    // Marketing API, "Currencies": those whose smallest unit is the whole.
    let whole = ["CLP", "COP", "CRC", "HUF", "IDR", "ISK", "JPY", "KRW", "PYG", "TWD", "VND"];
    let parts = ["EUR", "USD", "GBP", "KWD", "BHD", "TND", "BRL", "INR", "CHF", "MXN", "PLN"];
    for seed in 0..cases(1_000) {
        let rng = &mut dice(seed);
        let digits = rng.random_range(1..16);
        let minor = rng.random_range(0..10_i64.pow(digits));
        for (codes, text) in
            [(whole, minor.to_string()), (parts, format!("{}.{:02}", minor / 100, minor % 100))]
        {
            let currency = codes.choose(rng).expect("some").parse().expect("letters");
            let exact = Money::from_major_exact(&text, currency).map(Money::minor);
            let rounded = Money::from_major_rounded(&text, currency).map(Money::minor);
            assert_eq!(
                (&exact, &rounded),
                (&Ok(minor), &Ok(minor)),
                "case {seed}: {text} {currency}"
            );
            assert_eq!(Money::from_minor(minor, currency).major(), text, "case {seed}: {currency}");
        }
    }
}

#[test]
fn days_are_those_of_the_account_and_close_when_they_are_over() {
    let zones = [
        "UTC",
        "America/New_York",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "Asia/Tokyo",
        "Pacific/Apia",
    ];
    for seed in 0..cases(1_000) {
        let rng = &mut dice(seed);
        let name = zones.choose(rng).expect("some");
        let zone: Zone = name.parse().expect("a zone");
        let tz = jiff::tz::TimeZone::get(name).expect("a zone");
        let date = |at: Moment| at.timestamp().to_zoned(tz.clone()).date().to_string();
        let at = Moment::from_millis(rng.random_range(1_700_000_000_000..1_900_000_000_000));
        let day: Day = zone.day_of(at);
        assert_eq!(day.to_string(), date(at), "case {seed}: {at} in {name}");
        let end = zone.end_of(day);
        assert!(
            date(end.plus(-1)) == date(at) && date(end) > date(at),
            "case {seed}: {day} in {name}"
        );
        let settle = rng.random_range(0..72) * HOUR_MS;
        let now = end.plus(settle + rng.random_range(-1..=1));
        let over = now.millis() - end.millis() >= settle;
        assert_eq!(zone.is_closed(day, now, settle), over, "case {seed}: {day} at {now} in {name}");
    }
}

#[test]
fn a_protected_name_is_refused_and_no_other_for_that_reason() {
    let words = ["Brand", "Always on", "retarget", "Q4"];
    let mut policy = policy(Mode::Supervised);
    for seed in 0..cases(500) {
        let rng = &mut dice(seed);
        let word = *words.choose(rng).expect("some");
        let (before, after) = (odds(rng, 50), odds(rng, 50));
        let star = |there: bool| if there { "*" } else { "" };
        let pattern = format!("{}{word}{}", star(before), star(after));
        policy.protect = vec![Pattern::new(&pattern).expect("not blank")];
        let mut tree = tree(10, 1_000, true, true, None);
        let other = *words.choose(rng).expect("some");
        let spelt = if odds(rng, 50) { other.to_uppercase() } else { other.to_owned() };
        let [head, tail] = [odds(rng, 50), odds(rng, 50)];
        let part = |there: bool, text: &str| if there { text.to_owned() } else { String::new() };
        tree.campaign.name = format!("{}{spelt}{}", part(head, "Shop | "), part(tail, " | 2026"));
        let wanted = word == other && (before || !head) && (after || !tail);
        let found = refusals(&tree, &policy).iter().any(|why| why.contains("protect"));
        assert_eq!(found, wanted, "case {seed}: {} under {pattern}", tree.campaign.name);
    }
}
