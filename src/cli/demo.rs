//! `demo`: the whole story on the built-in sandbox, in process.
//!
//! The same boot and the same passes as the daemon, on the sandbox's clock. The only thing the demo adds is the person
//! who says yes: its mode is *supervised*, and it approves every plan the agent files, saying so.

use std::{path::PathBuf, sync::Arc};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Ended, Ending, Failure, args, output::Output, sandbox::populate};
use crate::{
    app::{self, commands, tick::Scope, ticked::Ticked, views},
    boot::{self, AnyClock, AnyTransport, Parts, Role},
    config,
    domain::{DAY_MS, Day, HOUR_MS, Moment, climb::State},
    ports::{BoxFuture, Clock, Store},
    sandbox::{Ledger, Sandbox, Scenario},
};

/// When the story begins: a Monday far from the blackout days of the default configuration.
const OPENING: &str = "2026-01-05T06:30:00Z";
/// Hours between two passes.
const PASS_HOURS: i64 = 12;
/// Days at either end whose blended CPA is compared.
const CPA_DAYS: i64 = 28;

/// Runs it.
pub async fn run(args: &args::Args, demo: &args::Demo, out: &Output) -> Ended {
    let start: Moment = OPENING.parse().expect("the opening is a moment");
    let scenario = Scenario::stuck_at_purchase().seeded(demo.seed).starting(start);
    // The same world without anybody in it: what would have happened had the shop been left alone.
    let untouched = populate(scenario.clone());
    let world = populate(scenario);
    let dir = directory(args)?;
    let text = configuration(&world, demo);
    std::fs::write(dir.join("config.toml"), &text).map_err(|e| cannot_write(&dir, &e))?;
    let who = world.credentials();
    let secrets = [
        ("api.token", who.access_token.expose_secret()),
        ("api.app_secret", who.app_secret.expose_secret()),
    ];
    let config = config::from_toml(&text, &secrets)?;
    let account = config.account(None)?.clone();
    let store = boot::open_store(&dir, &account, Role::Agent).await?;
    if store.head().await?.seq > 0 {
        let what = format!("{} already holds a history", dir.display());
        return Err(Failure::new(
            Ending::Usage,
            what,
            "the demo starts from nothing: choose an empty --dir",
        ));
    }
    let transport: AnyTransport = Arc::new(world.clone());
    let clock: AnyClock = Arc::new(Driver(world.clone()));
    let parts = Parts::assemble(store, &account, transport, clock, Some(demo.seed))?;
    let mut teller = Story { out, parts: &parts, bar: progress(out, demo.weeks), told: Vec::new() };
    teller.open(demo)?;
    let end = start.plus(i64::from(demo.weeks).saturating_mul(7 * DAY_MS));
    while parts.clock.now() < end {
        teller.pass().await?;
        world.advance_to(parts.clock.now().plus(PASS_HOURS * HOUR_MS));
        let weeks = parts.clock.now().since(start) / (7 * DAY_MS);
        teller.bar.set_position(u64::try_from(weeks).unwrap_or(0));
    }
    teller.bar.finish_and_clear();
    parts.anchor().await?;
    untouched.advance_to(parts.clock.now());
    let summary = summary(&parts, &world, &untouched, demo, start).await?;
    if !out.json {
        tell(&summary, &dir, out)?;
    }
    if out.json {
        out.compact(&summary)?;
    }
    Ok(Ending::Done)
}

fn cannot_write(dir: &std::path::Path, e: &std::io::Error) -> Failure {
    Failure::new(
        Ending::CannotWrite,
        format!("cannot write to {}: {e}", dir.display()),
        "choose another --dir",
    )
}

/// `--dir`, or a fresh directory beside the other temporary files.
fn directory(args: &args::Args) -> Result<PathBuf, Failure> {
    let dir = args.dir.clone().unwrap_or_else(|| {
        let name = format!("rungwise-demo-{}", std::process::id());
        std::env::temp_dir().join(name)
    });
    std::fs::create_dir_all(&dir).map_err(|e| cannot_write(&dir, &e))?;
    Ok(dir)
}

/// The demo's configuration, as a person would write it; it is left in the directory for the other commands.
fn configuration(world: &Sandbox, demo: &args::Demo) -> String {
    let who = world.credentials();
    let level = if demo.propose_only { "propose" } else { "supervised" };
    format!(
        "# The demo's own configuration. The sandbox it ran on lived in the demo's process and is gone.\n\
         [account]\nid = \"act_{}\"\n\n[mode]\nlevel = \"{level}\"\n\n\
         [limits]\nmax_daily_spend = \"400.00 EUR\"\nmax_spend_per_climb = \"8000.00 EUR\"\n\
         max_regret_per_climb = \"1000.00 EUR\"\n\n[api]\nbase_url = \"http://127.0.0.1:1\"\napp_id = \"{}\"\n\n\
         [freshness]\ninsights = \"24h\"\n\n\
         # This shop follows the plain doctrine: below 30 purchases a week a lower rung, below 15 at once and on\n\
         # probation. The defaults are more careful, see `rungwise config default`.\n\
         [gates]\nuntested_below = 15\ntested_below = 30\n[placement]\njudged_by = \"volume\"\n",
        who.account_id, who.app_id
    )
}

fn progress(out: &Output, weeks: u32) -> ProgressBar {
    let bar = ProgressBar::new(u64::from(weeks));
    if out.json {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("  week {pos}/{len} {wide_bar} {elapsed}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// The sandbox's clock; whoever waits on it lets the sandbox's time pass.
struct Driver(Sandbox);

impl Clock for Driver {
    fn now(&self) -> Moment {
        self.0.clock().now()
    }
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
        self.0.advance_to(until);
        Box::pin(std::future::ready(()))
    }
}

struct Story<'a> {
    out: &'a Output,
    parts: &'a Parts,
    bar: ProgressBar,
    told: Vec<String>,
}

impl Story<'_> {
    fn say(&self, text: &str) -> Result<(), Failure> {
        if self.out.json {
            return Ok(());
        }
        self.bar.suspend(|| self.out.line(text))
    }

    fn when(&self) -> String {
        crate::domain::Zone::utc().local(self.parts.clock.now())
    }

    fn open(&self, demo: &args::Demo) -> Result<(), Failure> {
        self.say(&format!(
            "A small shop sells about a dozen a week and optimises for Purchase, so its ad set never leaves learning.\n\
             Demand grows about {:.0} % in 26 weeks. Seed {}, {} weeks, mode {}.\n",
            crate::sandbox::market::MarketParams::stuck_at_purchase().demand_growth * 100.0,
            demo.seed,
            demo.weeks,
            self.parts.account.policy.effective_mode().0
        ))
    }

    /// One pass of the agent, then the person of the demo says yes to what was filed, then the rest of the pass.
    async fn pass(&mut self) -> Result<(), Failure> {
        let hour = self.parts.clock.now().timestamp().to_zoned(jiff::tz::TimeZone::UTC).hour();
        let mut scope = Scope { decide: i64::from(hour) < PASS_HOURS };
        for _ in 0..8 {
            let hands = self.parts.hands();
            let done = app::tick::tick(self.parts.desk("agent"), hands.as_ref(), scope).await?;
            self.tell(&done)?;
            let approved = if hands.is_some() { self.approve().await? } else { false };
            if !approved {
                break;
            }
            scope = Scope { decide: false };
        }
        Ok(())
    }

    async fn approve(&mut self) -> Result<bool, Failure> {
        let mut any = false;
        for plan in self.parts.store.plans(true, 50).await? {
            if !self.parts.store.approvals(&plan.hash).await?.is_empty() {
                continue;
            }
            let desk = self.parts.desk("demo");
            commands::approve(desk, &plan, "demo (automatic)", "the demo says yes to everything")
                .await?;
            self.say(&format!(
                "{}   approved automatically: plan {}",
                self.when(),
                plan.hash.plan_id()
            ))?;
            any = true;
        }
        Ok(any)
    }

    fn tell(&mut self, done: &Ticked) -> Result<(), Failure> {
        for filed in &done.decisions {
            let moved = filed.decision.trail.len() > 1;
            let looked =
                matches!(filed.climb.state, State::Comparing { .. } | State::Probation { .. })
                    && filed.decision.conclusion.starts_with("look");
            if moved || looked {
                let trail = filed.decision.trail.join(" > ");
                self.say(&format!(
                    "{} {trail}\n                   {}",
                    self.when(),
                    filed.decision.conclusion
                ))?;
                for reason in &filed.decision.reasons {
                    self.say(&format!("                   - {reason}"))?;
                }
            }
        }
        for row in &done.filed {
            let plan = views::plan_of(row)?;
            self.say(&format!("{} proposal {}: {}", self.when(), row.hash.plan_id(), plan.title))?;
            self.say(&format!(
                "                   {} writes, extra per day {}, in all at most {}, expires {}",
                plan.actions.len(),
                plan.money.extra_per_day,
                plan.money.extra_total,
                plan.expires
            ))?;
        }
        for (row, outcome, why) in &done.ended {
            let plan = views::plan_of(row)?;
            for action in plan.actions.iter().filter(|_| outcome == "done") {
                self.say(&format!(
                    "                     {} /{}  {}",
                    action.request.method, action.request.path, action.key
                ))?;
            }
            self.say(&format!(
                "{} {outcome}: {} plan {} ({why})",
                self.when(),
                row.kind.as_str(),
                row.hash.plan_id()
            ))?;
        }
        for alarm in &done.alarms {
            if !self.told.contains(alarm) {
                self.told.push(alarm.clone());
                self.say(&format!("{} ALARM {alarm}", self.when()))?;
            }
        }
        Ok(())
    }
}

/// Spend in minor units, conversions that happened, conversions the truth expects.
fn totals(ledger: &Ledger, since: Day, until: Day) -> (i64, u32, f64) {
    let days = ledger.days.iter().filter(|d| d.day >= since && d.day < until);
    days.fold((0, 0, 0.0), |(spend, n, expected), d| {
        (spend + d.spend_minor, n + d.purchases, expected + d.expected_purchases)
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a cost per conversion for people, from amounts far below 2^53"
)]
fn per(spend: i64, n: f64) -> Option<f64> {
    (n > 0.0).then(|| spend as f64 / n)
}

async fn summary(
    parts: &Parts,
    world: &Sandbox,
    untouched: &Sandbox,
    demo: &args::Demo,
    start: Moment,
) -> Result<Value, Failure> {
    let account = parts.store.account(&parts.account.id).await?;
    let account =
        account.ok_or_else(|| Failure::new(Ending::Damaged, "the account was never read", ""))?;
    let ledger = world.ledger();
    let zone = &account.zone;
    let (first, last) = (zone.day_of(start), zone.day_of(parts.clock.now()));
    let before = totals(&ledger, first.plus(-CPA_DAYS), first);
    let after = totals(&ledger, last.plus(-CPA_DAYS), last);
    let tests = views::tests(&parts.store, account.currency).await?;
    let open = parts.store.climbs(true).await?;
    let climb = open.first().map(app::lines::climb_of).transpose()?;
    let path = climb.as_ref().map(|c| c.memory.path.clone()).unwrap_or_default();
    let head = parts.store.head().await?;
    let verified = parts.store.verify_audit().await.is_ok();
    let writes = parts.store.intents(None).await?.len();
    let money = |cpa: Option<f64>| cpa.and_then(|c| views::cpa(c, account.currency));
    let whole = totals(&ledger, first, last);
    let alone = totals(&untouched.ledger(), first, last);
    let climbs: Vec<Value> = tests
        .iter()
        .map(|t| {
            json!({
                "from": t.from, "to": t.to, "kind": t.kind, "verdict": t.verdict, "days": t.days,
                "incumbent_cpa": t.incumbent_cpa, "challenger_cpa": t.challenger_cpa,
                "interval": t.interval.map(|(low, high)| [low, high]), "on": t.on, "conclusion": t.conclusion,
            })
        })
        .collect();
    Ok(json!({
        "seed": demo.seed,
        "weeks": demo.weeks,
        "path": path,
        "climbs": climbs,
        "writes": writes,
        "audit": { "records": head.seq, "verified": verified },
        "cpa_before": money(per(before.0, f64::from(before.1))),
        "cpa_after": money(per(after.0, f64::from(after.1))),
        "true_cpa_before": money(per(before.0, before.2)),
        "true_cpa_after": money(per(after.0, after.2)),
        "true_cpa_story": money(per(whole.0, whole.2)),
        "true_cpa_untouched": money(per(alone.0, alone.2)),
        "currency": account.currency,
        "final_rung": climb.map(|c| c.rung),
    }))
}

fn tell(summary: &Value, dir: &std::path::Path, out: &Output) -> super::Said {
    let text = |key: &str| match summary.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "undefined (no conversions)".to_owned(),
        Some(other) => other.to_string(),
    };
    let list = |key: &str| summary.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let path: Vec<String> =
        list("path").iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    out.line("")?;
    out.line(&format!("path            {}", path.join(" > ")))?;
    for climb in list("climbs") {
        let part = |key: &str| {
            climb
                .get(key)
                .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                .unwrap_or_default()
        };
        out.line(&format!(
            "{:<16}{} -> {}: {}",
            part("on"),
            part("from"),
            part("to"),
            part("conclusion")
        ))?;
    }
    let currency = text("currency");
    out.line(&format!(
        "blended CPA     {} -> {} {currency} (28 days at either end)",
        text("cpa_before"),
        text("cpa_after")
    ))?;
    out.line(&format!(
        "true CPA        {} -> {} {currency} (the sandbox's own expectation for the same spend)",
        text("true_cpa_before"),
        text("true_cpa_after")
    ))?;
    out.line(&format!(
        "whole story     {} {currency} true CPA from the first day to the last, tests paid; left alone: {} {currency}",
        text("true_cpa_story"),
        text("true_cpa_untouched")
    ))?;
    let audit = summary.get("audit").cloned().unwrap_or_default();
    let verified = audit.get("verified").and_then(Value::as_bool).unwrap_or(false);
    let records = audit.get("records").and_then(Value::as_i64).unwrap_or(0);
    let chain = if verified { "chain verified" } else { "CHAIN BROKEN" };
    out.line(&format!("audit           {records} records, {chain}; {} writes", text("writes")))?;
    let shown = dir.display();
    out.line(&format!("database        {shown}"))?;
    out.line(&format!(
        "  rungwise --dir {shown} status | show --all | explain | audit log | replay --all"
    ))
}
