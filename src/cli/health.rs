//! `health`: does the agent live, and is everything in place for it? For people, and for whoever supervises it.

use serde_json::json;

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    boot::Role,
    daemon::{
        beat::{Beat, BeatFile},
        stop::StopFile,
    },
    domain::Moment,
    ports::{Clock, StopSwitch, SystemClock},
    store::{SqliteStore, WAL_ALARM_BYTES},
};

/// One named check.
struct Check {
    name: &'static str,
    well: bool,
    found: String,
    ending: Ending,
}

fn check(name: &'static str, ending: Ending, found: Result<String, String>) -> Check {
    let well = found.is_ok();
    Check { name, well, found: found.unwrap_or_else(|e| e), ending }
}

/// Runs it. The exit code is that of the first check that fails; an agent that was ended cleanly is no failure.
pub async fn run(args: &args::Args, out: &Output) -> Ended {
    let context = context::open(args)?;
    let now = SystemClock.now();
    let beat = BeatFile::of(&context.dir).read();
    let (live, agent) = agent(&beat, now);
    let mut checks = vec![agent];
    match context.store(Role::Reader).await {
        Ok(store) => {
            checks.push(check("database", Ending::Damaged, Ok(store.path().display().to_string())));
            history(&context, &store, &mut checks).await;
        }
        Err(Failure { what, ending, .. }) => checks.push(check("database", ending, Err(what))),
    }
    let switch = StopFile::of(&context.dir);
    let writes = switch.stopped();
    let well = checks.iter().all(|c| c.well);
    let ready = live && well;
    if out.json {
        let list: Vec<_> = checks
            .iter()
            .map(|c| json!({ "check": c.name, "ok": c.well, "found": c.found }))
            .collect();
        out.document(&json!({
            "live": live, "ready": ready, "checks": list, "stopped": writes, "held": switch.held(),
        }))?;
    } else {
        for c in &checks {
            let word = if c.well { "ok  " } else { "FAIL" };
            out.line(&format!("{word}  {:<10} {}", c.name, c.found))?;
        }
        if let Some(why) = &writes {
            out.line(&format!("writes are off: {why}"))?;
        }
        let (live, ready) = (yes(live), yes(ready));
        out.line(&format!("live {live}, ready {ready}"))?;
    }
    Ok(checks.iter().find(|c| !c.well).map_or(Ending::Done, |c| c.ending))
}

const fn yes(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}

fn agent(beat: &std::io::Result<Option<Beat>>, now: Moment) -> (bool, Check) {
    let (live, found) = match beat {
        Ok(None) => (false, Ok("not running".to_owned())),
        Ok(Some(beat)) => {
            let age = now.millis().saturating_sub(beat.at_ms) / 1000;
            let text = format!("process {}, {} since {age} s", beat.pid, beat.doing);
            let live = beat.is_alive(now);
            let found = if live { Ok(text) } else { Err(format!("it died or hangs: {text}")) };
            (live, found)
        }
        Err(e) => (false, Err(format!("its sign of life cannot be read: {e}"))),
    };
    (live, check("agent", Ending::Failed, found))
}

async fn history(context: &context::Context, store: &SqliteStore, checks: &mut Vec<Check>) {
    let writable = context.store(Role::Commands).await;
    let writable = writable.map(|_| "takes a write lock".to_owned()).map_err(|f| f.what);
    checks.push(check("writable", Ending::CannotWrite, writable));
    let chain = async {
        let anchors = context.anchors()?.read()?;
        let newest = anchors.heads.into_iter().max_by_key(|h| h.seq);
        let from = newest.unwrap_or_else(crate::domain::audit::Head::genesis);
        Ok::<_, Failure>(store.verify_audit_from(&from).await?)
    };
    let chain = chain.await.map(|head| format!("unbroken up to record {}", head.seq));
    checks.push(check("chain", Ending::ChainBroken, chain.map_err(|f| f.what)));
    let schema = store.schema_is_recorded().await;
    let schema = schema.map(|()| "as recorded".to_owned()).map_err(|e| e.to_string());
    checks.push(check("schema", Ending::ChainBroken, schema));
    let space = store.room().map_or_else(|| Ok("enough".to_owned()), Err);
    checks.push(check("space", Ending::CannotWrite, space));
    let log = store.log_bytes();
    let text = format!("{log} bytes");
    let log = if log > WAL_ALARM_BYTES { Err(text) } else { Ok(text) };
    checks.push(check("wal", Ending::Failed, log));
}
