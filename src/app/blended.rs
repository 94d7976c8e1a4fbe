//! The cannibalisation check of a decision or an open climb, out of its stored evidence.

use serde::Serialize;

use crate::{
    app::{
        Result,
        views::{cpa, evidence_of},
    },
    domain::{
        ClimbId,
        climb::{Climb, RouteKind},
        evidence::Evidence,
        policy::Isolation,
        watch::{Blended, baseline, blended},
    },
    ports::{Store, store::DecisionRow},
};

/// The check with its sentence.
#[derive(Debug, Clone, Serialize)]
pub struct BlendedView {
    /// Figures; money in minor units.
    pub figures: Blended,
    /// Account CPA before, major units; None without purchases.
    pub before: Option<String>,
    /// Account CPA since.
    pub since: Option<String>,
    /// Currency of both.
    pub currency: String,
    /// All of it in words.
    pub sentence: String,
}

/// The check as of one decision; None when no test was running then.
pub async fn of_decision<S: Store>(store: &S, row: &DecisionRow) -> Result<Option<BlendedView>> {
    Ok(evidence_of(store, row).await?.as_ref().and_then(of_evidence))
}

/// The check as of the newest decision of a climb.
pub async fn of_climb<S: Store>(store: &S, climb: &ClimbId) -> Result<Option<BlendedView>> {
    match store.decisions(Some(climb), 1).await?.pop() {
        Some(row) => of_decision(store, &row).await,
        None => Ok(None),
    }
}

/// What a plan says about how well its arms are kept apart: whether people can see both, and what the whole account
/// paid per conversion before the test and since.
pub fn plan_notes(evidence: &Evidence, climb: &Climb) -> Vec<String> {
    let tested = climb.state.route().is_some_and(|r| r.kind != RouteKind::Placement);
    if !tested {
        return Vec::new();
    }
    let currency = evidence.currency;
    let money = |minor: f64| cpa(minor, currency).map(|m| format!("{m} {currency}"));
    let mut notes = Vec::new();
    if evidence.policy.compare.isolation == Isolation::AdStudy {
        notes.push("a study of Meta's splits people half and half between the arms".to_owned());
    } else {
        notes.push(
            "the arms are two campaigns side by side: their audiences may overlap, so one person can see both and the \
             result is observational (compare.isolation = \"none\")"
                .to_owned(),
        );
    }
    match blended(evidence) {
        Some(figures) => notes.push(figures.sentence(money)),
        None => notes.extend(baseline(evidence).map(|b| {
            let cost = b.cpa().and_then(money).unwrap_or_else(|| "undefined (no purchase)".to_owned());
            format!("whole account before the test: blended CPA {cost}; it is held against this while the test runs")
        })),
    }
    notes
}

/// The check on evidence at hand.
pub fn of_evidence(evidence: &Evidence) -> Option<BlendedView> {
    let figures = blended(evidence)?;
    let currency = evidence.currency;
    let money = |minor: f64| cpa(minor, currency).map(|m| format!("{m} {currency}"));
    Some(BlendedView {
        before: figures.before.cpa().and_then(|c| cpa(c, currency)),
        since: figures.during.cpa().and_then(|c| cpa(c, currency)),
        currency: currency.to_string(),
        sentence: figures.sentence(money),
        figures,
    })
}
