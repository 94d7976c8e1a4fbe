//! A rehearsal account, an agent with its database, and a person who answers.

use std::sync::Arc;

use rungwise::{
    app::{
        commands::{self, answer},
        lines::climb_of,
        tick::{Scope, tick},
        ticked::Ticked,
        views::plan_of,
    },
    boot::{self, AnyClock, AnyTransport, Parts, Role},
    config,
    domain::{
        DAY_MS, HOUR_MS, Moment,
        climb::{Climb, Command, State},
        plan::Plan,
    },
    ports::{BoxFuture, Clock, Store as _, store::PlanRow},
    sandbox::{CampaignSpec, Options, Sandbox, Scenario, Town, TownPlan, market::MarketParams},
};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

/// A Monday far from the blackout days of the default configuration.
pub(crate) const OPENING: &str = "2026-01-05T06:30:00Z";
/// Caps under which everything in these stories fits.
pub(crate) const LIMITS: &str = "[limits]\nmax_daily_spend = \"1200.00 EUR\"\n\
    max_spend_per_climb = \"30000.00 EUR\"\nmax_regret_per_climb = \"5000.00 EUR\"\n";

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

/// A scenario at the opening, with the seeded market in it.
pub(crate) fn world(scenario: Scenario, tune: impl FnOnce(&mut MarketParams)) -> Sandbox {
    world_under(Options::default(), scenario, tune)
}

/// The same, as strict as one likes.
pub(crate) fn world_under(
    options: Options,
    scenario: Scenario,
    tune: impl FnOnce(&mut MarketParams),
) -> Sandbox {
    let scenario = scenario.starting(OPENING.parse().unwrap());
    let opening = scenario.zone.day_of(scenario.start);
    let mut base = MarketParams::stuck_at_purchase();
    tune(&mut base);
    let town = Town::new(scenario.seed, TownPlan { base, spread: 0.3, opening });
    Sandbox::with(scenario, options, Box::new(town))
}

/// The shop of the demo, as the demo builds it.
pub(crate) fn demo_shop(seed: u64) -> Sandbox {
    world(short(Scenario::stuck_at_purchase().seeded(seed)), |_| ())
}

/// A shop on AddToCart with the volume for the next rung: a climb starts on the first day.
pub(crate) fn ready_shop(seed: u64) -> Sandbox {
    let mut scenario = short(Scenario::stuck_at_purchase().seeded(seed));
    scenario.campaigns = vec![ready_campaign()];
    world(scenario, |_| ())
}

/// The campaign of [`ready_shop`].
pub(crate) fn ready_campaign() -> CampaignSpec {
    let mut campaign = Scenario::stuck_at_purchase().campaigns.remove(0);
    "Shop | AddToCart".clone_into(&mut campaign.name);
    campaign.adsets[0].level = 2;
    campaign.adsets[0].daily_budget = Some(30_000);
    campaign
}

/// As much history as the decisions look at, no more.
pub(crate) fn short(mut scenario: Scenario) -> Scenario {
    scenario.history_days = 60;
    scenario
}

/// One installation against one world.
pub(crate) struct Story {
    pub(crate) dir: TempDir,
    pub(crate) world: Sandbox,
    pub(crate) parts: Parts,
    /// What was concluded, filed and ended, for the message of a failed assertion.
    pub(crate) told: Vec<String>,
}

impl Story {
    /// Boots as `run` does; `extra` is appended to the configuration.
    pub(crate) async fn begin(world: Sandbox, mode: &str, extra: &str) -> Self {
        let transport: AnyTransport = Arc::new(world.clone());
        Self::begin_through(transport, world, mode, extra).await
    }

    /// The same with something between the agent and its world.
    pub(crate) async fn begin_through(
        transport: AnyTransport,
        world: Sandbox,
        mode: &str,
        extra: &str,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let who = world.credentials();
        let text = format!(
            "[account]\nid = \"act_{}\"\n[mode]\nlevel = \"{mode}\"\n[api]\n\
             base_url = \"http://127.0.0.1:1\"\napp_id = \"{}\"\n\
             [gates]\nuntested_below = 15\ntested_below = 30\n[placement]\njudged_by = \"volume\"\n{extra}",
            who.account_id, who.app_id
        );
        let secrets = [
            ("api.token", who.access_token.expose_secret()),
            ("api.app_secret", who.app_secret.expose_secret()),
        ];
        let config = config::from_toml(&text, &secrets).unwrap();
        let account = config.account(None).unwrap().clone();
        let store = boot::open_store(dir.path(), &account, Role::Agent).await.unwrap();
        let clock: AnyClock = Arc::new(Driver(world.clone()));
        let parts = Parts::assemble(store, &account, transport, clock, Some(1)).unwrap();
        Self { dir, world, parts, told: Vec::new() }
    }

    pub(crate) fn now(&self) -> Moment {
        self.parts.clock.now()
    }

    pub(crate) fn sleep_hours(&self, hours: i64) {
        self.world.advance_to(self.now().plus(hours * HOUR_MS));
    }

    /// One pass of the agent.
    pub(crate) async fn pass(&mut self, decide: bool) -> Ticked {
        // Two passes are never in the same instant: the agent's own clock always moves.
        self.world.advance_to(self.now().plus(1_000));
        let hands = self.parts.hands();
        let done = tick(self.parts.desk("agent"), hands.as_ref(), Scope { decide }).await;
        let done = done.unwrap_or_else(|e| panic!("a pass failed: {e}\n{}", self.tale()));
        let now = self.now();
        for d in &done.decisions {
            self.told.push(format!(
                "{now} {} {}: {}",
                d.climb.id,
                d.decision.trail.join(" > "),
                d.decision.conclusion
            ));
            self.told.extend(d.decision.reasons.iter().map(|r| format!("    - {r}")));
        }
        for (plan, outcome, why) in &done.ended {
            self.told.push(format!("{now} {} {outcome}: {why}", plan.kind.as_str()));
        }
        for (plan, why) in &done.waiting {
            self.told.push(format!("{now} {} waits: {why}", plan.kind.as_str()));
        }
        self.told.extend(done.alarms.iter().map(|a| format!("{now} ALARM {a}")));
        done
    }

    /// Open plans nobody has answered.
    pub(crate) async fn unanswered(&self) -> Vec<PlanRow> {
        let mut rows = Vec::new();
        for row in self.parts.store.plans(true, 50).await.unwrap() {
            if self.parts.store.approvals(&row.hash).await.unwrap().is_empty() {
                rows.push(row);
            }
        }
        rows
    }

    /// A person answers every open plan; true when there was one.
    pub(crate) async fn answer_all(&mut self, yes: bool) -> bool {
        let rows = self.unanswered().await;
        for row in &rows {
            answer(&self.parts.store, self.now(), row, "ana", "", yes).await.unwrap();
        }
        !rows.is_empty()
    }

    /// A pass, the person's yes to everything, and the rest of the pass.
    pub(crate) async fn agreed_pass(&mut self) {
        self.pass(true).await;
        for _ in 0..6 {
            if self.parts.hands().is_none() || !self.answer_all(true).await {
                break;
            }
            self.pass(false).await;
        }
    }

    /// Passes with everything approved until `goal` holds for a climb or `days` are over. Passes are half a day apart
    /// while something is being built or moved, else `stride` days.
    pub(crate) async fn until(
        &mut self,
        days: i64,
        stride: i64,
        goal: impl Fn(&Climb) -> bool,
    ) -> Climb {
        let end = self.now().plus(days * DAY_MS);
        loop {
            self.agreed_pass().await;
            let climbs = self.climbs().await;
            if let Some(found) = climbs.iter().find(|c| goal(c)) {
                return found.clone();
            }
            assert!(self.now() < end, "the goal was not reached:\n{}", self.tale());
            let busy = climbs.iter().any(|c| {
                c.state.is_open()
                    && (c.pending.is_some() || matches!(c.state, State::Cloning { .. }))
            });
            self.sleep_hours(if busy { 12 } else { 24 * stride });
        }
    }

    /// All climbs, newest first.
    pub(crate) async fn climbs(&self) -> Vec<Climb> {
        let rows = self.parts.store.climbs(false).await.unwrap();
        rows.iter().map(|r| climb_of(r).unwrap()).collect()
    }

    /// The one open climb.
    pub(crate) async fn open_climb(&self) -> Climb {
        let rows = self.parts.store.climbs(true).await.unwrap();
        assert_eq!(rows.len(), 1, "{}", self.tale());
        climb_of(&rows[0]).unwrap()
    }

    /// Every plan ever filed, oldest first.
    pub(crate) async fn plans(&self) -> Vec<(PlanRow, Plan)> {
        let mut rows = self.parts.store.plans(false, u32::MAX).await.unwrap();
        rows.reverse();
        rows.into_iter()
            .map(|row| {
                let plan = plan_of(&row).unwrap();
                (row, plan)
            })
            .collect()
    }

    /// A person's command to a climb.
    pub(crate) async fn command(&self, climb: &Climb, command: Command) {
        commands::command(&self.parts.store, self.now(), &climb.id, command, "ana", "because")
            .await
            .unwrap();
    }

    pub(crate) fn tale(&self) -> String {
        self.told.join("\n")
    }
}
