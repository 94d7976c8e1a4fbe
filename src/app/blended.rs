//! The cannibalisation check of a decision or an open climb, out of its stored evidence.

use serde::Serialize;

use crate::{
    app::{
        Result,
        views::{cpa, evidence_of},
    },
    domain::{
        ClimbId,
        evidence::Evidence,
        watch::{Blended, blended},
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
