//! What Meta says: account, token, app, pixel, clock, version, campaigns.

use std::collections::BTreeMap;

use super::Checks;
use crate::{
    app::token::{WARN_DAYS, needed},
    boot::{AnyClock, Reader},
    config::AccountConfig,
    domain::{
        AccountInfo, DAY_MS, Goal, HOUR_MS, Moment, Status, eligibility::refusals,
        policy::Isolation,
    },
    ports::{
        Clock, MetaRead,
        meta::{Surroundings, TokenInfo},
    },
};

/// The oldest Marketing API version that is served as it was (v24 ended on 2026-10-06), and the newest known here.
const SERVED: (u32, u32) = (25, 26);
/// Differences between Meta's clock and ours that are worth a warning, and that stop decisions, in milliseconds.
const SKEW_MS: (i64, i64) = (30_000, 120_000);
/// A pixel that has not reported for so long is most likely broken.
const SILENT_MS: i64 = 24 * HOUR_MS;
/// What `rungwise login` cures.
const NEW_TOKEN: &str = "make a system-user token of this app with the needed permissions on this account, and `rungwise login --system-user`";

pub(super) async fn look(
    account: &AccountConfig,
    client: &Reader,
    clock: &AnyClock,
    checks: &mut Checks,
) {
    let now = clock.now();
    version(&account.api.version, None, checks);
    match client.token().await {
        Ok(info) => token(account, &info, now, checks),
        Err(e) => checks.fail("token", e.to_string(), e.hint()),
    }
    let info = match client.account().await {
        Ok(info) => info,
        Err(e) => return checks.fail("account", e.to_string(), e.hint()),
    };
    the_account(account, &info, checks);
    match client.surroundings().await {
        Ok(found) => surroundings(account, &found, now, checks),
        Err(e) => checks.fail("surroundings", e.to_string(), e.hint()),
    }
    campaigns(account, client, checks).await;
}

fn token(account: &AccountConfig, info: &TokenInfo, now: Moment, checks: &mut Checks) {
    let source = account.api.token.as_ref().map_or_else(String::new, |t| t.source.to_string());
    if !info.valid {
        return checks.fail("token", format!("the one from {source} is not valid"), NEW_TOKEN);
    }
    let found = format!("{} token from {source}", info.kind);
    match info.kind.as_str() {
        "SYSTEM_USER" => checks.ok("token", found),
        "USER" => checks.warn(
            "token",
            format!("{found}: it ends with the person's password or session"),
            "a system-user token is the right one for a daemon",
        ),
        "UNKNOWN" => checks.warn(
            "token",
            format!("{found}: without the app its kind, end and permissions are not told"),
            "set api.app_id and the app secret",
        ),
        _ => checks.fail("token", format!("{found} cannot manage ads"), NEW_TOKEN),
    }
    if let Some(app) = &info.app_id {
        match &account.api.app_id {
            Some(own) if own == app => checks.ok("app", format!("app {app}")),
            Some(own) => checks.fail(
                "app",
                format!("the token was made for app {app}, api.app_id is {own}"),
                "set api.app_id to the token's app, or log in with this one",
            ),
            None => {}
        }
    }
    expiry(info, now, checks);
    scopes(account, info, checks);
}

fn expiry(info: &TokenInfo, now: Moment, checks: &mut Checks) {
    let name = "token end";
    let cure = if info.renewable {
        "see the agent's log for why it was not renewed"
    } else {
        "rungwise login"
    };
    match info.expires_at {
        None if info.kind == "UNKNOWN" => {}
        None => checks.ok(name, "never"),
        Some(end) => {
            let days = end.since(now).div_euclid(DAY_MS);
            let how = if info.renewable { "; the agent renews it" } else { "" };
            let found = format!("{end}, in {days} days{how}");
            if days < WARN_DAYS[2] {
                checks.fail(name, found, cure);
            } else if days < WARN_DAYS[0] {
                checks.warn(name, found, cure);
            } else {
                checks.ok(name, found);
            }
        }
    }
    if let Some(end) = info.data_access_until.filter(|end| end.since(now) < WARN_DAYS[0] * DAY_MS) {
        checks.warn("data access", format!("the person's consent ends {end}"), "rungwise login");
    }
}

fn scopes(account: &AccountConfig, info: &TokenInfo, checks: &mut Checks) {
    if info.scopes.is_empty() {
        return;
    }
    let name = "permissions";
    let needed = needed(&account.policy);
    let lacks: Vec<&str> =
        needed.iter().copied().filter(|s| !info.scopes.iter().any(|t| t == s)).collect();
    let extra: Vec<&str> =
        info.scopes.iter().map(String::as_str).filter(|s| !needed.contains(s)).collect();
    if !lacks.is_empty() {
        checks.fail(name, format!("missing: {}", lacks.join(", ")), NEW_TOKEN);
    } else if extra.is_empty() {
        checks.ok(name, info.scopes.join(", "));
    } else {
        checks.warn(
            name,
            format!("more than is needed: {}", extra.join(", ")),
            format!("a token with {} alone does less harm when it is lost", needed.join(", ")),
        );
    }
}

fn the_account(account: &AccountConfig, info: &AccountInfo, checks: &mut Checks) {
    let found = format!("{} ({}, {})", info.name, info.currency, info.zone);
    if info.status == 1 {
        checks.ok("account", found);
    } else {
        let found = format!("{found}: its status is {}, not 1 (active)", info.status);
        checks.fail("account", found, "open Ads Manager: the account needs a person's attention");
    }
    if let Err(e) = account.check_currency(info.currency) {
        checks.fail("currency", e.to_string(), "write [limits] in the account's currency");
    }
    if let Err(e) = account.check_zone(&info.zone) {
        checks.fail("time zone", e.to_string(), "leave account.time_zone out");
    }
    let studies = account.policy.compare.isolation == Isolation::AdStudy;
    match &info.business {
        Some(id) => checks.ok("business", id.clone()),
        None if studies => checks.fail(
            "business",
            "the account belongs to no business, and compare.isolation is ad_study",
            "add the account to a business, or set compare.isolation to none",
        ),
        None => checks.warn(
            "business",
            "the account belongs to no business: no system user, no studies",
            "add the account to a business portfolio",
        ),
    }
}

fn surroundings(account: &AccountConfig, found: &Surroundings, now: Moment, checks: &mut Checks) {
    let own = account.id.to_string();
    let others = found.accounts.iter().filter(|id| **id != own).count();
    if found.accounts.contains(&own) {
        let more = if others == 0 {
            String::new()
        } else {
            format!("; {others} others in reach are never called")
        };
        checks.ok("reach", format!("{} and no other is configured here{more}", account.id.act()));
    } else {
        checks.warn(
            "reach",
            format!("{} is not among the {others} ad accounts the token lists", account.id.act()),
            "assign the account to the token's user in Business Settings",
        );
    }
    proof(found, checks);
    pixel(account, found, now, checks);
    match found.skew_ms {
        None => checks.ok("clock", "Meta told no time"),
        Some(ms) => {
            let text = format!("Meta's clock is {} s ahead of ours", ms / 1000);
            let fix = "set this machine's clock by NTP";
            if ms.abs() > SKEW_MS.1 {
                checks.fail("clock", text, fix);
            } else if ms.abs() > SKEW_MS.0 {
                checks.warn("clock", text, fix);
            } else {
                checks.ok("clock", "within 30 s of Meta's");
            }
        }
    }
    if let Some(text) = &found.version_warning {
        version(&account.api.version, Some(text), checks);
    }
}

fn proof(found: &Surroundings, checks: &mut Checks) {
    let name = "app proof";
    match (found.proof_sent, found.proof_required) {
        (false, _) => checks.warn(
            name,
            "calls carry no appsecret_proof: whoever steals the token can use it anywhere",
            "set api.app_id and the app secret (api.app_secret_file or RUNGWISE_API_APP_SECRET)",
        ),
        (true, Some(true)) => checks.ok(name, "sent with every call, and the app demands it"),
        (true, Some(false)) => checks.warn(
            name,
            "sent with every call, but the app does not demand it",
            "switch on \"Require App Secret\" in the app's advanced settings",
        ),
        (true, None) => checks.ok(name, "sent with every call"),
    }
}

fn pixel(account: &AccountConfig, found: &Surroundings, now: Moment, checks: &mut Checks) {
    let wanted = account.policy.ladder.rungs.iter().any(|r| r.goal == Goal::OffsiteConversions);
    let name = "pixel";
    let usable: Vec<_> = found.pixels.iter().filter(|p| !p.unavailable).collect();
    if usable.is_empty() {
        if wanted {
            let what = format!("none that can be used, of {}", found.pixels.len());
            checks.fail(name, what, "share the pixel with the ad account in Events Manager");
        } else {
            checks.ok(name, "none, and the ladder needs none");
        }
        return;
    }
    for p in usable {
        let shown = format!("{} ({})", p.id, p.name);
        match p.last_fired {
            Some(at) if now.since(at) <= SILENT_MS => {
                checks.ok(name, format!("{shown}, last fired {at}"));
            }
            Some(at) => checks.warn(
                name,
                format!("{shown} has been silent since {at}"),
                "look at the site: a silent pixel counts nothing, and nothing is decided on it",
            ),
            None => checks.warn(name, format!("{shown} has never fired"), "install it on the site"),
        }
    }
}

fn version(version: &str, warning: Option<&str>, checks: &mut Checks) {
    let name = "API version";
    let major = version.strip_prefix('v').and_then(|v| v.split('.').next()?.parse::<u32>().ok());
    let fix = format!("set api.version to v{}.0", SERVED.1);
    match (warning, major) {
        (Some(text), _) => checks.warn(name, format!("{version}: Meta warns: {text}"), fix),
        (None, Some(major)) if major < SERVED.0 => {
            let what =
                format!("{version} has ended: Meta serves it as another version, or not at all");
            checks.fail(name, what, fix);
        }
        (None, Some(major)) if major > SERVED.1 => {
            let what = format!("{version} is newer than what this program was written for");
            checks.warn(name, what, fix);
        }
        (None, _) => checks.ok(name, version.to_owned()),
    }
}

/// How many campaigns that are on can be managed, and the others by reason.
async fn campaigns(account: &AccountConfig, client: &Reader, checks: &mut Checks) {
    let name = "campaigns";
    let trees = match client.trees(&[]).await {
        Ok(trees) => trees,
        Err(e) => return checks.fail(name, e.to_string(), e.hint()),
    };
    let (mut fine, mut refused) = (0_usize, 0_usize);
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for tree in trees.iter().filter(|t| t.campaign.status == Status::Active) {
        let why = refusals(tree, &account.policy);
        if why.is_empty() {
            fine += 1;
            continue;
        }
        refused += 1;
        for reason in why {
            reasons.entry(reason).or_default().push(tree.campaign.name.clone());
        }
    }
    let found = format!("{fine} that are on can be managed, {refused} cannot");
    if fine > 0 {
        checks.ok(name, found);
    } else {
        let fix = "nothing to manage: see the reasons below, or [ladder] and [lines]";
        checks.fail(name, found, fix);
    }
    for (reason, names) in reasons {
        checks.ok("  refused", format!("{}: {reason} ({})", names.len(), names.join("; ")));
    }
}
