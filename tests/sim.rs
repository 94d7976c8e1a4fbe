//! A small fixed part of the rehearsals; `rungwise rehearse` runs as many as wanted.

use rungwise::rehearse::{
    crashes::{CrashPlan, at_points, crashes},
    tripwire::Side,
    weeks::weeks,
};

#[tokio::test]
async fn weeks_of_faults_crashes_and_people_break_no_invariant() {
    let report = weeks(1, 3, |_, _| {}).await.unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(report.coverage.by_kind().values().sum::<u64>() > 10, "hardly anything went wrong");
}

#[tokio::test]
async fn a_climb_survives_death_at_calls_and_commits() {
    let plan = CrashPlan { seed: 2, every: 53, pairs: 1 };
    let report = crashes(plan, |_, _| {}).await.unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(report.points >= 8, "{report:?}");
}

/// Points at which longer runs have once found something, with what it was.
#[tokio::test]
async fn points_that_once_broke_a_climb_stay_healed() {
    // Between the end of the clone plan, and of the shift plan, and telling the climb so; after filing the plan of a
    // person's command.
    let (before, after) = (Side::Before, Side::After);
    let known = [
        (1, 131, after),
        (1, 201, after),
        (2, 146, after),
        (2, 94, after),
        (2, 148, before),
        (2, 130, after),
    ];
    for (seed, event, side) in known {
        let report = at_points(seed, &[(event, side)]).await.unwrap();
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
    }
}
