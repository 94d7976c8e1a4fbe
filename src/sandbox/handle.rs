//! The sandbox as its users hold it: a transport in process, with an operator's view beside it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use secrecy::ExposeSecret;
use serde_json::Value;

use super::{
    activities::Actor,
    audience::{Audience, SteadyAudience},
    clock::SimClock,
    faults::{Fault, Faults, NoFaults},
    journal::{LogEntry, mutation, redacted},
    ledger::Ledger,
    objects::Kind,
    options::Options,
    orders::Order,
    params::Params,
    request::Incoming,
    scenario::{Credentials, Scenario},
    world::World,
};
use crate::{
    domain::Moment,
    ports::{BoxFuture, Clock as _, Method, Request, Response, Transport, TransportError},
};

struct Inner {
    world: World,
    faults: Box<dyn Faults>,
    orders: Vec<Order>,
    log: Vec<LogEntry>,
    keeps_log: bool,
    requests: u64,
}

/// A rehearsal account. Cheap to clone; clones share the world.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Mutex<Inner>>,
    clock: SimClock,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("now", &self.clock.now()).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// The scenario with the plain deterministic market and default options.
    pub fn new(scenario: Scenario) -> Self {
        let audience = SteadyAudience::new(scenario.seed);
        Self::with(scenario, Options::default(), Box::new(audience))
    }
    /// The scenario with a market and options of one's own; lives through the history at once.
    pub fn with(scenario: Scenario, options: Options, audience: Box<dyn Audience>) -> Self {
        let clock = SimClock::new(scenario.start);
        let world = World::new(scenario, options, audience);
        Self::of(world, clock, 0)
    }
    fn of(world: World, clock: SimClock, requests: u64) -> Self {
        let inner = Inner {
            world,
            faults: Box::new(NoFaults),
            orders: Vec::new(),
            log: Vec::new(),
            keeps_log: true,
            requests,
        };
        Self { inner: Arc::new(Mutex::new(inner)), clock }
    }
    /// Another world that goes on from here by itself: the same objects, history and market, no faults, an empty log.
    #[must_use]
    pub fn fork(&self) -> Self {
        let inner = self.lock();
        let fork = Self::of(inner.world.fork(), SimClock::new(self.clock.now()), inner.requests);
        fork.lock().keeps_log = inner.keeps_log;
        fork
    }
    /// Keeps no request log from now on: for long rehearsals that have their own witness.
    pub fn forget_requests(&self) {
        let mut inner = self.lock();
        inner.keeps_log = false;
        inner.log.clear();
    }
    /// Changes the world by hand.
    pub(super) fn with_world_mut<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.lock().world)
    }
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the world was locked is a bug of the world; what it holds is still the best there is.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.world.advance_to(self.clock.now());
        inner.world.run_sets();
        inner
    }
    /// Looks at the world.
    pub(super) fn with_world<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.lock().world)
    }
    /// Changes the world otherwise than by a Graph request.
    pub(super) fn change_world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.lock().world)
    }
    /// Ends a token before its time, as a person does who removes the app.
    pub fn revoke(&self, token: &str) -> bool {
        self.change_world(|world| {
            world.gate.tokens.get_mut(token).is_some_and(|issued| {
                issued.revoked = true;
                true
            })
        })
    }
    /// The clock of this world.
    pub fn clock(&self) -> SimClock {
        self.clock.clone()
    }
    /// Lets time pass; the world delivers, reviews and pauses on the way.
    pub fn advance_to(&self, moment: Moment) {
        self.clock.advance_to(moment);
        drop(self.lock());
    }
    /// Ids and secrets.
    pub fn credentials(&self) -> Credentials {
        self.lock().world.credentials.clone()
    }
    /// Replaces what goes wrong from now on.
    pub fn set_faults(&self, faults: impl Faults + 'static) {
        self.lock().faults = Box::new(faults);
    }
    /// Orders a fault for coming requests; ordered faults strike before all others.
    pub fn order(&self, order: Order) {
        self.lock().orders.push(order);
    }
    /// Takes back every fault that was ordered and has not struck.
    pub fn clear_orders(&self) {
        self.lock().orders.clear();
    }
    /// The specification's name for the node of an id, e.g. `AdSet`; None when the world has no such object.
    pub fn node_of(&self, id: &str) -> Option<&'static str> {
        self.lock().world.node_name(id)
    }
    /// Scheme and host of `paging.next`.
    pub fn set_base_url(&self, base: &str) {
        base.trim_end_matches('/').clone_into(&mut self.lock().world.options.base_url);
    }
    /// The request log so far.
    pub fn requests(&self) -> Vec<LogEntry> {
        self.lock().log.clone()
    }
    /// The truth about money and outcome so far.
    pub fn ledger(&self) -> Ledger {
        self.lock().world.ledger()
    }
    /// The true cost per macro-conversion of an ad set at its level and budget, if the market knows it.
    pub fn true_cpa(&self, adset_id: &str) -> Option<f64> {
        let inner = self.lock();
        let world = &inner.world;
        let node = world.nodes.get(&adset_id.parse().ok()?)?;
        let budget =
            super::num::float(world.working_budget(node, 1)) / super::num::float(world.offset());
        world.audience.true_cpa(node.id, world.level_of(node), budget)
    }
    /// Changes `account_status`; only 1 (active) and 9 (in grace period) deliver.
    pub fn set_account_status(&self, status: i64) {
        self.lock().world.account_status = status;
    }
    /// Ad review refuses an ad for good: it shows DISAPPROVED and does not deliver. False if there is no such ad.
    pub fn disapprove(&self, ad_id: &str) -> bool {
        let mut inner = self.lock();
        let world = &mut inner.world;
        let found =
            ad_id.parse().ok().filter(|id| world.nodes.get(id).is_some_and(|n| n.kind == Kind::Ad));
        let Some(id) = found else { return false };
        if let Some(node) = world.edit(id) {
            node.rejected = true;
        }
        let (now, before) = (world.now, std::mem::replace(&mut world.actor, Actor::Meta));
        world.note(now, "ad_review_declined", id, Value::Null);
        world.actor = before;
        true
    }
    /// A person edits an object in Ads Manager: the same rules, another name in the activity log, no entry in the
    /// request log. Returns the error body if it is refused.
    pub fn edit_as_person(&self, object_id: &str, changes: &[(&str, &str)]) -> Result<(), Value> {
        let mut inner = self.lock();
        let world = &mut inner.world;
        let mut params = Params::default();
        params.add_texts(changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let bearer = Some(world.credentials.access_token.expose_secret().to_owned());
        world.actor = Actor::Person;
        let path = format!("/v26.0/{object_id}");
        let answer = world.answer(Incoming { method: Method::Post, path, params, bearer });
        world.actor = Actor::App;
        answer.map(|_| ()).map_err(|refusal| refusal.body(""))
    }
    /// Answers one decoded request, with faults and log.
    pub(super) fn serve(&self, incoming: Incoming) -> Result<Response, TransportError> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.requests += 1;
        let n = inner.requests;
        let fault = super::orders::strike(&mut inner.orders, incoming.method, &incoming.path)
            .or_else(|| inner.faults.strike(n, incoming.method, &incoming.path));
        let applied = fault.as_ref().is_none_or(Fault::applies);
        let (path, body) =
            if inner.keeps_log { redacted(&incoming) } else { (String::new(), Value::Null) };
        let (method, asked) = (incoming.method, incoming.path.clone());
        // A GET changes nothing; comparing the whole world around each would be most of the work.
        let compared = inner.keeps_log || matches!(fault, Some(Fault::Clamped));
        let before = (compared && method != Method::Get).then(|| inner.world.snapshot());
        let real = applied.then(|| respond(&mut inner.world, incoming));
        let applied = real.as_ref().is_some_and(|r| r.status < 400);
        if let (Some(Fault::Clamped), Some(before)) = (&fault, &before) {
            inner.world.clamp(before);
        }
        let mutation = before.map_or(Value::Null, |b| mutation(&b, &inner.world.snapshot()));
        let trace = inner.world.trace();
        let outcome = match (fault, real) {
            (None, Some(real)) => Ok(real),
            (Some(fault), real) => {
                let usual = real.as_ref().map(|r| r.headers.clone());
                let usual = usual.unwrap_or_else(|| inner.world.headers(&asked, &trace));
                fault.disturb(real, &trace, &usual)
            }
            (None, None) => Err(TransportError::Lost("nothing was answered".to_owned())),
        };
        let status = outcome.as_ref().map_or(0, |r| r.status);
        if inner.keeps_log {
            let (method, at) = (method.to_string(), inner.world.now.rfc3339());
            inner.log.push(LogEntry { n, at, method, path, body, status, applied, mutation });
        }
        outcome
    }
}

fn respond(world: &mut World, incoming: Incoming) -> Response {
    let (trace, path) = (world.trace(), incoming.path.clone());
    let (status, body) = match world.answer(incoming) {
        Ok(body) => (200, body),
        Err(refusal) => (refusal.status, refusal.body(&trace)),
    };
    let headers = world.headers(&path, &trace);
    let body = serde_json::to_vec(&body).expect("a JSON value has only text keys");
    Response { status, headers, body }
}

impl Transport for Sandbox {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        let mut params = Params::default();
        params.add_texts(request.query.iter().cloned());
        params.add_texts(request.form.iter().cloned());
        if let Some(proof) = &request.proof {
            params.set("appsecret_proof", Value::String(proof.expose_secret().to_owned()));
        }
        let bearer = request.token.as_ref().map(|t| t.expose_secret().to_owned());
        let incoming =
            Incoming { method: request.method, path: request.path.clone(), params, bearer };
        let outcome = self.serve(incoming);
        Box::pin(async move { outcome })
    }
}
