//! Gates: named reasons why nothing is started now. A closed gate is a decision too, and is recorded.

use serde::{Deserialize, Serialize};

use super::arms;
use crate::domain::{
    DAY_MS, Money,
    climb::{Climb, Route, RouteKind},
    evidence::{DayFacts, Evidence},
    forecast::p_silent,
    planner::{affordable_days, allowance},
};
use crate::planted::{Bug, bug};

/// Days before a silence that tell what was usual.
const USUAL_DAYS: usize = 28;
/// Below this probability a silence is no chance.
const HARDLY_POSSIBLE: f64 = 1e-4;

/// A closed gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Its name, for machines.
    pub name: String,
    /// Why it is closed, for people.
    pub why: String,
}

impl Gate {
    /// A closed gate.
    pub fn closed(name: &str, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), why: why.into() }
    }
}

/// The gates that do not depend on where the line could go.
pub fn closed_gates(evidence: &Evidence) -> Vec<Gate> {
    let mut closed = Vec::new();
    let mut close = |name: &str, why: String| closed.push(Gate::closed(name, why));
    let (arm, gates, policy) = (&evidence.incumbent, &evidence.gates, &evidence.policy);
    if gates.account_status != 1 {
        close(
            "account",
            format!("the account's status is {}, not 1 (active)", gates.account_status),
        );
    }
    for why in &arm.refusals {
        close("refused", why.clone());
    }
    if !arm.is_on() {
        close("off", format!("the campaign is {}", arm.status));
    }
    if matches!(arm.effective_status.as_str(), "IN_PROCESS" | "WITH_ISSUES") {
        close("issues", format!("Meta says the campaign is {}", arm.effective_status));
    }
    for what in &gates.interference {
        close("interference", format!("{what} also acts on this campaign"));
    }
    if let Some(other) = &gates.other_test
        && !bug(Bug::TwoTestsAtOnce)
    {
        close("other_test", format!("{other} is in a test; one at a time per account"));
    }
    for why in &gates.no_raises {
        close("no_raises", why.clone());
    }
    match gates.insights_read {
        None => close("stale", "no insights have been read yet".to_owned()),
        Some(at) if evidence.now.since(at) > policy.freshness.insights_ms => {
            close("stale", format!("the newest insights were read at {at}"));
        }
        Some(_) => {}
    }
    for why in silent(evidence) {
        close("pixel", why);
    }
    if let Some((name, _)) = policy.blackout_on(evidence.today) {
        close("blackout", format!("{name}: nothing is started today"));
    }
    if policy.limits.is_none() {
        close("limits", "no limits are configured, so nothing may be spent".to_owned());
    }
    closed
}

/// Events that have stopped altogether, though by their own past that is hardly possible: the pixel or the server no
/// longer sends them, and nothing that counts them may be started.
fn silent(evidence: &Evidence) -> Vec<String> {
    let of_line = evidence.rung_index(&evidence.climb.rung);
    let mut rungs = vec![evidence.macro_index()];
    rungs.extend(of_line.filter(|rung| *rung != evidence.macro_index()));
    let delivered =
        |day: &&DayFacts| day.complete && day.incumbent.spend_minor > 0 && !day.incumbent.is_gap();
    let silence = |rung: usize| {
        let newest = || evidence.days.iter().rev().filter(delivered);
        let quiet = newest().take_while(|d| d.incumbent.rung_events(rung) == 0).count();
        if quiet == 0 {
            return None;
        }
        let spend = |days: &mut dyn Iterator<Item = &DayFacts>| {
            arms::amount(days.map(|d| d.incumbent.spend_minor).sum())
        };
        let before = || newest().skip(quiet).take(USUAL_DAYS);
        let events: u32 = before().map(|d| d.incumbent.rung_events(rung)).sum();
        let cost = spend(&mut before());
        if cost <= 0.0 {
            return None;
        }
        let expected = f64::from(events) / cost * spend(&mut newest().take(quiet));
        let p = p_silent(expected, arms::own_dispersion(evidence, rung));
        let key = evidence.policy.ladder.rungs.get(rung).map(|r| &r.key)?;
        (p < HARDLY_POSSIBLE).then(|| {
            format!(
                "no {key} for {quiet} day(s) although {expected:.0} were to be expected: check that the pixel still \
                 sends it"
            )
        })
    };
    rungs.into_iter().filter_map(silence).collect()
}

/// The gates of one route: money, token, rest between changes, growth since the last failure.
pub(super) fn route_gates(evidence: &Evidence, climb: &Climb, route: &Route) -> Vec<Gate> {
    let mut closed = Vec::new();
    closed.extend(money(evidence, route));
    closed.extend(study(evidence, route));
    closed.extend(token(evidence));
    closed.extend(rest(evidence, climb, route));
    closed.extend(retry(evidence, climb, route));
    closed
}

/// What is managed is over the daily limit already: what took this campaign's place could not be turned on after it.
pub(super) fn overbooked(evidence: &Evidence) -> Option<Gate> {
    let cap = evidence.policy.limits?.max_daily_spend;
    let sum = Money::from_minor(evidence.gates.managed_daily_minor, cap.currency());
    (sum.minor() > cap.minor()).then(|| {
        let why = format!(
            "daily budgets sum to {sum} already, over {cap}: what takes this campaign's place could not be turned on"
        );
        Gate::closed("max_daily_spend", why)
    })
}

fn money(evidence: &Evidence, route: &Route) -> Option<Gate> {
    let policy = &evidence.policy;
    let limits = policy.limits?;
    let Some(run_rate) = evidence.incumbent.daily_budget else {
        return Some(Gate::closed("budget", "the campaign has no daily budget that can be read"));
    };
    if limits.currency() != run_rate.currency() {
        let (cap, account) = (limits.currency(), run_rate.currency());
        return Some(Gate::closed(
            "currency",
            format!("limits are in {cap}, the account in {account}"),
        ));
    }
    if route.kind == RouteKind::Placement {
        return overbooked(evidence);
    }
    let Ok(extra) = allowance(policy, route.kind, run_rate) else {
        return Some(Gate::closed("budget", "the test allowance is out of range"));
    };
    let split = policy.compare.budget_mode == crate::domain::policy::BudgetMode::Split;
    let added = if split { 0 } else { extra.minor() };
    let would = evidence.gates.managed_daily_minor.saturating_add(added);
    if would > limits.max_daily_spend.minor() {
        let would = Money::from_minor(would, run_rate.currency());
        let cap = limits.max_daily_spend;
        return Some(Gate::closed(
            "max_daily_spend",
            format!(
                "with a test allowance of {extra} daily budgets would sum to {would}, over {cap}"
            ),
        ));
    }
    let needed = i64::from(policy.compare.window_days) + 16;
    let days = affordable_days(limits.max_spend_per_climb, extra);
    (days < needed).then(|| {
        let cap = limits.max_spend_per_climb;
        Gate::closed(
            "max_spend_per_climb",
            format!("{cap} pays for {days} days at {extra}; {needed} are needed"),
        )
    })
}

/// A study is made by the business that owns the account, and takes a permission of its own. That its start lies in the
/// future is the planner's and the door's business.
fn study(evidence: &Evidence, route: &Route) -> Option<Gate> {
    let facts = evidence.gates.study.as_ref().filter(|_| route.kind != RouteKind::Placement)?;
    if facts.business.is_none() {
        let why = "compare.isolation is ad_study, but the account belongs to no business";
        return Some(Gate::closed("study_business", why));
    }
    (facts.permitted == Some(false)).then(|| {
        let why = "compare.isolation is ad_study, but the token lacks business_management";
        Gate::closed("study_scope", why)
    })
}

fn token(evidence: &Evidence) -> Option<Gate> {
    let expires = evidence.gates.token_expires?;
    let policy = &evidence.policy;
    let stage =
        i64::from(policy.compare.window_days) + i64::from(policy.freshness.token_margin_days);
    let needed = evidence.now.plus(stage.saturating_mul(DAY_MS));
    (expires < needed).then(|| {
        Gate::closed(
            "token",
            format!("the token ends at {expires}, before the next stage could ({needed})"),
        )
    })
}

fn rest(evidence: &Evidence, climb: &Climb, route: &Route) -> Option<Gate> {
    let gap = i64::from(evidence.policy.gates.rung_change_gap_days);
    let since = climb.memory.rung_since.filter(|_| route.kind == RouteKind::Climb)?;
    let rested = evidence.today.since(since);
    (rested < gap).then(|| {
        Gate::closed(
            "rest",
            format!("it stands on this rung for {rested} days; {gap} between two changes"),
        )
    })
}

fn retry(evidence: &Evidence, climb: &Climb, route: &Route) -> Option<Gate> {
    let failure = climb.memory.last_failure.as_ref().filter(|f| f.to == route.to)?;
    let retry = &evidence.policy.retry;
    let days = evidence.today.since(failure.day);
    if days < i64::from(retry.after_days) {
        let why = format!(
            "{} was tried until {}; {} days must pass",
            route.to, failure.day, retry.after_days
        );
        return Some(Gate::closed("retry", why));
    }
    let now = super::routes::weekly_milli(evidence, &route.to);
    let wanted = arms::amount(failure.weekly_milli) * retry.volume_factor;
    (arms::amount(now) < wanted).then(|| {
        let (now, wanted) = (arms::amount(now) / 1000.0, wanted / 1000.0);
        Gate::closed(
            "growth",
            format!("{} makes {now:.0} a week; {wanted:.0} are needed for another try", route.to),
        )
    })
}
