//! One request against the table.

use serde_json::Value;

use super::{
    Checked, Finding, Wrong,
    facts::{Facts, Member, Members, Shape},
    inner_name,
};
use crate::{
    domain::{Day, Moment},
    ports::Method,
    sandbox::{
        fields::{Field, requested},
        params::{Params, decode, form, plain, split},
        request::Incoming,
    },
};

/// Parameters that say who is asking.
const ADMISSION: [&str; 2] = ["access_token", "appsecret_proof"];
/// The newest version, for requests without one.
const NEWEST: u32 = 26;
/// What `sort` puts behind a name.
const ORDERS: [&str; 2] = ["_ascending", "_descending"];
/// What can be filtered by beside the fields of nodes and rows.
const FILTER_WORDS: [&str; 4] = ["delivery_info", "delivery_status", "action_type", "impressions"];

pub(super) struct Walk<'a> {
    facts: &'a Facts,
    node_of: &'a dyn Fn(&str) -> Option<&'static str>,
    version: u32,
    place: String,
    pub(super) out: Checked,
}

impl<'a> Walk<'a> {
    pub(super) fn new(facts: &'a Facts, node_of: &'a dyn Fn(&str) -> Option<&'static str>) -> Self {
        Self { facts, node_of, version: NEWEST, place: String::new(), out: Checked::default() }
    }
    fn found(&mut self, wrong: Wrong, at: &str, text: String) {
        let place = format!("{} {at}", self.place);
        self.out.findings.push(Finding { wrong, place, text });
    }
    fn typed(&mut self, at: &str, what: &str) {
        self.found(Wrong::Type, at, format!("(#100) Param {at} must be {what}"));
    }

    /// Checks a request; the entries of a batch as requests of their own.
    pub(super) fn request(&mut self, incoming: &Incoming) {
        self.out.requests += 1;
        let method = incoming.method.to_string();
        self.place = format!("{method} {}", incoming.path);
        let mut path: Vec<&str> = incoming.path.split('/').filter(|s| !s.is_empty()).collect();
        let version = path.first().and_then(|s| s.strip_prefix('v')?.split('.').next());
        if let Some(major) = version.and_then(|v| v.parse().ok()) {
            self.version = major;
            path.remove(0);
        }
        let facts = self.facts;
        let own = match path[..] {
            [] => Members::default(),
            ["debug_token"] | ["oauth", _] => match facts.edge(&method, &path.join("/")) {
                Some(edge) => edge.clone(),
                None => return self.found(Wrong::Edge, "", "no such edge".to_owned()),
            },
            [id, ..] => {
                let node = match id {
                    "me" => Some("User"),
                    _ if id.starts_with("act_") => Some("AdAccount"),
                    _ => (self.node_of)(id),
                };
                let Some(node) = node else {
                    return self.found(Wrong::Node, id, format!("nobody knows the node {id}"));
                };
                let mut words = vec![node];
                words.extend(&path[1..]);
                let Some(edge) = facts.edge(&method, &words.join("/")) else {
                    let text = nonexisting(path.last().unwrap_or(&""), node);
                    return self.found(Wrong::Edge, &words.join("/"), text);
                };
                edge.clone()
            }
        };
        let mut own = own;
        if path.last() == Some(&"insights") {
            // A report run is answered, but it is the rows that have the fields.
            "AdsInsights".clone_into(&mut own.answers);
        }
        let list = incoming.method == Method::Get && path.len() > 1;
        let general = facts.edge(&method, if list { "*/*" } else { "*" });
        self.params(&incoming.params, &own, general);
        for (name, member) in &own.of {
            if member.required && !incoming.params.has(name) {
                self.found(
                    Wrong::Missing,
                    name,
                    format!("(#100) The parameter {name} is required"),
                );
            }
        }
        for name in ["batch", "asyncbatch", "adbatch"] {
            if let Some(Value::Array(entries)) = incoming.params.value(name) {
                for entry in &entries {
                    self.entry(entry);
                }
            }
        }
    }
    fn entry(&mut self, entry: &Value) {
        let text = |name: &str| entry.get(name).map(plain).unwrap_or_default();
        let url = text("relative_url");
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        // What another entry will answer cannot be looked up.
        if path.contains("{result=") {
            return;
        }
        let mut params = Params::default();
        params.add_texts(form(query));
        params.add_texts(form(&text("body")));
        let method = match text("method").as_str() {
            "GET" => Method::Get,
            "DELETE" => Method::Delete,
            _ => Method::Post,
        };
        let (place, version) = (self.place.clone(), self.version);
        self.request(&Incoming { method, path: format!("/{path}"), params, bearer: None });
        (self.place, self.version) = (place, version);
    }

    fn params(&mut self, params: &Params, own: &Members, general: Option<&Members>) {
        for (name, raw) in params.iter() {
            if ADMISSION.contains(&name.as_str()) {
                continue;
            }
            self.out.params += 1;
            let known = own.of.get(name).or_else(|| general?.of.get(name));
            let Some(member) = known else {
                self.found(Wrong::Param, name, format!("the edge has no parameter {name}"));
                continue;
            };
            if name == "fields" {
                let fields = requested(params).unwrap_or_default();
                self.fields(&fields, &own.answers);
                continue;
            }
            if matches!(raw, Value::Null) || raw.as_str() == Some("") {
                continue;
            }
            self.value(name, raw, &member.shape.clone());
            match name.as_str() {
                "filtering" => self.filters(&params.value(name).unwrap_or_default(), &own.answers),
                "sort" => self.sort(&params.list(name).unwrap_or_default(), &own.answers),
                _ => {}
            }
        }
    }

    /// Field expressions; nested ones against the node they lead to.
    fn fields(&mut self, fields: &[Field], node: &str) {
        let facts = self.facts;
        let Some(members) = facts.node(node) else { return };
        for field in fields {
            self.out.fields += 1;
            let name = field.name.as_str();
            let member = members.of.get(name).filter(|m| m.since <= self.version);
            let edge = facts.edge("GET", &format!("{node}/{name}"));
            match (member, edge) {
                (Some(member), _) => self.inner(field, member),
                (None, Some(edge)) => {
                    let mut args = Params::default();
                    args.add_texts(field.args.iter().map(|(k, v)| (k.clone(), v.clone())));
                    self.params(&args, edge, facts.edge("GET", "*/*"));
                    self.fields(&field.sub, &edge.answers);
                }
                (None, None) if name == "id" => {}
                (None, None) => self.found(Wrong::Field, name, nonexisting(name, node)),
            }
        }
    }
    fn inner(&mut self, field: &Field, member: &Member) {
        if field.sub.is_empty() {
            return;
        }
        let mut shape = &member.shape;
        while let Shape::List(inner) = shape {
            shape = inner;
        }
        match shape {
            Shape::Struct(name) => self.fields(&field.sub, name),
            Shape::Any | Shape::Object => {}
            _ => {
                let text = format!("(#100) Subfields are not supported by {}", field.name);
                self.found(Wrong::Field, &field.name, text);
            }
        }
    }

    fn value(&mut self, at: &str, raw: &Value, shape: &Shape) {
        let text = plain(raw);
        let text = text.trim();
        match shape {
            Shape::Any | Shape::Fields => {}
            Shape::Text => {
                if raw.is_array() || raw.is_object() {
                    self.typed(at, "a string");
                }
            }
            Shape::Int | Shape::Uint => {
                let least = if *shape == Shape::Uint { 0 } else { i64::MIN };
                if text.parse::<i64>().ok().is_none_or(|n| n < least) {
                    self.typed(at, "an integer");
                }
            }
            Shape::Num => {
                if text.parse::<f64>().is_err() {
                    self.typed(at, "a number");
                }
            }
            Shape::Flag => {
                let words = ["true", "false", "1", "0"];
                if !words.iter().any(|w| w.eq_ignore_ascii_case(text)) {
                    self.typed(at, "a boolean");
                }
            }
            Shape::Time => {
                let read = text.parse::<i64>().is_ok()
                    || text.parse::<Moment>().is_ok()
                    || text.parse::<Day>().is_ok();
                if !read {
                    self.typed(at, "a valid date/timestamp");
                }
            }
            Shape::Day => {
                if text.parse::<Day>().is_err() {
                    self.typed(at, "a date as YYYY-MM-DD");
                }
            }
            Shape::Enum(name) => self.one_of(at, text, name),
            Shape::Object => {
                if !structured(raw).is_object() {
                    self.typed(at, "a JSON object");
                }
            }
            Shape::Struct(name) => match structured(raw) {
                Value::Object(map) => self.members(at, &map, name),
                // An object that exists can be named by its id.
                Value::String(_) | Value::Number(_)
                    if self.facts.node(name).is_some_and(|m| m.of.contains_key("id")) => {}
                _ => self.typed(at, "a JSON object"),
            },
            Shape::List(inner) => match structured(raw) {
                Value::Array(items) => {
                    for (n, item) in items.iter().enumerate() {
                        self.value(&format!("{at}[{n}]"), item, inner);
                    }
                }
                Value::String(words) if !matches!(**inner, Shape::Struct(_) | Shape::Object) => {
                    for (n, word) in split(&words).into_iter().enumerate() {
                        self.value(&format!("{at}[{n}]"), &Value::String(word), inner);
                    }
                }
                _ => self.typed(at, "an array"),
            },
        }
    }
    fn one_of(&mut self, at: &str, text: &str, name: &str) {
        self.out.values += 1;
        let facts = self.facts;
        let known = facts.values(name).map(|v| v.iter().filter(|(_, s)| **s <= self.version));
        let known: Vec<&str> = known.into_iter().flatten().map(|(v, _)| v.as_str()).collect();
        if !known.contains(&text) {
            let list = known.join(", ");
            let said = format!("(#100) Param {at} must be one of {{{list}}} - got {text:?}.");
            self.found(Wrong::Value, at, said);
        }
    }
    fn members(&mut self, at: &str, map: &serde_json::Map<String, Value>, name: &str) {
        let facts = self.facts;
        let Some(known) = facts.node(name) else { return };
        // What a node takes on creation may be more than what it shows.
        let written = facts.edge("POST", name);
        for (key, value) in map {
            self.out.params += 1;
            let place = format!("{at}[{key}]");
            let member = known.of.get(key).or_else(|| written?.of.get(key));
            if let Some(member) = member.filter(|m| m.since <= self.version) {
                self.value(&place, value, &member.shape.clone());
            } else {
                let text = format!("(#100) {name} has no member {key}");
                self.found(Wrong::Param, &place, text);
            }
        }
    }

    /// `campaign.id`, `adset.effective_status`, `spend`, `actions:link_click`.
    fn filters(&mut self, value: &Value, answers: &str) {
        for item in value.as_array().into_iter().flatten() {
            let Some(field) = item.get("field").and_then(Value::as_str) else { continue };
            let (level, name) = field.split_once('.').unwrap_or(("", field));
            let node = match level {
                "campaign" => "Campaign",
                "adset" => "AdSet",
                "ad" => "Ad",
                _ => answers,
            };
            self.name_of(field, name, &[node, "AdsInsights"]);
        }
    }
    fn sort(&mut self, list: &[String], answers: &str) {
        if answers != "AdsInsights" {
            return;
        }
        for text in list {
            let name = ORDERS.iter().find_map(|o| text.strip_suffix(o)).unwrap_or(text);
            self.name_of(text, name, &["AdsInsights"]);
        }
    }
    fn name_of(&mut self, at: &str, name: &str, nodes: &[&str]) {
        self.out.fields += 1;
        let name = name.split(':').next().unwrap_or(name);
        let known =
            nodes.iter().any(|node| self.facts.node(node).is_some_and(|m| m.of.contains_key(name)));
        if !known && !FILTER_WORDS.contains(&name) {
            self.found(Wrong::Field, at, format!("(#100) Filtering field {at} is not valid"));
        }
    }
}

fn structured(raw: &Value) -> Value {
    raw.as_str().map_or_else(|| raw.clone(), decode)
}

fn nonexisting(name: &str, node: &str) -> String {
    if node == "AdsInsights" {
        return format!(
            "(#100) {name} is not valid for fields param. please check \
             https://developers.facebook.com/docs/marketing-api/reference/ads-insights/ for all valid values"
        );
    }
    format!("(#100) Tried accessing nonexisting field ({name}) on node type ({})", inner_name(node))
}
