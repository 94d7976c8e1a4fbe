//! Lessons as readings: logarithms of rates and ratios with their noise, and the weight they give each market.

use libm::{exp, log};

use super::{Lesson, Market, SEASON_SD};
use crate::domain::verdict::USUAL_DISPERSION;

/// Dispersion of counts that bear witness; most of their noise is their own, not the purchases'.
pub(super) const DISPERSION: f64 = 1.4;
/// The same of a ratio of two neighbouring rungs, whose common ups and downs cancel.
const RATIO_DISPERSION: f64 = 1.2;
/// Variance by which a ratio of rungs may differ between two campaigns for reasons of its own.
const RATIO_VARIANCE: f64 = 0.003;
/// By how much the share of witnesses that buy is believed to change between two rungs, in its logarithm.
const HOLLOW_SD: f64 = 0.05;

/// What one lesson says.
#[derive(Debug, Clone, Copy)]
struct Reading {
    rung: usize,
    /// Optimised events a week the delivery learned from.
    learning: f64,
    /// ln of macro-conversions per money, as its optimised events tell (with their swell).
    rate: f64,
    rate_variance: f64,
    /// ln of how far the optimised event swelled against the rung above it, with its variance.
    swell: Option<(f64, f64)>,
}

/// Everything a line's lessons say.
#[derive(Debug)]
pub(super) struct Readings {
    of_placements: Vec<Reading>,
    /// Events of each rung per macro-conversion where nobody optimised for them.
    per_macro: Vec<f64>,
    /// ln of how much dearer each rung is because its witnesses bought less often.
    hollow: Vec<f64>,
}

/// Counts are taken half an event higher, so that none has a logarithm too.
fn half_more(events: f64) -> f64 {
    events + 0.5
}

#[expect(clippy::cast_precision_loss, reason = "statistics; exact up to 2^53")]
fn number(value: i64) -> f64 {
    value as f64
}

/// Macro-conversions as they would be had every purchase of the spend arrived, else the events as counted.
fn counted(lesson: &Lesson, rung: usize, top: usize) -> f64 {
    let events = lesson.events.get(rung).copied().map_or(0.0, f64::from);
    if rung == top && lesson.matured_minor > 0 {
        events * number(lesson.spend_minor) / number(lesson.matured_minor)
    } else {
        events
    }
}

impl Readings {
    pub(super) fn of(lessons: &[Lesson], keys: &[&str]) -> Option<Self> {
        let top = keys.len().checked_sub(1)?;
        let placed: Vec<(usize, &Lesson)> = lessons
            .iter()
            .filter(|lesson| lesson.spend_minor > 0)
            .filter_map(|lesson| Some((keys.iter().position(|k| *k == lesson.rung)?, lesson)))
            .collect();
        let lowest = placed.iter().map(|(rung, _)| *rung).min()?.min(top.saturating_sub(1));
        // ln of events per event of the rung above, where neither was swollen, and its variance: on the macro rung, or
        // if nothing is remembered of it, on rungs below both.
        let known = placed.iter().any(|(on, _)| *on == top);
        let mut steps = vec![(0.0, 0.0); top];
        for (rung, step) in steps.iter_mut().enumerate() {
            let honest = || placed.iter().filter(|(on, _)| *on == top || (!known && *on < rung));
            let of = |at: usize| half_more(honest().map(|(_, l)| counted(l, at, top)).sum());
            *step = ratio(of(rung), of(rung + 1));
        }
        let mut per_macro = vec![1.0; top + 1];
        for rung in (0..top).rev() {
            per_macro[rung] = per_macro[rung + 1] * exp(steps[rung].0);
        }
        let read = |(rung, lesson): &(usize, &Lesson)| {
            Self::read(*rung, lesson, top, lowest, &steps, &per_macro)
        };
        let of_placements = placed.iter().map(read).collect();
        let mut hollow = vec![0.0; top];
        for (rung, less) in hollow.iter_mut().enumerate().take(top.saturating_sub(1)) {
            let bought = |on: usize| {
                let there = || placed.iter().filter(move |(at, _)| *at == on);
                let sum = |of: usize| half_more(there().map(|(_, l)| counted(l, of, top)).sum());
                there().next().map(|_| ratio(sum(rung + 1), sum(top)))
            };
            if let (Some((seen, noise)), Some((usual, known))) = (bought(rung), bought(top)) {
                let trust = HOLLOW_SD * HOLLOW_SD;
                *less = (seen - usual) * trust / (trust + noise + known);
            }
        }
        Some(Self { of_placements, per_macro, hollow })
    }

    fn read(
        rung: usize,
        lesson: &Lesson,
        top: usize,
        lowest: usize,
        steps: &[(f64, f64)],
        per_macro: &[f64],
    ) -> Reading {
        let at = if rung == top { lowest } else { rung };
        let spend = number(lesson.spend_minor);
        let events = half_more(counted(lesson, at, top));
        let usual = per_macro.get(at).copied().unwrap_or(1.0);
        let days = f64::from(lesson.days);
        let season = SEASON_SD * SEASON_SD * 28.0 / days.max(5.0);
        // The more of an event there are per purchase, the less of the purchases' clumping it has.
        let dispersion = 1.0 + (USUAL_DISPERSION - 1.0) / usual.max(1.0);
        let between: f64 =
            if rung == top { 0.0 } else { steps.iter().take(rung).skip(lowest).map(|s| s.1).sum() };
        let swell = (rung < top).then(|| {
            let (seen, variance) = ratio(events, half_more(counted(lesson, rung + 1, top)));
            let (usual, known) = steps.get(rung).copied().unwrap_or((0.0, 0.0));
            (seen - usual, variance + known + RATIO_VARIANCE)
        });
        Reading {
            rung,
            learning: number(lesson.learning_milli) / 1000.0,
            rate: log(events / spend / usual),
            rate_variance: dispersion / events + season + between,
            swell,
        }
    }

    /// Events of a rung per macro-conversion where it is not optimised for.
    pub(super) fn per_macro(&self, rung: usize) -> f64 {
        self.per_macro.get(rung).copied().unwrap_or(1.0)
    }

    /// ln of how much dearer a rung is because its witnesses bought less often than elsewhere.
    pub(super) fn hollow(&self, rung: usize) -> f64 {
        self.hollow.get(rung).copied().unwrap_or(0.0)
    }

    /// Each market's share of the belief, and ln of the cost of a macro-conversion at full learning in it.
    ///
    /// The account's own level of cost is unknown in every market, so only differences between lessons weigh.
    pub(super) fn weigh(&self, markets: &[Market], signals: &[Vec<f64>]) -> Vec<(f64, f64)> {
        let mut found: Vec<(f64, f64)> =
            markets.iter().map(|market| self.likelihood(market, signals)).collect();
        let best = found.iter().map(|(ln, _)| *ln).fold(f64::NEG_INFINITY, f64::max);
        let mut whole = 0.0;
        for (weight, _) in &mut found {
            *weight = exp(*weight - best);
            whole += *weight;
        }
        for (weight, _) in &mut found {
            *weight /= whole;
        }
        found
    }

    fn likelihood(&self, market: &Market, signals: &[Vec<f64>]) -> (f64, f64) {
        let (mut weight, mut sum, mut squares, mut misfit) = (0.0, 0.0, 0.0, 0.0);
        for reading in &self.of_placements {
            let signal = signals.get(market.signal).and_then(|s| s.get(reading.rung));
            let signal = signal.copied().unwrap_or(1.0);
            let learned = market.learned(reading.learning);
            let swell = if reading.swell.is_some() { market.swell(signal, learned) } else { 0.0 };
            let rest = reading.rate + market.dearer(signal, learned) - swell;
            let w = 1.0 / reading.rate_variance;
            weight += w;
            sum += w * rest;
            squares += w * rest * rest;
            if let Some((seen, variance)) = reading.swell {
                misfit += (seen - swell) * (seen - swell) / variance;
            }
        }
        let mean = sum / weight;
        (log(market.weight) - 0.5 * (squares - sum * mean + misfit), -mean)
    }
}

/// ln of `more / fewer` of which the fewer are a part, with the variance of a share.
fn ratio(more: f64, fewer: f64) -> (f64, f64) {
    let variance = RATIO_DISPERSION * (1.0 / fewer - 1.0 / more).max(0.25 / fewer.max(more));
    (log(more / fewer), variance)
}
