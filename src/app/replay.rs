//! Takes stored decisions again from their stored evidence: the same bytes must come out.

use crate::{
    app::{AppError, Result},
    domain::{DecisionId, decide::decide, evidence::Evidence},
    ports::{Store, StoreError, store::DecisionRow},
};

/// What a replay showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// The same bytes.
    Same,
    /// Other bytes: the first byte that differs.
    Differs(usize),
    /// The evidence is missing or does not hash to its name.
    NoEvidence(String),
}

/// Replays one stored decision.
pub async fn replay<S: Store>(store: &S, row: &DecisionRow) -> Result<Replayed> {
    let Some(bytes) = store.evidence(&row.evidence).await? else {
        return Ok(Replayed::NoEvidence("the evidence is missing".to_owned()));
    };
    if Evidence::hash(&bytes) != row.evidence {
        return Ok(Replayed::NoEvidence("the evidence was changed".to_owned()));
    }
    let evidence: Evidence = serde_json::from_slice(&bytes).map_err(|e| StoreError::Document {
        what: format!("evidence of decision {}", row.id),
        why: e.to_string(),
    })?;
    let again = decide(&evidence).bytes();
    if again == row.doc {
        return Ok(Replayed::Same);
    }
    let at = again.iter().zip(&row.doc).position(|(a, b)| a != b);
    Ok(Replayed::Differs(at.unwrap_or(again.len().min(row.doc.len()))))
}

/// Finds one decision.
pub async fn find<S: Store>(store: &S, id: &str) -> Result<DecisionRow> {
    let missing = || AppError::Missing {
        what: "decision",
        name: id.to_owned(),
        hint: "`rungwise explain` lists decisions",
    };
    let parsed = DecisionId::new(id).map_err(|_| missing())?;
    store.decision(&parsed).await?.ok_or_else(missing)
}
