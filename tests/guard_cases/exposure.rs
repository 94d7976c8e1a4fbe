//! The exposure formula against a slow adversary that spends whatever Meta's rules let it, as soon as they do.

#![expect(
    clippy::cast_precision_loss,
    reason = "the adversary is exact to a cent, which is enough"
)]

use proptest::prelude::*;
use rungwise::domain::{
    CampaignId, Day, Moment, Zone,
    guard::exposure::{
        Pot, Timeline, day, day_ceiling, days_within, of_days, period, sunday, week, week_ceiling,
    },
};

const HOUR: i64 = 3_600_000;

/// Walks hour by hour: at each new day, new week and change of budget the allowances are what the rules say, and all of
/// it is spent at once. Exact up to floating point; nothing of the formula is used.
fn adversary(first: i64, steps: &[(Moment, i64)], from: Moment, to: Moment, zone: &Zone) -> f64 {
    let whole = |a: Moment, b: Moment| (b.millis() - a.millis()) as f64;
    let (mut total, mut day_left, mut week_left) = (0.0, 0.0, 0.0);
    let mut instants: Vec<Moment> = Vec::new();
    let mut at = from;
    while at < to {
        instants.push(at);
        // Every zone changes its day on a quarter of an hour.
        at = Moment::from_millis((at.millis() / (HOUR / 4) + 1) * (HOUR / 4));
    }
    instants.extend(steps.iter().map(|(at, _)| *at).filter(|at| *at >= from && *at < to));
    instants.sort_unstable();
    let mut before: Option<(Day, i64, usize)> = None;
    for now in instants {
        let passed = steps.iter().filter(|(at, _)| *at <= now).count();
        let budget = passed.checked_sub(1).map_or(first, |i| steps[i].1);
        let today = zone.day_of(now);
        let (new_day, new_week, changed) = match before {
            None => (true, true, true),
            Some((d, _, n)) => {
                (d != today, d != today && today.weekday_from_sunday() == 0, n != passed)
            }
        };
        let (start, end) = (zone.start_of(today), zone.end_of(today));
        if new_day || changed {
            day_left = 1.75 * budget as f64 * whole(now, end) / whole(start, end);
        }
        if new_week || changed {
            let first = today.plus(-i64::from(today.weekday_from_sunday()));
            let (start, end) = (zone.start_of(first), zone.start_of(first.plus(7)));
            week_left = 7.0 * budget as f64 * whole(now, end) / whole(start, end);
        }
        let spent = f64::min(day_left, week_left);
        (total, day_left, week_left) = (total + spent, day_left - spent, week_left - spent);
        before = Some((today, budget, passed));
    }
    total
}

fn timeline(first: i64, steps: &[(Moment, i64)]) -> Timeline {
    steps.iter().fold(Timeline::constant(first), |t, (at, minor)| t.then(*at, *minor))
}

fn zones() -> impl Strategy<Value = Zone> {
    let names =
        ["UTC", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata"];
    prop::sample::select(names.to_vec()).prop_map(|name| name.parse().expect("a zone"))
}

/// A start in 2026 in seconds, changes after it in minutes, budgets.
fn histories() -> impl Strategy<Value = (i64, i64, Vec<(i64, i64)>, i64)> {
    let steps = prop::collection::vec((0_i64..20_000, 0_i64..200_000), 0..6);
    (1_767_225_600_i64..1_798_675_200, 0_i64..200_000, steps, 1_i64..21 * 24)
}

fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(u32::try_from(super::paper::cases(200).min(20_000)).unwrap_or(200))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_period_is_what_the_adversary_can_spend((at, first, mut steps, hours) in histories(), zone in zones()) {
        steps.sort_unstable();
        let from = Moment::from_millis(at * 1_000);
        let steps: Vec<(Moment, i64)> =
            steps.into_iter().map(|(minutes, minor)| (from.plus(minutes * 60_000 + 1), minor)).collect();
        let to = from.plus(hours * HOUR);
        let found = period(&timeline(first, &steps), from, to, &zone);
        let slow = adversary(first, &steps, from, to, &zone);
        prop_assert!(found as f64 >= slow - 0.01, "{found} is below {slow}");
        let rounded = 2.0 + 2.0 * steps.len() as f64 + hours as f64 / 20.0;
        prop_assert!(found as f64 <= slow + rounded, "{found} is far above {slow}");
    }

    #[test]
    fn a_day_is_what_the_adversary_can_spend_on_it((at, first, mut steps, _) in histories(), zone in zones()) {
        steps.sort_unstable();
        let today = zone.day_of(Moment::from_millis(at * 1_000));
        let (from, to) = (zone.start_of(today), zone.end_of(today));
        let steps: Vec<(Moment, i64)> =
            steps.into_iter().map(|(minutes, minor)| (from.plus(minutes * 60_000 + 1), minor)).collect();
        let found = day(&timeline(first, &steps), today, &zone);
        // One day of a week that lets everything through.
        let slow = adversary(first, &steps, from, to, &zone);
        prop_assert!(found as f64 >= slow - 0.01);
    }

    #[test]
    fn the_closed_form_bounds_every_run_and_its_inverse_stays_within((at, minor, _, _) in histories(), days in 1_i64..70, zone in zones()) {
        let today = zone.day_of(Moment::from_millis(at * 1_000));
        let from = Moment::from_millis(at * 1_000);
        let exact = period(&Timeline::constant(minor), from, zone.start_of(today.plus(days)), &zone);
        prop_assert!(of_days(minor, days) + days >= exact, "{} is below {exact}", of_days(minor, days));
        let paid = days_within(of_days(minor, days), minor.max(1));
        prop_assert!(of_days(minor.max(1), paid) <= of_days(minor, days).max(0));
        prop_assert!(minor == 0 || paid >= days - 1, "{paid} of {days}");
    }

    #[test]
    fn a_week_is_what_its_closed_days_took_and_the_least_of_what_week_and_days_leave(
        budgets in (1_i64..100_000, 1_i64..100_000), changed in 0_i64..8, now in 0_i64..7 * 24,
        delivered in prop::collection::vec(prop::option::weighted(0.9, 0_i64..200_000), 7),
    ) {
        // Changes at midnight of a zone without changes of the clock, so that every share is whole days.
        let zone = Zone::utc();
        let first: Day = "2026-01-04".parse().expect("a Sunday");
        let read = |n: i64| delivered[usize::try_from(n).expect("a day of the week")];
        // From the first day that is not over or was not read on, anything may have happened.
        let open = (0..now / 24).find(|n| read(*n).is_none()).unwrap_or(now / 24);
        let taken = |from: i64| (from..open).filter_map(read).sum::<i64>();
        let part = |minor: i64, from: i64, to: i64| {
            let left = (minor * (7 - from) - taken(from)).max(0);
            let days = (to - from.max(open)).max(0) * (minor * 7 + 3).div_euclid(4);
            if to > from { left.min(days) } else { 0 }
        };
        let wanted = taken(0) + part(budgets.0, 0, changed) + part(budgets.1, changed, 7);
        let mut days: Vec<(Day, i64)> =
            (0..).zip(&delivered).filter_map(|(n, d)| Some((first.plus(n), (*d)?))).collect();
        days.reverse();
        let pot = Pot {
            campaign: CampaignId::new("1").expect("digits"),
            timeline: Timeline::constant(budgets.0).then(zone.start_of(first.plus(changed)), budgets.1),
            delivered: days,
        };
        prop_assert_eq!(week(&pot, zone.start_of(first).plus(now * HOUR), &zone), wanted);
    }

    #[test]
    fn a_constant_sum_at_the_cap_is_within_both_ceilings(budgets in prop::collection::vec(1_i64..100_000, 1..6), at in 1_767_225_600_i64..1_798_675_200, zone in zones()) {
        let now = Moment::from_millis(at * 1_000);
        let cap: i64 = budgets.iter().sum();
        let pots: Vec<Pot> = budgets.iter().enumerate().map(|(i, minor)| Pot {
            campaign: CampaignId::new((i + 1).to_string()).expect("digits"),
            timeline: Timeline::constant(*minor),
            delivered: vec![],
        }).collect();
        let slack = 16 * i64::try_from(pots.len()).expect("few");
        let today: i64 = pots.iter().map(|p| day(&p.timeline, zone.day_of(now), &zone)).sum();
        let this_week: i64 = pots.iter().map(|p| week(p, now, &zone)).sum();
        prop_assert!(today <= day_ceiling(cap) + slack);
        prop_assert!(this_week <= week_ceiling(cap) + slack);
    }
}

#[test]
fn what_was_delivered_replaces_what_could_have_been() {
    let zone = Zone::utc();
    let first: Day = "2026-01-04".parse().expect("a Sunday");
    let wednesday = zone.start_of(first.plus(3));
    let delivered = |minor| (0..3).map(|n| (first.plus(n), minor)).collect::<Vec<_>>();
    let pot = |days| Pot {
        campaign: CampaignId::new("1").expect("digits"),
        timeline: Timeline::constant(1_000).then(wednesday.plus(1), 2_000),
        delivered: days,
    };
    let now = wednesday.plus(2);
    assert_eq!(sunday(first.plus(3)), first);
    // Closed days as delivered, the old budget's allowance of today, and four days of the new one.
    let known = week(&pot(delivered(900)), now, &zone);
    assert!((2_700 + 1_750 + 8_000 - 2..=2_700 + 1_750 + 8_000).contains(&known), "{known}");
    let unknown = week(&pot(vec![]), now, &zone);
    assert!(unknown > known, "a day that was not read counts at its worst: {unknown}");
    // A week that has already had everything can have no more of the same budget.
    let full = Pot { timeline: Timeline::constant(1_000), ..pot(delivered(2_400)) };
    assert_eq!(week(&full, now, &zone), 7_200);
}

#[test]
fn four_days_of_flex_make_a_week() {
    assert_eq!(of_days(1_000, 1), 1_750);
    assert_eq!(of_days(1_000, 4), 7_000);
    assert_eq!(of_days(1_000, 7), 10_000);
    assert_eq!((day_ceiling(1_001), week_ceiling(1_001)), (1_752, 7_007));
    assert_eq!(days_within(10_000, 1_000), 7);
    assert_eq!(days_within(9_999, 1_000), 6);
    assert_eq!(days_within(1_749, 1_000), 0);
}
