//! `guard::allow`, one rule at a time, at its boundary.

use rungwise::domain::{
    CampaignId, DAY_MS, HOUR_MS, Moment, Money, ObjectId, OpKey, Status, Zone,
    guard::{
        self, Blocked, Facts, Movement, allow,
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
    /// What it has just been set to, if it has.
    other_now: Option<i64>,
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
            other_now: None,
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
        let mut pots = [pot("1", self.movement.map_or(0, |m| m.0)), pot("2", self.other)];
        if let Some(minor) = self.other_now {
            pots[1].timeline = pots[1].timeline.clone().then(now, minor);
        }
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
fn a_raise_that_came_late_moves_the_next_one() {
    let mut case = Case {
        kind: PlanKind::Shift,
        movement: Some((1_000, 1_200)),
        budget: Some((1_000, 1_200)),
        ..Case::new()
    };
    let gap = case.policy.shifting.gap_ms;
    assert!(gap >= 48 * HOUR_MS);
    case.changes = vec![(gap - 1, 900, 1_000)];
    let soon = case.ask(&budget(1_200));
    assert!(matches!(soon, Err(Blocked::Step(TooMuch::RaisedTooSoon { .. }))), "{soon:?}");
    assert!(soon.expect_err("blocked").passes_with_time());
    case.changes = vec![(gap, 900, 1_000)];
    assert_eq!(case.ask(&budget(1_200)), Ok(()));
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

/// One write of every kind, about campaign 1 or something in it.
fn every_write() -> Vec<Op> {
    let campaign = || Target::from(&CampaignId::new("1").expect("digits"));
    let other = || Target::Id(ObjectId::new("2").expect("digits"));
    let (name, fields) = (String::new, rungwise::domain::Fields::new);
    let rung = policy(Mode::Supervised).ladder.rungs[0].clone();
    let status = |kind, to| Op::SetStatus { object: other(), kind, to };
    let (start, end) = (Moment::from_millis(MONDAY + 1), Moment::from_millis(MONDAY + DAY_MS));
    vec![
        Op::CreateCampaign {
            source: "1".parse().expect("digits"),
            name: name(),
            daily_budget: Some(eur(1)),
            spend_cap: None,
            fields: fields(),
        },
        Op::CreateAdSet {
            source: "2".parse().expect("digits"),
            campaign: campaign(),
            name: name(),
            rung: Box::new(rung),
            pixel_id: None,
            daily_budget: None,
            end_time: None,
            attribution: vec![],
            fields: fields(),
        },
        Op::CreateAd {
            source: "3".parse().expect("digits"),
            adset: other(),
            name: name(),
            creative: "4".parse().expect("digits"),
            fields: fields(),
        },
        status(ObjectKind::AdSet, Status::Active),
        status(ObjectKind::AdSet, Status::Paused),
        status(ObjectKind::Ad, Status::Active),
        status(ObjectKind::Campaign, Status::Archived),
        status(ObjectKind::Campaign, Status::Active),
        status(ObjectKind::Campaign, Status::Paused),
        Op::SetDailyBudget { object: campaign(), kind: ObjectKind::Campaign, to: eur(1) },
        Op::SetDailyBudget { object: other(), kind: ObjectKind::AdSet, to: eur(1) },
        Op::SetEndTime { object: other(), to: None },
        Op::SetSpendCap { object: campaign(), to: None },
        Op::CreatePauseRule { name: name(), campaign: campaign(), spend_over: eur(1) },
        Op::DeleteRule { rule: other() },
        Op::CreateStudy { name: name(), business: name(), start, end, cells: vec![] },
        Op::EndStudy { study: other() },
    ]
}

#[test]
fn money_moves_by_a_campaigns_switch_and_by_budgets_and_by_nothing_else() {
    let moving: Vec<Op> = every_write().into_iter().filter(guard::moves_money).collect();
    for op in &moving {
        let switch = matches!(op, Op::SetStatus { kind: ObjectKind::Campaign, to, .. }
            if *to == Status::Active || *to == Status::Paused);
        assert!(switch || matches!(op, Op::SetDailyBudget { .. }), "{op:?}");
    }
    assert_eq!(moving.len(), 4, "two switches of a campaign, two budgets: {moving:?}");
}

#[test]
fn writes_that_move_no_money_are_not_held_back_by_the_number_of_those_that_do() {
    let mut case = Case { movement: None, ..Case::new() };
    case.moved = vec![1; 1_000];
    for op in every_write().into_iter().filter(|op| !guard::moves_money(op)) {
        assert_eq!(case.ask(&action(op.clone())), Ok(()), "{op:?}");
    }
}

#[test]
fn while_raises_are_off_only_what_raises_or_loosens_a_bound_waits() {
    let case = Case { movement: None, no_raises: true, ..Case::new() };
    for op in every_write() {
        let loosens = matches!(op, Op::SetEndTime { .. } | Op::SetSpendCap { .. });
        let waits = matches!(case.ask(&action(op.clone())), Err(Blocked::NoRaises(_)));
        assert_eq!(waits, loosens, "{op:?}");
    }
}

#[test]
fn nothing_but_a_pause_a_cut_and_the_end_of_our_own_rule_or_study_is_called_lowering() {
    let movement = |before, after| Movement {
        campaign: CampaignId::new("1").expect("digits"),
        before,
        after,
        object: None,
        from: before,
        to: after,
        at: Moment::from_millis(MONDAY),
        worst: 0,
    };
    let (up, down) = (movement(1, 2), movement(2, 1));
    for op in every_write() {
        let off = matches!(op, Op::SetStatus { to: Status::Paused | Status::Archived, .. });
        let budget = matches!(op, Op::SetDailyBudget { .. });
        let ends = matches!(op, Op::DeleteRule { .. } | Op::EndStudy { .. });
        for kind in [PlanKind::End, PlanKind::Shift] {
            let lowers = |m| guard::only_lowers(&op, kind, m);
            let harmless = ends && kind == PlanKind::End;
            assert_eq!(lowers(Some(&up)), harmless, "{op:?} that raises");
            assert_eq!(lowers(Some(&down)), harmless || off || budget, "{op:?} that lowers");
            assert_eq!(lowers(None), harmless || off, "{op:?} of something that is off");
        }
    }
}

#[test]
fn a_study_begins_after_it_is_made() {
    let start = Moment::from_millis(MONDAY + 1);
    let study = every_write().into_iter().find(|op| matches!(op, Op::CreateStudy { .. }));
    let study = action(study.expect("one of every kind"));
    let at = |now| Case { movement: None, now, ..Case::new() }.ask(&study);
    assert_eq!(at(start.plus(-1)), Ok(()));
    for late in [start, start.plus(1)] {
        let blocked = at(late).expect_err("too late");
        assert_eq!(blocked, Blocked::StudyStart(start));
        assert!(!blocked.passes_with_time(), "waiting makes it later still");
    }
}

#[test]
fn a_cut_waits_where_meta_would_block_the_ad_set_and_a_pause_never_does() {
    let mut case = Case {
        kind: PlanKind::Shift,
        movement: Some((1_000, 900)),
        budget: Some((1_000, 900)),
        changes: vec![(1, 1_030, 1_000), (2, 1_060, 1_030), (3, 1_090, 1_060)],
        ..Case::new()
    };
    let blocked = case.ask(&budget(900)).expect_err("a fourth change within the hour");
    assert_eq!(blocked, Blocked::Step(TooMuch::Hour { count: 3 }));
    assert!(blocked.passes_with_time());
    (case.movement, case.budget) = (Some((1_000, 0)), None);
    assert_eq!(case.ask(&switch(Status::Paused)), Ok(()));
}

#[test]
fn the_worst_day_holds_to_the_minor_unit_but_for_what_rounding_may_add() {
    // On a Saturday at noon the other campaign goes from 50.20 to 30.00: 87.85 of the old budget's day may be gone, and
    // 26.25 are left of the new one's. The ceiling is 175.00, and 16 units for each of the two campaigns.
    let mut case = Case {
        kind: PlanKind::Shift,
        now: Moment::from_millis(MONDAY + 5 * DAY_MS + 12 * HOUR_MS),
        other: 5_020,
        other_now: Some(3_000),
        movement: Some((0, 6_996)),
        ..Case::new()
    };
    // Half a day of 69.96 is 61.22 with its flex.
    assert_eq!(8_785 + 2_625 + 6_122, 17_500 + 2 * 16);
    assert_eq!(case.ask(&switch(Status::Active)), Ok(()));
    case.movement = Some((0, 6_997));
    let blocked = case.ask(&switch(Status::Active));
    let expected = Blocked::Exposure { period: "day", would: eur(17_533), cap: eur(17_500) };
    assert_eq!(blocked, Err(expected));
}

#[test]
fn only_a_swap_of_campaigns_that_costs_nothing_extra_is_spared_the_worst_day() {
    let mut case = Case {
        now: Moment::from_millis(MONDAY + 12 * HOUR_MS),
        other: 10_000,
        other_now: Some(0),
        movement: Some((0, 10_000)),
        ..Case::new()
    };
    let on = switch(Status::Active);
    for kind in [PlanKind::Activate, PlanKind::Revert] {
        case.kind = kind;
        assert_eq!(case.ask(&on), Ok(()), "{kind:?}: the line is dark in between");
    }
    for kind in [PlanKind::Shift, PlanKind::End] {
        case.kind = kind;
        let blocked = case.ask(&on);
        assert!(matches!(blocked, Err(Blocked::Exposure { .. })), "{kind:?}: {blocked:?}");
    }
    case = Case { kind: PlanKind::Activate, total: 100_000, worst: Some(100_000), ..case };
    let blocked = case.ask(&on);
    assert!(matches!(blocked, Err(Blocked::Exposure { .. })), "a test is no swap: {blocked:?}");
}

#[test]
fn an_incumbent_goes_off_only_for_one_that_may_be_turned_on_after_it() {
    let limits = policy(Mode::Supervised).limits.expect("they are configured");
    let ask = |to: Status, kind: PlanKind, total: i64, daily: i64| {
        let money = MoneyAtRisk {
            extra_per_day: eur(0),
            extra_total: eur(total),
            worst_regret: eur(0),
            reversible: String::new(),
        };
        guard::may_hand_over(&switch(to).op, kind, &money, daily, &limits)
    };
    assert_eq!(ask(Status::Paused, PlanKind::Activate, 0, 10_000), Ok(()));
    let over = Blocked::DailyCap { would: eur(10_001), cap: eur(10_000) };
    assert_eq!(ask(Status::Paused, PlanKind::Activate, 0, 10_001), Err(over));
    // A test leaves its incumbent on, and whatever else is paused is paused for good.
    assert_eq!(ask(Status::Paused, PlanKind::Activate, 1, 10_001), Ok(()));
    assert_eq!(ask(Status::Paused, PlanKind::End, 0, 10_001), Ok(()));
    assert_eq!(ask(Status::Active, PlanKind::Activate, 0, 10_001), Ok(()));
}
