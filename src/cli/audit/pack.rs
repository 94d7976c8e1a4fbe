//! The evidence pack: one tar file with everything a claim needs, and what it takes to check it without this program.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    cli::{Ending, Failure, context::Context},
    domain::{Day, DayRange, Moment, Zone, inert_json},
    ports::Store as _,
    store::{ANCHOR_FILE, SqliteStore},
};

/// Links per file of the pack: keeps memory flat whatever the length of the chain.
const LINKS: u32 = 20_000;

const README: &str = "\
Evidence pack of Rungwise

audit-NNNNN.jsonl   every link of the audit chain: seq, at_ms, kind, body (text as stored), prev, hash
anchors.log         heads of the chain that were copied out of the database: number, hash, seal
people.jsonl        what stands behind the tokens p:... in bodies: token, text, salt (hex); erased ones are missing
decisions.jsonl     every decision with the hash of its evidence
evidence/HASH.json  the stored inputs of each decision; HASH is the SHA-256 of the file
plans.jsonl         every plan (its exact bytes as text), who approved it, and how it ended
writes.jsonl        every write: the exact request, its log, the object it created
budgets.jsonl       status and budgets of campaigns and ad sets, each time a read found them changed
deliveries.jsonl    spend and results by day and ad set, newest version, with the time it was seen
proof.json          what was verified when this pack was made
manifest.sha256     SHA-256 of every other file: check with `sha256sum -c manifest.sha256`

A link is whole when SHA-256 of: rungwise/audit/v1, seq, at_ms (each 8 bytes, big-endian), then for kind, body and prev
the length (8 bytes, big-endian) and the bytes, is its hash, and its prev is the hash of the link before (64 zeros for
the first). A token is p: and the first 32 hex digits of SHA-256 of: rungwise/personal/v1, salt, text.
";

struct Pack {
    tar: tar::Builder<BufWriter<File>>,
    manifest: String,
    at: Moment,
}

impl Pack {
    fn add(&mut self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.at.seconds()).unwrap_or(0));
        self.tar.append_data(&mut header, name, bytes)?;
        let sum = HEXLOWER.encode(&Sha256::digest(bytes));
        let _ = writeln!(self.manifest, "{sum}  {name}");
        Ok(())
    }
    fn lines(&mut self, name: &str, lines: impl IntoIterator<Item = Value>) -> std::io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            writeln!(text, "{}", inert_json(&line.to_string()))?;
        }
        self.add(name, &text)
    }
}

/// Writes the pack to `to`, which must not exist, and tells how many links it holds.
pub(super) async fn write(
    context: &Context,
    store: &SqliteStore,
    to: &Path,
    now: Moment,
) -> Result<i64, Failure> {
    let cannot = |e: std::io::Error| {
        let what = format!("cannot write {}: {e}", to.display());
        Failure::new(Ending::CannotWrite, what, "name a new file in a directory you may write to")
    };
    let anchors = context.anchors()?.read()?;
    let head = store.verify_audit_against(&anchors.heads).await?;
    store.schema_is_recorded().await?;
    let file = File::options().write(true).create_new(true).open(to).map_err(cannot)?;
    let tar = tar::Builder::new(BufWriter::new(file));
    let mut pack = Pack { tar, manifest: String::new(), at: now };
    pack.add("README.txt", README.as_bytes()).map_err(cannot)?;
    links(store, &mut pack).await?.map_err(cannot)?;
    let copied = std::fs::read(store.dir().join(ANCHOR_FILE)).unwrap_or_default();
    pack.add("anchors.log", &copied).map_err(cannot)?;
    let people = store.people().await?;
    let openings = people
        .openings()
        .map(|(token, text, salt)| json!({ "token": token, "text": text, "salt": salt }));
    pack.lines("people.jsonl", openings).map_err(cannot)?;
    decisions(store, &mut pack).await?.map_err(cannot)?;
    plans(store, &mut pack).await?.map_err(cannot)?;
    deliveries(context, store, &mut pack, now).await?.map_err(cannot)?;
    let proof = json!({
        "made_at": now.rfc3339(), "program": env!("CARGO_PKG_VERSION"), "install_id": store.install_id().await?,
        "account": context.account.id, "records": head.seq, "head": head.hash.as_str(),
        "copied_heads_that_agree": anchors.heads.len(), "schema_digest": store.schema_digest().await?,
    });
    pack.add("proof.json", format!("{proof:#}\n").as_bytes()).map_err(cannot)?;
    let manifest = std::mem::take(&mut pack.manifest);
    pack.add("manifest.sha256", manifest.as_bytes()).map_err(cannot)?;
    let mut file = pack.tar.into_inner().map_err(cannot)?;
    file.flush().map_err(cannot)?;
    file.get_ref().sync_all().map_err(cannot)?;
    Ok(head.seq)
}

type Added = Result<std::io::Result<()>, Failure>;

async fn links(store: &SqliteStore, pack: &mut Pack) -> Added {
    let (mut after, mut number) = (0, 1_u32);
    loop {
        let page = store.links(after, LINKS).await?;
        let Some(newest) = page.last() else { return Ok(Ok(())) };
        after = newest.seq;
        let lines = page.iter().map(|l| {
            json!({
                "seq": l.seq, "at_ms": l.at.millis(), "kind": l.kind, "body": String::from_utf8_lossy(&l.body),
                "prev": l.prev.as_str(), "hash": l.hash.as_str(),
            })
        });
        if let Err(e) = pack.lines(&format!("audit-{number:05}.jsonl"), lines) {
            return Ok(Err(e));
        }
        number = number.saturating_add(1);
    }
}

async fn decisions(store: &SqliteStore, pack: &mut Pack) -> Added {
    let mut rows = store.decisions(None, u32::MAX).await?;
    rows.reverse();
    let mut hashes: Vec<String> = rows.iter().map(|r| r.evidence.clone()).collect();
    let lines = rows.iter().map(|r| {
        json!({
            "id": r.id, "line": r.line, "climb": r.climb, "at": r.at.rfc3339(), "evidence": r.evidence,
            "decision": String::from_utf8_lossy(&r.doc),
        })
    });
    if let Err(e) = pack.lines("decisions.jsonl", lines) {
        return Ok(Err(e));
    }
    hashes.sort();
    hashes.dedup();
    for hash in hashes {
        if let Some(bytes) = store.evidence(&hash).await?
            && let Err(e) = pack.add(&format!("evidence/{hash}.json"), &bytes)
        {
            return Ok(Err(e));
        }
    }
    Ok(Ok(()))
}

async fn plans(store: &SqliteStore, pack: &mut Pack) -> Added {
    let mut rows = store.plans(false, u32::MAX).await?;
    rows.reverse();
    let mut lines = Vec::new();
    for row in &rows {
        let approvals = store.approvals(&row.hash).await?;
        let end = row
            .end
            .as_ref()
            .map(|e| json!({ "outcome": e.outcome, "why": e.why, "at": e.at.rfc3339() }));
        lines.push(json!({
            "hash": row.hash.as_str(), "kind": row.kind.as_str(), "line": row.line, "climb": row.climb,
            "created": row.created.rfc3339(), "expires": row.expires.rfc3339(),
            "plan": String::from_utf8_lossy(&row.bytes), "approvals": approvals, "end": end,
        }));
    }
    if let Err(e) = pack.lines("plans.jsonl", lines) {
        return Ok(Err(e));
    }
    let writes = store.intents(None).await?;
    let lines = writes.iter().map(|w| {
        let log: Vec<Value> = w
            .entries
            .iter()
            .map(|(at, entry)| json!({ "at": at.rfc3339(), "entry": entry.as_str() }))
            .collect();
        json!({
            "op_key": w.op_key, "plan": w.plan.as_str(), "action": w.action, "request": w.request,
            "digest": w.request.digest(), "at": w.at.rfc3339(), "log": log, "object": w.object,
            "verified": w.verified,
        })
    });
    Ok(pack.lines("writes.jsonl", lines))
}

async fn deliveries(context: &Context, store: &SqliteStore, pack: &mut Pack, now: Moment) -> Added {
    let mut lines = Vec::new();
    for tree in store.tree_versions().await? {
        let seen = tree.seen_at.rfc3339();
        let c = &tree.campaign;
        lines.push(json!({
            "seen_at": seen, "kind": "campaign", "id": c.id, "campaign": c.id, "name": c.name, "status": c.status,
            "daily_budget": c.daily_budget, "lifetime_budget": c.lifetime_budget, "spend_cap": c.spend_cap,
        }));
        lines.extend(tree.adsets.iter().map(|s| {
            json!({
                "seen_at": seen, "kind": "ad_set", "id": s.id, "campaign": c.id, "name": s.name, "status": s.status,
                "daily_budget": s.daily_budget, "lifetime_budget": s.lifetime_budget, "end_time": s.end_time,
            })
        }));
    }
    if let Err(e) = pack.lines("budgets.jsonl", lines) {
        return Ok(Err(e));
    }
    let first: Day = "2000-01-01".parse().expect("a day");
    let last = Zone::utc().day_of(now).plus(2);
    let range = DayRange::new(first, last).expect("2000 lies in the past");
    let rows = store.insights(&context.account.id, &[], range, None).await?;
    let lines = rows.iter().map(|r| {
        json!({
            "day": r.row.day, "campaign": r.row.campaign, "adset": r.row.adset, "seen_at": r.seen_at.rfc3339(),
            "spend": r.row.spend.major(), "currency": r.row.spend.currency(), "impressions": r.row.impressions,
            "link_clicks": r.row.link_clicks, "attribution": r.row.attribution, "actions": r.row.actions,
            "values_minor": r.row.values,
        })
    });
    Ok(pack.lines("deliveries.jsonl", lines))
}
