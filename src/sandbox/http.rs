//! The rehearsal world over HTTP, for any Graph client, and the operator's admin paths beside it.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    Json, Router,
    body::{Bytes, to_bytes},
    extract::{Request as HttpRequest, State},
    http::{HeaderMap, Method as HttpMethod, StatusCode, Uri, header},
    response::{IntoResponse, Response as HttpResponse},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    DialogAnswer, Sandbox, num,
    orders::Order,
    params::{Params, form, multipart, plain},
    request::Incoming,
};
use crate::ports::{Clock as _, Method};

/// How the world runs while it is served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServeOptions {
    /// Seconds of the world per second of the machine; 0 = only admin advances.
    pub speed: f64,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self { speed: 1.0 }
    }
}

/// Largest body that is read.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Longest single advance.
const MOST_SECONDS: f64 = 157_680_000.0;

#[derive(Debug, Clone)]
struct Shared {
    sandbox: Sandbox,
    speed: f64,
    seen: Arc<Mutex<Instant>>,
}

impl Shared {
    /// Moves the world by the time that passed on the machine since the last request.
    fn tick(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = seen.elapsed();
        *seen = Instant::now();
        let ms = passed.as_secs_f64() * 1000.0 * self.speed;
        self.sandbox.clock().advance_by(num::round(ms));
    }
}

/// Serves until the listener fails. `paging.next` points at the listener's own address.
pub async fn serve(
    listener: TcpListener,
    sandbox: Sandbox,
    options: ServeOptions,
) -> io::Result<()> {
    sandbox.set_base_url(&format!("http://{}", listener.local_addr()?));
    axum::serve(listener, router(sandbox, options)).await
}

/// The service without a listener, for a server of one's own.
pub fn router(sandbox: Sandbox, options: ServeOptions) -> Router {
    let seen = Arc::new(Mutex::new(Instant::now()));
    Router::new().fallback(any).with_state(Shared { sandbox, speed: options.speed, seen })
}

async fn any(State(shared): State<Shared>, request: HttpRequest) -> HttpResponse {
    shared.tick();
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large").into_response();
    };
    if let Some(path) = head.uri.path().strip_prefix("/_sandbox/") {
        return admin(&shared.sandbox, &head.method, path.trim_end_matches('/'), &body);
    }
    if head.uri.path().trim_end_matches('/').ends_with("/dialog/oauth") {
        return dialog(&shared.sandbox, &head.method, &head.uri, &body);
    }
    let Some(incoming) = decode(&head.method, &head.uri, &head.headers, &body) else {
        return (StatusCode::METHOD_NOT_ALLOWED, "GET, POST or DELETE").into_response();
    };
    let Ok(answer) = shared.sandbox.serve(incoming) else {
        // A connection cannot be cut from here; a gateway time-out leaves the client just as ignorant.
        let page = "<html><body>Gateway time-out</body></html>";
        return (StatusCode::GATEWAY_TIMEOUT, [(header::CONTENT_TYPE, "text/html")], page)
            .into_response();
    };
    let mut reply = HttpResponse::new(answer.body.into());
    *reply.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    // The world's own time, which is not the machine's: clients compare it with their clock.
    let now = jiff::Timestamp::from_millisecond(shared.sandbox.clock().now().millis());
    let date = now.ok().and_then(|t| {
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&t).ok()
    });
    if let Some(value) = date.and_then(|d| d.parse().ok()) {
        reply.headers_mut().insert(header::DATE, value);
    }
    for (name, value) in answer.headers {
        let name = header::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value.parse()) {
            reply.headers_mut().insert(name, value);
        }
    }
    reply
}

/// The login dialog is a page for people and no part of the Graph API.
fn dialog(sandbox: &Sandbox, method: &HttpMethod, uri: &Uri, body: &Bytes) -> HttpResponse {
    let mut params = form(uri.query().unwrap_or(""));
    let submitted = method == HttpMethod::POST;
    if submitted {
        // The form repeats what the address says; only what was sent counts.
        params = form(&String::from_utf8_lossy(body));
    }
    let no_store = (header::CACHE_CONTROL, "no-store");
    match sandbox.dialog(&params, submitted) {
        DialogAnswer::Page(status, page) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8");
            (status, [kind, no_store], page).into_response()
        }
        DialogAnswer::Redirect(to) => {
            (StatusCode::FOUND, [(header::LOCATION, to), (no_store.0, no_store.1.to_owned())])
                .into_response()
        }
    }
}

/// Query first, then whatever the body holds, in any of the encodings Graph clients use.
fn decode(method: &HttpMethod, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Option<Incoming> {
    let mut params = Params::default();
    params.add_texts(form(uri.query().unwrap_or("")));
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    if kind.starts_with("application/json") {
        if let Ok(Value::Object(object)) = serde_json::from_slice(body) {
            params.add_object(object);
        }
    } else if kind.starts_with("multipart/form-data") {
        let boundary = kind.split("boundary=").nth(1).unwrap_or("").trim_matches('"');
        params.add_texts(multipart(body, boundary));
    } else if !body.is_empty() {
        params.add_texts(form(&String::from_utf8_lossy(body)));
    }
    // Some clients can only GET and POST and say what they mean in a parameter.
    let meant = params.take("method").and_then(|v| v.as_str().map(str::to_lowercase));
    let method = match (method, meant.as_deref()) {
        (&HttpMethod::DELETE, _) | (&HttpMethod::POST, Some("delete")) => Method::Delete,
        (&HttpMethod::GET, _) | (&HttpMethod::POST, Some("get")) => Method::Get,
        (&HttpMethod::POST, _) => Method::Post,
        _ => return None,
    };
    let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let bearer =
        bearer.and_then(|v| v.strip_prefix("Bearer ").or_else(|| v.strip_prefix("OAuth ")));
    Some(Incoming {
        method,
        path: uri.path().to_owned(),
        params,
        bearer: bearer.map(str::to_owned),
    })
}

/// `seconds` out of a JSON body, as people send it, or out of a form, as Graph clients send everything.
fn seconds(body: &Bytes) -> Option<f64> {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let wanted = json["seconds"].as_f64().or_else(|| {
        let pairs = form(&String::from_utf8_lossy(body));
        pairs.into_iter().find(|(name, _)| name == "seconds")?.1.parse().ok()
    });
    wanted.filter(|s| (0.0..=MOST_SECONDS).contains(s))
}

/// What a person does outside the API: `{"object_id", "changes": {…}}`, `{"disapprove": AD}`, `{"account_status": n}`.
fn person(sandbox: &Sandbox, body: &Bytes) -> HttpResponse {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let bad =
        |error: Value| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    if let Some(status) = asked["account_status"].as_i64() {
        sandbox.set_account_status(status);
    } else if let Some(ad) = asked.get("disapprove") {
        if !sandbox.disapprove(&plain(ad)) {
            return bad(json!("there is no such ad"));
        }
    } else if let (Some(id), Some(changes)) = (asked.get("object_id"), asked["changes"].as_object())
    {
        let texts: Vec<(&str, String)> =
            changes.iter().map(|(k, v)| (k.as_str(), plain(v))).collect();
        let pairs: Vec<(&str, &str)> = texts.iter().map(|(k, v)| (*k, v.as_str())).collect();
        if let Err(refused) = sandbox.edit_as_person(&plain(id), &pairs) {
            return bad(refused);
        }
    } else {
        return bad(json!("say object_id and changes, disapprove, or account_status"));
    }
    Json(json!({"done": true})).into_response()
}

/// The operator's paths; never in the request log.
fn admin(sandbox: &Sandbox, method: &HttpMethod, path: &str, body: &Bytes) -> HttpResponse {
    let clock = || {
        let now = sandbox.clock().now();
        json!({"now": now.rfc3339(), "now_ms": now.millis()})
    };
    match (method, path) {
        (&HttpMethod::GET, "clock") => Json(clock()).into_response(),
        (&HttpMethod::POST, "advance") => {
            let Some(seconds) = seconds(body) else {
                let text = "advance needs {\"seconds\": n} with n from 0 to 157680000 (five years)";
                return (StatusCode::BAD_REQUEST, Json(json!({"error": text}))).into_response();
            };
            sandbox.advance_to(sandbox.clock().now().plus(num::round(seconds * 1000.0)));
            Json(clock()).into_response()
        }
        (&HttpMethod::POST, "faults") => {
            let order: Value = serde_json::from_slice(body).unwrap_or_default();
            match Order::from_json(&order) {
                Ok(order) => {
                    sandbox.order(order);
                    Json(json!({"ordered": true})).into_response()
                }
                Err(why) => (StatusCode::BAD_REQUEST, Json(json!({"error": why}))).into_response(),
            }
        }
        (&HttpMethod::DELETE, "faults") => {
            sandbox.clear_orders();
            Json(json!({"cleared": true})).into_response()
        }
        (&HttpMethod::POST, "person") => person(sandbox, body),
        (&HttpMethod::GET, "requests") => Json(json!(sandbox.requests())).into_response(),
        (&HttpMethod::GET, "ledger") => Json(json!(sandbox.ledger())).into_response(),
        _ => (StatusCode::NOT_FOUND, Json(json!({"error": "no such admin path"}))).into_response(),
    }
}
