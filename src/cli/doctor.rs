//! `doctor`: is everything in place? One line per check, with a fix where it is not.

use serde_json::json;

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    boot::{self, Role},
    daemon::stop::StopFile,
    domain::{DAY_MS, Moment, Status, eligibility::refusals},
    ports::{Clock, MetaRead, StopSwitch, SystemClock},
};

/// Days before its end at which a token is worth a warning.
const TOKEN_WARN_DAYS: i64 = 14;
/// Permissions the daemon needs.
const SCOPES: [&str; 2] = ["ads_read", "ads_management"];

struct Check {
    name: &'static str,
    well: bool,
    found: String,
    fix: &'static str,
}

fn check(name: &'static str, well: bool, found: impl Into<String>, fix: &'static str) -> Check {
    Check { name, well, found: found.into(), fix }
}

/// Runs it; the exit code is 1 when a check fails.
pub async fn run(args: &args::Args, out: &Output) -> Ended {
    let context = context::open(args)?;
    let mut checks = Vec::new();
    let (mode, why) = context.account.policy.effective_mode();
    let reason = why.map_or_else(String::new, |w| format!(" ({w})"));
    checks.push(check("configuration", true, format!("valid; mode {mode}{reason}"), ""));
    checks.push(database(&context).await);
    let stopped = StopFile::of(&context.dir).stopped();
    let running = stopped.is_none();
    let found = stopped.unwrap_or_else(|| "off".to_owned());
    checks.push(check("kill switch", running, found, "rungwise start --reason …"));
    match boot::reader(&context.account).await {
        Ok(client) => meta(&context, &client, &mut checks).await,
        Err(e) => {
            let hint = e.hint();
            checks.push(check("api", false, e.to_string(), hint));
        }
    }
    let well = checks.iter().all(|c| c.well);
    if out.json {
        let list: Vec<_> = checks
            .iter()
            .map(|c| json!({ "check": c.name, "ok": c.well, "found": c.found, "fix": (!c.well).then_some(c.fix) }))
            .collect();
        out.document(&json!({ "ok": well, "checks": list }))?;
    } else {
        for c in &checks {
            out.line(&format!(
                "{}  {:<14} {}",
                if c.well { "ok  " } else { "FAIL" },
                c.name,
                c.found
            ))?;
            if !c.well {
                out.line(&format!("      fix: {}", c.fix))?;
            }
        }
    }
    Ok(if well { Ending::Done } else { Ending::Failed })
}

async fn database(context: &context::Context) -> Check {
    if !context.dir.exists() {
        return check("database", true, "not made yet; the first sync makes it", "");
    }
    match context.store(Role::Reader).await {
        Ok(store) => match store.integrity().await {
            Ok(problems) if problems.is_empty() => {
                check("database", true, context.dir.display().to_string(), "")
            }
            Ok(problems) => check(
                "database",
                false,
                problems.join("; "),
                "stop the agent and restore a verified backup",
            ),
            Err(e) => check(
                "database",
                false,
                e.to_string(),
                "stop the agent and restore a verified backup",
            ),
        },
        Err(Failure { what, .. }) if what.contains("there is no database") => {
            check("database", true, "not made yet; the first sync makes it", "")
        }
        Err(failure) => check(
            "database",
            false,
            failure.what,
            "choose another --dir, or restore a verified backup",
        ),
    }
}

async fn meta<R: MetaRead>(context: &context::Context, client: &R, checks: &mut Vec<Check>) {
    let account = match client.account().await {
        Ok(account) => account,
        Err(e) => {
            let hint = e.hint();
            checks.push(check("api", false, e.to_string(), hint));
            return;
        }
    };
    let found = format!("{} ({}, {})", account.name, account.currency, account.zone);
    checks.push(check(
        "account",
        account.status == 1,
        found,
        "the account is not active; open Ads Manager",
    ));
    if let Err(e) = context.account.check_currency(account.currency) {
        checks.push(check(
            "currency",
            false,
            e.to_string(),
            "write [limits] in the account's currency",
        ));
    }
    if let Err(e) = context.account.check_zone(&account.zone) {
        checks.push(check("time zone", false, e.to_string(), "leave account.time_zone out"));
    }
    checks.push(token(client).await);
    match client.trees(&[]).await {
        Ok(trees) => {
            let on = trees.iter().filter(|t| t.campaign.status == Status::Active);
            let (mut fine, mut refused) = (0, Vec::new());
            for tree in on {
                match refusals(tree, &context.account.policy).first() {
                    None => fine += 1,
                    Some(why) => refused.push(format!("{} ({why})", tree.campaign.name)),
                }
            }
            let list = if refused.is_empty() {
                String::new()
            } else {
                format!(": {}", refused.join("; "))
            };
            let found = format!("{fine} can be managed, {} cannot{list}", refused.len());
            checks.push(check(
                "campaigns",
                fine > 0,
                found,
                "nothing to manage: see the reasons, or [ladder] and [lines]",
            ));
        }
        Err(e) => {
            let hint = e.hint();
            checks.push(check("campaigns", false, e.to_string(), hint));
        }
    }
}

async fn token<R: MetaRead>(client: &R) -> Check {
    let fix = "make a system-user token with ads_read and ads_management on this account";
    let token = match client.token().await {
        Ok(token) => token,
        Err(e) => return check("token", false, e.to_string(), fix),
    };
    let missing: Vec<&str> = SCOPES
        .into_iter()
        .filter(|s| !token.scopes.is_empty() && !token.scopes.iter().any(|t| t == s))
        .collect();
    if !token.valid {
        return check("token", false, "it is not valid", fix);
    }
    if !missing.is_empty() {
        return check("token", false, format!("it lacks {}", missing.join(", ")), fix);
    }
    let now = SystemClock.now();
    let soon =
        token.expires_at.is_some_and(|end: Moment| end.since(now) < TOKEN_WARN_DAYS * DAY_MS);
    let end =
        token.expires_at.map_or_else(|| "no end known".to_owned(), |end| format!("ends {end}"));
    check("token", !soon, format!("{} token, {end}", token.kind), fix)
}
