//! `replay`: takes stored decisions again from their stored evidence.

use serde_json::json;

use super::{Ended, Ending, args, context, output::Output};
use crate::{
    app::replay::{self, Replayed},
    boot::Role,
    ports::Store,
};

/// Runs it.
pub async fn run(args: &args::Args, which: &args::Replay, out: &Output) -> Ended {
    let context = context::open(args)?;
    let store = context.store(Role::Reader).await?;
    let rows = match &which.id {
        Some(id) if !which.all => vec![replay::find(&store, id).await?],
        _ => store.decisions(None, u32::MAX).await?,
    };
    let mut wrong = Vec::new();
    for row in &rows {
        match replay::replay(&store, row).await? {
            Replayed::Same => {}
            Replayed::Differs(at) => {
                wrong.push(format!("{}: other bytes from byte {at} on", row.id));
            }
            Replayed::NoEvidence(why) => wrong.push(format!("{}: {why}", row.id)),
        }
    }
    let same = rows.len().saturating_sub(wrong.len());
    if out.json {
        out.document(&json!({ "decisions": rows.len(), "same": same, "wrong": wrong }))?;
    } else {
        out.line(&format!("{same} of {} decisions came out byte for byte the same", rows.len()))?;
        for line in &wrong {
            out.line(&format!("  {line}"))?;
        }
    }
    Ok(if wrong.is_empty() { Ending::Done } else { Ending::ReplayDiffers })
}
