//! The decision kernel against figures computed elsewhere, and against its own promises.

use rungwise::domain::verdict::{Exposure, Prior, RatioPosterior};

/// Sixty cases with their answers at 40 digits of working precision.
const GOLDEN: &str = include_str!("data/golden_ratio.csv");

#[test]
fn the_ratio_posterior_agrees_with_forty_digit_arithmetic() {
    let mut reader = csv::Reader::from_reader(GOLDEN.as_bytes());
    let mut rows = 0;
    for record in reader.records() {
        let record = record.unwrap();
        let v: Vec<f64> = record.iter().map(|f| f.parse().unwrap_or(f64::NAN)).collect();
        let prior = Prior { strength: v[4], centre: 0.0 };
        let p =
            RatioPosterior::new(Exposure::new(v[0], v[1]), Exposure::new(v[2], v[3]), prior, v[5])
                .unwrap();
        // Probabilities to 1e-10 absolute, everything else to 1e-10 of itself, however small it is.
        let within = |scale: f64, got: f64, want: f64, what: &str| {
            assert!((got - want).abs() <= 1e-10 * scale, "{what} of {record:?}: {got} ≠ {want}");
        };
        let near = |got: f64, want: f64, what: &str| within(want.abs(), got, want, what);
        within(1.0, p.probability_at_most(1.1), v[6], "P(r ≤ 1.10)");
        within(1.0, p.probability_at_most(1.0), v[7], "P(r ≤ 1)");
        match p.expected_excess(1.0) {
            Some(excess) => near(excess, v[8], "E[(r−1)+]"),
            None => assert!(v[8].is_nan(), "the mean exists in {record:?}"),
        }
        near(p.quantile(0.05), v[9], "5 % quantile");
        near(p.quantile(0.5), v[10], "median");
        near(p.quantile(0.95), v[11], "95 % quantile");
        rows += 1;
    }
    assert_eq!(rows, 60);
}

mod comparison {
    use proptest::prelude::*;
    use rungwise::domain::{
        Day,
        verdict::{
            ArmDay, Comparison, Lag, Outcome, PairedDay, Reason, Rule, RuleName, StopCause, daily,
            look, look_at_all, regret_meter,
        },
    };

    fn start() -> Day {
        "2026-03-02".parse().expect("a day")
    }

    #[expect(clippy::unnecessary_wraps, reason = "rows hold an arm or nothing")]
    fn arm(spend: f64, purchases: f64) -> Option<ArmDay> {
        Some(ArmDay { spend, purchases, value: purchases * 60.0 })
    }

    /// `days` days of both arms, no learning days, no lag.
    fn plain(days: i64, incumbent: (f64, f64), challenger: (f64, f64)) -> Comparison {
        let rows = (0..days).map(|n| PairedDay {
            day: start().plus(n),
            incumbent: arm(incumbent.0, incumbent.1),
            challenger: arm(challenger.0, challenger.1),
            challenger_events: None,
        });
        let mut c = Comparison::new(start(), rows.collect());
        c.past_learning = true;
        c.lag = Lag::IMMEDIATE;
        c
    }

    fn rule(name: RuleName) -> Rule {
        Rule::named(name)
    }

    #[test]
    fn nothing_is_said_before_the_first_look() {
        let early = look(&plain(13, (100.0, 2.0), (100.0, 9.0)), &rule(RuleName::Balanced));
        assert_eq!(early.outcome, Outcome::TooEarly);
        assert_eq!(early.reasons, [Reason::NotEnoughDays { have: 13, need: 14 }]);
        assert_eq!(early.next, Some(14));
    }

    #[test]
    fn a_much_cheaper_challenger_is_promoted_and_a_dearer_one_is_not() {
        let rule = rule(RuleName::Balanced);
        assert_eq!(look(&plain(14, (100.0, 3.0), (100.0, 9.0)), &rule).outcome, Outcome::Promote);
        assert_eq!(look(&plain(14, (100.0, 9.0), (100.0, 3.0)), &rule).outcome, Outcome::Stay);
        let equal = look(&plain(14, (100.0, 2.0), (100.0, 2.0)), &rule);
        assert_eq!((equal.outcome, equal.next), (Outcome::Extend, Some(21)));
    }

    #[test]
    fn between_two_looks_the_answer_does_not_move() {
        let rule = rule(RuleName::Balanced);
        let mut c = plain(14, (100.0, 2.0), (100.0, 2.0));
        let at_look = look(&c, &rule);
        for n in 14..20 {
            c.days.push(PairedDay {
                day: start().plus(n),
                incumbent: arm(100.0, 0.0),
                challenger: arm(100.0, 30.0),
                challenger_events: None,
            });
            assert_eq!(look(&c, &rule), at_look, "on day {n}");
        }
        assert_eq!(look_at_all(&c, &rule).outcome, Outcome::Promote);
    }

    #[test]
    fn an_undecided_test_ends_inconclusive_and_not_in_a_victory() {
        let rule = rule(RuleName::Strict);
        let last = look(&plain(35, (100.0, 1.0), (100.0, 1.0)), &rule);
        assert_eq!((last.outcome, last.last, last.next), (Outcome::Inconclusive, true, None));
    }

    #[test]
    fn the_calendar_ends_a_test_with_too_many_missing_days() {
        let mut c = plain(42, (100.0, 2.0), (100.0, 2.0));
        for day in c.days.iter_mut().skip(5) {
            day.challenger = None;
        }
        let end = look(&c, &rule(RuleName::Balanced));
        assert_eq!(end.outcome, Outcome::Inconclusive);
        assert!(end.reasons.contains(&Reason::MaxDays { days: 42 }), "{:?}", end.reasons);
    }

    #[test]
    fn few_purchases_extend_whatever_they_say() {
        let c = plain(14, (100.0, 0.0), (100.0, 2.0));
        let l = look(&c, &rule(RuleName::Balanced));
        assert_eq!(l.outcome, Outcome::Extend);
        assert_eq!(l.reasons, [Reason::FewPurchases { have: 28.0, need: 30.0 }]);
    }

    #[test]
    fn learning_days_end_with_fifty_own_events_but_not_before_day_three() {
        let rule = rule(RuleName::Balanced);
        let mut c = plain(20, (100.0, 3.0), (100.0, 3.0));
        c.past_learning = false;
        let mut with_events = |per_day: f64| {
            for day in &mut c.days {
                day.challenger_events = Some(per_day);
            }
            c.learning_days(&rule)
        };
        assert_eq!(with_events(80.0), 3);
        assert_eq!(with_events(10.0), 5);
        assert_eq!(with_events(1.0), 7);
        assert_eq!(c.decision_days(&rule), 13);
    }

    #[test]
    fn late_purchases_of_a_long_running_incumbent_are_weighed_against_its_earlier_spend() {
        let mut c = plain(14, (100.0, 4.0), (100.0, 4.0));
        c.lag = Lag::default();
        let fresh = look(&c, &rule(RuleName::Balanced)).figures.unwrap();
        assert!((fresh.median - 1.0).abs() < 1e-9);
        for n in 1..=7 {
            let incumbent = arm(100.0, 4.0);
            let day = start().plus(-n);
            c.days
                .insert(0, PairedDay { day, incumbent, challenger: None, challenger_events: None });
        }
        let carried = look(&c, &rule(RuleName::Balanced)).figures.unwrap();
        assert!(
            carried.median < 0.96,
            "same purchases from less matured spend: {}",
            carried.median
        );
        assert_eq!(carried.ratio, Some(1.0), "the reported ratio is left as reported");
    }

    #[test]
    fn a_day_with_spend_and_no_purchase_and_its_opposite_both_count() {
        let mut c = plain(14, (100.0, 3.0), (100.0, 3.0));
        c.days[2].challenger = arm(250.0, 0.0);
        c.days[3].challenger = arm(0.0, 2.0);
        let f = look(&c, &rule(RuleName::Balanced)).figures.unwrap();
        assert!((f.challenger.spend - 1450.0).abs() < 1e-9);
        assert!((f.challenger.purchases - 38.0).abs() < 1e-9);
    }

    #[test]
    fn a_cheaper_purchase_of_a_much_smaller_basket_is_held() {
        let mut c = plain(14, (100.0, 3.0), (100.0, 9.0));
        for day in &mut c.days {
            if let Some(arm) = day.challenger.as_mut() {
                arm.value = arm.purchases * 15.0;
            }
        }
        let held = look(&c, &rule(RuleName::Balanced));
        assert_eq!(held.outcome, Outcome::Extend);
        assert!(matches!(held.reasons[0], Reason::ValueFell { .. }), "{:?}", held.reasons);
    }

    #[test]
    fn the_article_compares_raw_points_on_calendar_day_fourteen() {
        let rule = rule(RuleName::Article);
        assert_eq!(look(&plain(13, (100.0, 1.0), (100.0, 2.0)), &rule).outcome, Outcome::TooEarly);
        assert_eq!(look(&plain(14, (100.0, 1.0), (100.0, 1.0)), &rule).outcome, Outcome::Promote);
        assert_eq!(look(&plain(14, (100.0, 1.0), (101.0, 1.0)), &rule).outcome, Outcome::Stay);
        assert_eq!(look(&plain(14, (100.0, 0.0), (100.0, 0.0)), &rule).outcome, Outcome::Stay);
    }

    #[test]
    fn days_that_swing_wildly_give_no_confident_winner() {
        let mut c = plain(29, (2300.0, 500.0), (2500.0, 500.0));
        for (n, day) in c.days.iter_mut().enumerate() {
            let swing = if n % 2 == 0 { 220.0 } else { -220.0 };
            day.incumbent.as_mut().unwrap().purchases += swing;
            day.challenger.as_mut().unwrap().purchases -= swing;
        }
        let f = look_at_all(&c, &rule(RuleName::Balanced)).figures.unwrap();
        assert!(f.dispersion.total > 100.0, "{:?}", f.dispersion);
        assert!(f.p_not_worse > 0.25 && f.p_not_worse < 0.90, "{}", f.p_not_worse);
    }

    #[test]
    fn the_ledger_stops_a_challenger_that_sells_nothing() {
        let rule = rule(RuleName::Balanced);
        let mut c = plain(3, (100.0, 2.0), (100.0, 0.0));
        c.challenger_weekly_budget = Some(700.0);
        assert_eq!(daily(&c, &rule), None, "not before day 4");
        let mut c = plain(11, (100.0, 0.3), (100.0, 0.0));
        c.challenger_weekly_budget = Some(700.0);
        let stop = daily(&c, &rule).unwrap();
        assert_eq!(stop.cause, StopCause::Ledger);
        assert!((stop.meter.excess_spend - 1100.0).abs() < 1e-6 && stop.meter.bound > 1050.0);
    }

    #[test]
    fn clear_evidence_stops_before_the_ledger_does() {
        let mut c = plain(5, (100.0, 12.0), (100.0, 2.0));
        c.challenger_weekly_budget = Some(700.0);
        let stop = daily(&c, &rule(RuleName::Balanced)).unwrap();
        assert_eq!(stop.cause, StopCause::Evidence);
        assert_eq!(daily(&c, &rule(RuleName::Article)), None, "the article knows no stop-loss");
    }

    #[test]
    fn an_equal_challenger_costs_nothing_and_raises_no_evidence() {
        let meter = regret_meter(&plain(20, (100.0, 3.0), (100.0, 3.0)), &rule(RuleName::Balanced))
            .unwrap();
        assert!(meter.excess_spend.abs() < 1e-9 && meter.e_value < 1.0, "{meter:?}");
    }

    #[test]
    fn always_valid_odds_promote_stay_or_go_on_and_may_be_looked_at_every_day() {
        let daily = rule(RuleName::AlwaysValid);
        let better = look(&plain(14, (100.0, 3.0), (100.0, 9.0)), &daily);
        assert_eq!(better.outcome, Outcome::Promote);
        assert!(matches!(better.reasons[0], Reason::ProvenNotWorse { .. }), "{:?}", better.reasons);
        assert_eq!(look(&plain(14, (100.0, 9.0), (100.0, 3.0)), &daily).outcome, Outcome::Stay);
        let equal = look(&plain(17, (100.0, 2.0), (100.0, 2.0)), &daily);
        assert_eq!((equal.outcome, equal.at, equal.next), (Outcome::Extend, Some(17), Some(18)));
        let odds = equal.figures.unwrap().odds.unwrap();
        assert!(odds.not_worse < 10.0 && odds.worse < 1.0, "{odds:?}");
        let last = look(&plain(35, (100.0, 2.0), (100.0, 2.0)), &daily);
        assert_eq!((last.outcome, last.last), (Outcome::Inconclusive, true));
        let balanced = look(&plain(17, (100.0, 2.0), (100.0, 2.0)), &rule(RuleName::Balanced));
        assert_eq!(balanced.figures.unwrap().odds, None, "other rules do not show them");
    }

    /// How far an outcome goes towards the challenger.
    fn favour(outcome: Outcome) -> u8 {
        match outcome {
            Outcome::Stay => 0,
            Outcome::TooEarly | Outcome::Extend | Outcome::Inconclusive => 1,
            Outcome::Promote => 2,
        }
    }

    proptest! {
        // At a given dispersion: a purchase that makes one day stand out also makes the days look noisier, and rightly so.
        #[test]
        fn a_purchase_more_or_spend_less_never_turns_a_look_against_the_challenger(
            days in proptest::collection::vec((50.0_f64..150.0, 0_u32..9, 50.0_f64..150.0, 0_u32..9), 14..36),
            at in 0_usize..14, cut in 0.0_f64..1.0, phi in 1.0_f64..6.0,
        ) {
            let build = |more: f64, cut: f64| {
                let rows = days.iter().enumerate().map(|(n, (ea, xa, eb, xb))| {
                    let (more, cut) = if n == at { (more, cut) } else { (0.0, 1.0) };
                    PairedDay {
                        day: start().plus(i64::try_from(n).unwrap()),
                        incumbent: arm(*ea, f64::from(*xa)),
                        challenger: arm(eb * cut, f64::from(*xb) + more),
                        challenger_events: None,
                    }
                });
                let mut c = Comparison::new(start(), rows.collect());
                c.past_learning = true;
                c.dispersion_fixed = Some(phi);
                c
            };
            for name in RuleName::ALL {
                let mut rule = rule(name);
                rule.value_guard = None;
                let base = look(&build(0.0, 1.0), &rule);
                for changed in [look(&build(1.0, 1.0), &rule), look(&build(0.0, cut), &rule)] {
                    prop_assert!(favour(changed.outcome) >= favour(base.outcome), "{name}: {base:?} → {changed:?}");
                    let (a, b) = (base.figures.as_ref().unwrap(), changed.figures.as_ref().unwrap());
                    prop_assert!(b.p_not_worse >= a.p_not_worse - 1e-11);
                    if let (Some(a), Some(b)) = (a.odds, b.odds) {
                        prop_assert!(b.not_worse >= a.not_worse * (1.0 - 1e-10), "{a:?} {b:?}");
                    }
                }
            }
        }

        #[test]
        fn swapped_arms_swap_the_odds(
            days in proptest::collection::vec((50.0_f64..150.0, 0_u32..9, 50.0_f64..150.0, 0_u32..9), 14..36),
        ) {
            let build = |swap: bool| {
                let rows = days.iter().zip(0_i64..).map(|((ea, xa, eb, xb), n)| {
                    let (a, b) = (arm(*ea, f64::from(*xa)), arm(*eb, f64::from(*xb)));
                    let (incumbent, challenger) = if swap { (b, a) } else { (a, b) };
                    PairedDay { day: start().plus(n), incumbent, challenger, challenger_events: None }
                });
                let mut c = Comparison::new(start(), rows.collect());
                c.past_learning = true;
                c.lag = Lag::IMMEDIATE;
                c.dispersion_fixed = Some(1.5);
                c
            };
            // At a margin of zero both sides test the same ratio.
            let rule = rule(RuleName::AlwaysValid).with_margin(0.0);
            let odds = |swap| look(&build(swap), &rule).figures.unwrap().odds.unwrap();
            let (there, back) = (odds(false), odds(true));
            prop_assert!((there.not_worse / back.worse - 1.0).abs() < 1e-9, "{there:?} {back:?}");
            prop_assert!((there.worse / back.not_worse - 1.0).abs() < 1e-9, "{there:?} {back:?}");
        }

        #[test]
        fn the_currency_changes_no_verdict(
            days in proptest::collection::vec((1.0_f64..500.0, 0_u32..12, 1.0_f64..500.0, 0_u32..12), 1..40),
            unit in prop::sample::select(vec![0.01, 1.0, 1000.0]),
        ) {
            let build = |unit: f64| {
                let rows = days.iter().zip(0_i64..).map(|((ea, xa, eb, xb), n)| PairedDay {
                    day: start().plus(n),
                    incumbent: arm(ea * unit, f64::from(*xa)),
                    challenger: arm(eb * unit, f64::from(*xb)),
                    challenger_events: Some(9.0),
                });
                Comparison::new(start(), rows.collect())
            };
            for name in RuleName::ALL {
                let (one, other) = (look(&build(1.0), &rule(name)), look(&build(unit), &rule(name)));
                prop_assert_eq!(one.outcome, other.outcome);
                let p = |l: &rungwise::domain::verdict::Look| l.figures.as_ref().map(|f| f.p_not_worse);
                if let (Some(a), Some(b)) = (p(&one), p(&other)) {
                    prop_assert!((a - b).abs() < 1e-10);
                }
                let stops = (daily(&build(1.0), &rule(name)), daily(&build(unit), &rule(name)));
                prop_assert_eq!(stops.0.map(|s| s.cause), stops.1.map(|s| s.cause));
            }
        }

        #[test]
        fn figures_survive_storage_and_come_out_the_same_again(
            days in proptest::collection::vec((0.0_f64..500.0, 0_u32..12, 0.0_f64..500.0, 0_u32..12), 1..40),
        ) {
            let rows = days.iter().zip(0_i64..).map(|((ea, xa, eb, xb), n)| PairedDay {
                day: start().plus(n),
                incumbent: arm(ea.round(), f64::from(*xa)),
                challenger: arm(eb.round(), f64::from(*xb)),
                challenger_events: None,
            });
            let c = Comparison::new(start(), rows.collect());
            let stored = serde_json::to_string(&c).unwrap();
            let again: Comparison = serde_json::from_str(&stored).unwrap();
            let rule = rule(RuleName::Balanced);
            prop_assert_eq!(look(&again, &rule), look(&c, &rule));
        }
    }
}

mod rehearsed {
    use rand::SeedableRng;
    use rand_distr::{Distribution, Gamma, Poisson};
    use rand_pcg::Pcg64;
    use rungwise::domain::verdict::{
        ArmDay, Belief, Comparison, Lag, Method, Outcome, PairedDay, Rule, RuleName, chances, look,
    };

    const DISPERSION: f64 = 1.5;

    /// Purchases of a day: gamma-mixed Poisson with variance ÷ mean = [`DISPERSION`].
    fn purchases(rng: &mut Pcg64, mean: f64) -> f64 {
        let rate =
            Gamma::new(mean / (DISPERSION - 1.0), DISPERSION - 1.0).expect("positive").sample(rng);
        if rate < 1e-9 { 0.0 } else { Poisson::new(rate).expect("positive").sample(rng) }
    }

    /// How a test with `weekly` purchases per arm ends at a true ratio `r`.
    fn ending(rng: &mut Pcg64, weekly: f64, r: f64, rule: &Rule) -> Outcome {
        let start = "2026-03-02".parse().expect("a day");
        let mut c = Comparison::new(start, Vec::new());
        c.past_learning = true;
        c.lag = Lag::IMMEDIATE;
        for n in 0..35 {
            let mut arm = |cpa: f64| {
                let purchases = purchases(rng, weekly / 7.0 / cpa);
                Some(ArmDay { spend: 100.0, purchases, value: 0.0 })
            };
            let (incumbent, challenger) = (arm(1.0), arm(r));
            let day = start.plus(n);
            c.days.push(PairedDay { day, incumbent, challenger, challenger_events: None });
            if n % 7 != 6 && rule.method != Method::EProcess {
                continue;
            }
            let said = look(&c, rule).outcome;
            if !matches!(said, Outcome::TooEarly | Outcome::Extend) {
                return said;
            }
        }
        Outcome::Inconclusive
    }

    fn promoted(seed: u64, weekly: f64, r: f64, rule: &Rule) -> f64 {
        let mut rng = Pcg64::seed_from_u64(seed);
        let n = 400_u32;
        let won = (0..n).filter(|_| ending(&mut rng, weekly, r, rule) == Outcome::Promote).count();
        f64::from(u32::try_from(won).expect("few")) / f64::from(n)
    }

    #[test]
    fn a_better_challenger_is_found_and_a_worse_one_seldom_promoted() {
        let rule = Rule::named(RuleName::Balanced);
        let (better, worse) = (promoted(1, 20.0, 0.8, &rule), promoted(2, 20.0, 1.25, &rule));
        assert!(better >= 0.83, "{better}");
        assert!(worse <= 0.16, "{worse}");
        let strict = promoted(2, 20.0, 1.25, &Rule::named(RuleName::Strict));
        assert!(strict <= worse && strict <= 0.06, "{strict}");
        // Nominally one in ten at the margin itself, whatever the number of looks; at 25 % dearer less.
        let daily = Rule::named(RuleName::AlwaysValid);
        let (edge, beyond) = (promoted(2, 20.0, 1.10, &daily), promoted(2, 20.0, 1.25, &daily));
        assert!(edge <= 0.10 && beyond <= 0.04, "{edge} {beyond}");
    }

    #[test]
    fn the_announced_chances_are_those_that_come_true() {
        let rule = Rule::named(RuleName::Balanced);
        let always = Rule::named(RuleName::AlwaysValid);
        let told = chances(20.0, DISPERSION, Belief { mean: f64::ln(0.7), sd: 0.0 }, &always);
        let came = promoted(6, 20.0, 0.7, &always);
        assert!((told.promote - came).abs() < 0.10, "told {told:?}, came {came}");
        for (seed, weekly, r) in [(3, 10.0, 0.8), (4, 10.0, 1.25), (5, 20.0, 1.0)] {
            let told = chances(weekly, DISPERSION, Belief { mean: f64::ln(r), sd: 0.0 }, &rule);
            let came = promoted(seed, weekly, r, &rule);
            assert!((told.promote - came).abs() < 0.07, "r {r}: told {told:?}, came {came}");
        }
    }
}
