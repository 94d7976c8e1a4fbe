//! `audit log | verify | export | anchor`.

use serde_json::{Value, json};

use super::{Ended, Ending, args, context, output::Output};
use crate::{boot::Role, domain::audit::Link, ports::Store};

/// Links read at a time.
const PAGE: u32 = 1_000;

/// Runs it.
pub async fn run(args: &args::Args, audit: &args::Audit, out: &Output) -> Ended {
    let context = context::open(args)?;
    let store = context.store(Role::Reader).await?;
    match audit.what {
        args::AuditWhat::Log { last } => {
            let head = store.head().await?;
            for link in store.links((head.seq - i64::from(last)).max(0), last).await? {
                line(&link, out)?;
            }
        }
        args::AuditWhat::Export => {
            let mut after = 0;
            loop {
                let links = store.links(after, PAGE).await?;
                let Some(newest) = links.last() else { break };
                after = newest.seq;
                for link in &links {
                    out.compact(&document(link))?;
                }
            }
        }
        args::AuditWhat::Verify => {
            let anchors = context.anchors()?.read()?;
            let head = store.verify_audit_against(&anchors.heads).await?;
            if out.json {
                out.document(&json!({ "records": head.seq, "verified": true, "head": head.hash.as_str(), "anchors": anchors.heads.len() }))?;
            } else {
                out.line(&format!(
                    "{} records, chain unbroken, {} copied heads agree; head {}",
                    head.seq,
                    anchors.heads.len(),
                    head.hash
                ))?;
            }
        }
        args::AuditWhat::Anchor => {
            let head = store.verify_audit().await?;
            let file = context.anchors()?;
            file.append(&head)?;
            out.line(&file.line(&head))?;
        }
    }
    Ok(Ending::Done)
}

fn document(link: &Link) -> Value {
    let body: Value = serde_json::from_slice(&link.body).unwrap_or(Value::Null);
    json!({
        "seq": link.seq, "at": link.at.rfc3339(), "kind": link.kind, "body": body,
        "prev": link.prev.as_str(), "hash": link.hash.as_str(),
    })
}

fn line(link: &Link, out: &Output) -> super::Said {
    if out.json {
        return out.compact(&document(link));
    }
    let body: Value = serde_json::from_slice(&link.body).unwrap_or(Value::Null);
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let about = ["title", "conclusion", "reason", "outcome", "why", "action"]
        .iter()
        .map(|k| text(k))
        .find(|t| !t.is_empty());
    out.line(&format!(
        "{:>6}  {}  {:<14} {:<8} {}",
        link.seq,
        link.at,
        link.kind,
        text("actor"),
        about.unwrap_or_default()
    ))
}
