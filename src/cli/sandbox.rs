//! `sandbox serve`: the rehearsal world over HTTP.

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::net::TcpListener;

use super::{Ended, Ending, Failure, args, output::Output};
use crate::{
    domain::Moment,
    ports::{Clock, SystemClock},
    sandbox::{
        self, FaultMix, Options, Sandbox, Scenario, Tier, Town, TownPlan, http::ServeOptions,
        market::MarketParams,
    },
};

/// Runs it until it is killed.
pub async fn run(args: &args::Args, command: &args::Sandbox, out: &Output) -> Ended {
    let args::SandboxWhat::Serve { addr, seed, speed, scenario, faults, start, rules } =
        &command.what;
    let start = match start {
        Some(text) => text.parse::<Moment>().map_err(|e| {
            Failure::new(Ending::Usage, e.to_string(), "write --start 2026-01-05T08:00:00Z")
        })?,
        None => SystemClock.now(),
    };
    let mut scenario = named(scenario)?.seeded(*seed).starting(start);
    scenario.drafts = DRAFTS.to_vec();
    let world = ruled(scenario, options(rules)?);
    if *faults {
        world.set_faults(FaultMix::new(*seed));
    }
    let bad = |e: std::io::Error| {
        Failure::new(
            Ending::Usage,
            format!("cannot listen on {addr}: {e}"),
            "give a loopback address such as 127.0.0.1:8199",
        )
    };
    let listener = TcpListener::bind(addr).await.map_err(bad)?;
    let local = listener.local_addr().map_err(bad)?;
    if !local.ip().is_loopback() {
        let what = format!("{local} is not a loopback address");
        return Err(Failure::new(
            Ending::Usage,
            what,
            "the rehearsal world is for this machine only: use 127.0.0.1",
        ));
    }
    let who = world.credentials();
    let base_url = format!("http://{local}");
    let line = json!({
        "base_url": base_url, "account_id": who.account_id, "access_token": who.access_token.expose_secret(),
        "app_id": who.app_id, "app_secret": who.app_secret.expose_secret(),
    });
    if args.json {
        out.compact(&line)?;
    } else {
        out.line(&format!("serving {base_url} for account act_{}", who.account_id))?;
        out.line(&format!("  export RUNGWISE_API_BASE_URL={base_url}"))?;
        out.line(&format!("  export RUNGWISE_ACCOUNT_ID=act_{}", who.account_id))?;
        out.line(&format!("  export RUNGWISE_API_TOKEN={}", who.access_token.expose_secret()))?;
        out.line("  export RUNGWISE_LIMITS_MAX_DAILY_SPEND='1000.00 EUR' RUNGWISE_LIMITS_MAX_SPEND_PER_CLIMB='20000.00 EUR' RUNGWISE_LIMITS_MAX_REGRET_PER_CLIMB='2000.00 EUR'")?;
        out.say("stop with Ctrl-C");
    }
    sandbox::http::serve(listener, world, ServeOptions { speed: *speed }).await.map_err(bad)?;
    Ok(Ending::Done)
}

/// Campaigns that recordings of public clients put ad sets into; here they stand empty and paused.
const DRAFTS: [u64; 3] =
    [120_219_999_999_990_002, 120_219_999_999_990_008, 120_219_999_999_990_085];

/// The rules of the command line as options of the world.
fn options(rules: &args::SandboxRules) -> Result<Options, Failure> {
    let tier = match rules.tier.as_deref() {
        None => None,
        Some("limited") => Some(Tier::Limited),
        Some("full") => Some(Tier::Full),
        Some(other) => {
            let what = format!("there is no access tier {other:?}");
            return Err(Failure::new(Ending::Usage, what, "limited or full"));
        }
    };
    Ok(Options {
        tier: tier.unwrap_or_default(),
        enforce_limits: tier.is_some(),
        strict: rules.strict,
        require_proof: rules.require_proof,
        budget_changes_per_hour: rules.budget_changes,
        list_lag_ms: rules.read_lag.max(0),
        locale: rules.locale.clone(),
        ..Options::default()
    })
}

/// A scenario by its name.
fn named(scenario: &str) -> Result<Scenario, Failure> {
    Ok(match scenario {
        "default" => Scenario::default(),
        "demo" => Scenario::stuck_at_purchase(),
        "lead_gen" => Scenario::lead_generation(),
        "custom_conversion" => Scenario::custom_conversion(),
        other => {
            let what = format!("there is no scenario {other:?}");
            return Err(Failure::new(
                Ending::Usage,
                what,
                "default, demo, lead_gen or custom_conversion",
            ));
        }
    })
}

/// A scenario with the seeded market as its audience.
pub fn populate(scenario: Scenario) -> Sandbox {
    ruled(scenario, Options::default())
}

/// The same under rules of one's own.
fn ruled(scenario: Scenario, options: Options) -> Sandbox {
    let opening = scenario.zone.day_of(scenario.start);
    let plan = TownPlan { base: MarketParams::stuck_at_purchase(), spread: SPREAD, opening };
    let town = Town::new(scenario.seed, plan);
    Sandbox::with(scenario, options, Box::new(town))
}

/// How much markets of different seeds differ.
const SPREAD: f64 = 0.3;
