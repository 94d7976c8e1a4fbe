//! What a test can be expected to find, before a cent is spent.
//!
//! ln r is taken as normal with information `I = purchases per arm ÷ (2 φ')`, which grows steadily over the looks; the
//! chance of each ending follows from passing the density of the undecided from look to look (recursive numerical
//! integration as for group-sequential tests; Armitage, McPherson and Rowe 1969). The density is smooth between the two
//! bounds, so 32 Gauss–Legendre nodes a look carry it (a test holds them against 401 Simpson nodes: to a millionth with the usual looks).

use libm::{exp, log, sqrt};
use serde::{Deserialize, Serialize};

use super::{
    dispersion::Dispersion,
    e_process::{For, score_at},
    gauss,
    rule::{LookAt, Method, Rule},
    special::{count, normal_cdf, normal_pdf, normal_quantile, round12},
};

/// Standard deviations of the score around its mean beyond which nobody is (less than 10^-15 of all).
const REACH: f64 = 8.0;
/// Normal quantile of a two-sided 90 % interval.
const Z90: f64 = 1.644_853_626_951_472_7;

/// What is believed about ln r before the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Belief {
    /// Mean of ln r.
    pub mean: f64,
    /// Its standard deviation; 0 = the ratio is known (then the chances are those at that ratio).
    pub sd: f64,
}

impl Default for Belief {
    fn default() -> Self {
        Self { mean: 0.0, sd: 0.32 }
    }
}

/// A test that might be run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TestPlan {
    /// Purchases per week each arm can expect at its test budget.
    pub purchases_per_week: f64,
    /// Daily dispersion of purchases.
    pub dispersion: f64,
    /// Spend of the challenger per week, in any unit of money.
    pub weekly_spend: f64,
    /// Learning days to expect before the first decision day.
    pub learning_days: i64,
    /// Belief about ln r.
    pub belief: Belief,
}

/// How a test ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chances {
    /// Probability of a promotion.
    pub promote: f64,
    /// Probability that the incumbent stays because the challenger is worse.
    pub stay: f64,
    /// Probability that it ends undecided.
    pub inconclusive: f64,
    /// Expected paired decision days.
    pub days: f64,
}

/// What one look can show.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LookOutlook {
    /// Paired decision days.
    pub days: usize,
    /// Purchases per arm by then.
    pub purchases: f64,
    /// 90 % interval of r to expect if both arms are equal: lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// True ratio that would be promoted here with probability 80 %.
    pub detectable: f64,
    /// Probability that the test has decided (promote or stay) by this look.
    pub decided: f64,
}

/// Everything a proposal says about a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// Endings.
    pub chances: Chances,
    /// By look.
    pub looks: Vec<LookOutlook>,
    /// Expected weeks from activation to the verdict, learning days and settling included.
    pub weeks: f64,
    /// Expected spend of the challenger until then.
    pub spend: f64,
    /// Spend of the challenger if the test runs to its last look.
    pub most_spend: f64,
    /// Probability that it ends undecided exceeds one half.
    pub probably_inconclusive: bool,
    /// True when even the last look expects fewer purchases than the rule needs.
    pub too_few_purchases: bool,
}

/// The true ratio that a look with `purchases` per arm promotes with probability 80 %.
pub fn detectable_ratio(purchases: f64, dispersion: f64, promote_at: f64, margin: f64) -> f64 {
    let z = normal_quantile(promote_at) + normal_quantile(0.80);
    (1.0 + margin) / exp(z * sqrt(2.0 * dispersion / purchases))
}

impl Stage {
    /// The true ratio promoted here with probability 80 %.
    fn detectable(&self, rule: &Rule) -> f64 {
        match (rule.method, self.bounds) {
            (Method::EProcess, Some((promote, _))) => {
                let (score, sd) = (promote / self.information, sqrt(1.0 / self.information));
                exp(score - normal_quantile(0.80) * sd)
            }
            _ => detectable_ratio(self.purchases, self.dispersion, self.promote_at, rule.margin),
        }
    }
}

/// One look on the information scale.
#[derive(Debug, Clone, Copy)]
struct Stage {
    days: usize,
    information: f64,
    /// Score at or below which it promotes, and at or above which it stays; None below the gate.
    bounds: Option<(f64, f64)>,
    promote_at: f64,
    purchases: f64,
    dispersion: f64,
}

fn stages(purchases_per_week: f64, dispersion: f64, rule: &Rule) -> Vec<Stage> {
    let half_prior = rule.prior.strength / 2.0;
    let edge = log(1.0 + rule.margin);
    let last = rule.looks.len().saturating_sub(1);
    let stage = |look: &LookAt| {
        let days = count(look.days);
        let purchases = purchases_per_week * days / 7.0;
        let assumed = Dispersion::assumed(2.0 * purchases, days, dispersion);
        // Always-valid odds leave slow drift out.
        let total = if rule.method == Method::EProcess { assumed.daily } else { assumed.total };
        let information = purchases / (2.0 * total);
        let precision = half_prior + information;
        let probable = |p: f64| precision * (edge - normal_quantile(p) / sqrt(precision));
        let bounds = match rule.method {
            Method::Point => (information * edge, information * edge),
            Method::Posterior => (probable(look.promote_at), probable(rule.stay_at)),
            Method::EProcess => {
                let (promote, stay) = rule.wanted_odds(*look);
                let at = |side, odds| score_at(side, edge, information, odds);
                (at(For::Cheaper, promote), at(For::Dearer, stay))
            }
        };
        let open = information > 0.0 && 2.0 * purchases >= rule.min_purchases;
        Stage {
            days: look.days,
            information,
            bounds: open.then_some(bounds),
            promote_at: look.promote_at,
            purchases,
            dispersion: total,
        }
    };
    // Daily looks are worked out as weekly ones; `eased` makes up for the days between.
    let weekly = |(index, look): &(usize, &LookAt)| {
        let first = rule.looks.first().map_or(0, |first| first.days);
        rule.method != Method::EProcess || *index == last || (look.days - first).is_multiple_of(7)
    };
    rule.looks.iter().enumerate().filter(weekly).map(|(_, look)| stage(look)).collect()
}

/// Mean overshoot of a normal random walk over a boundary, in steps (Siegmund 1985): −ζ(½) ÷ √(2π).
const OVERSHOOT: f64 = 0.582_597_157_939_010_5;

/// Weekly stages that stand for daily looks, with bounds moved inwards by what a path may do between two of them.
fn eased(stages: &[Stage]) -> Vec<Stage> {
    let mut eased = stages.to_vec();
    for (stage, before) in eased.iter_mut().skip(1).zip(stages) {
        let gain = stage.information - before.information;
        let days = count(stage.days.saturating_sub(before.days).max(1));
        let between = OVERSHOOT * (sqrt(gain) - sqrt(gain / days));
        stage.bounds = stage.bounds.map(|(promote, stay)| (promote + between, stay - between));
    }
    eased
}

/// The chances over these stages, and the share decided by each.
fn over(stages: &[Stage], belief: Belief, rule: &Rule) -> (Chances, Vec<f64>) {
    if rule.method == Method::EProcess { run(&eased(stages), belief) } else { run(stages, belief) }
}

/// The density of the score among the undecided: nodes, each with its weight times the density there.
struct Undecided(Vec<(f64, f64)>);

impl Undecided {
    /// Everybody at the start: score zero, nothing known.
    fn everybody() -> Self {
        Self(vec![(0.0, 1.0)])
    }
    /// ∫ density(s) · f(s) ds.
    fn integrate(&self, f: impl Fn(f64) -> f64) -> f64 {
        self.0.iter().map(|(score, weight)| weight * f(*score)).sum()
    }
}

/// How the score moves to the next look, for somebody with the belief and the information so far.
#[derive(Clone, Copy)]
struct Transition {
    /// The next score's mean is `slope × score + shift`.
    slope: f64,
    shift: f64,
    sd: f64,
}

impl Transition {
    fn new(belief: Belief, known: f64, gain: f64) -> Self {
        if belief.sd <= 0.0 {
            return Self { slope: 1.0, shift: gain * belief.mean, sd: sqrt(gain) };
        }
        let precision = 1.0 / (belief.sd * belief.sd);
        let variance = 1.0 / (precision + known);
        Self {
            slope: 1.0 + gain * variance,
            shift: gain * variance * belief.mean * precision,
            sd: sqrt(gain + gain * gain * variance),
        }
    }
    fn mean(self, score: f64) -> f64 {
        self.slope * score + self.shift
    }
    fn below(self, bound: f64, score: f64) -> f64 {
        normal_cdf((bound - self.mean(score)) / self.sd)
    }
    fn above(self, bound: f64, score: f64) -> f64 {
        normal_cdf((self.mean(score) - bound) / self.sd)
    }
    fn density(self, to: f64, score: f64) -> f64 {
        normal_pdf((to - self.mean(score)) / self.sd) / self.sd
    }
}

/// The chance of every ending under `belief`, and the share decided by each look.
fn run(stages: &[Stage], belief: Belief) -> (Chances, Vec<f64>) {
    let mut chances = Chances { promote: 0.0, stay: 0.0, inconclusive: 0.0, days: 0.0 };
    let mut decided_by = Vec::with_capacity(stages.len());
    let mut open = 1.0;
    let mut undecided = Undecided::everybody();
    let mut known = 0.0;
    for (index, stage) in stages.iter().enumerate() {
        chances.days += open * count(stage.days.saturating_sub(days_before(stages, stage.days)));
        let Some((promote, stay)) = stage.bounds else {
            decided_by.push(1.0 - open);
            continue;
        };
        let step = Transition::new(belief, known, stage.information - known);
        let won = undecided.integrate(|score| step.below(promote, score));
        let lost = undecided.integrate(|score| step.above(stay, score));
        chances.promote += won;
        chances.stay += lost;
        open = (open - won - lost).max(0.0);
        known = stage.information;
        decided_by.push(1.0 - open);
        if index + 1 < stages.len() {
            let mean = known * belief.mean;
            let reach = REACH * sqrt(known + known * known * belief.sd * belief.sd);
            let (from, to) = (promote.max(mean - reach), stay.min(mean + reach));
            let arrive = |to: f64| undecided.integrate(|score| step.density(to, score));
            let next =
                gauss::nodes(from, to.max(from)).map(|(to, weight)| (to, weight * arrive(to)));
            undecided = Undecided(next.collect());
        }
    }
    chances.inconclusive = open;
    (chances, decided_by)
}

/// Paired days of the look before the one at `days`.
fn days_before(stages: &[Stage], days: usize) -> usize {
    stages.iter().map(|s| s.days).take_while(|d| *d < days).last().unwrap_or(0)
}

/// The chances of a test on clean data: what learning days, lag and edits do to a naive comparison is not in them.
/// With `belief.sd = 0` those at a known true ratio `exp(belief.mean)`.
pub fn chances(purchases_per_week: f64, dispersion: f64, belief: Belief, rule: &Rule) -> Chances {
    over(&stages(purchases_per_week, dispersion, rule), belief, rule).0.rounded()
}

impl Chances {
    fn rounded(self) -> Self {
        Self {
            promote: round12(self.promote),
            stay: round12(self.stay),
            inconclusive: round12(self.inconclusive),
            days: round12(self.days),
        }
    }
}

/// What a proposal must show before a test.
pub fn outlook(plan: &TestPlan, rule: &Rule) -> Outlook {
    let stages = stages(plan.purchases_per_week, plan.dispersion, rule);
    let (chances, decided) = over(&stages, plan.belief, rule);
    let half_prior = rule.prior.strength / 2.0;
    let looks = stages
        .iter()
        .zip(decided)
        .map(|(stage, decided)| {
            let reach = Z90 / sqrt(half_prior + stage.information);
            let detectable = stage.detectable(rule);
            LookOutlook {
                days: stage.days,
                purchases: round12(stage.purchases),
                low: round12(exp(-reach)),
                high: round12(exp(reach)),
                detectable: round12(detectable),
                decided: round12(decided),
            }
        })
        .collect();
    let days = |n: i64| f64::from(i32::try_from(n).unwrap_or(i32::MAX));
    let overhead = days(plan.learning_days) + days(rule.settle_hours) / 24.0;
    let weeks = (overhead + chances.days) / 7.0;
    let longest = stages.last().map_or(0.0, |s| count(s.days));
    Outlook {
        looks,
        weeks: round12(weeks),
        spend: round12(weeks * plan.weekly_spend),
        most_spend: round12((overhead + longest) / 7.0 * plan.weekly_spend),
        probably_inconclusive: round12(chances.inconclusive) > 0.5,
        too_few_purchases: stages.last().is_none_or(|s| s.bounds.is_none()),
        chances: chances.rounded(),
    }
}

/// Whether what a test may teach is worth what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TestWorth {
    /// Expected gain from deciding with the data instead of without, in weeks of conversions.
    pub gain_weeks: f64,
    /// Cost of the test, in weeks of conversions.
    pub cost_weeks: f64,
    /// The gain exceeds the cost.
    pub worth_it: bool,
}

/// Value of information in normal approximation: `purchases` per arm at the last look, `weeks_left` in which the
/// better arm would be used, `cost_weeks` what testing costs (0.25 to 0.4 weeks of conversions in simulations).
pub fn worth_testing(
    purchases: f64,
    dispersion: f64,
    belief: Belief,
    weeks_left: f64,
    cost_weeks: f64,
) -> TestWorth {
    let gain = -belief.mean;
    let noise = if purchases > 0.0 { 2.0 * dispersion / purchases } else { f64::INFINITY };
    let prior = belief.sd * belief.sd;
    let spread = prior / sqrt(prior + noise);
    let value = if spread > 0.0 {
        gain * normal_cdf(gain / spread) + spread * normal_pdf(gain / spread) - gain.max(0.0)
    } else {
        0.0
    };
    let gain_weeks = round12(value.max(0.0) * weeks_left);
    TestWorth { gain_weeks, cost_weeks, worth_it: gain_weeks > cost_weeks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::rule::RuleName;

    #[test]
    fn the_detectable_ratio_matches_its_table() {
        for (purchases, phi, theta, want) in [
            (10.0, 1.5, 0.90, 0.34),
            (40.0, 1.5, 0.90, 0.61),
            (160.0, 1.0, 0.90, 0.87),
            (100.0, 2.5, 0.75, 0.78),
        ] {
            let got = detectable_ratio(purchases, phi, theta, 0.10);
            assert!((got - want).abs() < 0.006, "{purchases} {phi} {theta}: {got}");
        }
    }

    #[test]
    fn the_chances_add_up_and_follow_the_truth() {
        let rule = Rule::named(RuleName::Balanced);
        let at = |r: f64, v: f64| chances(v, 1.5, Belief { mean: r.ln(), sd: 0.0 }, &rule);
        let (better, equal, worse) = (at(0.8, 20.0), at(1.0, 20.0), at(1.25, 20.0));
        for c in [better, equal, worse] {
            assert!((c.promote + c.stay + c.inconclusive - 1.0).abs() < 1e-6, "{c:?}");
        }
        assert!(better.promote > 0.85 && worse.promote < 0.12, "{better:?} {worse:?}");
        assert!(equal.promote > worse.promote && equal.promote < better.promote);
    }

    #[test]
    fn a_believed_ratio_is_the_mixture_of_the_known_ones() {
        let rule = Rule::named(RuleName::Strict);
        let mixed = chances(15.0, 1.5, Belief { mean: 0.05, sd: 0.3 }, &rule);
        let n = 400;
        let average: f64 = (0..n)
            .map(|i| {
                let p = (f64::from(i) + 0.5) / f64::from(n);
                let mean = 0.05 + 0.3 * normal_quantile(p);
                chances(15.0, 1.5, Belief { mean, sd: 0.0 }, &rule).promote
            })
            .sum::<f64>()
            / f64::from(n);
        assert!((mixed.promote - average).abs() < 0.002, "{} ≠ {average}", mixed.promote);
    }

    /// The same recursion on a fine even grid by Simpson's rule.
    fn by_brute_force(stages: &[Stage], belief: Belief) -> [f64; 3] {
        const NODES: u32 = 401;
        let (mut won, mut lost, mut open, mut known) = (0.0, 0.0, 1.0, 0.0);
        let mut undecided = Undecided::everybody();
        for stage in stages {
            let Some((promote, stay)) = stage.bounds else { continue };
            let step = Transition::new(belief, known, stage.information - known);
            let w = undecided.integrate(|s| step.below(promote, s));
            let l = undecided.integrate(|s| step.above(stay, s));
            (won, lost, open, known) = (won + w, lost + l, open - w - l, stage.information);
            let width = (stay - promote) / f64::from(NODES - 1);
            let grid = (0..NODES).map(|i| {
                let to = promote + width * f64::from(i);
                let simpson = match i {
                    0 | 400 => 1.0,
                    i if i % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                (to, simpson * width / 3.0 * undecided.integrate(|s| step.density(to, s)))
            });
            let grid = Undecided(grid.collect());
            undecided = grid;
        }
        [won, lost, open]
    }

    fn worst_miss(rule: &Rule, dispersions: &[f64]) -> f64 {
        let mut worst: f64 = 0.0;
        for weekly in [4.0, 11.0, 45.0, 400.0] {
            for phi in dispersions {
                for (mean, sd) in [(0.0, 0.32), (-0.3, 0.0), (0.22, 0.0)] {
                    let belief = Belief { mean, sd };
                    let stages = stages(weekly, *phi, rule);
                    let got = run(&stages, belief).0;
                    let want = by_brute_force(&stages, belief);
                    for (got, want) in [got.promote, got.stay, got.inconclusive].iter().zip(want) {
                        worst = worst.max((got - want).abs());
                    }
                }
            }
        }
        worst
    }

    #[test]
    fn thirty_two_nodes_say_what_four_hundred_say() {
        for name in [RuleName::Balanced, RuleName::Strict] {
            let worst = worst_miss(&Rule::named(name), &[1.0, 2.5, 6.0]);
            assert!(worst < 1e-6, "{name}: {worst}");
        }
        // Half a year of looks at nearly worthless days is the hardest there is; figures are shown in per cent.
        let longest = Rule::named(RuleName::Balanced).with_window(14, 84);
        let worst = worst_miss(&longest, &[1.0, 40.0]);
        assert!(worst < 1e-4, "{worst}");
    }

    #[test]
    fn a_small_account_is_told_that_its_test_will_not_decide() {
        let plan = TestPlan {
            purchases_per_week: 2.0,
            dispersion: 1.5,
            weekly_spend: 350.0,
            learning_days: 7,
            belief: Belief::default(),
        };
        let o = outlook(&plan, &Rule::named(RuleName::Balanced));
        assert!(o.too_few_purchases && o.probably_inconclusive);
        assert!((o.most_spend - 45.0 / 7.0 * 350.0).abs() < 1e-6);
        let worth = worth_testing(10.0, 1.5, Belief::default(), 1.0, 0.3);
        assert!(!worth.worth_it, "one week left is too short to learn anything");
    }
}
