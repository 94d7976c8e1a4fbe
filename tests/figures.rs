//! The figures the product tells people, against those worked out elsewhere: each with its tolerance.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use rand::SeedableRng as _;
use rand_distr::{Beta, Binomial, Distribution as _, Gamma, Normal, Poisson};
use rand_pcg::Pcg64Mcg;
use rungwise::domain::{
    forecast::{Volume, Week, correlation},
    signals::{SpiralWeek, death_spiral, friction},
    verdict::detectable_ratio,
};

/// Variance ÷ mean of everything simulated here.
const PHI: f64 = 1.5;

/// A count with this mean and variance ÷ mean [`PHI`].
fn counted(rng: &mut Pcg64Mcg, mean: f64) -> f64 {
    let rate = Gamma::new(mean / (PHI - 1.0), PHI - 1.0).unwrap().sample(rng);
    if rate > 1e-12 { Poisson::new(rate).unwrap().sample(rng) } else { 0.0 }
}

fn share(hits: usize, runs: u32) -> f64 {
    f64::from(u32::try_from(hits).unwrap()) / f64::from(runs)
}

#[test]
fn fifty_a_week_is_likely_from_sixty_on() {
    // Fourteen-day totals and P(next week at least 50), simulated with 200 000 draws.
    for (total, want) in [
        (24.0, 0.00),
        (56.0, 0.01),
        (80.0, 0.18),
        (90.0, 0.33),
        (100.0, 0.50),
        (110.0, 0.66),
        (120.0, 0.79),
        (130.0, 0.88),
        (150.0, 0.97),
        (170.0, 0.99),
        (200.0, 1.00),
    ] {
        let volume = Volume { events: total, days: 14.0, dispersion: PHI };
        let p = volume.forecast(1.0, 50.0).unwrap().p_enough;
        assert!((p - want).abs() < 0.015, "{total}: {p} ≠ {want}");
    }
}

#[test]
fn the_table_of_what_a_look_can_detect() {
    // By dispersion 1, 1.5, 2.5; at 5, 10, 20, 40, 80 purchases a week and arm.
    let first = [
        (1.0, [0.43, 0.56, 0.68, 0.79, 0.87]),
        (1.5, [0.34, 0.48, 0.61, 0.73, 0.82]),
        (2.5, [0.25, 0.38, 0.52, 0.65, 0.76]),
    ];
    let last = [
        (1.0, [0.72, 0.81, 0.89, 0.95, 0.99]),
        (1.5, [0.65, 0.76, 0.85, 0.91, 0.96]),
        (2.5, [0.56, 0.68, 0.78, 0.87, 0.93]),
    ];
    for (weeks, threshold, table) in [(2.0, 0.90, first), (5.0, 0.75, last)] {
        for (phi, row) in table {
            for (weekly, want) in [5.0, 10.0, 20.0, 40.0, 80.0].into_iter().zip(row) {
                let got = detectable_ratio(weekly * weeks, phi, threshold, 0.10);
                assert!((got - want).abs() < 0.0051, "{weeks} {phi} {weekly}: {got} ≠ {want}");
            }
        }
    }
}

/// Share of months flagged at a true ratio of `carts` carts per purchase and `weekly` purchases.
fn friction_flags(seed: u64, weekly: f64, carts: f64) -> f64 {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let runs = 2_000;
    let hits = (0..runs).filter(|_| {
        let in_carts = counted(&mut rng, 4.0 * weekly * carts).max(1.0);
        // Carts buy in clumps as well: a beta-binomial with the same dispersion.
        let clumps = ((in_carts - 1.0) / (PHI - 1.0) - 1.0).max(0.5);
        let rate =
            Beta::new(clumps / carts, clumps * (1.0 - 1.0 / carts)).unwrap().sample(&mut rng);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let bought = Binomial::new(in_carts as u64, rate).unwrap().sample(&mut rng);
        friction(in_carts, f64::from(u32::try_from(bought).unwrap()), PHI).flagged
    });
    share(hits.count(), runs)
}

#[test]
fn checkout_friction_is_flagged_where_it_is_and_hardly_where_it_is_not() {
    for (seed, (weekly, nine, fifteen, twenty)) in [
        (3.0, 0.03, 0.42, 0.83),
        (5.0, 0.03, 0.61, 0.96),
        (10.0, 0.03, 0.85, 1.00),
        (20.0, 0.02, 0.98, 1.00),
        (40.0, 0.01, 1.00, 1.00),
    ]
    .into_iter()
    .enumerate()
    {
        let seed = u64::try_from(seed).unwrap();
        let flags = [9.0, 15.0, 20.0].map(|carts| friction_flags(seed, weekly, carts));
        assert!(flags[0] < 0.05, "nine carts a purchase, {weekly} a week: {flags:?}");
        for (got, want) in flags.into_iter().zip([nine, fifteen, twenty]) {
            assert!((got - want).abs() < 0.045, "{weekly} a week: {flags:?} ≠ {want}");
        }
        assert!(friction_flags(seed, weekly, 7.0) < 0.01, "seven is what shops have");
    }
}

/// Weeks until the first alarm in half a year; a spiral (−15 % budget, +10 % cost a week) begins in week 8 or never.
fn first_alarm(rng: &mut Pcg64Mcg, weekly: f64, spiral: bool) -> Option<usize> {
    let spend_noise = Normal::new(0.0, 0.05).unwrap();
    let (mut budget, mut cost) = (1.0, 1.0);
    let mut weeks: Vec<SpiralWeek> = Vec::new();
    for week in 0..26 {
        if spiral && week >= 8 {
            budget *= 0.85;
            cost *= 1.10;
        }
        let events = counted(rng, budget / cost * weekly);
        let noise: f64 = spend_noise.sample(rng);
        weeks.push(SpiralWeek { spend: budget * noise.exp(), events });
        if death_spiral(&weeks, PHI).is_some_and(|s| s.flagged) {
            return Some(week + 1);
        }
    }
    None
}

#[test]
fn a_death_spiral_is_found_within_weeks_and_stable_half_years_are_left_alone() {
    let runs = 1_200;
    let mut rng = Pcg64Mcg::seed_from_u64(8);
    for (weekly, found, delay) in
        [(20.0, 0.91, 4), (40.0, 0.98, 4), (60.0, 1.00, 4), (100.0, 1.00, 5)]
    {
        let false_alarms = (0..runs).filter(|_| first_alarm(&mut rng, weekly, false).is_some());
        let false_alarms = share(false_alarms.count(), runs);
        assert!(
            false_alarms <= 0.008,
            "{weekly} a week: {false_alarms} false alarms, 0.003 expected"
        );
        let alarms = (0..runs).filter_map(|_| first_alarm(&mut rng, weekly, true));
        let mut delays: Vec<usize> = alarms.filter(|week| *week > 8).map(|week| week - 8).collect();
        delays.sort_unstable();
        let got = share(delays.len(), runs);
        assert!((got - found).abs() < 0.03, "{weekly} a week: {got} found, {found} expected");
        let median = delays[delays.len() / 2];
        assert!(
            median.abs_diff(delay) <= 1,
            "{weekly} a week: after {median} weeks, {delay} expected"
        );
    }
}

#[test]
fn a_correlation_hidden_by_counting_noise_is_found_again() {
    // A true correlation of 0.9 between signals that vary by 25 %: with 21 purchases a week the raw one shows 0.56.
    let mut rng = Pcg64Mcg::seed_from_u64(5);
    let normal = Normal::new(0.0, 1.0).unwrap();
    let weeks: Vec<Week> = (0..4_000)
        .map(|_| {
            let common: f64 = normal.sample(&mut rng);
            let mut signal = |mean: f64| {
                let own: f64 = normal.sample(&mut rng);
                let level =
                    (1.0 + 0.25 * (0.9_f64.sqrt() * common + 0.1_f64.sqrt() * own)).max(0.05);
                counted(&mut rng, mean * level)
            };
            let (macros, events) = (signal(21.0), signal(126.0));
            Week { spend: 700.0, events, macros }
        })
        .collect();
    let found = correlation(&weeks, PHI, 0.71);
    assert!((found.raw.unwrap() - 0.56).abs() < 0.06, "{found:?}");
    assert!((found.corrected - 0.90).abs() < 0.06, "{found:?}");
}
