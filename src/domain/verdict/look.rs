//! One scheduled evaluation of a comparison.
//!
//! A look uses exactly the days its schedule names (14, 21, 28, 35), not the days that happen to be there: asked again
//! on the days between, it gives the same answer, so looking more often cannot raise the risk of a wrong promotion. The
//! rule `always_valid` looks every day instead, with evidence made for that.

use std::fmt;

use libm::exp;
use serde::{Deserialize, Serialize};

use super::{
    dispersion::Dispersion,
    e_process::{For, ln_e_value},
    posterior::{Exposure, RatioPosterior},
    rule::{LookAt, Method, Rule},
    series::{Comparison, Row, Sums},
    special::round12,
    value::{ValueShift, value_shift},
};
use crate::planted::{Bug, bug};

/// What a look says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The challenger is not worse: shift the budget.
    Promote,
    /// The challenger is worse: stay with the incumbent.
    Stay,
    /// Undecided: go on to the next look.
    Extend,
    /// Undecided at the end: stay, and say that nothing was proven.
    Inconclusive,
    /// No look is due yet.
    TooEarly,
}

impl Outcome {
    /// As output and storage spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Stay => "stay",
            Self::Extend => "extend",
            Self::Inconclusive => "inconclusive",
            Self::TooEarly => "too_early",
        }
    }
}
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a look says what it says; [`fmt::Display`] gives the sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    /// Fewer paired decision days than the first look needs.
    NotEnoughDays {
        /// Days there are.
        have: usize,
        /// Days the first look needs.
        need: usize,
    },
    /// Fewer purchases than the gate asks.
    FewPurchases {
        /// Purchases of both arms.
        have: f64,
        /// Purchases asked.
        need: f64,
    },
    /// There is no spend to judge.
    NoSpend,
    /// The probability reaches the threshold.
    NotWorse {
        /// Probability that the CPA ratio is within the margin.
        p: f64,
        /// Threshold of this look.
        threshold: f64,
        /// The margin.
        margin: f64,
    },
    /// The probability is at or below the reject level.
    Worse {
        /// Probability that the CPA ratio is within the margin.
        p: f64,
        /// Reject level.
        threshold: f64,
        /// The margin.
        margin: f64,
    },
    /// Between the two.
    Undecided {
        /// Probability that the CPA ratio is within the margin.
        p: f64,
        /// Reject level.
        stay_at: f64,
        /// Threshold of this look.
        promote_at: f64,
    },
    /// Always-valid evidence reaches the odds wanted.
    ProvenNotWorse {
        /// Odds against "dearer than the margin allows".
        odds: f64,
        /// Odds wanted.
        wanted: f64,
        /// The margin.
        margin: f64,
    },
    /// Always-valid evidence of the contrary reaches the odds wanted.
    ProvenWorse {
        /// Odds for "dearer than the margin allows".
        odds: f64,
        /// Odds wanted.
        wanted: f64,
        /// The margin.
        margin: f64,
    },
    /// Neither does.
    Unproven {
        /// Odds against "dearer than the margin allows".
        not_worse: f64,
        /// Odds wanted of these.
        promote_at: f64,
        /// Odds for it.
        worse: f64,
        /// Odds wanted of these.
        stay_at: f64,
    },
    /// No further look follows.
    LastLook {
        /// Paired days used.
        days: usize,
    },
    /// The calendar limit of the test is reached.
    MaxDays {
        /// Calendar days since the start.
        days: i64,
    },
    /// The promotion is held: value per purchase fell.
    ValueFell {
        /// Probability of a fall beyond the guard.
        p: f64,
        /// The guard.
        fall: f64,
    },
    /// Point comparison: the challenger is at most as dear.
    PointNotDearer,
    /// Point comparison: the challenger is dearer.
    PointDearer,
    /// Point comparison: without purchases of the challenger there is no CPA to compare.
    NoPurchases,
    /// Days left out because an arm has no usable row.
    DaysLeftOut {
        /// How many.
        days: usize,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pct = |p: &f64| format!("{:.1} %", p * 100.0);
        match self {
            Self::NotEnoughDays { have, need } => {
                write!(f, "{have} paired decision days, the first look needs {need}")
            }
            Self::FewPurchases { have, need } => {
                write!(f, "{have:.0} purchases in both arms, {need:.0} are needed to decide")
            }
            Self::NoSpend => f.write_str("no spend on the paired days"),
            Self::NotWorse { p, threshold, margin } => write!(
                f,
                "P(CPA at most {} dearer) = {} reaches {}",
                pct(margin),
                pct(p),
                pct(threshold)
            ),
            Self::Worse { p, threshold, margin } => write!(
                f,
                "P(CPA at most {} dearer) = {} is not above {}",
                pct(margin),
                pct(p),
                pct(threshold)
            ),
            Self::Undecided { p, stay_at, promote_at } => write!(
                f,
                "P(not worse) = {} lies between {} (stay) and {} (promote)",
                pct(p),
                pct(stay_at),
                pct(promote_at)
            ),
            Self::ProvenNotWorse { odds, wanted, margin } => write!(
                f,
                "always-valid odds of {odds:.1} to 1 against a cost more than {} higher reach {wanted:.1}",
                pct(margin)
            ),
            Self::ProvenWorse { odds, wanted, margin } => write!(
                f,
                "always-valid odds of {odds:.1} to 1 for a cost more than {} higher reach {wanted:.1}",
                pct(margin)
            ),
            Self::Unproven { not_worse, promote_at, worse, stay_at } => write!(
                f,
                "always-valid odds: not worse {not_worse:.2} to 1 ({promote_at:.1} promote), worse {worse:.2} to 1 \
                 ({stay_at:.1} end the test)"
            ),
            Self::LastLook { days } => write!(f, "last look, at {days} paired days"),
            Self::MaxDays { days } => write!(f, "day {days} is the end of the test"),
            Self::ValueFell { p, fall } => write!(
                f,
                "held: value per purchase fell by more than {} with probability {}",
                pct(fall),
                pct(p)
            ),
            Self::PointNotDearer => f.write_str("the challenger's CPA is not higher"),
            Self::PointDearer => f.write_str("the challenger's CPA is higher"),
            Self::NoPurchases => f.write_str("the challenger has no purchase"),
            Self::DaysLeftOut { days } => {
                write!(f, "{days} day(s) left out: one arm has no usable row")
            }
        }
    }
}

/// Odds that may be looked at every day (e-values), each against its own null hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Odds {
    /// That the challenger is not dearer than the margin allows.
    pub not_worse: f64,
    /// That it is.
    pub worse: f64,
}

/// The figures behind a look, rounded to 12 significant digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Paired decision days used.
    pub days: usize,
    /// Learning days dropped from both arms.
    pub learning_days: i64,
    /// The incumbent as reported on these days.
    pub incumbent: Exposure,
    /// The challenger as reported on these days.
    pub challenger: Exposure,
    /// Effective spend of the incumbent (attribution lag).
    pub effective_incumbent: f64,
    /// Effective spend of the challenger.
    pub effective_challenger: f64,
    /// CPA ratio as reported; None unless both arms have purchases and the incumbent has spend.
    pub ratio: Option<f64>,
    /// Dispersion used.
    pub dispersion: Dispersion,
    /// Margin of "not worse".
    pub margin: f64,
    /// P(r ≤ 1 + margin).
    pub p_not_worse: f64,
    /// P(r ≤ 1).
    pub p_better: f64,
    /// Posterior median of r.
    pub median: f64,
    /// 5 % quantile of r.
    pub low: f64,
    /// 95 % quantile of r.
    pub high: f64,
    /// E[(r − 1)+]; None when it does not exist.
    pub expected_excess: Option<f64>,
    /// E[(1 − r)+]; None when it does not exist.
    pub expected_saving: Option<f64>,
    /// Value per purchase; None without values.
    pub value: Option<ValueShift>,
    /// Always-valid odds; None where the rule does not use them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub odds: Option<Odds>,
}

/// The result of a look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// What it says.
    pub outcome: Outcome,
    /// Why, most important first.
    pub reasons: Vec<Reason>,
    /// The figures; None without any spend on paired days.
    pub figures: Option<Figures>,
    /// Paired days of the scheduled look this is; None before the first.
    pub at: Option<usize>,
    /// Paired days of the look after this; None after the last.
    pub next: Option<usize>,
    /// True when no look follows.
    pub last: bool,
}

/// The look that is due, on exactly the days it is scheduled for.
pub fn look(comparison: &Comparison, rule: &Rule) -> Look {
    evaluate(comparison, rule, false)
}

/// A look at every paired day there is, judged by the thresholds of the last scheduled look it covers: for a finished
/// export, where nobody can come back and look again.
pub fn look_at_all(comparison: &Comparison, rule: &Rule) -> Look {
    evaluate(comparison, rule, true)
}

/// The rows a look may use, and which look it is.
struct Due<'a> {
    rows: &'a [Row],
    at: Option<LookAt>,
    next: Option<usize>,
    last: bool,
    overtime: bool,
}

impl<'a> Due<'a> {
    fn find(rows: &'a [Row], have: usize, elapsed: i64, rule: &Rule, whole: bool) -> Self {
        let reached = rule.looks.iter().take_while(|l| l.days <= have).count();
        let at = reached.checked_sub(1).and_then(|i| rule.looks.get(i)).copied();
        let next = rule.looks.get(reached).map(|l| l.days);
        let overtime = rule.method != Method::Point && elapsed >= rule.max_days && next.is_some();
        let mut due = Self { rows, at, next, last: next.is_none() || overtime, overtime };
        if overtime {
            due.next = None;
            if let (Some(at), Some(end)) = (due.at.as_mut(), rule.looks.last()) {
                at.promote_at = end.promote_at;
            }
        } else if let Some(at) = at
            && !whole
        {
            let end = match rule.method {
                Method::Posterior | Method::EProcess => at.days.min(rows.len()),
                Method::Point => {
                    let limit = i64::try_from(at.days).unwrap_or(i64::MAX);
                    rows.partition_point(|row| row.offset < limit)
                }
            };
            due.rows = rows.get(..end).unwrap_or(rows);
        }
        due
    }
}

fn evaluate(comparison: &Comparison, rule: &Rule, whole: bool) -> Look {
    let rows = comparison.rows();
    let learning = match rule.method {
        Method::Posterior | Method::EProcess => comparison.learning_days(rule),
        Method::Point => 0,
    };
    let first = rows.partition_point(|row| row.offset < learning);
    let decision = rows.get(first..).unwrap_or_default();
    let elapsed = comparison.elapsed_days();
    let have = match rule.method {
        Method::Posterior | Method::EProcess => decision.len(),
        Method::Point => usize::try_from(elapsed).unwrap_or(0),
    };
    let due = Due::find(decision, have, elapsed, rule, whole);
    let figures = figures(comparison, due.rows, rule, learning);
    let (outcome, mut reasons) = judge(&due, figures.as_ref(), rule, have, elapsed);
    let left_out = left_out(learning, due.rows);
    if left_out > 0 {
        reasons.push(Reason::DaysLeftOut { days: left_out });
    }
    let next =
        if outcome == Outcome::Extend || outcome == Outcome::TooEarly { due.next } else { None };
    Look { outcome, reasons, figures, at: due.at.map(|l| l.days), next, last: due.last }
}

/// Calendar days between the first decision day and the last used row that could not be paired.
fn left_out(learning: i64, used: &[Row]) -> usize {
    let Some(last) = used.last() else { return 0 };
    let span = usize::try_from(last.offset - learning + 1).unwrap_or(0);
    span.saturating_sub(used.len())
}

fn judge(
    due: &Due<'_>,
    figures: Option<&Figures>,
    rule: &Rule,
    have: usize,
    elapsed: i64,
) -> (Outcome, Vec<Reason>) {
    let undecided = if due.last { Outcome::Inconclusive } else { Outcome::Extend };
    let mut end = Vec::new();
    if due.overtime {
        end.push(Reason::MaxDays { days: elapsed });
    } else if due.last && due.at.is_some() {
        end.push(Reason::LastLook { days: due.rows.len() });
    }
    let with_end = |outcome, mut reasons: Vec<Reason>| {
        if outcome == Outcome::Inconclusive || outcome == Outcome::Promote {
            reasons.extend(end.clone());
        }
        (outcome, reasons)
    };
    let first = rule.looks.first().copied().filter(|_| bug(Bug::EarlyPromotion));
    let Some(at) = due.at.or(first) else {
        let need = rule.looks.first().map_or(0, |l| l.days);
        let early = if due.overtime { Outcome::Inconclusive } else { Outcome::TooEarly };
        return with_end(early, vec![Reason::NotEnoughDays { have, need }]);
    };
    let Some(f) = figures else { return with_end(undecided, vec![Reason::NoSpend]) };
    if rule.method == Method::Point {
        let (outcome, reason) = point(f, rule.margin);
        return (outcome, vec![reason]);
    }
    let purchases = f.incumbent.purchases + f.challenger.purchases;
    if purchases < rule.min_purchases {
        let need = rule.min_purchases;
        return with_end(undecided, vec![Reason::FewPurchases { have: purchases, need }]);
    }
    let (promotes, reason) = match f.odds {
        Some(odds) => by_odds(odds, at, rule),
        None => by_posterior(f, at, rule),
    };
    match promotes {
        Some(true) => {
            let fell = rule.value_guard.zip(f.value).filter(|(g, v)| v.p_fell >= g.probability);
            match fell {
                Some((guard, value)) => {
                    let held = Reason::ValueFell { p: value.p_fell, fall: guard.fall };
                    with_end(undecided, vec![held, reason])
                }
                None => with_end(Outcome::Promote, vec![reason]),
            }
        }
        Some(false) => (Outcome::Stay, vec![reason]),
        None => with_end(undecided, vec![reason]),
    }
}

/// Promote, stay or neither, by the posterior probability of "not worse".
fn by_posterior(f: &Figures, at: LookAt, rule: &Rule) -> (Option<bool>, Reason) {
    let (p, margin, stay_at, promote_at) = (f.p_not_worse, f.margin, rule.stay_at, at.promote_at);
    if p >= promote_at {
        (Some(true), Reason::NotWorse { p, threshold: promote_at, margin })
    } else if p <= stay_at {
        (Some(false), Reason::Worse { p, threshold: stay_at, margin })
    } else {
        (None, Reason::Undecided { p, stay_at, promote_at })
    }
}

/// The same by odds that may be looked at every day.
fn by_odds(odds: Odds, at: LookAt, rule: &Rule) -> (Option<bool>, Reason) {
    let (promote_at, stay_at) = rule.wanted_odds(at);
    let (promote_at, stay_at) = (round12(promote_at), round12(stay_at));
    let (margin, Odds { not_worse, worse }) = (rule.margin, odds);
    if not_worse >= promote_at {
        (Some(true), Reason::ProvenNotWorse { odds: not_worse, wanted: promote_at, margin })
    } else if worse >= stay_at {
        (Some(false), Reason::ProvenWorse { odds: worse, wanted: stay_at, margin })
    } else {
        (None, Reason::Unproven { not_worse, promote_at, worse, stay_at })
    }
}

/// The literal comparison: CPA of the challenger ≤ CPA of the incumbent (times 1 + margin).
fn point(f: &Figures, margin: f64) -> (Outcome, Reason) {
    let (a, b) = (f.incumbent, f.challenger);
    if b.purchases <= 0.0 {
        (Outcome::Stay, Reason::NoPurchases)
    } else if round12(b.spend * a.purchases) <= round12((1.0 + margin) * a.spend * b.purchases) {
        (Outcome::Promote, Reason::PointNotDearer)
    } else {
        (Outcome::Stay, Reason::PointDearer)
    }
}

fn figures(
    comparison: &Comparison,
    rows: &[Row],
    rule: &Rule,
    learning_days: i64,
) -> Option<Figures> {
    let sums = Sums::of(rows);
    let dispersion = comparison.dispersion(rows);
    let (a, b) = (sums.incumbent_effective, sums.challenger_effective);
    let mut figures = Figures::new(a, b, dispersion, rule)?;
    figures.days = rows.len();
    figures.learning_days = learning_days;
    figures.incumbent = sums.incumbent;
    figures.challenger = sums.challenger;
    figures.ratio = ratio(sums.incumbent, sums.challenger);
    figures.value = rule.value_guard.and_then(|guard| value_shift(rows, guard.fall));
    if rule.method == Method::EProcess {
        // Slow drift is left out here: the null is a challenger that is too dear on every day.
        let phi = dispersion.daily.max(comparison.dispersion_start).max(1.0);
        let odds = |side| {
            let ln = ln_e_value(rows, side, |_| 1.0 + rule.margin, phi);
            // Odds beyond this say no more; they stay finite in any document.
            round12(exp(ln.min(300.0)))
        };
        figures.odds = Some(Odds { not_worse: odds(For::Cheaper), worse: odds(For::Dearer) });
    }
    Some(figures)
}

/// CPA ratio of two arms as reported.
fn ratio(incumbent: Exposure, challenger: Exposure) -> Option<f64> {
    let (a, b) = (incumbent.cpa()?, challenger.cpa()?);
    (a > 0.0).then(|| round12(b / a))
}

impl Figures {
    /// The figures of two totals at a given dispersion; None without spend.
    pub fn new(
        incumbent: Exposure,
        challenger: Exposure,
        dispersion: Dispersion,
        rule: &Rule,
    ) -> Option<Self> {
        let post = RatioPosterior::new(incumbent, challenger, rule.prior, dispersion.total)?;
        Some(Self {
            days: 0,
            learning_days: 0,
            incumbent,
            challenger,
            effective_incumbent: round12(incumbent.spend),
            effective_challenger: round12(challenger.spend),
            ratio: ratio(incumbent, challenger),
            dispersion: Dispersion {
                measured: dispersion.measured.map(round12),
                daily: round12(dispersion.daily),
                drift: round12(dispersion.drift),
                total: round12(dispersion.total),
                days: dispersion.days,
            },
            margin: rule.margin,
            p_not_worse: round12(post.probability_at_most(1.0 + rule.margin)),
            p_better: round12(post.probability_at_most(1.0)),
            median: round12(post.quantile(0.5)),
            low: round12(post.quantile(0.05)),
            high: round12(post.quantile(0.95)),
            expected_excess: post.expected_excess(1.0).map(round12),
            expected_saving: post.expected_shortfall(1.0).map(round12),
            value: None,
            odds: None,
        })
    }
}
