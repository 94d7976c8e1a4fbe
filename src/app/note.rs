//! A decision as a good analyst would tell it: the conclusion, the figures, the reasons, what would change it.
//!
//! Nothing is decided or measured again here: every figure stands in the stored decision or its stored evidence.

use libm::{exp, log};
use serde::Serialize;

use crate::{
    app::views::cpa,
    domain::{
        climb::{State, Test, Verdict},
        decide::{Decision, rule_of},
        evidence::Evidence,
        forecast::RankedRung,
        verdict::{
            Figures, Look, Method, Outcome, Outlook, RegretMeter, Rule, special::normal_quantile,
        },
    },
};

/// Normal quantile of a two-sided 90 % interval.
const Z90: f64 = 1.644_853_626_951_472_7;

/// The note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The conclusion in one sentence.
    pub conclusion: String,
    /// What was measured or forecast.
    pub figures: Vec<String>,
    /// Why it follows.
    pub why: Vec<String>,
    /// What would change it, or what happens next.
    pub change: Vec<String>,
}

/// Tells a decision from what is stored of it.
pub fn note(decision: &Decision, evidence: &Evidence) -> Note {
    let teller = Teller { decision, evidence, rule: rule_of(&evidence.policy) };
    Note {
        conclusion: decision.conclusion.clone(),
        figures: teller.figures(),
        why: decision.reasons.clone(),
        change: teller.change(),
    }
}

/// What a test can be expected to show, in sentences; `money` writes minor units.
pub fn outlook_lines(outlook: &Outlook, money: &impl Fn(f64) -> String) -> Vec<String> {
    let c = outlook.chances;
    let mut lines = vec![format!(
        "promote {:.0} %, stay {:.0} %, inconclusive {:.0} %; {:.1} weeks and {} until a verdict, {} at most",
        c.promote * 100.0,
        c.stay * 100.0,
        c.inconclusive * 100.0,
        outlook.weeks,
        money(outlook.spend),
        money(outlook.most_spend)
    )];
    for look in &outlook.looks {
        lines.push(format!(
            "after {} paired days, about {:.0} purchases per arm: equal arms would show a cost ratio between {:.2} and \
             {:.2}; a true ratio of {:.2} would be promoted four times in five; {:.0} % of tests are decided by then",
            look.days,
            look.purchases,
            look.low,
            look.high,
            look.detectable,
            look.decided * 100.0
        ));
    }
    if outlook.too_few_purchases {
        lines.push("even the last look expects fewer purchases than the rule needs".to_owned());
    } else if outlook.probably_inconclusive {
        lines.push("it will probably end inconclusive; staying is a sound answer too".to_owned());
    }
    lines
}

struct Teller<'a> {
    decision: &'a Decision,
    evidence: &'a Evidence,
    rule: Rule,
}

impl Teller<'_> {
    fn money(&self, minor: f64) -> String {
        let currency = self.evidence.currency;
        cpa(minor, currency).map_or_else(|| "unknown".to_owned(), |m| format!("{m} {currency}"))
    }

    /// The test of this decision: the one that ran when it was made.
    fn test(&self) -> Option<&Test> {
        self.evidence.climb.state.test()
    }

    fn figures(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(figures) = self.decision.look.as_ref().and_then(|l| l.figures.as_ref()) {
            lines.extend(self.compared(figures));
        }
        if let Some(meter) = &self.decision.meter {
            lines.push(self.meter(meter));
        }
        if let Some(choice) = &self.decision.choice {
            lines.extend(choice.rungs.iter().rev().filter_map(|rung| {
                let chosen = choice.key.as_deref() == Some(rung.key.as_str());
                ranked(rung, chosen)
            }));
        }
        if let Some(prospects) = &self.decision.prospects {
            lines.extend(prospects.rungs.iter().rev().map(|p| {
                format!(
                    "{}: a macro-conversion is expected to cost {:.1} % {} than on the last rung (give or take {:.1} %); P(noticeably \
                     dearer) {:.0} %",
                    p.rung,
                    p.saving.abs() * 100.0,
                    if p.saving >= 0.0 { "less" } else { "more" },
                    p.sd * 100.0,
                    p.p_dearer * 100.0
                )
            }));
        }
        if let Some(outlook) = &self.decision.outlook {
            let told = outlook_lines(outlook, &|minor| self.money(minor));
            lines.extend(told.into_iter().map(|line| format!("the test: {line}")));
        }
        lines
    }

    fn compared(&self, f: &Figures) -> Vec<String> {
        let (from, to) =
            self.test().map_or(("", ""), |t| (t.route.from.as_str(), t.route.to.as_str()));
        let arm = |name: &str, rung: &str, e: crate::domain::verdict::Exposure| {
            let each = e.cpa().map_or_else(
                || "no purchase, so no cost per purchase".to_owned(),
                |c| format!("{} each", self.money(c)),
            );
            format!(
                "{name} {rung}: {:.0} purchases for {}, {each}",
                e.purchases,
                self.money(e.spend)
            )
        };
        let mut lines = vec![
            arm("incumbent", from, f.incumbent),
            arm("challenger", to, f.challenger),
            format!(
                "{} paired days, {} learning days left out of both{}; with late purchases and chance weighed the cost \
                 ratio is {:.2}, 90 % interval {:.2} to {:.2}",
                f.days,
                f.learning_days,
                f.ratio.map_or_else(String::new, |r| format!("; as counted {}", dearer(r))),
                f.median,
                f.low,
                f.high
            ),
            format!(
                "P(at most {:.0} % dearer) {:.1} %, P(cheaper) {:.1} %{}",
                f.margin * 100.0,
                f.p_not_worse * 100.0,
                f.p_better * 100.0,
                f.expected_excess.zip(f.expected_saving).map_or_else(
                    String::new,
                    |(loss, gain)| {
                        format!(
                            "; moving to it risks {:.1} % of the cost on average and gains {:.1} %",
                            loss * 100.0,
                            gain * 100.0
                        )
                    }
                )
            ),
            format!(
                "days vary {:.1} times as much as chance alone ({}); with slow drift between the arms evidence is divided \
                 by {:.1}",
                f.dispersion.daily,
                f.dispersion.measured.map_or_else(
                    || "assumed".to_owned(),
                    |raw| format!(
                        "{raw:.1} on these {} days, weighed with the account's own",
                        f.dispersion.days
                    )
                ),
                f.dispersion.total
            ),
        ];
        if let Some(value) = f.value {
            lines.push(format!(
                "value per purchase: the challenger's is {:.2} of the incumbent's, 90 % interval {:.2} to {:.2}",
                value.observed, value.low, value.high
            ));
        }
        lines
    }

    fn meter(&self, meter: &RegretMeter) -> String {
        let (size, word) = if meter.excess_spend < 0.0 {
            (-meter.excess_spend, "less")
        } else {
            (meter.excess_spend, "more")
        };
        let stop = self.rule.stop_loss.map_or(f64::INFINITY, |s| s.e_value);
        format!(
            "regret meter after {} days: the challenger cost {} {word} than its purchases were worth at the incumbent's \
             cost ({} more stop it; what it can lose is bounded at about {}); odds that it is dearer {:.2} to 1 ({stop:.0} to 1 \
             stop it)",
            meter.days,
            self.money(size),
            self.money(meter.limit),
            self.money(meter.bound),
            meter.e_value
        )
    }

    fn change(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .decision
            .closed
            .iter()
            .map(|gate| format!("{}: {}", gate.name, gate.why))
            .collect();
        if let Some(look) = &self.decision.look {
            lines.extend(self.after_look(look));
        }
        match &self.decision.next.state {
            State::Judged { test, verdict } => lines.extend(self.after_verdict(test, *verdict)),
            State::Proposed { .. } => lines.push(
                "nothing happens without a yes to the plan, which lists every write; a no, or none in time, leaves all as it \
                 is"
                .to_owned(),
            ),
            State::Probation { .. } => lines.push(format!(
                "it goes back when P(cost at most {:.0} % higher) is at or below {:.0} %, and is proven at {:.0} %",
                self.rule.margin * 100.0,
                self.evidence.policy.probation.revert_at * 100.0,
                self.evidence.policy.probation.proven_at * 100.0
            )),
            _ => {}
        }
        if let Some(why) = &self.decision.next.held {
            lines.push(format!(
                "held ({why}): `rungwise climb resume {}` lets it go on",
                self.decision.next.id
            ));
        }
        lines
    }

    /// What would have turned this look, and when the next one is due.
    fn after_look(&self, look: &Look) -> Vec<String> {
        let mut lines = Vec::new();
        let at = look.at.and_then(|days| self.rule.looks.iter().find(|l| l.days == days));
        let figures = look.figures.as_ref();
        if let (Some(at), Some(f), Method::Posterior) = (at, figures, self.rule.method) {
            // The posterior of ln r is close to normal; its spread is what the interval says.
            let sd = log(f.high / f.low) / (2.0 * Z90);
            let turning = |p: f64| (1.0 + f.margin) * exp(-normal_quantile(p) * sd);
            let promote_at = if look.last {
                self.rule.looks.last().map_or(at.promote_at, |l| l.promote_at)
            } else {
                at.promote_at
            };
            let (promote, stay) = (turning(promote_at), turning(self.rule.stay_at));
            lines.push(match look.outcome {
                Outcome::Promote => format!(
                    "with this much evidence a ratio above {promote:.2} would not have been promoted (it is {:.2})",
                    f.median
                ),
                Outcome::Stay => format!(
                    "with this much evidence a ratio below {stay:.2} would have kept the test going (it is {:.2})",
                    f.median
                ),
                _ => format!(
                    "with this much evidence a ratio of {promote:.2} or lower would be promoted, {stay:.2} or higher \
                     given up (it is {:.2})",
                    f.median
                ),
            });
        }
        let Some(test) = self.test() else { return lines };
        if !matches!(self.decision.next.state, State::Warming { .. } | State::Comparing { .. }) {
            return lines;
        }
        let next = look.next.filter(|_| look.at.is_none() || look.outcome == Outcome::Extend);
        let next = next.map_or_else(String::new, |next| {
            // Before the first look every paired day there is has been used.
            let missing = next.saturating_sub(figures.map_or(0, |f| f.days));
            let about =
                i64::try_from(missing).map_or(self.evidence.today, |n| self.evidence.today.plus(n));
            let when = if look.at.is_none() {
                format!(", about {about} if none goes missing")
            } else {
                String::new()
            };
            format!("the next look uses {next} paired days{when}; ")
        });
        lines.push(format!(
            "{next}the test ends on {} at the latest, and `rungwise climb abort {}` ends it at once",
            test.last_day, self.decision.next.id
        ));
        lines
    }

    fn after_verdict(&self, test: &Test, verdict: Verdict) -> Vec<String> {
        let policy = &self.evidence.policy;
        match verdict {
            Verdict::Promote => vec![format!(
                "the budget moves only with an approved plan; it stops and is judged again if the combined cost rises by \
                 {:.0} %",
                policy.shifting.worsen_margin * 100.0
            )],
            Verdict::Stay | Verdict::Inconclusive | Verdict::Aborted => {
                let day = self.evidence.today.plus(i64::from(policy.retry.after_days));
                vec![format!(
                    "{} can be tried again from {day} on, once it happens {:.2} times as often as now",
                    test.route.to, policy.retry.volume_factor
                )]
            }
        }
    }
}

/// "26.3 % dearer" or "12.0 % cheaper".
fn dearer(ratio: f64) -> String {
    if ratio >= 1.0 {
        format!("{:.1} % dearer", (ratio - 1.0) * 100.0)
    } else {
        format!("{:.1} % cheaper", (1.0 - ratio) * 100.0)
    }
}

fn ranked(rung: &RankedRung, chosen: bool) -> Option<String> {
    let f = rung.forecast?;
    let more = rung
        .budget_needed
        .map_or_else(String::new, |times| format!("; {times:.1} times the budget would do"));
    Some(format!(
        "{}{}: about {:.0} next week at the test budget, P(at least {:.0}) {:.0} %{more}",
        rung.key,
        if chosen { " (chosen)" } else { "" },
        f.mean,
        f.threshold,
        f.p_enough * 100.0
    ))
}
