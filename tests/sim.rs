//! A small fixed part of the rehearsals; `rungwise rehearse` runs as many as wanted.

use rungwise::rehearse::{
    crashes::{CrashPlan, crashes},
    weeks::weeks,
};

#[tokio::test]
async fn weeks_of_faults_crashes_and_people_break_no_invariant() {
    let report = weeks(2, 3, |_, _| {}).await.unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(report.coverage.by_kind().values().sum::<u64>() > 10, "hardly anything went wrong");
}

#[tokio::test]
async fn a_climb_survives_death_at_calls_and_commits() {
    let plan = CrashPlan { seed: 2, every: 29, pairs: 2 };
    let report = crashes(plan, |_, _| {}).await.unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(report.points >= 12, "{report:?}");
}
