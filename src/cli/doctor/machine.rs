//! What lies on this machine: configuration, database, disk, keys, kill switch.

use std::path::Path;

use super::Checks;
use crate::{
    boot::{Role, custody::Keys},
    cli::{Failure, context::Context},
    daemon::stop::StopFile,
    ports::StopSwitch,
};

/// Free space below which the next intent may not fit, in bytes.
const LEAST_FREE: u64 = 200 * 1024 * 1024;
/// Free space below which it is worth a warning.
const LITTLE_FREE: u64 = 1024 * 1024 * 1024;

pub(super) async fn look(context: &Context, checks: &mut Checks) {
    let (mode, why) = context.account.policy.effective_mode();
    let reason = why.map_or_else(String::new, |w| format!(" ({w})"));
    checks.ok("configuration", format!("valid; mode {mode}{reason}"));
    for warning in &context.config.warnings {
        checks.warn("configuration", warning.clone(), "see the sentence itself");
    }
    database(context, checks).await;
    disk(&context.dir, checks);
    keys(context, checks);
    match StopFile::of(&context.dir).stopped() {
        None => checks.ok("kill switch", "off"),
        Some(why) => checks.fail("kill switch", why, "rungwise start --reason …"),
    }
}

async fn database(context: &Context, checks: &mut Checks) {
    let (name, broken) = ("database", "stop the agent and restore a verified backup");
    if !context.dir.exists() {
        return checks.ok(name, "not made yet; the first sync makes it");
    }
    match context.store(Role::Reader).await {
        Ok(store) => match store.integrity().await {
            Ok(problems) if problems.is_empty() => {
                checks.ok(name, context.dir.display().to_string());
            }
            Ok(problems) => checks.fail(name, problems.join("; "), broken),
            Err(e) => checks.fail(name, e.to_string(), broken),
        },
        Err(Failure { what, .. }) if what.contains("there is no database") => {
            checks.ok(name, "not made yet; the first sync makes it");
        }
        Err(failure) => {
            let fix = failure.hint.unwrap_or_else(|| broken.to_owned());
            checks.fail(name, failure.what, fix);
        }
    }
}

/// Where the directory is not made yet, the nearest one above it tells.
fn disk(dir: &Path, checks: &mut Checks) {
    let there = dir.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let stat = match rustix::fs::statvfs(there) {
        Ok(stat) => stat,
        Err(e) => {
            return checks.warn("disk", format!("{}: {e}", there.display()), "check the directory");
        }
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let total = stat.f_blocks.saturating_mul(stat.f_frsize);
    let share = free.saturating_mul(100).checked_div(total).unwrap_or(0);
    let found = format!("{} MB free ({share} %) for {}", free / (1024 * 1024), dir.display());
    let fix = "make room: a write to Meta must never wait for its record";
    if free < LEAST_FREE || share < 2 {
        checks.fail("disk", found, fix);
    } else if free < LITTLE_FREE {
        checks.warn("disk", found, fix);
    } else {
        checks.ok("disk", found);
    }
}

fn keys(context: &Context, checks: &mut Checks) {
    let name = "key custody";
    match Keys::find(&context.config.secrets, &context.dir) {
        Ok(None) => checks.ok(name, "no key yet; `rungwise login` draws one where none is given"),
        Ok(Some(keys)) => {
            let more = keys.ring.ids().count().saturating_sub(1);
            let old = if more > 0 { format!(", {more} older beside it") } else { String::new() };
            let found = format!("key {} of {}{old}", keys.ring.first_id(), keys.source);
            match keys.warning() {
                Some(why) => checks.warn(name, found, why),
                None if more > 0 => {
                    checks.warn(name, found, "rungwise login --rotate-key, then drop the old key");
                }
                None => checks.ok(name, found),
            }
        }
        Err(e) => checks.fail(name, e.to_string(), e.hint()),
    }
}
