//! The weekly audit of an account's events: ratios, friction, sweet spot, learning, cost, spiral, pixel.
//!
//! Every finding has its figures and either the name of an action or none. Nothing here changes anything.

use serde::{Deserialize, Serialize};

use super::{RungTable, Series};
use crate::domain::{
    forecast::{MacroRate, daily_dispersion, macro_rate},
    signals::{
        self, CostSignal, Friction, LearningSignal, SignalAction, Spiral, SpiralWeek, cost_trend,
    },
    verdict::{USUAL_DISPERSION, round12, special::count},
};

/// Days of ratios and friction.
const MONTH: usize = 28;
/// Weeks of cost steadiness.
const COST_WEEKS: usize = 8;
/// A rung counts as silent when this many events were to be expected on a day without any.
const EXPECTED_A_DAY: f64 = 5.0;
/// The most dispersion a ratio of two events of the same days is given.
const RATIO_NOISE: f64 = 4.0;
/// Below this correlation with the macro-conversion an event says too little of buying.
const NOISY_BELOW: f64 = 0.60;
/// A rung that happens less than this often per macro-conversion has no volume advantage.
const NO_ADVANTAGE_BELOW: f64 = 2.0;
/// False alarms of the spiral detector per 26 stable weeks, as simulated.
pub const SPIRAL_FALSE_ALARMS: f64 = 0.003;

/// What a finding asks a person to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Put the budget into fewer ad sets.
    ConsolidateAdSets,
    /// Move to a lower rung.
    StepDown,
    /// Look at the checkout: price shocks, forced sign-up, payment.
    CheckCheckout,
    /// Do not judge single weeks.
    JudgeLongerWindows,
    /// Look whether the pixel still sends this event.
    CheckPixel,
}

impl Action {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConsolidateAdSets => "put the budget into fewer ad sets",
            Self::StepDown => "move to a lower rung, and cut no budget until then",
            Self::CheckCheckout => "look at the checkout: price shocks, forced sign-up, payment",
            Self::JudgeLongerWindows => "do not judge single weeks",
            Self::CheckPixel => "check that the pixel still sends this event",
        }
    }
}

impl From<SignalAction> for Action {
    fn from(action: SignalAction) -> Self {
        match action {
            SignalAction::ConsolidateAdSets => Self::ConsolidateAdSets,
            SignalAction::StepDown => Self::StepDown,
            SignalAction::CheckCheckout => Self::CheckCheckout,
            SignalAction::JudgeLongerWindows => Self::JudgeLongerWindows,
        }
    }
}

/// How often one event is followed by the next, this month and the month before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRatio {
    /// The earlier event.
    pub from: String,
    /// The later one.
    pub to: String,
    /// Their counts over 28 usable days.
    pub events: (f64, f64),
    /// Later per earlier, 90 % interval.
    pub rate: MacroRate,
    /// The same over the 28 usable days before those; None without them.
    pub before: Option<MacroRate>,
    /// The two intervals do not overlap.
    pub moved: bool,
}

/// Where a rung lies between "too low, noisy" and "too high, no volume".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spot {
    /// Frequent, but says too little of buying.
    TooLow,
    /// Frequent enough and telling.
    Sweet,
    /// Hardly more frequent than the macro-conversion, or too rare to learn from.
    TooHigh,
}

impl Spot {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLow => "too low",
            Self::Sweet => "sweet spot",
            Self::TooHigh => "too high",
        }
    }
}

/// The place of one rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweetSpot {
    /// The rung.
    pub rung: String,
    /// Where it lies.
    pub spot: Spot,
    /// Why, with figures.
    pub why: String,
}

/// Learning of one ad set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetLearning {
    /// The ad set.
    pub adset: String,
    /// Its name; foreign text.
    pub name: String,
    /// The signal; `from_meta` tells whether Meta's own field decided it or an estimate from counts.
    pub signal: LearningSignal,
    /// Action.
    pub action: Option<Action>,
}

/// Cost per optimised event of the line, by week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineCost {
    /// The rung whose events are counted.
    pub rung: String,
    /// Steadiness; None with fewer than three weeks that have events.
    pub signal: Option<CostSignal>,
    /// Growth of the cost per week, e.g. 0.04; None with fewer than three weeks that have events.
    pub trend: Option<f64>,
    /// Action.
    pub action: Option<Action>,
}

/// Whether the pixel still sends an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PixelHealth {
    /// The rung.
    pub rung: String,
    /// Events a day to be expected on the newest day's spend.
    pub expected_a_day: f64,
    /// Newest usable days in a row without a single event, though [`Self::expected_a_day`] is at least 5.
    pub silent_run: usize,
    /// Days of the month that alarmed: silent, a drop hardly possible, or more events than the step before.
    pub alarm_days: usize,
    /// Action.
    pub action: Option<Action>,
}

/// One ad set of the audit.
#[derive(Debug, Clone)]
pub struct AuditSet {
    /// Its id.
    pub id: String,
    /// Its name; foreign text.
    pub name: String,
    /// Its days.
    pub series: Series,
    /// Meta's own word on learning: has left it, has not; None where Meta says nothing.
    pub left_learning: Option<bool>,
}

/// What is audited.
#[derive(Debug, Clone)]
pub struct AuditInput<'a> {
    /// The line's days.
    pub line: &'a Series,
    /// Its live ad sets.
    pub adsets: &'a [AuditSet],
    /// Keys of the rungs, lowest first.
    pub keys: &'a [String],
    /// The rung the line stands on.
    pub rung: usize,
    /// The rung table of the same line.
    pub table: &'a RungTable,
}

/// The audit of one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventAudit {
    /// Adjacent ratios, lowest first.
    pub ratios: Vec<EventRatio>,
    /// AddToCart per purchase, where the ladder has both.
    pub friction: Option<Friction>,
    /// Place of every rung below the macro rung.
    pub spots: Vec<SweetSpot>,
    /// By ad set.
    pub learning: Vec<SetLearning>,
    /// Cost of the optimised event.
    pub cost: LineCost,
    /// Death spiral; None with fewer than six weeks.
    pub spiral: Option<Spiral>,
    /// False alarms of that detector per 26 stable weeks, as simulated.
    pub spiral_false_alarms: f64,
    /// By rung.
    pub pixel: Vec<PixelHealth>,
    /// Every finding that asks for something: the action and why.
    pub actions: Vec<(Action, String)>,
}

/// Audits one line.
pub fn audit(input: &AuditInput<'_>) -> EventAudit {
    let mut out = EventAudit {
        ratios: ratios(input),
        friction: friction(input),
        spots: spots(input),
        learning: input.adsets.iter().map(|set| learning(input, set)).collect(),
        cost: cost(input),
        spiral: spiral(input),
        spiral_false_alarms: SPIRAL_FALSE_ALARMS,
        pixel: (0..input.keys.len()).map(|i| pixel(input, i)).collect(),
        actions: Vec::new(),
    };
    out.actions = actions(&out);
    out
}

fn sums(line: &Series, skip: usize, rungs: [usize; 2]) -> (usize, f64, f64, f64) {
    let part: Vec<_> = line.days.iter().rev().filter(|d| d.usable).skip(skip).take(MONTH).collect();
    let pairs: Vec<(f64, f64)> = part.iter().map(|d| (d.spend, d.of(rungs[0]))).collect();
    let total = |rung: usize| part.iter().map(|d| d.of(rung)).sum::<f64>();
    (part.len(), total(rungs[0]), total(rungs[1]), daily_dispersion(&pairs))
}

fn ratios(input: &AuditInput<'_>) -> Vec<EventRatio> {
    let pairs = input.keys.iter().zip(input.keys.iter().skip(1)).enumerate();
    pairs
        .map(|(i, (from, to))| {
            let (_, events, later, phi) = sums(input.line, 0, [i, i + 1]);
            let rate = macro_rate(events, later, phi);
            let (days, old_events, old_later, old_phi) = sums(input.line, MONTH, [i, i + 1]);
            let before = (days == MONTH).then(|| macro_rate(old_events, old_later, old_phi));
            let moved = before.is_some_and(|b| b.high < rate.low || b.low > rate.high);
            EventRatio {
                from: from.clone(),
                to: to.clone(),
                events: (events, later),
                rate,
                before,
                moved,
            }
        })
        .collect()
}

fn friction(input: &AuditInput<'_>) -> Option<Friction> {
    let at = |key: &str| input.keys.iter().position(|k| k == key);
    let (cart, purchase) = (at("add_to_cart")?, at("purchase")?);
    let (_, carts, purchases, phi) = sums(input.line, 0, [cart, purchase]);
    // Shocks common to carts and purchases cancel in their ratio: its own noise is never as wild as the carts' days.
    (carts > 0.0).then(|| signals::friction(carts, purchases, phi.min(RATIO_NOISE)))
}

fn spots(input: &AuditInput<'_>) -> Vec<SweetSpot> {
    let micro = input.table.rungs.len().saturating_sub(1);
    let macro_weekly = input.table.macro_weekly;
    let rows = input.table.rungs.iter().take(micro);
    rows.map(|row| {
        let p = row.at_test.map_or(0.0, |f| f.p_enough) * 100.0;
        let advantage = if macro_weekly > 0.0 { row.weekly / macro_weekly } else { f64::INFINITY };
        let (r, weeks) = (row.correlation.corrected, row.correlation.weeks);
        let basis = if weeks == 0 { "assumed" } else { "measured and shrunk" };
        let (spot, why) = if r < NOISY_BELOW {
            let why = format!(
                "{:.0} a week, but its correlation with the macro-conversion is {r:.2} ({basis}): noisy",
                row.weekly
            );
            (Spot::TooLow, why)
        } else if !row.viable || advantage < NO_ADVANTAGE_BELOW {
            let times = if advantage.is_finite() {
                format!("{advantage:.1} times the macro-conversion")
            } else {
                "no macro-conversion to compare with".to_owned()
            };
            let why = format!(
                "{:.0} a week per ad set ({times}), P(enough in a test) {p:.0} %: not the volume to learn from",
                row.weekly_per_adset
            );
            (Spot::TooHigh, why)
        } else {
            let why = format!(
                "{:.0} a week per ad set, P(enough in a test) {p:.0} %, correlation {r:.2} ({basis})",
                row.weekly_per_adset
            );
            (Spot::Sweet, why)
        };
        SweetSpot { rung: row.key.clone(), spot, why }
    })
    .collect()
}

fn learning(input: &AuditInput<'_>, set: &AuditSet) -> SetLearning {
    let (events, days) = set.series.total(7, input.rung);
    let weekly = if days == 0 { 0.0 } else { events * 7.0 / count(days) };
    let (before, days_before) = set.series.total(14, input.rung);
    // The label of the week before, so that it does not flap.
    let old = (days_before == 14).then(|| {
        signals::learning(before - events, USUAL_DISPERSION, None, set.left_learning).band
    });
    let signal = signals::learning(weekly, USUAL_DISPERSION, old, set.left_learning);
    // One ad set cannot be consolidated: what helps it is a lower rung, as long as there is one.
    let action = match signal.action {
        Some(_) if input.adsets.len() < 2 => (input.rung > 0).then_some(Action::StepDown),
        other => other.map(Action::from),
    };
    SetLearning { adset: set.id.clone(), name: set.name.clone(), signal, action }
}

fn cost(input: &AuditInput<'_>) -> LineCost {
    let weeks: Vec<(f64, f64)> =
        input.line.weeks(COST_WEEKS, input.rung).into_iter().map(|(s, e, _)| (s, e)).collect();
    let signal = signals::cost_stability(&weeks, input.line.own_dispersion(input.rung));
    let action = signal.as_ref().and_then(|s| s.action).map(Action::from);
    let rung = input.keys.get(input.rung).cloned().unwrap_or_default();
    LineCost { rung, trend: cost_trend(&weeks), signal, action }
}

fn spiral(input: &AuditInput<'_>) -> Option<Spiral> {
    let weeks: Vec<SpiralWeek> = input
        .line
        .weeks(6, input.rung)
        .into_iter()
        .map(|(spend, events, _)| SpiralWeek { spend, events })
        .collect();
    signals::death_spiral(&weeks, input.line.own_dispersion(input.rung))
}

fn pixel(input: &AuditInput<'_>, rung: usize) -> PixelHealth {
    let days: Vec<_> = input.line.days.iter().rev().filter(|d| d.usable).collect();
    let silent_run = days.iter().take_while(|d| d.of(rung) <= 0.0 && d.spend > 0.0).count();
    // What was usual before the silence, at the newest day's spend.
    let usual: Vec<_> = days.iter().skip(silent_run).take(MONTH).collect();
    let spend: f64 = usual.iter().map(|d| d.spend).sum();
    let events: f64 = usual.iter().map(|d| d.of(rung)).sum();
    let newest = days.first().map_or(0.0, |d| d.spend);
    let expected = if spend > 0.0 { events / spend * newest } else { 0.0 };
    let broken = silent_run > 0 && expected >= EXPECTED_A_DAY;
    let row = input.table.rungs.get(rung);
    let alarm_days = row.map_or(0, |r| r.alarm_days);
    PixelHealth {
        rung: input.keys.get(rung).cloned().unwrap_or_default(),
        expected_a_day: round12(expected),
        silent_run: if broken { silent_run } else { 0 },
        alarm_days,
        action: broken.then_some(Action::CheckPixel),
    }
}

fn actions(audit: &EventAudit) -> Vec<(Action, String)> {
    let mut found = Vec::new();
    if let Some(f) = audit.friction.filter(|f| f.flagged) {
        let carts =
            f.carts_per_purchase.map_or("no purchase for".to_owned(), |c| format!("{c:.1}"));
        let why = format!("{carts} carts per purchase; P(more than ten) {:.0} %", f.p * 100.0);
        found.push((Action::CheckCheckout, why));
    }
    if let Some(s) = audit.spiral.filter(|s| s.flagged) {
        let why = format!(
            "spend fell to {:.0} % and events to {:.0} % of before while events got dearer (P {:.0} %)",
            s.spend_ratio * 100.0,
            s.events_ratio * 100.0,
            s.p_dearer * 100.0
        );
        found.push((Action::StepDown, why));
    }
    for set in &audit.learning {
        let Some(action) = set.action else { continue };
        let by = if set.signal.from_meta { "Meta's status" } else { "an estimate" };
        let why = format!(
            "ad set {} makes {:.0} events in seven days: {} ({by})",
            set.adset,
            set.signal.events,
            set.signal.band.as_str()
        );
        found.push((action, why));
    }
    if let (Some(action), Some(s)) = (audit.cost.action, &audit.cost.signal) {
        let why = format!(
            "weekly cost per {} varies by {:.0} %; counting alone explains {:.0} %",
            audit.cost.rung,
            s.cv * 100.0,
            s.noise_cv * 100.0
        );
        found.push((action, why));
    }
    for health in audit.pixel.iter().filter(|p| p.action.is_some()) {
        let why = format!(
            "no {} for {} days although {:.0} a day were to be expected",
            health.rung, health.silent_run, health.expected_a_day
        );
        found.push((Action::CheckPixel, why));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Day,
        forecast::Demand,
        watch::{RungInput, SeriesDay, rung_table},
    };

    fn line(per_day: &[f64], days: usize) -> Series {
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
    fn judged(line: &Series, left_learning: Option<bool>) -> EventAudit {
        let keys: Vec<String> = ["view_content", "add_to_cart", "initiate_checkout", "purchase"]
            .map(String::from)
            .into();
        let input = RungInput {
            line,
            adsets: 1,
            keys: &keys,
            ambiguous: &[false; 4],
            demand: Demand::default(),
        };
        let table = rung_table(&input);
        let set =
            AuditSet { id: "7".into(), name: "one".into(), series: line.clone(), left_learning };
        audit(&AuditInput { line, adsets: &[set], keys: &keys, rung: 3, table: &table })
    }

    #[test]
    fn a_healthy_shop_that_sells_too_little_is_told_to_step_down_and_nothing_else() {
        let found = judged(&line(&[60.0, 20.0, 12.0, 2.0], 60), None);
        let what: Vec<Action> = found.actions.iter().map(|(a, _)| *a).collect();
        assert_eq!(what, [Action::StepDown], "{:?}", found.actions);
        assert!(found.actions[0].1.contains("an estimate"));
        assert!(found.ratios.iter().all(|r| !r.moved && r.before.is_some()));
        let spots: Vec<Spot> = found.spots.iter().map(|s| s.spot).collect();
        assert_eq!(spots, [Spot::TooLow, Spot::Sweet, Spot::Sweet]);
    }

    #[test]
    fn metas_own_word_outranks_the_estimate() {
        let found = judged(&line(&[60.0, 20.0, 12.0, 2.0], 60), Some(true));
        assert!(found.learning[0].signal.from_meta && found.learning[0].action.is_none());
    }

    #[test]
    fn a_dead_pixel_is_told_from_a_quiet_day() {
        let mut dead = line(&[60.0, 20.0, 12.0, 2.0], 60);
        for day in dead.days.iter_mut().rev().take(3) {
            day.events[1] = 0.0;
            day.events[3] = 0.0;
        }
        let found = judged(&dead, None);
        let cart = &found.pixel[1];
        assert_eq!((cart.silent_run, cart.action), (3, Some(Action::CheckPixel)));
        assert_eq!(found.pixel[3].action, None, "two purchases a day are too few to tell");
    }

    #[test]
    fn a_ratio_that_moved_is_named_and_friction_needs_probability() {
        let mut shop = line(&[60.0, 20.0, 12.0, 2.5], 60);
        for day in shop.days.iter_mut().rev().take(28) {
            day.events[3] = 0.8;
        }
        let found = judged(&shop, None);
        assert!(found.ratios[2].moved && !found.ratios[0].moved);
        assert!(found.friction.unwrap().flagged);
        assert!(found.actions.iter().any(|(a, _)| *a == Action::CheckCheckout));
    }
}
