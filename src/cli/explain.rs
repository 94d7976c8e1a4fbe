//! `explain`: a decision like a good analyst's note: the conclusion first, figures, what would change it.

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    app::{
        blended::{BlendedView, of_evidence},
        note::{Note, note},
        replay,
        views::{decision_of, evidence_of},
    },
    boot::Role,
    domain::{ClimbId, decide::Decision},
    ports::{Store, store::DecisionRow},
};

/// Decisions listed when nothing is named.
const LISTED: u32 = 20;

/// Runs it.
pub async fn run(args: &args::Args, explain: &args::Explain, out: &Output) -> Ended {
    let context = context::open(args)?;
    let store = context.store(Role::Reader).await?;
    let Some(id) = &explain.id else {
        list(&store.decisions(None, LISTED).await?, out)?;
        return Ok(Ending::Done);
    };
    if id.starts_with("climb-") {
        story(&store, id, out).await?;
        return Ok(Ending::Done);
    }
    let row = replay::find(&store, id).await?;
    let decision = decision_of(&row)?;
    if out.json {
        out.document(&document(&store, &row, &decision).await?)?;
    } else {
        tell(&store, &row, &decision, out).await?;
    }
    Ok(Ending::Done)
}

/// The newest decisions, one line each.
fn list(rows: &[DecisionRow], out: &Output) -> super::Said {
    let mut listed = Vec::new();
    for row in rows {
        let conclusion = decision_of(row)?.conclusion;
        if !out.json {
            out.line(&format!("{}  {}  {}  {conclusion}", row.id, row.at, row.line))?;
        }
        listed.push(serde_json::json!({
            "id": row.id, "at": row.at.rfc3339(), "line": row.line, "climb": row.climb, "conclusion": conclusion,
        }));
    }
    if out.json { out.document(&listed) } else { Ok(()) }
}

/// Every decision of a climb that moved something or looked at a test, oldest first.
async fn story<S: Store>(store: &S, id: &str, out: &Output) -> super::Said {
    let climb = ClimbId::new(id)
        .map_err(|e| Failure::new(Ending::Usage, e.to_string(), "see `rungwise climb list`"))?;
    let mut rows = store.decisions(Some(&climb), u32::MAX).await?;
    rows.reverse();
    if rows.is_empty() {
        let what = format!("climb {id} has no decisions");
        return Err(Failure::new(Ending::NotFound, what, "see `rungwise climb list`"));
    }
    let mut documents = Vec::new();
    for row in rows {
        let decision = decision_of(&row)?;
        let looked = decision.look.is_some() && decision.conclusion.contains("look");
        if decision.trail.len() < 2 && decision.effects.is_empty() && !looked {
            continue;
        }
        if out.json {
            documents.push(document(store, &row, &decision).await?);
        } else {
            tell(store, &row, &decision, out).await?;
        }
    }
    if out.json { out.document(&documents) } else { Ok(()) }
}

async fn document<S: Store>(
    store: &S,
    row: &DecisionRow,
    decision: &Decision,
) -> Result<serde_json::Value, Failure> {
    let told = told(store, row, decision).await?;
    Ok(serde_json::json!({
        "id": row.id, "at": row.at.rfc3339(), "evidence": row.evidence, "decision": decision,
        "note": told.as_ref().map(|t| &t.0), "account": told.as_ref().and_then(|t| t.1.as_ref()),
    }))
}

/// The note on a decision, and the account as a whole during its test; None when the evidence is missing.
async fn told<S: Store>(
    store: &S,
    row: &DecisionRow,
    decision: &Decision,
) -> Result<Option<(Note, Option<BlendedView>)>, Failure> {
    let evidence = evidence_of(store, row).await?;
    Ok(evidence.map(|evidence| (note(decision, &evidence), of_evidence(&evidence))))
}

async fn tell<S: Store>(
    store: &S,
    row: &DecisionRow,
    decision: &Decision,
    out: &Output,
) -> super::Said {
    out.line(&decision.conclusion)?;
    let trail = decision.trail.join(" > ");
    out.line(&format!("  {}  {}  {trail}  decision {}", row.at, row.line, row.id))?;
    let Some((note, account)) = told(store, row, decision).await? else {
        return out.line("  its evidence is missing, so it cannot be explained or replayed");
    };
    let account = account.map(|account| account.sentence);
    let figures: Vec<String> = note.figures.into_iter().chain(account).collect();
    for (title, lines) in
        [("figures", figures), ("why", note.why), ("what would change it", note.change)]
    {
        if !lines.is_empty() {
            out.line(&format!("  {title}"))?;
        }
        for line in lines {
            out.line(&format!("    - {line}"))?;
        }
    }
    out.line(&format!("  evidence {}; `rungwise replay {}` takes it again", row.evidence, row.id))
}
