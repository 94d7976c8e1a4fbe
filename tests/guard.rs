//! The last check before a write leaves, to the cent and to the millisecond.

use rungwise::domain::{
    CampaignId, DAY_MS, HOUR_MS, Moment, Money, OpKey, Status,
    guard::{Blocked, Facts, allow},
    plan::{Action, MoneyAtRisk, ObjectKind, Op, Target, Template},
    policy::{Mode, Policy},
};

fn eur(minor: i64) -> Money {
    Money::from_minor(minor, "EUR".parse().expect("three letters"))
}
fn policy(mode: Mode) -> Policy {
    let limits = [
        ("limits.max_daily_spend", "100.00 EUR"),
        ("limits.max_spend_per_climb", "1000.00 EUR"),
        ("limits.max_regret_per_climb", "100.00 EUR"),
    ];
    let mut policy = rungwise::config::from_toml("", &limits).expect("valid").policy;
    policy.mode = mode;
    policy
}
fn switch(to: Status) -> Action {
    let campaign = CampaignId::new("1").expect("digits");
    let object = Target::from(&campaign);
    Action {
        key: "campaign".into(),
        op_key: OpKey::new("K").expect("legal"),
        op: Op::SetStatus { object, kind: ObjectKind::Campaign, to },
        expects: vec![],
        not_before: None,
        reason: String::new(),
        request: Template { method: "POST".into(), path: "1".into(), params: vec![] },
    }
}
fn money(total: i64) -> MoneyAtRisk {
    let reversible = String::new();
    MoneyAtRisk { extra_per_day: eur(0), extra_total: eur(total), worst_regret: eur(0), reversible }
}
struct Case {
    policy: Policy,
    managed: i64,
    raises: i64,
    total: i64,
    moved: Vec<i64>,
    stopped: bool,
    no_raises: bool,
}
impl Case {
    fn new() -> Self {
        let policy = policy(Mode::Supervised);
        let moved = Vec::new();
        Self { policy, managed: 0, raises: 1, total: 0, moved, stopped: false, no_raises: false }
    }
    fn ask(&self, action: &Action) -> Result<(), Blocked> {
        let now = Moment::from_millis(10 * DAY_MS);
        let moved: Vec<Moment> = self.moved.iter().map(|ms| now.plus(-ms)).collect();
        let no_raises = if self.no_raises { vec!["stale".to_owned()] } else { vec![] };
        allow(
            action,
            &Facts {
                now,
                policy: &self.policy,
                stopped: self.stopped.then(|| "why".to_owned()),
                managed_daily_minor: self.managed,
                raises_minor: self.raises,
                money: &money(self.total),
                moved_at: &moved,
                no_raises: &no_raises,
            },
        )
    }
}

#[test]
fn the_daily_cap_holds_to_the_cent() {
    let mut case = Case { managed: 9_000, raises: 1_000, ..Case::new() };
    assert_eq!(case.ask(&switch(Status::Active)), Ok(()));
    case.raises = 1_001;
    assert!(matches!(case.ask(&switch(Status::Active)), Err(Blocked::DailyCap { .. })));
    case.raises = -5_000;
    assert_eq!(case.ask(&switch(Status::Paused)), Ok(()), "a cut is never over the cap");
}

#[test]
fn the_cap_of_a_climb_holds_to_the_cent() {
    let mut case = Case { total: 100_000, ..Case::new() };
    assert_eq!(case.ask(&switch(Status::Active)), Ok(()));
    case.total = 100_001;
    assert!(matches!(case.ask(&switch(Status::Active)), Err(Blocked::ClimbCap { .. })));
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
fn the_switch_stops_everything_and_no_raises_stops_raises_only() {
    let stopped = Case { stopped: true, raises: -1, ..Case::new() };
    assert!(matches!(stopped.ask(&switch(Status::Paused)), Err(Blocked::Stopped(_))));
    let mut case = Case { no_raises: true, ..Case::new() };
    assert!(matches!(case.ask(&switch(Status::Active)), Err(Blocked::NoRaises(_))));
    case.raises = -1;
    assert_eq!(case.ask(&switch(Status::Paused)), Ok(()));
}

#[test]
fn write_caps_count_the_last_hour_and_day_exactly_and_never_hold_a_cut_back() {
    let mut case = Case::new();
    let cap = usize::try_from(case.policy.writes.per_hour).unwrap();
    case.moved = vec![HOUR_MS - 1; cap];
    assert!(matches!(case.ask(&switch(Status::Active)), Err(Blocked::Rate { window: "hour", .. })));
    case.moved = vec![HOUR_MS; cap];
    assert_eq!(case.ask(&switch(Status::Active)), Ok(()));
    case.moved = vec![2 * HOUR_MS; usize::try_from(case.policy.writes.per_day).unwrap()];
    assert!(matches!(case.ask(&switch(Status::Active)), Err(Blocked::Rate { window: "day", .. })));
    case.raises = -1;
    assert_eq!(case.ask(&switch(Status::Paused)), Ok(()));
}
