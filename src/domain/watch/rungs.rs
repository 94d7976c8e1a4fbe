//! The rung table: for each rung how many events, how sure, how much they say of buying, how well they are measured.

use serde::{Deserialize, Serialize};

use super::Series;
use crate::domain::{
    forecast::{
        Candidate, Choice, Correlation, DayVolume, Demand, Forecast, MacroRate, Volume, Week,
        choose, correlation, daily_dispersion, macro_rate, reliability, usual_correlation,
    },
    verdict::{round12, special::count},
};

/// Days a volume forecast counts over, as in the decision.
const VOLUME_DAYS: usize = 14;
/// Days of rates and reliability.
const MONTH: usize = 28;
/// Weeks of the correlation.
const WEEKS: usize = 26;

/// What the table is made from.
#[derive(Debug, Clone)]
pub struct RungInput<'a> {
    /// The line's days, all its ad sets together.
    pub line: &'a Series,
    /// Live ad sets.
    pub adsets: usize,
    /// Keys of the rungs, lowest first.
    pub keys: &'a [String],
    /// Rungs whose count includes other events (custom events of a pixel are lumped together).
    pub ambiguous: &'a [bool],
    /// What the gates ask; `budget` is the share of the run-rate an arm of a test gets.
    pub demand: Demand,
}

/// One rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RungRow {
    /// Its key.
    pub key: String,
    /// Events a week of the whole line, over the last 14 usable days.
    pub weekly: f64,
    /// The same per live ad set; for the macro rung the whole line, as its gate counts.
    pub weekly_per_adset: f64,
    /// Variance ÷ mean of its daily counts over 28 days, weekday swings included: what alarms and rates are judged by.
    pub dispersion: f64,
    /// Next week per ad set at the present budget.
    pub planned: Option<Forecast>,
    /// Next week per ad set at an arm's budget during a test: this is what the gate asks for.
    pub at_test: Option<Forecast>,
    /// Macro-conversions per event, 90 % interval, over 28 days.
    pub rate: MacroRate,
    /// Correlation with the macro-conversion, freed from counting noise.
    pub correlation: Correlation,
    /// 0 to 1: measured without missing, silent, impossible or misnamed days.
    pub reliability: f64,
    /// Days of the last 28 that no complete read covers.
    pub missing_days: usize,
    /// Days without an event though five or more were to be expected.
    pub silent_days: usize,
    /// Days whose count is hardly possible: a drop, or more events than the step before.
    pub alarm_days: usize,
    /// Days on which another name of this event was counted and its own was not.
    pub alias_gaps: usize,
    /// Its count includes other events.
    pub ambiguous: bool,
    /// The gate's demand is met.
    pub viable: bool,
    /// Orders the explanation, decides nothing.
    pub score: f64,
    /// Budget, relative to an arm's, that would make it viable (up to ten times); None when viable or out of reach.
    pub budget_needed: Option<f64>,
}

/// Several ad sets share a volume that would be enough for one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consolidation {
    /// The rung that one ad set could stand on.
    pub rung: String,
    /// Live ad sets.
    pub adsets: usize,
    /// Its events a week per ad set.
    pub per_adset: f64,
    /// Its events a week in one ad set.
    pub together: f64,
    /// Probability of enough in one ad set, at the test budget.
    pub p_together: f64,
    /// The advice.
    pub advice: String,
}

/// The whole table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RungTable {
    /// Usable days the volumes rest on; the decision wants 14.
    pub days: usize,
    /// Rungs, lowest first.
    pub rungs: Vec<RungRow>,
    /// The chosen rung.
    pub chosen: Option<String>,
    /// Why.
    pub reason: String,
    /// Put ad sets together first.
    pub consolidation: Option<Consolidation>,
    /// Macro-conversions a week over the last 28 usable days.
    pub macro_weekly: f64,
    /// Variance ÷ mean of their daily counts, from the account's own days: what the next test is planned with.
    pub macro_dispersion: f64,
    /// Probability that their long-run weekly mean is at least [`Demand::macro_events`].
    pub p_macro_enough: f64,
}

/// Builds the table.
pub fn rung_table(input: &RungInput<'_>) -> RungTable {
    let line = input.line;
    let last = input.keys.len().saturating_sub(1);
    let days = line.recent(VOLUME_DAYS).count();
    let facts: Vec<Facts> = (0..input.keys.len()).map(|i| Facts::of(input, i)).collect();
    let choice = chosen(input, &facts, input.adsets.max(1));
    let rungs: Vec<RungRow> = facts
        .into_iter()
        .zip(&choice.rungs)
        .enumerate()
        .map(|(i, (f, r))| f.row(input, i, r))
        .collect();
    let (macros, macro_days) = line.total(MONTH, last);
    let macro_dispersion = line.own_dispersion(last);
    let volume = Volume { events: macros, days: count(macro_days), dispersion: macro_dispersion };
    let p_macro_enough =
        if macro_days > 0 { volume.p_mean_at_least(input.demand.macro_events) } else { 0.0 };
    RungTable {
        days,
        consolidation: consolidation(input, &rungs, choice.key.as_deref()),
        rungs,
        chosen: choice.key,
        reason: choice.reason,
        macro_weekly: round12(line.weekly(MONTH, last)),
        macro_dispersion,
        p_macro_enough,
    }
}

fn volume(input: &RungInput<'_>, rung: usize, adsets: usize) -> Volume {
    let is_macro = rung + 1 == input.keys.len();
    let share = if is_macro { 1.0 } else { count(adsets) };
    let (events, days) = input.line.total(VOLUME_DAYS, rung);
    // The gate's own dispersion, so that table and gate agree.
    Volume {
        events: events / share,
        days: count(days),
        dispersion: input.line.own_dispersion(rung),
    }
}

fn chosen(input: &RungInput<'_>, facts: &[Facts], adsets: usize) -> Choice {
    let candidates: Vec<Candidate> = input
        .keys
        .iter()
        .zip(facts)
        .enumerate()
        .map(|(i, (key, f))| Candidate {
            key: key.clone(),
            volume: volume(input, i, adsets),
            quality: f.correlation.quality,
            reliability: f.reliability,
        })
        .collect();
    choose(&candidates, &input.demand)
}

struct Facts {
    dispersion: f64,
    rate: MacroRate,
    correlation: Correlation,
    reliability: f64,
    missing: usize,
    silent: usize,
    alarms: usize,
    alias_gaps: usize,
}

impl Facts {
    fn of(input: &RungInput<'_>, rung: usize) -> Self {
        let line = input.line;
        let month: Vec<&super::SeriesDay> = line.recent(MONTH).collect();
        let pairs: Vec<(f64, f64)> = month.iter().map(|d| (d.spend, d.of(rung))).collect();
        let dispersion = daily_dispersion(&pairs);
        let is_macro = rung + 1 == input.keys.len();
        let events: f64 = month.iter().map(|d| d.of(rung)).sum();
        let macros: f64 = month.iter().map(|d| d.macros()).sum();
        let key = input.keys.get(rung).map_or("", String::as_str);
        let correlation = if is_macro {
            let weeks = line.weeks(WEEKS, rung).len();
            Correlation { raw: Some(1.0), corrected: 1.0, weeks, instability: 0.0, quality: 1.0 }
        } else {
            let weeks: Vec<Week> = line
                .weeks(WEEKS, rung)
                .into_iter()
                .map(|(spend, events, macros)| Week { spend, events, macros })
                .collect();
            correlation(&weeks, dispersion, usual_correlation(key))
        };
        let below = rung.checked_sub(1).filter(|i| {
            // Only these are counted once each and in this order; views and clicks are counted another way.
            matches!(
                input.keys.get(*i).map(String::as_str),
                Some("add_to_cart" | "initiate_checkout" | "add_payment_info")
            )
        });
        let measured: Vec<DayVolume> = month
            .iter()
            .rev()
            .map(|d| DayVolume {
                spend: d.spend,
                events: d.of(rung),
                parent: below.map(|i| d.of(i)),
            })
            .collect();
        let found = reliability(&measured, dispersion);
        let alias_gaps = month
            .iter()
            .filter(|d| d.of(rung) <= 0.0 && d.aliases.get(rung).copied().unwrap_or(0.0) > 0.0)
            .count();
        let missing = line.missing(MONTH);
        let span = count(line.days.len().clamp(1, MONTH));
        let kept = (1.0 - count(missing) / span) * (1.0 - count(alias_gaps) / span);
        Self {
            dispersion,
            rate: macro_rate(events, macros, dispersion),
            correlation,
            reliability: round12(found.score * kept.max(0.0)),
            missing,
            silent: found.silent,
            alarms: found.alarms.len(),
            alias_gaps,
        }
    }

    fn row(
        self,
        input: &RungInput<'_>,
        rung: usize,
        ranked: &crate::domain::forecast::RankedRung,
    ) -> RungRow {
        let own = volume(input, rung, input.adsets.max(1));
        let threshold = ranked.forecast.map_or(input.demand.events, |f| f.threshold);
        RungRow {
            key: ranked.key.clone(),
            weekly: round12(input.line.weekly(VOLUME_DAYS, rung)),
            weekly_per_adset: round12(own.events * 7.0 / own.days.max(1.0)),
            dispersion: self.dispersion,
            planned: own.forecast(1.0, threshold),
            at_test: ranked.forecast,
            rate: self.rate,
            correlation: self.correlation,
            reliability: self.reliability,
            missing_days: self.missing,
            silent_days: self.silent,
            alarm_days: self.alarms,
            alias_gaps: self.alias_gaps,
            ambiguous: input.ambiguous.get(rung).copied().unwrap_or(false),
            viable: ranked.viable,
            score: ranked.score,
            budget_needed: ranked.budget_needed,
        }
    }
}

/// The highest rung above the chosen one that a single ad set could stand on and the present ones cannot.
fn consolidation(
    input: &RungInput<'_>,
    rungs: &[RungRow],
    chosen: Option<&str>,
) -> Option<Consolidation> {
    if input.adsets < 2 {
        return None;
    }
    let at = chosen.and_then(|key| input.keys.iter().position(|k| k == key));
    let micro = input.keys.len().saturating_sub(1);
    let demand = &input.demand;
    (0..micro).rev().find_map(|i| {
        let row = rungs.get(i)?;
        // The chosen rung itself may have been taken for want of anything better.
        if row.viable || at.is_some_and(|at| i < at) {
            return None;
        }
        let together = volume(input, i, 1).forecast(demand.budget, demand.events)?;
        (together.p_enough >= demand.probability).then(|| Consolidation {
            rung: row.key.clone(),
            adsets: input.adsets,
            per_adset: row.weekly_per_adset,
            together: row.weekly,
            p_together: together.p_enough,
            advice: format!(
                "{} ad sets share {:.0} {} a week, {:.0} each; in one ad set P(at least {:.0} a week) would be {:.0} %: \
                 put them together before moving to a lower rung",
                input.adsets,
                row.weekly,
                row.key,
                row.weekly_per_adset,
                demand.events,
                together.p_enough * 100.0
            ),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Day, watch::SeriesDay};

    fn series(per_day: &[f64], days: usize) -> Series {
        let first: Day = "2026-01-05".parse().unwrap();
        let day = |n: usize| SeriesDay {
            day: first.plus(i64::try_from(n).unwrap()),
            usable: true,
            spend: 10_000.0,
            events: per_day.to_vec(),
            aliases: vec![0.0; per_day.len()],
        };
        Series { days: (0..days).map(day).collect() }
    }
    fn keys() -> Vec<String> {
        ["view_content", "add_to_cart", "initiate_checkout", "purchase"].map(String::from).to_vec()
    }
    fn table(line: &Series, adsets: usize) -> RungTable {
        let keys = keys();
        let input = RungInput {
            line,
            adsets,
            keys: &keys,
            ambiguous: &[false; 4],
            demand: Demand::default(),
        };
        rung_table(&input)
    }

    #[test]
    fn volume_is_judged_per_ad_set_and_the_macro_rung_as_a_whole() {
        let line = series(&[60.0, 20.0, 12.0, 2.0], 42);
        let one = table(&line, 1);
        assert_eq!(one.chosen.as_deref(), Some("initiate_checkout"));
        assert_eq!(one.consolidation, None);
        let three = table(&line, 3);
        assert_eq!(three.chosen.as_deref(), Some("add_to_cart"));
        assert!((three.rungs[2].weekly_per_adset - 28.0).abs() < 1e-9);
        assert!((three.rungs[3].weekly_per_adset - 14.0).abs() < 1e-9);
    }

    #[test]
    fn ad_sets_that_share_enough_for_one_are_told_to_join() {
        let line = series(&[60.0, 20.0, 12.0, 2.0], 42);
        let advice = table(&line, 3).consolidation.unwrap();
        assert_eq!(advice.rung, "initiate_checkout");
        assert!(advice.p_together > 0.8 && advice.advice.contains("3 ad sets"), "{advice:?}");
    }

    #[test]
    fn unread_days_and_misnamed_counts_lower_the_reliability() {
        let mut line = series(&[60.0, 20.0, 12.0, 2.0], 28);
        line.days[3].usable = false;
        line.days[9].events[1] = 0.0;
        line.days[9].aliases[1] = 19.0;
        let row = table(&line, 1).rungs[1].clone();
        assert_eq!((row.missing_days, row.alias_gaps), (1, 1));
        assert_eq!(row.silent_days, 1);
        assert!(row.reliability < 0.92, "{row:?}");
    }

    #[test]
    fn the_sentence_about_thirty_purchases_rests_on_a_probability() {
        let few = table(&series(&[60.0, 20.0, 12.0, 2.0], 42), 1);
        assert!((few.macro_weekly - 14.0).abs() < 1e-9 && few.p_macro_enough < 0.01);
        let many = table(&series(&[90.0, 40.0, 20.0, 7.0], 42), 1);
        assert!(many.p_macro_enough > 0.95);
    }
}
