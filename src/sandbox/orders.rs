//! Faults an operator orders: the next requests that match meet them.

use serde_json::Value;

use super::faults::Fault;
use crate::ports::Method;

/// A fault for the next requests of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Only requests with this method; None = any.
    pub method: Option<Method>,
    /// Only requests whose path contains this; empty = any.
    pub part: String,
    /// How many requests meet it.
    pub times: u64,
    /// What they meet.
    pub fault: Fault,
}

/// The fault that is ordered for a request, if any.
pub(super) fn strike(orders: &mut Vec<Order>, method: Method, path: &str) -> Option<Fault> {
    let fits = |o: &Order| o.method.is_none_or(|m| m == method) && path.contains(o.part.as_str());
    let at = orders.iter().position(fits)?;
    let fault = orders[at].fault.clone();
    orders[at].times = orders[at].times.saturating_sub(1);
    orders.retain(|o| o.times > 0);
    Some(fault)
}

impl Order {
    /// Reads an order as `POST /_sandbox/faults` takes it:
    ///
    /// ```text
    /// {"match": "/insights", "method": "GET", "times": 2,        which requests; all three may be left out
    ///  "code": 80000, "subcode": 2446079, "applied": false,      an error of Meta's, or
    ///  "status": 400, "json": {…}, "headers": {…},               an answer of one's own, or
    ///  "kind": "lost_reply"}                                     refused, lost_request, lost_reply, server_error,
    ///                                                            html, truncated, page_loop, batch_nulls
    /// ```
    pub fn from_json(order: &Value) -> Result<Self, String> {
        let text = |name: &str| order.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| order.get(name).and_then(Value::as_i64);
        let method = match text("method").map(|m| m.to_uppercase()).as_deref() {
            None => None,
            Some("GET") => Some(Method::Get),
            Some("POST") => Some(Method::Post),
            Some("DELETE") => Some(Method::Delete),
            Some(other) => return Err(format!("method {other:?} is none of GET, POST, DELETE")),
        };
        let status = number("status").map(|s| u16::try_from(s).map_err(|_| format!("status {s}")));
        let status = status.transpose()?;
        let applied = order.get("applied").and_then(Value::as_bool).unwrap_or(false);
        let times = order.get("times").and_then(Value::as_u64).unwrap_or(1).max(1);
        let part = text("match").unwrap_or_default();
        let fault = match (number("code"), order.get("json"), text("kind").as_deref()) {
            (Some(code), None, None) => {
                let subcode = number("subcode").filter(|s| *s != 0);
                let usual = super::catalogue::called(code, subcode).status;
                Fault::Error { status: status.unwrap_or(usual), code, subcode, applied }
            }
            (None, Some(body), None) => {
                let headers = order.get("headers").and_then(Value::as_object);
                let plain = |v: &Value| super::params::plain(v);
                let pair = |(name, v): (&String, &Value)| (name.to_lowercase(), plain(v));
                let headers = headers.map(|h| h.iter().map(pair).collect()).unwrap_or_default();
                Fault::Answer {
                    status: status.unwrap_or(200),
                    body: body.clone(),
                    headers,
                    applied,
                }
            }
            (None, None, Some(kind)) => match kind {
                "refused" => Fault::Refused,
                "lost_request" => Fault::LostRequest,
                "lost_reply" => Fault::LostReply,
                "server_error" => Fault::ServerError { applied },
                "html" => Fault::Html { status: status.unwrap_or(502), applied },
                "truncated" => Fault::Truncated,
                "page_loop" => Fault::PageLoop,
                "batch_nulls" => {
                    let from = order.get("from").and_then(Value::as_u64).unwrap_or(0);
                    Fault::BatchNulls { from: usize::try_from(from).unwrap_or(0) }
                }
                other => return Err(format!("there is no fault {other:?}")),
            },
            _ => return Err("say exactly one of code, json, kind".to_owned()),
        };
        Ok(Self { method, part, times, fault })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_order_strikes_as_often_as_it_says_and_only_what_it_names() {
        let order = json!({"match": "/insights", "method": "get", "times": 2, "code": 17});
        let mut orders = vec![Order::from_json(&order).unwrap()];
        assert!(strike(&mut orders, Method::Post, "/v26.0/act_1/insights").is_none());
        assert!(strike(&mut orders, Method::Get, "/v26.0/act_1/ads").is_none());
        for _ in 0..2 {
            assert!(strike(&mut orders, Method::Get, "/v26.0/act_1/insights").is_some());
        }
        assert!(strike(&mut orders, Method::Get, "/v26.0/act_1/insights").is_none());
    }

    #[test]
    fn an_order_that_says_nothing_or_too_much_is_refused() {
        for bad in [
            json!({}),
            json!({"code": 1, "kind": "html"}),
            json!({"kind": "rain"}),
            json!({"code": 1, "method": "PUT"}),
            json!({"code": 1, "status": 99_999}),
        ] {
            assert!(Order::from_json(&bad).is_err(), "{bad}");
        }
    }
}
