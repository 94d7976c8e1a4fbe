//! `drift`: outside changes on managed objects. Reads only.

use serde_json::Value;

use super::{Ended, Ending, args, context, output::Output};
use crate::{
    app::drift::{Drift, drift},
    boot::{self, Parts, Role},
};

/// Runs it.
pub async fn run(args: &args::Args, out: &Output) -> Ended {
    let context = context::open(args)?;
    let store = context.store(Role::Reader).await?;
    let (transport, clock, _) = boot::outside(&context.account).await?;
    let parts = Parts::assemble(store, &context.account, transport, clock, None)?;
    let found = drift(&parts.store, &parts.client).await?;
    if out.json {
        out.document(&found)?;
    } else {
        text(&found, out)?;
    }
    Ok(Ending::Done)
}

fn text(found: &Drift, out: &Output) -> super::Said {
    let foreign = found.foreign().count();
    out.line(&format!(
        "{} managed campaigns read; {foreign} field(s) changed by somebody else, {} by our own writes",
        found.campaigns,
        found.changes.len().saturating_sub(foreign)
    ))?;
    let short = |v: &Value| v.to_string().chars().take(80).collect::<String>();
    for c in &found.changes {
        let by = match (&c.own_write, &c.log) {
            (Some(write), _) => format!("write {write}"),
            (None, Some(told)) => format!("somebody else: {told}"),
            (None, None) => "somebody else".to_owned(),
        };
        out.line(&format!(
            "  {} {} {}: {}: {} -> {} ({by}, since {})",
            c.kind,
            c.id,
            c.name,
            c.field,
            short(&c.before),
            short(&c.now),
            c.seen_at
        ))?;
    }
    for gone in &found.gone {
        out.line(&format!("  GONE: {gone}"))?;
    }
    Ok(())
}
