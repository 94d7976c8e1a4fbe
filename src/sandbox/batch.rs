//! Batch requests: `POST /` with up to fifty entries, each answered on its own.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    errors::{Answer, Refusal},
    params::{Params, form, plain},
    request::{Call, Incoming},
    world::World,
};
use crate::ports::Method;

const MOST: usize = 50;
const MOST_ADS: usize = 10;

impl World {
    /// Answers every entry in order; the outer status is 200 whatever happens inside.
    pub(super) fn batch(&mut self, call: &Call) -> Answer {
        let Some(Value::Array(entries)) = call.params.value("batch") else {
            return Err(Refusal::required("batch"));
        };
        if entries.len() > MOST {
            let text =
                format!("(#100) Too many requests in batch message. Maximum batch size is {MOST}");
            return Err(Refusal::new(100, text));
        }
        let ads = entries.iter().filter(|e| {
            e["method"] == "POST"
                && e["relative_url"]
                    .as_str()
                    .is_some_and(|u| u.trim_end_matches('/').ends_with("/ads"))
        });
        if ads.count() > MOST_ADS {
            return Err(Refusal::new(100, "(#100) At most 10 ads can be created in one batch"));
        }
        let bare = call.params.flag("include_headers") == Some(false);
        let mut named: BTreeMap<String, Value> = BTreeMap::new();
        let mut out = Vec::new();
        for entry in &entries {
            let answer = self.entry(call, entry, &named);
            let name = entry["name"].as_str().map(str::to_owned);
            if let (Some(name), Ok(body)) = (&name, &answer) {
                named.insert(name.clone(), body.clone());
            }
            let omit = name.is_some() && entry["omit_response_on_success"] != json!(false);
            let failed = answer.is_err();
            let mut shown = self.envelope(answer);
            if let (true, Value::Object(map)) = (bare, &mut shown) {
                map.remove("headers");
            }
            // A named entry is left out when it succeeded, unless asked for.
            out.push(if omit && !failed && entry.get("omit_response_on_success").is_some() {
                Value::Null
            } else {
                shown
            });
        }
        Ok(Value::Array(out))
    }
    fn entry(&mut self, call: &Call, entry: &Value, named: &BTreeMap<String, Value>) -> Answer {
        let text = |name: &str| resolve(&entry.get(name).map(plain).unwrap_or_default(), named);
        let method = match text("method").as_str() {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "DELETE" => Method::Delete,
            other => {
                return Err(Refusal::new(100, format!("(#100) Invalid batch method {other:?}")));
            }
        };
        if let Some(before) = entry["depends_on"].as_str().filter(|b| !named.contains_key(*b)) {
            return Err(Refusal::new(
                100,
                format!("(#100) The request {before} this one depends on failed"),
            ));
        }
        let url = text("relative_url");
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let mut path = format!("/{}", path.trim_start_matches('/'));
        let versioned =
            path.split('/').nth(1).is_some_and(|s| s.starts_with('v') && s.contains('.'));
        if let Some((major, minor)) = call.version.filter(|_| !versioned) {
            path = format!("/v{major}.{minor}{path}");
        }
        let mut params = Params::default();
        params.add_texts(form(query));
        params.add_texts(form(&text("body")));
        // The outer proof was checked with the outer token; an entry may bring its own token.
        if !params.has("access_token") {
            params.set("appsecret_proof", json!(self.proof_of(&call.token)));
        }
        self.answer(Incoming { method, path, params, bearer: Some(call.token.clone()) })
    }
    fn envelope(&mut self, answer: Answer) -> Value {
        let (code, body) = match answer {
            Ok(body) => (200, body),
            Err(refusal) => {
                let trace = self.trace();
                (refusal.status, refusal.body(&trace))
            }
        };
        let mut headers =
            vec![json!({"name": "Content-Type", "value": "application/json; charset=UTF-8"})];
        let usage = self.usage_headers();
        headers
            .extend(usage.into_iter().map(|(name, value)| json!({"name": name, "value": value})));
        json!({"code": code, "headers": headers, "body": body.to_string()})
    }
}

/// Replaces `{result=name:$.id}` by what the named entry answered.
pub(super) fn resolve(text: &str, named: &BTreeMap<String, Value>) -> String {
    let mut out = text.to_owned();
    while let Some(start) = out.find("{result=") {
        let Some(length) = out[start..].find('}') else { return out };
        let inner = &out[start + 8..start + length];
        let (name, path) = inner.split_once(':').unwrap_or((inner, "$"));
        let value = named.get(name).map(|body| picked(body, path)).unwrap_or_default();
        out.replace_range(start..=start + length, &value);
    }
    out
}

/// The values a JSONPath such as `$.id` or `$.data.*.id` leads to, comma-separated.
fn picked(body: &Value, path: &str) -> String {
    let mut found = vec![body];
    for step in path.trim_start_matches('$').split(['.', '[', ']']).filter(|s| !s.is_empty()) {
        found = found
            .into_iter()
            .flat_map(|value| match (step, value) {
                ("*", Value::Array(items)) => items.iter().collect(),
                ("*", Value::Object(map)) => map.values().collect(),
                (_, Value::Array(items)) => {
                    step.parse::<usize>().ok().and_then(|n| items.get(n)).into_iter().collect()
                }
                _ => value.get(step).into_iter().collect::<Vec<_>>(),
            })
            .collect();
    }
    found.into_iter().map(plain).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_can_refer_to_the_result_of_another() {
        let named = BTreeMap::from([("make".to_owned(), json!({"id": "12"}))]);
        assert_eq!(resolve("campaign_id={result=make:$.id}&a=1", &named), "campaign_id=12&a=1");
        let list = json!({"data": [{"id": "1"}, {"id": "2"}]});
        let named = BTreeMap::from([("all".to_owned(), list)]);
        assert_eq!(resolve("?ids={result=all:$.data.*.id}", &named), "?ids=1,2");
        assert_eq!(resolve("{result=all:$.data[1].id}", &named), "2");
    }
}
