//! `audit log | verify | export | erase | anchor`.

use serde_json::{Value, json};

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    boot::{self, Role},
    domain::audit::Link,
    ports::{Clock, Store, SystemClock},
    store::People,
};

mod pack;

/// Links read at a time.
const PAGE: u32 = 1_000;

/// Runs it.
pub async fn run(args: &args::Args, audit: &args::Audit, out: &Output) -> Ended {
    let context = context::open(args)?;
    if let args::AuditWhat::Erase { text } = &audit.what {
        return erase(&context, text, out).await;
    }
    let store = context.store(Role::Reader).await?;
    let people = store.people().await?;
    match &audit.what {
        args::AuditWhat::Erase { .. } => {}
        args::AuditWhat::Log { last } => {
            let head = store.head().await?;
            for link in store.links((head.seq - i64::from(*last)).max(0), *last).await? {
                line(&link, &people, out)?;
            }
        }
        args::AuditWhat::Export { pack: Some(to) } => {
            let records = pack::write(&context, &store, to, SystemClock.now()).await?;
            if out.json {
                out.document(&json!({ "pack": to, "records": records, "verified": true }))?;
            } else {
                out.line(&format!("wrote {}: {records} records and their proof", to.display()))?;
            }
        }
        args::AuditWhat::Export { pack: None } => {
            let mut after = 0;
            loop {
                let links = store.links(after, PAGE).await?;
                let Some(newest) = links.last() else { break };
                after = newest.seq;
                for link in &links {
                    out.compact(&document(link, &people))?;
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

/// Erases personal text; only while no agent runs.
async fn erase(context: &context::Context, text: &str, out: &Output) -> Ended {
    let store = context.store(Role::Agent).await?;
    let key = context.config.audit.key.as_ref().map(|k| &k.value);
    let now = SystemClock.now();
    boot::prove(&store, key, now).await?;
    if !store.erase(text, &context::user(), now).await? {
        return Err(Failure::new(
            Ending::NotFound,
            "no record names that text",
            "give it exactly as it was written; `rungwise audit log` shows it",
        ));
    }
    let head = store.verify_audit().await?;
    let file = context.anchors()?;
    file.append(&head)?;
    out.line(&format!("erased; {} records, chain unbroken", head.seq))?;
    out.say("copies of the database that were made before still hold it: make a new one and delete the old ones");
    Ok(Ending::Done)
}

fn body_of(link: &Link, people: &People) -> Value {
    let mut body: Value = serde_json::from_slice(&link.body).unwrap_or(Value::Null);
    people.name_all(&mut body);
    body
}

fn document(link: &Link, people: &People) -> Value {
    let body = body_of(link, people);
    json!({
        "seq": link.seq, "at": link.at.rfc3339(), "kind": link.kind, "body": body,
        "prev": link.prev.as_str(), "hash": link.hash.as_str(),
    })
}

fn line(link: &Link, people: &People, out: &Output) -> super::Said {
    if out.json {
        return out.compact(&document(link, people));
    }
    let body = body_of(link, people);
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
