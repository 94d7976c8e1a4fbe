//! The writing side: one armed write, sent once.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Link,
    error::{body_of, plain},
    is_mutation,
};
use crate::{
    domain::{ObjectId, plan::Template},
    ports::{
        Armed, MetaClass, MetaError, MetaWrite, Method, Request, Response, Transport, WriteOutcome,
    },
};

/// Throttles that concern one object or one kind of edit, not the account's call budget.
const NARROW_THROTTLES: [i64; 4] = [1_487_632, 1_487_225, 1_885_172, 5_044_001];

/// Sends armed writes of one account, one after the other, each exactly once.
#[derive(Debug)]
pub struct Writer<T> {
    link: Arc<Link<T>>,
    serial: tokio::sync::Mutex<()>,
}

impl<T: Transport> Writer<T> {
    /// Writes through `link`. Whoever must not write is never given one.
    pub fn new(link: Arc<Link<T>>) -> Self {
        Self { link, serial: tokio::sync::Mutex::new(()) }
    }

    fn request(&self, what: &str, template: &Template) -> Result<Request, MetaError> {
        let refuse = |why: &str| Err(plain(MetaClass::NotSent, what, why));
        let path = self.link.path(&template.path);
        let mut request = match template.method.as_str() {
            "POST" => Request::post(path),
            "DELETE" => {
                let mut request = Request::post(path);
                request.method = Method::Delete;
                request
            }
            other => return refuse(&format!("a write cannot be a {other}")),
        };
        if template.path.contains(['{', '}', '?', '#']) || template.path.is_empty() {
            return refuse("the request names an object that does not exist yet");
        }
        if template.params.iter().any(|(name, value)| name == "status" && value == "DELETED") {
            return refuse("nothing that can spend is ever deleted");
        }
        request.form.clone_from(&template.params);
        Ok(self.link.secrets().sign(request))
    }

    async fn send_once(&self, armed: &Armed) -> WriteOutcome {
        let template = armed.request();
        let what = format!("{} {} (op {})", template.method, template.path, armed.op_key());
        let ready = self.request(&what, template).and_then(|request| {
            self.link.pace.write(&what, only_lowers(template))?;
            Ok(request)
        });
        let request = match ready {
            Ok(request) => request,
            Err(error) => return WriteOutcome::Refused(error),
        };
        debug_assert!(is_mutation(&request), "an armed request changes something");
        let response = match self.link.exchange(&what, &request).await {
            Ok(response) => response,
            Err(error) => return failed(error),
        };
        match body_of(&what, &response) {
            Ok(body) => done(&what, armed, &body, &response),
            Err(error) => {
                self.note_throttle(&error);
                failed(error)
            }
        }
    }
    fn note_throttle(&self, error: &MetaError) {
        let narrow = error.subcode.is_some_and(|sub| NARROW_THROTTLES.contains(&sub));
        if let (MetaClass::Throttled, Some(ms), false) = (error.class, error.wait_ms, narrow) {
            self.link.pace.throttled(ms);
        }
    }
}

impl<T: Transport> MetaWrite for Writer<T> {
    async fn send(&self, armed: Armed) -> WriteOutcome {
        let _one_at_a_time = self.serial.lock().await;
        self.send_once(&armed).await
    }

    async fn validate(&self, template: &Template) -> Result<(), MetaError> {
        let what = format!("validate {} {}", template.method, template.path);
        let mut request = self.request(&what, template)?;
        let options = r#"["validate_only"]"#.to_owned();
        request.form.push(("execution_options".to_owned(), options));
        // Rules, copies and deletions ignore the option and would be carried out.
        let rule = ["ENABLED", "DISABLED"];
        let rule = template.params.iter().any(|(n, v)| n == "status" && rule.contains(&v.as_str()));
        if is_mutation(&request) || rule {
            let why = "Meta has no validation for this kind of write";
            return Err(plain(MetaClass::NotSent, &what, why));
        }
        let _one_at_a_time = self.serial.lock().await;
        self.link.pace.write(&what, false)?;
        let response = self.link.exchange(&what, &request).await?;
        body_of(&what, &response).inspect_err(|error| self.note_throttle(error))?;
        Ok(())
    }
}

/// True for writes that can only lower what is spent; they are never held back.
fn only_lowers(template: &Template) -> bool {
    let lowers = |(name, value): &(String, String)| {
        name == "status" && matches!(value.as_str(), "PAUSED" | "ARCHIVED")
    };
    template.method == "POST"
        && !template.path.contains('/')
        && !template.params.is_empty()
        && template.params.iter().all(lowers)
}

/// A yes is `{"id":…}` for a creation and `{"success":true}` (or an id) for an edit; anything else is no answer.
fn done(what: &str, armed: &Armed, body: &Value, response: &Response) -> WriteOutcome {
    let trace = ["x-fb-trace-id", "x-fb-request-id"];
    let trace = trace.iter().find_map(|name| response.header(name)).map(super::error::one_line);
    let id = match body.get("id") {
        Some(Value::String(id)) => ObjectId::new(id.as_str()).ok(),
        Some(Value::Number(id)) => ObjectId::new(id.to_string()).ok(),
        _ => None,
    };
    let yes = body.get("success") == Some(&Value::Bool(true)) || *body == Value::Bool(true);
    match (armed.creates().is_some(), id) {
        (true, Some(id)) => WriteOutcome::Done { id: Some(id), trace },
        (false, id) if yes || id.is_some() => WriteOutcome::Done { id: None, trace },
        (creates, _) => {
            let missing = if creates { "an id" } else { "success" };
            let detail = format!("HTTP {} without {missing}", response.status);
            let mut error = plain(MetaClass::Unknown, what, detail);
            error.status = Some(response.status);
            error.trace = trace.map(Into::into);
            WriteOutcome::Unknown(error)
        }
    }
}

/// Refused only where it is certain that nothing was done.
fn failed(error: MetaError) -> WriteOutcome {
    let certain = match error.class {
        MetaClass::NotSent
        | MetaClass::Refused
        | MetaClass::Immutable
        | MetaClass::Policy
        | MetaClass::Version
        | MetaClass::Gone => true,
        // A session can end while a request is under way; a missing permission is seen before anything happens.
        MetaClass::Auth => !matches!(error.code, None | Some(102 | 190 | 1_357_045)),
        // Some throttled writes have been applied all the same.
        MetaClass::Throttled
        | MetaClass::Transient
        | MetaClass::Lost
        | MetaClass::TooMuch
        | MetaClass::Unknown => false,
    };
    if certain { WriteOutcome::Refused(error) } else { WriteOutcome::Unknown(error) }
}
