//! `guard::allow`, one rule at a time, at its boundary.

use rungwise::domain::{
    CampaignId, DAY_MS, HOUR_MS, Moment, Money, ObjectId, OpKey, Status, Zone,
    guard::{
        Blocked, Facts, Movement, allow,
        exposure::{Pot, Timeline},
        steps::{Change, TooMuch},
    },
    plan::{Action, MoneyAtRisk, ObjectKind, Op, PlanKind, Target, Template},
    policy::{Mode, Policy},
};

pub(crate) fn eur(minor: i64) -> Money {
    Money::from_minor(minor, "EUR".parse().expect("three letters"))
}

pub(crate) fn policy(mode: Mode) -> Policy {
    let limits = [
        ("limits.max_daily_spend", "100.00 EUR"),
        ("limits.max_spend_per_climb", "1000.00 EUR"),
        ("limits.max_regret_per_climb", "100.00 EUR"),
    ];
    let mut policy = rungwise::config::from_toml("", &limits).expect("valid").policy;
    policy.mode = mode;
    policy
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

fn switch(to: Status) -> Action {
    let object = Target::from(&CampaignId::new("1").expect("digits"));
    action(Op::SetStatus { object, kind: ObjectKind::Campaign, to })
}

fn budget(to: i64) -> Action {
    let object = Target::from(&CampaignId::new("1").expect("digits"));
    action(Op::SetDailyBudget { object, kind: ObjectKind::Campaign, to: eur(to) })
}

/// A Monday, 00:00 UTC.
const MONDAY: i64 = 1_767_571_200_000;

#[expect(clippy::struct_excessive_bools, reason = "each is one thing that may be wrong")]
struct Case {
    policy: Policy,
    kind: PlanKind,
    now: Moment,
    /// Daily budget of another managed campaign.
    other: i64,
    movement: Option<(i64, i64)>,
    budget: Option<(i64, i64)>,
    total: i64,
    regret: i64,
    worst: Option<i64>,
    moved: Vec<i64>,
    changes: Vec<(i64, i64, i64)>,
    may_raise: bool,
    stopped: bool,
    no_raises: bool,
    closed: bool,
}

impl Case {
    /// An activation that costs nothing extra and raises by one unit.
    fn new() -> Self {
        Self {
            policy: policy(Mode::Supervised),
            kind: PlanKind::Activate,
            now: Moment::from_millis(MONDAY),
            other: 0,
            movement: Some((0, 1)),
            budget: None,
            total: 0,
            regret: 0,
            worst: None,
            moved: vec![],
            changes: vec![],
            may_raise: true,
            stopped: false,
            no_raises: false,
            closed: false,
        }
    }
    fn ask(&self, action: &Action) -> Result<(), Blocked> {
        let now = self.now;
        let id = |text: &str| CampaignId::new(text).expect("digits");
        let movement = self.movement.map(|(before, after)| Movement {
            campaign: id("1"),
            before,
            after,
            object: self.budget.map(|_| ObjectId::new("1").expect("digits")),
            from: self.budget.map_or(0, |b| b.0),
            to: self.budget.map_or(0, |b| b.1),
            at: now,
            worst: 0,
        });
        let pot = |campaign: &str, minor| Pot {
            campaign: id(campaign),
            timeline: Timeline::constant(minor),
            delivered: vec![],
        };
        let pots = [pot("1", self.movement.map_or(0, |m| m.0)), pot("2", self.other)];
        let moved: Vec<Moment> = self.moved.iter().map(|ms| now.plus(-ms)).collect();
        let changes: Vec<Change> = self
            .changes
            .iter()
            .map(|(ago, from, to)| Change { at: now.plus(-ago), from: *from, to: *to })
            .collect();
        let no_raises = if self.no_raises { vec!["stale".to_owned()] } else { vec![] };
        let money = MoneyAtRisk {
            extra_per_day: eur(0),
            extra_total: eur(self.total),
            worst_regret: eur(self.regret),
            reversible: String::new(),
        };
        allow(
            action,
            &Facts {
                now,
                policy: &self.policy,
                zone: &Zone::utc(),
                stopped: self.stopped.then(|| "why".to_owned()),
                kind: self.kind,
                may_raise: self.may_raise,
                movement: movement.as_ref(),
                pots: &pots,
                money: &money,
                test_worst: self.worst,
                moved_at: &moved,
                changes: &changes,
                no_raises: &no_raises,
                closed: self.closed.then(|| "three refusals".to_owned()),
            },
        )
    }
}

#[test]
fn the_daily_cap_holds_to_the_minor_unit() {
    let mut case = Case { other: 9_000, movement: Some((0, 1_000)), ..Case::new() };
    assert_eq!(case.ask(&switch(Status::Active)), Ok(()));
    case.movement = Some((0, 1_001));
    assert!(matches!(case.ask(&switch(Status::Active)), Err(Blocked::DailyCap { .. })));
    (case.other, case.movement) = (20_000, Some((5_000, 0)));
    assert_eq!(case.ask(&switch(Status::Paused)), Ok(()), "a cut is never over the cap");
}

#[test]
fn the_caps_of_a_climb_hold_to_the_minor_unit() {
    let on = switch(Status::Active);
    let mut case = Case { total: 100_000, worst: Some(100_000), ..Case::new() };
    assert_eq!(case.ask(&on), Ok(()));
    case.total = 100_001;
    assert!(matches!(case.ask(&on), Err(Blocked::ClimbCap { .. })));
    case = Case { total: 50_000, worst: Some(50_000), regret: 10_000, ..Case::new() };
    assert_eq!(case.ask(&on), Ok(()));
    case.regret = 10_001;
    assert!(matches!(case.ask(&on), Err(Blocked::RegretCap { .. })));
}

#[test]
fn no_test_starts_without_an_end_at_meta_or_beyond_what_was_authorised() {
    let on = switch(Status::Active);
    let mut case = Case { total: 50_000, worst: None, ..Case::new() };
    assert_eq!(case.ask(&on), Err(Blocked::Unbounded));
    case.worst = Some(50_001);
    assert!(matches!(case.ask(&on), Err(Blocked::OverAuthorised { .. })));
    case.worst = Some(50_000);
    assert_eq!(case.ask(&on), Ok(()));
}

#[test]
fn only_the_two_writing_modes_write_and_only_with_limits() {
    for (mode, writes) in [
        (Mode::Observe, false),
        (Mode::Propose, false),
        (Mode::Supervised, true),
        (Mode::Autonomous, true),
    ] {
        let case = Case { policy: policy(mode), ..Case::new() };
        assert_eq!(case.ask(&switch(Status::Active)).is_ok(), writes, "{mode}");
    }
    let mut case = Case::new();
    case.policy.limits = None;
    assert!(case.ask(&switch(Status::Paused)).is_err(), "without limits it only observes");
}

#[test]
fn the_switch_stops_everything_but_the_pauses_the_policy_asks_for() {
    let mut case =
        Case { stopped: true, movement: Some((5, 0)), kind: PlanKind::End, ..Case::new() };
    let stopped =
        |case: &Case, action: &Action| matches!(case.ask(action), Err(Blocked::Stopped(_)));
    assert!(stopped(&case, &switch(Status::Paused)));
    case.policy.stop.pause_challengers = true;
    assert_eq!(case.ask(&switch(Status::Paused)), Ok(()));
    case.kind = PlanKind::Shift;
    assert!(stopped(&case, &switch(Status::Paused)), "only the end of a test");
    case.kind = PlanKind::End;
    (case.movement, case.budget) = (Some((9, 8)), Some((9, 8)));
    assert!(stopped(&case, &budget(8)), "and only a pause");
}

#[test]
fn what_forbids_raises_leaves_the_safety_direction_open() {
    type Close = fn(&mut Case);
    type Named = fn(&Blocked) -> bool;
    let closed: [(Close, Named); 3] = [
        (|c| c.no_raises = true, |b| matches!(b, Blocked::NoRaises(_))),
        (|c| c.closed = true, |b| matches!(b, Blocked::Closed(_))),
        (|c| c.may_raise = false, |b| matches!(b, Blocked::LowersOnly)),
    ];
    for (close, named) in closed {
        let mut case = Case::new();
        close(&mut case);
        let blocked = case.ask(&switch(Status::Active)).expect_err("no raise");
        assert!(named(&blocked) && blocked.passes_with_time(), "{blocked}");
        case.movement = Some((5, 0));
        assert_eq!(case.ask(&switch(Status::Paused)), Ok(()));
        (case.movement, case.budget) = (Some((10, 9)), Some((10, 9)));
        assert_eq!(case.ask(&budget(9)), Ok(()));
    }
}

#[test]
fn a_bound_is_loosened_only_when_raises_are_allowed() {
    let object = Target::from(&CampaignId::new("1").expect("digits"));
    let uncap = action(Op::SetSpendCap { object, to: None });
    let mut case = Case { kind: PlanKind::Shift, movement: None, ..Case::new() };
    assert_eq!(case.ask(&uncap), Ok(()));
    case.no_raises = true;
    assert!(matches!(case.ask(&uncap), Err(Blocked::NoRaises(_))));
}

#[test]
fn a_raise_is_held_to_its_step_and_a_cut_is_not() {
    let mut case = Case {
        kind: PlanKind::Shift,
        movement: Some((1_000, 1_200)),
        budget: Some((1_000, 1_200)),
        ..Case::new()
    };
    assert_eq!(case.ask(&budget(1_200)), Ok(()));
    case.changes = vec![(DAY_MS - 1, 990, 1_000)];
    let soon = case.ask(&budget(1_200));
    assert!(matches!(soon, Err(Blocked::Step(TooMuch::TooSoon { .. }))), "{soon:?}");
    assert!(soon.expect_err("blocked").passes_with_time());
    case.changes.clear();
    (case.movement, case.budget) = (Some((1_000, 1_201)), Some((1_000, 1_201)));
    let large = case.ask(&budget(1_201));
    assert!(matches!(large, Err(Blocked::Step(TooMuch::Share { .. }))), "{large:?}");
    assert!(!large.expect_err("blocked").passes_with_time());
    (case.movement, case.budget) = (Some((1_000, 100)), Some((1_000, 100)));
    assert_eq!(case.ask(&budget(100)), Ok(()));
}

#[test]
fn budgets_that_were_moved_about_today_wait_for_tomorrow() {
    // Two campaigns of half the cap each; one was cut at noon, and the other is to be raised by the same money.
    let day = Moment::from_millis(MONDAY);
    let noon = day.plus(12 * HOUR_MS);
    let policy = policy(Mode::Supervised);
    let pot = |id: &str, timeline| Pot {
        campaign: CampaignId::new(id).expect("digits"),
        timeline,
        delivered: vec![],
    };
    let ask = |now: Moment| {
        let pots = [
            pot("1", Timeline::constant(5_000)),
            pot("2", Timeline::constant(5_000).then(noon, 4_000)),
        ];
        let movement = Movement {
            campaign: CampaignId::new("1").expect("digits"),
            before: 5_000,
            after: 6_000,
            object: Some(ObjectId::new("1").expect("digits")),
            from: 5_000,
            to: 6_000,
            at: now,
            worst: 0,
        };
        let money = MoneyAtRisk {
            extra_per_day: eur(0),
            extra_total: eur(0),
            worst_regret: eur(0),
            reversible: String::new(),
        };
        allow(
            &budget(6_000),
            &Facts {
                now,
                policy: &policy,
                zone: &Zone::utc(),
                stopped: None,
                kind: PlanKind::Shift,
                may_raise: true,
                movement: Some(&movement),
                pots: &pots,
                money: &money,
                test_worst: None,
                moved_at: &[],
                changes: &[],
                no_raises: &[],
                closed: None,
            },
        )
    };
    let same_day = ask(noon.plus(1));
    assert!(matches!(same_day, Err(Blocked::Exposure { period: "day", .. })), "{same_day:?}");
    assert!(same_day.expect_err("blocked").passes_with_time());
    let saturday = day.plus(12 * DAY_MS);
    let later = ask(saturday.plus(24 * HOUR_MS - 1));
    assert_eq!(later, Ok(()), "at the end of the next week nothing is left to re-base");
}

#[test]
fn write_caps_count_the_last_hour_and_day_exactly_and_never_hold_a_cut_back() {
    let mut case = Case::new();
    let cap = usize::try_from(case.policy.writes.per_hour).unwrap();
    case.moved = vec![HOUR_MS - 1; cap];
    let rate = |case: &Case| match case.ask(&switch(Status::Active)) {
        Err(Blocked::Rate { window, .. }) => window,
        other => panic!("{other:?}"),
    };
    assert_eq!(rate(&case), "hour");
    case.moved = vec![HOUR_MS; cap];
    assert_eq!(case.ask(&switch(Status::Active)), Ok(()));
    case.moved = vec![2 * HOUR_MS; usize::try_from(case.policy.writes.per_day).unwrap()];
    assert_eq!(rate(&case), "day");
    case.movement = Some((5, 0));
    assert_eq!(case.ask(&switch(Status::Paused)), Ok(()));
}
