//! Which rung has enough events, and what its events are worth.
//!
//! Counts are overdispersed Poisson: a rate per week has a gamma posterior, next week's count is negative binomial with
//! that uncertainty added, and "at least n" is one incomplete beta function. A rung is chosen by the probability of
//! enough events next week, not by the count of one lucky week.

use libm::{atanh, exp, log, pow, sqrt, tanh};
use serde::{Deserialize, Serialize};

use super::verdict::{
    DayCounts, Dispersion, USUAL_DISPERSION, round12,
    special::{beta_inc, beta_quantile_log_odds, beta_tails, count, gamma_tails, normal_quantile},
};

/// Events per week and ad set that Meta's delivery needs to leave the learning phase.
pub const EVENTS_TO_LEARN: f64 = 50.0;
/// Events grow a little slower than budget: exponent 1 − 0.12.
const BUDGET_EXPONENT: f64 = 0.88;
/// Steps of the search for a budget.
const BUDGET_STEPS: u32 = 16_384;
/// Squared coefficient of variation of next week's mean around the forecast.
const FORECAST_SPREAD: f64 = 0.01;
/// The same for a forecast from a single day; it shrinks with the days counted, because what a day or a weekend shows
/// drifts (standard deviation 0.10, day-to-day correlation 0.85).
const ONE_DAY_SPREAD: f64 = 0.01 * 1.85 / 0.15;
/// Weeks a prior correlation is worth.
const PRIOR_WEEKS: f64 = 12.0;

/// What was counted of one event, and over how many days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Events.
    pub events: f64,
    /// Days they were counted over, days without delivery included.
    pub days: f64,
    /// Variance ÷ mean of daily counts.
    pub dispersion: f64,
}

/// Next week's count of an event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Expected events next week at the planned budget.
    pub mean: f64,
    /// Probability of at least the threshold.
    pub p_enough: f64,
    /// The threshold, events per week.
    pub threshold: f64,
    /// Budget relative to the observed one.
    pub budget: f64,
}

impl Volume {
    /// Gamma posterior of the weekly rate: shape and rate.
    fn posterior(self) -> (f64, f64) {
        (0.5 + self.events / self.dispersion, self.days / (7.0 * self.dispersion))
    }
    /// Forecast at `budget` times the observed spend; None without days.
    pub fn forecast(self, budget: f64, threshold: f64) -> Option<Forecast> {
        if self.days <= 0.0 || budget <= 0.0 || self.dispersion <= 0.0 {
            return None;
        }
        let (shape, rate) = self.posterior();
        let growth = pow(budget, BUDGET_EXPONENT);
        let mean = shape / rate * growth;
        let spread = shape / (rate * rate) * growth * growth;
        let drift = FORECAST_SPREAD.max(ONE_DAY_SPREAD / self.days);
        let variance = self.dispersion * mean + drift * mean * mean + spread;
        let size = mean * mean / (variance - mean).max(1e-9);
        let whole = mean + size;
        let p = beta_tails(threshold, size, mean / whole, size / whole).0;
        Some(Forecast { mean: round12(mean), p_enough: round12(p), threshold, budget })
    }
    /// Probability that the long-run weekly mean is at least `threshold`.
    pub fn p_mean_at_least(self, threshold: f64) -> f64 {
        let (shape, rate) = self.posterior();
        round12(gamma_tails(shape, rate * threshold).1)
    }
    /// The budget, relative to the observed one, at which the forecast reaches probability `wanted`; None beyond
    /// `most` times the present budget. A step is a 16 384th of `most`: finer than anybody sets a budget.
    pub fn budget_needed(self, threshold: f64, wanted: f64, most: f64) -> Option<f64> {
        let budget = |step: u32| most * f64::from(step) / f64::from(BUDGET_STEPS);
        let enough = |step: u32| {
            self.forecast(budget(step), threshold).is_some_and(|f| f.p_enough >= wanted)
        };
        if !enough(BUDGET_STEPS) {
            return None;
        }
        // More budget is never less likely to do, so the first step that does can be looked for from a guess outwards.
        let guess = self.budget_guess(threshold, wanted) / most * f64::from(BUDGET_STEPS);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 1 and 16 384"
        )]
        let guess = guess.clamp(1.0, f64::from(BUDGET_STEPS - 1)) as u32;
        let (mut low, mut high) = (0, BUDGET_STEPS);
        let (mut step, mut reach) = (guess, 4);
        while high - low > 1 {
            if enough(step) {
                high = step;
                step = step.saturating_sub(reach);
            } else {
                low = step;
                step = step.saturating_add(reach);
            }
            reach *= 4;
            // Once both sides are known near the guess, halve.
            if step <= low || step >= high || (low > 0 && high < BUDGET_STEPS) {
                step = low.midpoint(high);
            }
        }
        Some(round12(budget(high)))
    }
    /// About that budget, from a normal approximation of next week's count.
    fn budget_guess(self, threshold: f64, wanted: f64) -> f64 {
        let Some(now) = self.forecast(1.0, threshold) else { return 1.0 };
        let (shape, _) = self.posterior();
        let relative = FORECAST_SPREAD.max(ONE_DAY_SPREAD / self.days) + 1.0 / shape;
        let z = normal_quantile(wanted);
        let mut mean = threshold;
        for _ in 0..6 {
            mean = threshold - 0.5 + z * sqrt(self.dispersion * mean + relative * mean * mean);
        }
        pow(mean / now.mean, 1.0 / BUDGET_EXPONENT)
    }
}

/// Variance ÷ mean of daily counts of one series of `(spend, events)`, swings of the weekday included: the starting
/// value [`USUAL_DISPERSION`] worth 14 days, blended with what the days show.
pub fn daily_dispersion(days: &[(f64, f64)]) -> f64 {
    let used: Vec<_> = days.iter().filter(|(spend, _)| *spend > 0.0).collect();
    let spend: f64 = used.iter().map(|(s, _)| s).sum();
    let events: f64 = used.iter().map(|(_, e)| e).sum();
    if used.len() < 2 || events <= 0.0 {
        return USUAL_DISPERSION;
    }
    let squares: f64 = used
        .iter()
        .map(|(s, e)| {
            let miss = e - events / spend * s;
            miss * miss
        })
        .sum();
    let freedom = count(used.len() - 1);
    let raw = squares / events * count(used.len()) / freedom;
    round12(((14.0 * USUAL_DISPERSION + freedom * raw) / (14.0 + freedom)).max(1.0))
}

/// Days an account's own dispersion is measured over.
const OWN_DAYS: usize = 56;

/// Variance ÷ mean of an account's own daily counts, from calendar days without a hole (oldest first, None = not usable)
/// of `(spend, events)`; the last 56 count. Each day is held against the same weekday of the week before, at the cost of
/// the period, so that the swing of the week and slow growth are no noise; blended with [`USUAL_DISPERSION`] worth 14
/// days, as in a test.
pub fn own_dispersion(days: &[Option<(f64, f64)>]) -> f64 {
    let recent = days.get(days.len().saturating_sub(OWN_DAYS)..).unwrap_or_default();
    let pairs = recent.iter().zip(recent.iter().skip(7)).filter_map(|(before, now)| {
        let ((spend_before, before), (spend_now, now)) = (*before).zip(*now)?;
        Some(DayCounts {
            incumbent: before,
            spend_incumbent: spend_before,
            challenger: now,
            spend_challenger: spend_now,
        })
    });
    let pairs: Vec<DayCounts> = pairs.collect();
    round12(Dispersion::measure(&pairs, USUAL_DISPERSION).daily)
}

/// How often an event is followed by the macro-conversion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MacroRate {
    /// Macro-conversions per event as counted; None without events.
    pub observed: Option<f64>,
    /// Posterior median.
    pub median: f64,
    /// 5 % quantile.
    pub low: f64,
    /// 95 % quantile.
    pub high: f64,
}

/// `c ~ Beta(1/2 + x/φ, 1/2 + (y − x)/φ)` from `events` y and `macros` x; more macro-conversions than events (it
/// happens: events are lost, purchases are not) count as all events converting.
pub fn macro_rate(events: f64, macros: f64, dispersion: f64) -> MacroRate {
    let a = 0.5 + macros.min(events.max(macros)) / dispersion;
    let b = 0.5 + (events - macros).max(0.0) / dispersion;
    let quantile = |q: f64| {
        let t = beta_quantile_log_odds(a, b, q);
        round12(1.0 / (1.0 + exp(-t)))
    };
    MacroRate {
        observed: (events > 0.0).then(|| round12(macros / events)),
        median: quantile(0.5),
        low: quantile(0.05),
        high: quantile(0.95),
    }
}

/// One week of an event beside the macro-conversion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Week {
    /// Spend, any unit.
    pub spend: f64,
    /// Events of the rung.
    pub events: f64,
    /// Macro-conversions.
    pub macros: f64,
}

/// Correlation of an event with the macro-conversion, freed from counting noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// Correlation of the weekly counts as they are; None where it is not defined.
    pub raw: Option<f64>,
    /// Corrected for counting noise and shrunk towards the prior.
    pub corrected: f64,
    /// Weeks it rests on; 0 = the prior alone.
    pub weeks: usize,
    /// Spread of the weekly macro rate beyond counting noise, standard deviation of its log-odds.
    pub instability: f64,
    /// `max(corrected, 0) × exp(−instability ÷ 0.25)`.
    pub quality: f64,
}

/// Correlation over weeks, spend-normalised; `prior` is the correlation expected for such an event (see
/// [`usual_correlation`]).
pub fn correlation(weeks: &[Week], dispersion: f64, prior: f64) -> Correlation {
    let used: Vec<_> = weeks.iter().filter(|w| w.spend > 0.0).copied().collect();
    let n = count(used.len());
    let instability = instability(&used, dispersion);
    let prior_z = atanh(prior.clamp(-0.99, 0.99));
    let measured = Moments::of(&used, n).and_then(|m| m.correlations(dispersion));
    let (raw, corrected, weeks) = match measured {
        Some((raw, Some(free))) => {
            let z = (n * atanh(free) + PRIOR_WEEKS * prior_z) / (n + PRIOR_WEEKS);
            (Some(raw), tanh(z), used.len())
        }
        Some((raw, None)) => (Some(raw), tanh(prior_z), 0),
        None => (None, tanh(prior_z), 0),
    };
    Correlation {
        raw: raw.map(round12),
        corrected: round12(corrected),
        weeks,
        instability: round12(instability),
        quality: round12(corrected.max(0.0) * exp(-instability / 0.25)),
    }
}

/// First and second moments of spend-normalised weekly counts.
struct Moments {
    events: f64,
    macros: f64,
    events_variance: f64,
    macros_variance: f64,
    covariance: f64,
}

impl Moments {
    fn of(weeks: &[Week], n: f64) -> Option<Self> {
        if weeks.len() < 4 {
            return None;
        }
        let spend: f64 = weeks.iter().map(|w| w.spend).sum::<f64>() / n;
        let events: f64 = weeks.iter().map(|w| w.events / w.spend * spend).sum::<f64>() / n;
        let macros: f64 = weeks.iter().map(|w| w.macros / w.spend * spend).sum::<f64>() / n;
        let mut m =
            Self { events, macros, events_variance: 0.0, macros_variance: 0.0, covariance: 0.0 };
        for week in weeks {
            let x = week.events / week.spend * spend - events;
            let y = week.macros / week.spend * spend - macros;
            m.events_variance += x * x / (n - 1.0);
            m.macros_variance += y * y / (n - 1.0);
            m.covariance += x * y / (n - 1.0);
        }
        Some(m)
    }
    /// The raw correlation, and the one freed from counting noise where there is more than such noise.
    fn correlations(&self, dispersion: f64) -> Option<(f64, Option<f64>)> {
        let product = self.events_variance * self.macros_variance;
        if product <= 0.0 {
            return None;
        }
        let x = self.events_variance - dispersion * self.events;
        let y = self.macros_variance - dispersion * self.macros;
        let real = x > 0.05 * self.events_variance && y > 0.05 * self.macros_variance;
        let free = real.then(|| (self.covariance / sqrt(x * y)).clamp(-0.95, 0.95));
        Some((self.covariance / sqrt(product), free))
    }
}

/// Standard deviation over weeks of the log-odds of the macro rate, beyond its sampling noise.
fn instability(weeks: &[Week], dispersion: f64) -> f64 {
    let odds: Vec<(f64, f64)> = weeks
        .iter()
        .filter(|w| w.events > 0.0)
        .map(|w| {
            let (hit, miss) = (w.macros + 0.5, (w.events - w.macros).max(0.0) + 0.5);
            (log(hit / miss), dispersion * (1.0 / hit + 1.0 / miss))
        })
        .collect();
    if odds.len() < 3 {
        return 0.0;
    }
    let n = count(odds.len());
    let mean = odds.iter().map(|(l, _)| l).sum::<f64>() / n;
    let variance = odds.iter().map(|(l, _)| (l - mean) * (l - mean)).sum::<f64>() / (n - 1.0);
    let noise = odds.iter().map(|(_, v)| v).sum::<f64>() / n;
    sqrt((variance - noise).max(0.0))
}

/// The correlation with purchases assumed for an event before data: an assumption, named as one wherever it is shown.
pub fn usual_correlation(rung_key: &str) -> f64 {
    match rung_key {
        "page_view" | "landing_page_view" => 0.25,
        "add_to_wishlist" => 0.50,
        "add_to_cart" => 0.71,
        "initiate_checkout" | "add_payment_info" => 0.86,
        "purchase" => 0.99,
        _ => 0.45,
    }
}

/// One day of an event, for the reliability of its measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DayVolume {
    /// Spend, any unit.
    pub spend: f64,
    /// Events of this rung.
    pub events: f64,
    /// Events of the rung below it; None for the lowest or where not comparable.
    pub parent: Option<f64>,
}

/// How reliably an event is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// 0 to 1: share of days that were neither silent nor alarming.
    pub score: f64,
    /// Days with spend.
    pub days: usize,
    /// Days without an event though at least 5 were to be expected.
    pub silent: usize,
    /// Indices into the input of the days whose counts cannot be trusted; they are void for both arms.
    pub alarms: Vec<usize>,
}

/// Judges up to 28 days. A day alarms when so few events are hardly possible (below 1 in 10 000, or two days running
/// below 1 in 100), or when more events happened than events of the rung below.
pub fn reliability(days: &[DayVolume], dispersion: f64) -> Reliability {
    let spend: f64 = days.iter().map(|d| d.spend).sum();
    let events: f64 = days.iter().map(|d| d.events).sum();
    let mut result = Reliability { score: 1.0, days: 0, silent: 0, alarms: Vec::new() };
    let mut odd_before = false;
    for (index, day) in days.iter().enumerate() {
        if day.spend <= 0.0 {
            odd_before = false;
            continue;
        }
        result.days += 1;
        let expected = if spend > 0.0 { events / spend * day.spend } else { 0.0 };
        result.silent += usize::from(day.events <= 0.0 && expected >= 5.0);
        let p = p_at_most(day.events, expected, dispersion);
        let odd = p < 0.01;
        let disorder = day.parent.is_some_and(|parent| day.events > parent);
        if p < 1e-4 || (odd && odd_before) || disorder {
            result.alarms.push(index);
        }
        odd_before = odd;
    }
    if result.days > 0 {
        let share = |n: usize| 1.0 - count(n) / count(result.days);
        result.score = round12(share(result.silent) * share(result.alarms.len()));
    }
    result
}

/// Probability of not a single event where `expected` were to be expected.
pub fn p_silent(expected: f64, dispersion: f64) -> f64 {
    round12(p_at_most(0.0, expected, dispersion))
}

/// `P(Y ≤ y)` of a negative binomial with this mean and variance ÷ mean; Poisson at dispersion 1.
fn p_at_most(y: f64, mean: f64, dispersion: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    if dispersion <= 1.0 + 1e-9 {
        return gamma_tails(y + 1.0, mean).1;
    }
    let size = mean / (dispersion - 1.0);
    beta_inc(size, y + 1.0, 1.0 / dispersion)
}

/// A rung with what is known of it, lowest first when given to [`choose`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its key, e.g. `add_to_cart`.
    pub key: String,
    /// Its volume per ad set.
    pub volume: Volume,
    /// Its signal quality, 0 to 1 ([`Correlation::quality`]).
    pub quality: f64,
    /// Its reliability, 0 to 1 ([`Reliability::score`]).
    pub reliability: f64,
}

/// What [`choose`] asks of a rung.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// Events per week and ad set for a rung below the last.
    pub events: f64,
    /// Macro-conversions per week for the last rung.
    pub macro_events: f64,
    /// Probability asked of that forecast.
    pub probability: f64,
    /// Planned budget relative to the observed one.
    pub budget: f64,
    /// Events per week of AddToCart that make it the floor: below it clicks are cheap and say little of buying.
    pub cart_floor: f64,
}

impl Default for Demand {
    fn default() -> Self {
        Self {
            events: EVENTS_TO_LEARN,
            macro_events: 30.0,
            probability: 0.80,
            budget: 1.0,
            cart_floor: 15.0,
        }
    }
}

/// A line of the rung table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankedRung {
    /// Key of the rung.
    pub key: String,
    /// Its forecast; None without days.
    pub forecast: Option<Forecast>,
    /// Forecast meets the demand.
    pub viable: bool,
    /// `P^0.5 × quality^0.3 × reliability^0.2`: orders the explanation, decides nothing.
    pub score: f64,
    /// Budget, relative to the observed one, that would make it viable (up to ten times); None when viable or out of
    /// reach.
    pub budget_needed: Option<f64>,
}

/// The chosen rung and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Key of the chosen rung; None when no rung has any events.
    pub key: Option<String>,
    /// Why this one, in a sentence.
    pub reason: String,
    /// All rungs, lowest first as given.
    pub rungs: Vec<RankedRung>,
}

/// The highest rung with enough events; if that lies below AddToCart and carts reach the floor, AddToCart.
pub fn choose(candidates: &[Candidate], demand: &Demand) -> Choice {
    let last = candidates.len().saturating_sub(1);
    let rungs: Vec<RankedRung> = candidates
        .iter()
        .enumerate()
        .map(|(index, candidate)| rank(candidate, index == last, demand))
        .collect();
    let highest = rungs.iter().rposition(|rung| rung.viable);
    let cart = rungs.iter().position(|rung| rung.key == "add_to_cart");
    let mean = |index: usize| {
        rungs.get(index).and_then(|r| r.forecast).map_or(0.0, |forecast| forecast.mean)
    };
    let pct = demand.probability * 100.0;
    let (picked, reason) = match (highest, cart) {
        (Some(top), Some(cart)) if top < cart && mean(cart) >= demand.cart_floor => (
            Some(cart),
            format!(
                "add_to_cart makes about {:.0} events a week: fewer than learning needs, but enough to prefer it to \
                 rungs further from a purchase",
                mean(cart)
            ),
        ),
        (Some(top), _) if top == last => (
            Some(top),
            format!("{:.0} a week: enough to optimise for the macro-conversion itself", mean(top)),
        ),
        (Some(top), _) => (
            Some(top),
            format!(
                "the highest rung that makes {:.0} events a week with at least {pct:.0} % probability",
                demand.events
            ),
        ),
        (None, Some(cart)) if mean(cart) >= demand.cart_floor => (
            Some(cart),
            format!(
                "no rung reaches {:.0} events a week; add_to_cart comes close enough",
                demand.events
            ),
        ),
        (None, _) => {
            let most = (0..rungs.len()).rev().max_by(|a, b| mean(*a).total_cmp(&mean(*b)));
            let seen = |i: &usize| candidates.get(*i).is_some_and(|c| c.volume.events > 0.0);
            let most = most.filter(seen);
            (
                most,
                format!(
                    "no rung reaches {:.0} events a week; this one comes closest",
                    demand.events
                ),
            )
        }
    };
    let key = picked.and_then(|index| rungs.get(index)).map(|rung| rung.key.clone());
    let reason = if key.is_some() { reason } else { "no rung has any events".to_owned() };
    Choice { key, reason, rungs }
}

fn rank(candidate: &Candidate, is_macro: bool, demand: &Demand) -> RankedRung {
    let threshold = if is_macro { demand.macro_events } else { demand.events };
    let forecast = candidate.volume.forecast(demand.budget, threshold);
    let p = forecast.map_or(0.0, |f| f.p_enough);
    let viable = p >= demand.probability;
    let score =
        sqrt(p) * pow(candidate.quality.max(0.0), 0.3) * pow(candidate.reliability.max(0.0), 0.2);
    let needed = || candidate.volume.budget_needed(threshold, demand.probability, 10.0);
    RankedRung {
        key: candidate.key.clone(),
        forecast,
        viable,
        score: round12(score),
        budget_needed: if viable { None } else { needed() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fortnight(events: f64) -> Volume {
        Volume { events, days: 14.0, dispersion: 1.5 }
    }

    #[test]
    fn fifty_a_week_is_a_coin_toss_and_sixty_is_consistent() {
        for (per_week, want) in
            [(40.0, 0.18), (45.0, 0.33), (50.0, 0.50), (60.0, 0.79), (75.0, 0.97)]
        {
            let p = fortnight(2.0 * per_week).forecast(1.0, 50.0).unwrap().p_enough;
            assert!((p - want).abs() < 0.025, "{per_week}: {p}");
        }
    }

    #[test]
    fn one_good_day_is_not_a_forecast() {
        let day = Volume { events: 10.0, days: 1.0, dispersion: 1.5 };
        let fortnight = Volume { events: 140.0, days: 14.0, dispersion: 1.5 };
        assert!(day.forecast(1.0, 50.0).unwrap().p_enough < 0.85);
        assert!(fortnight.forecast(1.0, 50.0).unwrap().p_enough > 0.9);
    }

    #[test]
    fn half_the_budget_makes_a_little_more_than_half_the_events() {
        let full = fortnight(200.0).forecast(1.0, 50.0).unwrap();
        let half = fortnight(200.0).forecast(0.5, 50.0).unwrap();
        assert!(half.mean > 0.5 * full.mean && half.mean < 0.6 * full.mean);
        let needed = fortnight(60.0).budget_needed(50.0, 0.8, 10.0).unwrap();
        assert!((1.8..2.6).contains(&needed), "30 a week need about twice the budget: {needed}");
        assert_eq!(fortnight(1.0).budget_needed(50.0, 0.8, 10.0), None);
    }

    #[test]
    fn an_accounts_own_days_tell_its_noise_and_the_week_is_no_noise() {
        // A steady shop that sells twice as much on Sundays; then one whose every day is anybody's guess.
        let steady: Vec<_> =
            (0..56).map(|n| Some((100.0, if n % 7 == 6 { 40.0 } else { 20.0 }))).collect();
        assert!(own_dispersion(&steady) < 1.01, "{}", own_dispersion(&steady));
        let wild: Vec<_> =
            (0..56).map(|n| Some((100.0, if n * 5 % 11 < 5 { 5.0 } else { 45.0 }))).collect();
        assert!(own_dispersion(&wild) > 6.0, "{}", own_dispersion(&wild));
        assert!((own_dispersion(&[]) - USUAL_DISPERSION).abs() < 1e-12);
        let (mut short, mut holed) = (steady, wild);
        short.truncate(10);
        assert!((1.2..1.5).contains(&own_dispersion(&short)), "three pairs say little");
        holed.iter_mut().step_by(2).for_each(|day| *day = None);
        assert!(own_dispersion(&holed).is_finite());
    }

    #[test]
    fn the_budget_needed_is_the_one_that_halving_the_whole_range_finds() {
        for events in [6.0, 31.0, 60.0, 99.0, 180.0, 2_000.0] {
            for (threshold, wanted) in [(50.0, 0.8), (30.0, 0.5), (30.0, 0.8), (400.0, 0.95)] {
                let v = fortnight(events);
                let enough = |s: f64| v.forecast(s, threshold).unwrap().p_enough >= wanted;
                let (mut low, mut high) = (0.0, 10.0);
                for _ in 0..14 {
                    let middle = 0.5 * (low + high);
                    if enough(middle) { high = middle } else { low = middle }
                }
                let want = enough(10.0).then(|| round12(high));
                assert_eq!(v.budget_needed(threshold, wanted, 10.0), want, "{events} {threshold}");
            }
        }
    }

    #[test]
    fn the_macro_rate_interval_holds_the_observed_rate_and_survives_more_purchases_than_carts() {
        let rate = macro_rate(41.0, 11.0, 1.5);
        assert!(rate.low < 0.268 && rate.high > 0.269 && rate.low > 0.1, "{rate:?}");
        let odd = macro_rate(5.0, 9.0, 1.5);
        assert!(odd.median > 0.8 && odd.high <= 1.0, "{odd:?}");
        assert_eq!(macro_rate(0.0, 0.0, 1.5).observed, None);
    }

    #[test]
    fn few_weeks_leave_the_prior_and_many_tell_the_truth() {
        let week = |n: usize, sign: f64| {
            let swing = [0.0, 60.0, -60.0, 120.0, -120.0][n % 5];
            Week { spend: 700.0, events: 300.0 + swing, macros: 200.0 + sign * 0.7 * swing }
        };
        let few: Vec<_> = (0..3).map(|n| week(n, 1.0)).collect();
        let c = correlation(&few, 1.5, 0.45);
        assert!((c.corrected - 0.45).abs() < 1e-9 && c.weeks == 0);
        let many = |sign: f64| -> Vec<_> { (0..40).map(|n| week(n, sign)).collect() };
        assert!(correlation(&many(1.0), 1.5, 0.45).corrected > 0.8);
        assert!(correlation(&many(-1.0), 1.5, 0.45).corrected < -0.5);
    }

    #[test]
    fn a_silent_day_and_a_broken_funnel_alarm() {
        let good = DayVolume { spend: 100.0, events: 30.0, parent: Some(90.0) };
        let mut days = vec![good; 28];
        assert!((reliability(&days, 1.5).score - 1.0).abs() < 1e-12);
        days[4].events = 0.0;
        days[9] = DayVolume { events: 95.0, ..good };
        let r = reliability(&days, 1.5);
        assert_eq!((r.silent, r.alarms.as_slice()), (1, [4, 9].as_slice()));
        assert!(r.score < 0.96);
    }

    fn candidate(key: &str, per_week: f64) -> Candidate {
        let volume = fortnight(2.0 * per_week);
        Candidate { key: key.into(), volume, quality: 0.5, reliability: 1.0 }
    }

    #[test]
    fn the_highest_rung_with_enough_events_is_chosen() {
        let ladder = |counts: [f64; 4]| -> Vec<_> {
            ["view_content", "add_to_cart", "initiate_checkout", "purchase"]
                .into_iter()
                .zip(counts)
                .map(|(key, n)| candidate(key, n))
                .collect()
        };
        let pick = |counts| choose(&ladder(counts), &Demand::default()).key;
        assert_eq!(pick([900.0, 200.0, 90.0, 12.0]).as_deref(), Some("initiate_checkout"));
        assert_eq!(pick([900.0, 200.0, 90.0, 45.0]).as_deref(), Some("purchase"));
        assert_eq!(pick([900.0, 20.0, 9.0, 2.0]).as_deref(), Some("add_to_cart"));
        assert_eq!(pick([900.0, 5.0, 2.0, 1.0]).as_deref(), Some("view_content"));
        assert_eq!(pick([20.0, 4.0, 2.0, 1.0]).as_deref(), Some("view_content"));
        assert_eq!(pick([0.0, 0.0, 0.0, 0.0]), None, "nothing has happened yet");
        let table = choose(&ladder([900.0, 200.0, 45.0, 2.0]), &Demand::default());
        assert!(table.rungs[2].budget_needed.unwrap() > 1.0);
    }
}
