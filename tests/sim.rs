//! A small fixed part of the rehearsals; `rungwise rehearse` runs as many as wanted.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step of a test is a failed test")]

use rungwise::rehearse::{
    crashes::{CrashPlan, at_points, crashes},
    law::INVARIANTS,
    tripwire::{Point, Side},
    weeks::{STORY_WEEKS, weeks},
};

/// Seeds of stories that have once broken an invariant: `weeks SEED WEEKS`, or `points SEED PASS NUMBER SIDE [then REST
/// NUMBER SIDE]` of the crash enumerator. They stay here when what they found is mended.
const KEPT: &str = include_str!("data/rehearsed_seeds.txt");

fn kept(kind: &str) -> Vec<Vec<&'static str>> {
    let lines = KEPT.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty());
    let words = lines.map(|l| l.split_whitespace().collect::<Vec<_>>());
    words.filter(|w| w[0] == kind).map(|w| w[1..].to_vec()).collect()
}

/// `NUMBER SIDE`.
fn point(words: &[&str]) -> Point {
    let side = match words[1] {
        "Before" => Side::Before,
        "Applied" => Side::Applied,
        "ReplyLost" => Side::ReplyLost,
        "After" => Side::After,
        other => panic!("{other} is no side"),
    };
    (words[0].parse().unwrap(), side)
}

#[test]
fn weeks_of_faults_crashes_and_people_break_no_invariant() {
    let report = weeks(3, 20, |_, _| {}).unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(report.coverage.by_kind().values().sum::<u64>() > 10, "hardly anything went wrong");
    assert_eq!(report.repeated, 1, "seed 20 is lived twice");
}

#[test]
fn a_climb_survives_death_at_calls_and_commits() {
    let plan = CrashPlan { seed: 2, every: 283, pairs: 6, whole: 2 };
    let report = crashes(plan, |_, _| {}).unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(report.points >= 3 && report.pairs >= 2 && report.rejoined > 0, "{report:?}");
    assert!(4 * report.calls + 2 * report.commits >= 400, "{report:?}");
}

#[test]
fn what_once_broke_stays_healed() {
    for words in kept("weeks") {
        let (seed, long) = (words[0].parse().unwrap(), words[1].parse().unwrap());
        assert!(long <= STORY_WEEKS, "seed {seed}: one story is {STORY_WEEKS} weeks");
        let report = weeks(long, seed, |_, _| {}).unwrap();
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
    }
    for words in kept("points") {
        let (seed, pass) = (words[0].parse().unwrap(), words[1].parse().unwrap());
        let second = words.get(4).map(|_| (words[5].parse().unwrap(), point(&words[6..])));
        let report = at_points(seed, pass, point(&words[2..]), second).unwrap();
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
    }
}

#[test]
fn every_invariant_says_what_it_means() {
    assert!(INVARIANTS.iter().all(|(name, says)| name.contains('_') && says.len() > 10));
}
