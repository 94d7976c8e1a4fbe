//! `db backup | verify | restore | strangers | adopt`: copies of the history, and what must be looked at after one was
//! put back.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    app::strangers::{self, Stranger},
    boot::{self, BACKUPS, Parts, Role, custody},
    daemon::hold::Hold,
    domain::audit::Head,
    ports::{Clock, Store, SystemClock},
    store::{Backup, SqliteStore},
};

/// Runs it.
pub async fn run(args: &args::Args, db: &args::Db, out: &Output) -> Ended {
    let context = context::open(args)?;
    match &db.what {
        args::DbWhat::Backup { to } => backup(&context, to.as_deref(), out).await,
        args::DbWhat::Verify { file: Some(file) } => verify_copy(&context, file, out).await,
        args::DbWhat::Verify { file: None } => verify(&context, out).await,
        args::DbWhat::Restore { file } => restore(&context, file, out).await,
        args::DbWhat::Strangers => {
            let parts = looking(&context).await?;
            let found = strangers::strangers(parts.desk("agent")).await?;
            list(&found, out)?;
            Ok(Ending::Done)
        }
        args::DbWhat::Adopt { id, note } => {
            let parts = looking(&context).await?;
            let user = context::user();
            let taken = strangers::adopt(parts.desk(&user), id, note).await?;
            out.line(&format!("{} {} is taken as known: {}", taken.kind, taken.id, taken.name))?;
            Ok(Ending::Done)
        }
    }
}

/// Reads of Meta beside a database that takes notes from people.
pub(super) async fn looking(context: &context::Context) -> Result<Parts, Failure> {
    let store = boot::open_store(&context.dir, &context.account, Role::Commands).await?;
    let (transport, clock, _) = boot::outside(&context.account).await?;
    Ok(Parts::assemble(store, &context.account, transport, clock, None)?)
}

fn list(found: &[Stranger], out: &Output) -> super::Said {
    if out.json {
        return out.document(&json!({ "strangers": found }));
    }
    for s in found {
        out.line(&format!("{:<8} {} {:<8} {}", s.kind, s.id, s.status, s.name))?;
    }
    if found.is_empty() {
        return out.line("no object with our marker is unknown to this history");
    }
    out.say("put each away in Ads Manager (pause, then archive; end a study), or `rungwise db adopt ID`");
    Ok(())
}

fn shown(backup: &Backup, out: &Output, verb: &str) -> Ended {
    if out.json {
        out.document(&json!({
            "file": backup.path, "bytes": backup.bytes, "records": backup.head.seq,
            "head": backup.head.hash.as_str(), "verified": true,
        }))?;
    } else {
        let (path, bytes, records) = (backup.path.display(), backup.bytes, backup.head.seq);
        out.line(&format!("{verb} {path}: {bytes} bytes, {records} audit records, verified"))?;
    }
    Ok(Ending::Done)
}

async fn backup(context: &context::Context, to: Option<&Path>, out: &Output) -> Ended {
    let store = context.store(Role::Reader).await?;
    let to = match to {
        Some(to) => to.to_owned(),
        None => default_copy(store.dir())?,
    };
    let made = store.backup(&to).await?;
    shown(&made, out, "copied to")
}

fn default_copy(dir: &Path) -> Result<PathBuf, Failure> {
    let dir = dir.join(BACKUPS);
    std::fs::create_dir_all(&dir).map_err(|e| {
        let what = format!("cannot make {}: {e}", dir.display());
        Failure::new(Ending::CannotWrite, what, "choose another place with --to")
    })?;
    Ok(dir.join(format!("backup-{}.db", SystemClock.now().seconds())))
}

/// Heads copied out that a chain of that length must hold.
fn within(heads: Vec<Head>, newest: i64) -> Vec<Head> {
    heads.into_iter().filter(|h| h.seq <= newest).collect()
}

async fn verify_copy(context: &context::Context, file: &Path, out: &Output) -> Ended {
    // Where there are no copied heads to hold it against, the copy is checked by itself.
    let heads = context.anchors().ok().map(|a| a.read()).transpose()?.map(|a| a.heads);
    let newest = Backup::inspect(file).await?.head.seq;
    let checked = Backup::inspect_against(file, &within(heads.unwrap_or_default(), newest)).await?;
    shown(&checked, out, "read")
}

/// Opens every sealed secret once; how many there are. What does not open would be missed in an emergency.
async fn open_secrets(context: &context::Context, store: &SqliteStore) -> Result<usize, Failure> {
    let sealed = store.all_sealed().await?;
    if sealed.is_empty() {
        return Ok(0);
    }
    let keys = custody::Keys::find(&context.config.secrets, &context.dir)?;
    let keys = keys.ok_or(custody::CustodyError::NoKey)?;
    for (account, row) in &sealed {
        keys.ring.open(account, row).map_err(custody::CustodyError::from)?;
    }
    Ok(sealed.len())
}

/// The live database: pages, constraints, chain against every copied head, schema against the chain.
async fn verify(context: &context::Context, out: &Output) -> Ended {
    let store = context.store(Role::Reader).await?;
    let problems = store.integrity().await?;
    if !problems.is_empty() {
        let what = format!("{} is damaged: {}", store.path().display(), problems.join("; "));
        return Err(Failure::new(
            Ending::Damaged,
            what,
            "stop the agent, copy the directory away, and `rungwise db restore` a verified backup",
        ));
    }
    let anchors = context.anchors()?.read()?;
    let head = store.verify_audit_against(&anchors.heads).await?;
    store.schema_is_recorded().await?;
    let secrets = open_secrets(context, &store).await?;
    let copied = anchors.heads.len();
    if out.json {
        out.document(&json!({
            "file": store.path(), "records": head.seq, "head": head.hash.as_str(), "anchors": copied, "secrets": secrets, "verified": true,
        }))?;
    } else {
        let records = head.seq;
        out.line(&format!(
            "{}: pages and constraints in order, {records} audit records unbroken, {copied} copied heads agree, \
             schema as recorded, {secrets} sealed secrets open",
            store.path().display()
        ))?;
    }
    Ok(Ending::Done)
}

async fn restore(context: &context::Context, from: &Path, out: &Output) -> Ended {
    let key = context.config.audit.key.as_ref().map(|k| &k.value);
    let (now, by) = (SystemClock.now(), context::user());
    let done = boot::restore(&context.dir, from, &context.account, key, &by, now).await?;
    let head = done.store.head().await?.seq;
    let hold = Hold::of(&context.dir).reason().unwrap_or_default();
    done.store.close().await;
    // Meta may be out of reach right now; the agent cannot be released before it was asked.
    let found = match looking(context).await {
        Ok(parts) => strangers::strangers(parts.desk("agent")).await.map_err(Failure::from),
        Err(e) => Err(e),
    };
    if out.json {
        let strangers = found.as_ref().ok();
        out.document(&json!({
            "restored": done.backup.path, "records": done.backup.head.seq, "head": head,
            "lost_head": done.lost, "held": hold, "strangers": strangers,
        }))?;
    } else {
        out.line(&format!(
            "restored {} audit records; the database that was there keeps its name with .replaced",
            done.backup.head.seq
        ))?;
        if let Some(lost) = done.lost {
            out.line(&format!(
                "records up to {lost} were copied out before: those after {} are lost to this history",
                done.backup.head.seq
            ))?;
        }
        out.line(&format!("held in observe: {hold}"))?;
        if let Ok(found) = &found {
            list(found, out)?;
        }
    }
    if let Err(e) = found {
        out.say(&format!("note: not compared with Meta yet: {}", e.what));
    }
    out.say(
        "look at `rungwise status` and `rungwise db strangers`, then `rungwise start --reason …`",
    );
    Ok(Ending::Done)
}
