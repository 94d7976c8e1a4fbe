//! `config default | show | check`: what is configured, from where, and what follows from it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde_json::{Value, json};

use crate::{
    config::{AccountConfig, Config, DEFAULT_TOML, Effective},
    daemon::schedule::{Schedule, Schedules},
    domain::{AccountId, Moment, Policy, Zone},
};

/// How many wake-ups of each schedule `check` shows.
const WAKE_UPS: usize = 3;

/// `config default`: the embedded file, which documents every key.
pub fn default(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(DEFAULT_TOML.as_bytes())
}

/// `config show`: every effective value with its origin; secrets as `***`.
pub fn show(config: &Config, as_json: bool, out: &mut dyn Write) -> io::Result<()> {
    if as_json {
        let accounts = config.accounts.iter().map(|account| {
            json!({ "account": account.id.act(), "values": values_json(&account.effective) })
        });
        let shown = json!({
            "files": config.files,
            "values": values_json(&config.effective),
            "accounts": accounts.collect::<Vec<_>>(),
        });
        return writeln!(out, "{shown:#}");
    }
    if config.accounts.is_empty() {
        writeln!(out, "# no ad account is configured")?;
        return values_text(&config.effective, out);
    }
    for (n, account) in config.accounts.iter().enumerate() {
        if n > 0 {
            writeln!(out)?;
        }
        writeln!(out, "# {}", account.id)?;
        values_text(&account.effective, out)?;
    }
    Ok(())
}

fn values_json(values: &[Effective]) -> Vec<Value> {
    let origin = |e: &Effective| e.origin.as_ref().map(ToString::to_string);
    values.iter().map(|e| json!({ "key": e.key, "value": e.value, "origin": origin(e) })).collect()
}

fn values_text(values: &[Effective], out: &mut dyn Write) -> io::Result<()> {
    for Effective { key, value, origin } in values {
        match (value, origin) {
            (Some(value), Some(origin)) => {
                writeln!(out, "{:<56} # {origin}", format!("{key} = {value}"))?;
            }
            _ => writeln!(out, "{:<56} # not set", format!("# {key} ="))?,
        }
    }
    Ok(())
}

/// `config check`: what holds, why, and when the jobs wake up next.
///
/// A configuration that could be loaded is valid, so this only tells what follows from it. `known_zones` are the zones
/// that a sync has learned; an account without one is shown in UTC.
pub fn check(
    config: &Config,
    known_zones: &BTreeMap<AccountId, Zone>,
    now: Moment,
    as_json: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    if as_json {
        let accounts = config.accounts.iter().map(|account| {
            let zone = zone_of(account, known_zones);
            let mut shown = summary_json(&account.policy, &schedules_of(account, zone), now);
            shown["account"] = json!(account.id.act());
            shown["base_url"] = json!(account.api.base_url.as_str());
            shown["time_zone"] = json!(zone.map(Zone::name));
            shown
        });
        let shown = json!({
            "valid": true,
            "accounts": accounts.collect::<Vec<_>>(),
            "warnings": config.warnings,
        });
        return writeln!(out, "{shown:#}");
    }
    for file in &config.files {
        writeln!(out, "{}: valid", file.display())?;
    }
    if config.accounts.is_empty() {
        writeln!(out, "no ad account is configured; the defaults are shown")?;
        summary_text(&config.policy, &config.schedules, now, out)?;
    }
    for account in &config.accounts {
        let zone = zone_of(account, known_zones);
        writeln!(out, "\naccount {} at {}", account.id, account.api.base_url)?;
        if zone.is_none() {
            writeln!(out, "  time zone not known before the first sync: UTC is shown")?;
        }
        summary_text(&account.policy, &schedules_of(account, zone), now, out)?;
    }
    for warning in &config.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}

fn zone_of<'a>(
    account: &'a AccountConfig,
    known: &'a BTreeMap<AccountId, Zone>,
) -> Option<&'a Zone> {
    known.get(&account.id).or(account.zone.as_ref())
}

fn schedules_of(account: &AccountConfig, zone: Option<&Zone>) -> Schedules {
    account.schedules_in(zone.unwrap_or(&Zone::utc()))
}

fn summary_json(policy: &Policy, schedules: &Schedules, now: Moment) -> Value {
    let (mode, why) = policy.effective_mode();
    let rungs: Vec<&str> = policy.ladder.rungs.iter().map(|rung| rung.key.as_str()).collect();
    let wakes = |schedule: &Schedule| -> Vec<Value> {
        let local = |slot: Moment| schedule.zone().local(slot);
        let slots = schedule.upcoming(now, WAKE_UPS).into_iter();
        slots.map(|slot| json!({ "utc": slot.rfc3339(), "account": local(slot) })).collect()
    };
    let schedules: Vec<Value> = schedules
        .iter()
        .map(|(job, s)| json!({ "job": job.as_str(), "cron": s.as_str(), "next": wakes(s) }))
        .collect();
    json!({
        "mode": { "configured": policy.mode, "effective": mode, "reason": why },
        "ladder": { "name": policy.ladder.name, "objective": policy.ladder.objective, "rungs": rungs },
        "rule": policy.compare.rule,
        "schedules": schedules,
    })
}

fn summary_text(
    policy: &Policy,
    schedules: &Schedules,
    now: Moment,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (mode, why) = policy.effective_mode();
    match why {
        Some(why) => writeln!(out, "  mode    {mode} (configured: {}): {why}", policy.mode)?,
        None => writeln!(out, "  mode    {mode}")?,
    }
    let rungs: Vec<&str> = policy.ladder.rungs.iter().map(|rung| rung.key.as_str()).collect();
    writeln!(out, "  ladder  {} under {}", rungs.join(" > "), policy.ladder.objective)?;
    writeln!(out, "  rule    {}", policy.compare.rule)?;
    if let Some(limits) = &policy.limits {
        writeln!(
            out,
            "  limits  {} a day, {} per climb, {} regret per climb",
            limits.max_daily_spend, limits.max_spend_per_climb, limits.max_regret_per_climb
        )?;
    }
    for (job, schedule) in schedules {
        writeln!(out, "  {:<13} {}", job.as_str(), schedule.as_str())?;
        for slot in schedule.upcoming(now, WAKE_UPS) {
            let local = schedule.zone().local(slot);
            writeln!(out, "    {slot}  {local} {}", schedule.zone())?;
        }
    }
    Ok(())
}
