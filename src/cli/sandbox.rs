//! `sandbox serve`: the rehearsal world over HTTP.

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::net::TcpListener;

use super::{Ended, Ending, Failure, args, output::Output};
use crate::{
    domain::Moment,
    ports::{Clock, SystemClock},
    sandbox::{
        self, FaultMix, Options, Sandbox, Scenario, Town, TownPlan, http::ServeOptions,
        market::MarketParams,
    },
};

/// Runs it until it is killed.
pub async fn run(args: &args::Args, command: &args::Sandbox, out: &Output) -> Ended {
    let args::SandboxWhat::Serve { addr, seed, speed, scenario, faults, start } = &command.what;
    let start = match start {
        Some(text) => text.parse::<Moment>().map_err(|e| {
            Failure::new(Ending::Usage, e.to_string(), "write --start 2026-01-05T08:00:00Z")
        })?,
        None => SystemClock.now(),
    };
    let world = world(scenario, *seed, start)?;
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

/// A world by the name of its scenario.
pub fn world(scenario: &str, seed: u64, start: Moment) -> Result<Sandbox, Failure> {
    let scenario = match scenario {
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
    };
    Ok(populate(scenario.seeded(seed).starting(start)))
}

/// A scenario with the seeded market as its audience.
pub fn populate(scenario: Scenario) -> Sandbox {
    let opening = scenario.zone.day_of(scenario.start);
    let plan = TownPlan { base: MarketParams::stuck_at_purchase(), spread: SPREAD, opening };
    let town = Town::new(scenario.seed, plan);
    Sandbox::with(scenario, Options::default(), Box::new(town))
}

/// How much markets of different seeds differ.
const SPREAD: f64 = 0.3;
