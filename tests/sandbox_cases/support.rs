//! A client that knows how to log in and nothing else. The world answers in process at once, so nothing waits.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use rungwise::{
    ports::{Clock, Method, Request, Response, Transport, TransportError},
    sandbox::{Options, Sandbox, Scenario, SteadyAudience},
};
use serde_json::{Value, json};

pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

pub(crate) struct Client {
    pub(crate) world: Sandbox,
    pub(crate) act: String,
    pub(crate) version: &'static str,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::of(Scenario::default(), Options::default())
    }
    pub(crate) fn with(options: Options) -> Self {
        Self::of(Scenario::default(), options)
    }
    pub(crate) fn at(start: &str) -> Self {
        Self::of(Scenario::default().starting(start.parse().unwrap()), Options::default())
    }
    pub(crate) fn of(mut scenario: Scenario, options: Options) -> Self {
        // As much history as the rows ask about.
        scenario.history_days = 45;
        let world = Sandbox::with(scenario, options, Box::new(SteadyAudience::new(1)));
        let act = format!("act_{}", world.credentials().account_id);
        Self { world, act, version: "v26.0" }
    }
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        pairs: Pairs<'_>,
    ) -> Result<Response, TransportError> {
        let path = format!("/{}/{}", self.version, path.replace("ACT", &self.act));
        let mut request = Request::get(path);
        request.method = method;
        for (name, value) in pairs {
            let name = *name;
            request = match method {
                Method::Get => request.with(name, *value),
                _ => request.form(name, *value),
            };
        }
        request.token = Some(self.world.credentials().access_token);
        let mut sent = pin!(self.world.send(&request));
        match sent.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => panic!("the world answers at once"),
        }
    }
    pub(crate) fn reply(&self, method: Method, path: &str, pairs: Pairs<'_>) -> Response {
        self.send(method, path, pairs).expect("no fault is set")
    }
    pub(crate) fn any(&self, method: Method, path: &str, pairs: Pairs<'_>) -> Value {
        serde_json::from_slice(&self.reply(method, path, pairs).body).expect("answers are JSON")
    }
    pub(crate) fn get(&self, path: &str, pairs: Pairs<'_>) -> Value {
        self.any(Method::Get, path, pairs)
    }
    pub(crate) fn post(&self, path: &str, pairs: Pairs<'_>) -> Value {
        self.any(Method::Post, path, pairs)
    }
    pub(crate) fn delete(&self, path: &str) -> Value {
        self.any(Method::Delete, path, &[])
    }
    /// One field of an object.
    pub(crate) fn field(&self, id: &str, name: &str) -> Value {
        self.get(id, &[("fields", name)])[name].clone()
    }
    /// The id of the n-th object of an edge.
    pub(crate) fn id(&self, edge: &str, n: usize) -> String {
        let edge = if edge.contains('/') { edge.to_owned() } else { format!("ACT/{edge}") };
        let list = self.get(&edge, &[("fields", "id"), ("limit", "100")]);
        list["data"][n]["id"].as_str().expect("the edge has that many objects").to_owned()
    }
    pub(crate) fn pass(&self, ms: i64) {
        self.world.advance_to(self.world.clock().now().plus(ms));
    }
    /// A paused campaign without a budget; `more` replaces or adds parameters, an empty value takes one away.
    pub(crate) fn campaign(&self, more: Pairs<'_>) -> Value {
        let mut pairs = vec![
            ("name", "New"),
            ("objective", "OUTCOME_SALES"),
            ("special_ad_categories", "[]"),
            ("is_adset_budget_sharing_enabled", "false"),
        ];
        with(&mut pairs, more);
        self.post("ACT/campaigns", &pairs)
    }
    /// A paused ad set in a campaign.
    pub(crate) fn adset(&self, campaign: &str, more: Pairs<'_>) -> Value {
        let pixel = self.id("adspixels", 0);
        let object = json!({"pixel_id": pixel, "custom_event_type": "ADD_TO_CART"}).to_string();
        let mut pairs = vec![
            ("name", "Set"),
            ("campaign_id", campaign),
            ("daily_budget", "5000"),
            ("billing_event", "IMPRESSIONS"),
            ("optimization_goal", "OFFSITE_CONVERSIONS"),
            ("promoted_object", object.as_str()),
            ("targeting", r#"{"geo_locations":{"countries":["US"]}}"#),
        ];
        with(&mut pairs, more);
        self.post("ACT/adsets", &pairs)
    }
    /// Daily rows of ad sets of the last thirty days.
    pub(crate) fn rows(&self, more: Pairs<'_>) -> Vec<Value> {
        let mut pairs = vec![
            ("level", "adset"),
            ("time_increment", "1"),
            ("date_preset", "last_30d"),
            ("fields", "adset_id,spend,impressions,actions,action_values,cost_per_action_type"),
            ("limit", "5000"),
        ];
        with(&mut pairs, more);
        let body = self.get("ACT/insights", &pairs);
        body["data"].as_array().unwrap_or_else(|| panic!("{body}")).clone()
    }
}

fn with<'a>(pairs: &mut Vec<(&'a str, &'a str)>, more: &[(&'a str, &'a str)]) {
    for (name, value) in more {
        pairs.retain(|(n, _)| n != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
}

pub(crate) fn code(body: &Value) -> (i64, i64) {
    let number = |name: &str| body["error"][name].as_i64().unwrap_or(0);
    (number("code"), number("error_subcode"))
}

pub(crate) fn created(body: &Value) -> String {
    assert!(body["id"].is_string(), "not created: {body}");
    body["id"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn list(body: &Value) -> Vec<Value> {
    body["data"].as_array().unwrap_or_else(|| panic!("no list: {body}")).clone()
}

/// The entry of an action list.
pub(crate) fn action(row: &Value, field: &str, name: &str) -> Value {
    let entries = row[field].as_array().cloned().unwrap_or_default();
    entries.into_iter().find(|a| a["action_type"] == name).unwrap_or(Value::Null)
}
