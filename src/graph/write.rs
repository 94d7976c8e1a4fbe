//! The writing side: one armed write, sent once.

use std::sync::Arc;

use secrecy::ExposeSecret;
use serde_json::Value;

use super::{
    Link,
    error::{body_of, plain},
    is_mutation,
};
use crate::planted::{Bug, bug};
use crate::{
    domain::{ObjectId, OpKey, plan::Template},
    ports::{
        Armed, MetaClass, MetaError, MetaWrite, Method, Request, Response, Transport, WriteOutcome,
    },
};

/// Sends armed writes of one account, one after the other, each exactly once.
pub struct Writer<T> {
    link: Arc<Link<T>>,
    serial: tokio::sync::Mutex<()>,
}

impl<T> std::fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Writer").field(&self.link).finish()
    }
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

    pub(super) async fn send_once(
        &self,
        op_key: &OpKey,
        template: &Template,
        creates: bool,
    ) -> WriteOutcome {
        let what = format!("{} {} (op {op_key})", template.method, template.path);
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
            Err(_) if bug(Bug::RetryOnTimeout) => match self.link.exchange(&what, &request).await {
                Ok(response) => response,
                Err(error) => return failed(error),
            },
            Err(error) if bug(Bug::TimeoutIsSuccess) && error.class == MetaClass::Lost => {
                return WriteOutcome::Done { id: None, trace: None };
            }
            Err(error) => return failed(error),
        };
        match body_of(&what, &response) {
            Ok(body) => done(&what, creates, &body, &response),
            Err(mut error) => {
                self.link.pace.throttled(&error);
                if bug(Bug::TokenInDetail) {
                    let token = request.token.as_ref().map(ExposeSecret::expose_secret);
                    error.detail.push_str(token.unwrap_or_default());
                }
                failed(error)
            }
        }
    }
}

impl<T: Transport> MetaWrite for Writer<T> {
    async fn send(&self, armed: Armed) -> WriteOutcome {
        let _one_at_a_time = self.serial.lock().await;
        self.send_once(armed.op_key(), armed.request(), armed.creates().is_some()).await
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
        body_of(&what, &response).inspect_err(|error| self.link.pace.throttled(error))?;
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
fn done(what: &str, creates: bool, body: &Value, response: &Response) -> WriteOutcome {
    let trace = ["x-fb-trace-id", "x-fb-request-id"];
    let trace = trace.iter().find_map(|name| response.header(name)).map(super::error::one_line);
    let id = match body.get("id") {
        Some(Value::String(id)) => ObjectId::new(id.as_str()).ok(),
        Some(Value::Number(id)) => ObjectId::new(id.to_string()).ok(),
        _ => None,
    };
    let yes = body.get("success") == Some(&Value::Bool(true)) || *body == Value::Bool(true);
    match (creates, id) {
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
        MetaClass::Transient if bug(Bug::ServerErrorIsRefusal) => true,
        MetaClass::Throttled
        | MetaClass::Transient
        | MetaClass::Lost
        | MetaClass::TooMuch
        | MetaClass::Unknown => false,
    };
    if certain { WriteOutcome::Refused(error) } else { WriteOutcome::Unknown(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        graph::fake::{Fake, answer},
        ports::TransportError,
    };

    fn template(method: &str, path: &str, params: &[(&str, &str)]) -> Template {
        let params = params.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Template { method: method.into(), path: path.into(), params }
    }
    async fn send(
        answer: Result<Response, TransportError>,
        creates: bool,
    ) -> (WriteOutcome, Arc<Fake>) {
        let fake = Fake::always(answer);
        let writer = Writer::new(fake.link());
        let key = OpKey::new("K").unwrap();
        let template = template("POST", "act_1/campaigns", &[("name", "N"), ("status", "PAUSED")]);
        (writer.send_once(&key, &template, creates).await, fake)
    }
    fn word(outcome: &WriteOutcome) -> &'static str {
        match outcome {
            WriteOutcome::Done { .. } => "done",
            WriteOutcome::Refused(_) => "refused",
            WriteOutcome::Unknown(_) => "unknown",
        }
    }

    #[tokio::test]
    async fn every_kind_of_answer_ends_in_exactly_one_outcome_after_exactly_one_send() {
        let error = |code: i64, sub: i64, status| {
            Ok(answer(status, &format!(r#"{{"error":{{"code":{code},"error_subcode":{sub}}}}}"#)))
        };
        let table = [
            (Ok(answer(200, r#"{"id":"120210000000000001"}"#)), "done"),
            (Ok(answer(200, r#"{"id":120}"#)), "done"),
            (Ok(answer(200, r#"{"success":true}"#)), "unknown"),
            (Ok(answer(200, "{}")), "unknown"),
            (Ok(answer(200, r#"{"id":"x"}"#)), "unknown"),
            (Ok(answer(200, "")), "unknown"),
            (Ok(answer(204, "")), "unknown"),
            (Ok(answer(302, "")), "unknown"),
            (Ok(answer(200, "<html>")), "unknown"),
            (Ok(answer(400, "<html>")), "unknown"),
            (Ok(answer(502, "<html>")), "unknown"),
            (Ok(answer(200, r#"{"id":"1"#)), "unknown"),
            (Err(TransportError::NotSent("refused".into())), "refused"),
            (Err(TransportError::Lost("reset".into())), "unknown"),
            (Err(TransportError::TooLarge { limit: 1 }), "unknown"),
            (error(100, 1_885_272, 400), "refused"),
            (error(100, 33, 400), "refused"),
            (error(100, 3_260_011, 400), "refused"),
            (error(200, 0, 403), "refused"),
            (error(10, 0, 403), "refused"),
            (error(368, 0, 400), "refused"),
            (error(2635, 0, 400), "refused"),
            (error(100, 1_885_194, 200), "refused"),
            (error(190, 463, 401), "unknown"),
            (error(102, 0, 401), "unknown"),
            (error(1, 0, 500), "unknown"),
            (error(2, 0, 500), "unknown"),
            (error(960, 0, 200), "unknown"),
            (error(-2, 0, 400), "unknown"),
            (error(4, 0, 400), "unknown"),
            (error(17, 2_446_079, 400), "unknown"),
            (error(613, 1_487_632, 400), "unknown"),
            (error(80_004, 2_446_079, 400), "unknown"),
            (error(100, 0, 500), "unknown"),
            (error(987_654, 0, 400), "unknown"),
        ];
        for (given, wanted) in table {
            let shown = format!("{given:?}");
            let (outcome, fake) = send(given, true).await;
            assert_eq!(word(&outcome), wanted, "{shown} gave {outcome:?}");
            assert_eq!(fake.seen().len(), 1, "{shown}");
        }
    }

    #[tokio::test]
    async fn an_edit_is_done_by_success_or_by_an_id() {
        for body in [r#"{"success":true}"#, r#"{"id":"5"}"#, "true"] {
            let (outcome, _) = send(Ok(answer(200, body)), false).await;
            assert_eq!(outcome, WriteOutcome::Done { id: None, trace: None }, "{body}");
        }
        let (outcome, _) = send(Ok(answer(200, r#"{"success":false}"#)), false).await;
        assert_eq!(word(&outcome), "unknown");
    }

    #[tokio::test]
    async fn the_request_is_the_template_with_version_and_secrets() {
        let (_, fake) = send(Ok(answer(200, r#"{"id":"1"}"#)), true).await;
        let seen = fake.seen().remove(0);
        assert_eq!((seen.method, seen.path.as_str()), (Method::Post, "/v26.0/act_1/campaigns"));
        assert_eq!(seen.form.len(), 2);
        assert!(seen.token.is_some() && seen.proof.is_some());
    }

    #[tokio::test]
    async fn unbound_foreign_and_deleting_requests_are_never_sent() {
        let fake = Fake::always(Ok(answer(200, r#"{"success":true}"#)));
        let writer = Writer::new(fake.link());
        let key = OpKey::new("K").unwrap();
        for bad in [
            template("POST", "{campaign}", &[("status", "ACTIVE")]),
            template("POST", "4?method=delete", &[]),
            template("GET", "4", &[]),
            template("POST", "", &[]),
            template("POST", "4", &[("status", "DELETED")]),
        ] {
            let outcome = writer.send_once(&key, &bad, false).await;
            assert_eq!(word(&outcome), "refused", "{bad:?}");
        }
        assert!(fake.seen().is_empty());
    }

    #[tokio::test]
    async fn a_validation_carries_the_option_and_is_refused_where_it_would_be_carried_out() {
        let fake = Fake::always(Ok(answer(200, r#"{"success":true}"#)));
        let writer = Writer::new(fake.link());
        writer.validate(&template("POST", "act_1/adsets", &[("name", "N")])).await.unwrap();
        writer.validate(&template("POST", "77", &[("daily_budget", "5")])).await.unwrap();
        for request in fake.seen() {
            assert!(!is_mutation(&request), "{request:?}");
        }
        for bad in [
            template("POST", "act_1/adrules_library", &[("name", "R")]),
            template("POST", "77/copies", &[]),
            template("POST", "9", &[("status", "DISABLED")]),
            template("DELETE", "9", &[]),
        ] {
            let error = writer.validate(&bad).await.unwrap_err();
            assert_eq!(error.class, MetaClass::NotSent, "{bad:?}");
        }
        assert_eq!(fake.seen().len(), 2);
    }

    #[tokio::test]
    async fn while_the_account_is_blocked_nothing_is_sent_and_afterwards_a_pause_goes_first() {
        let throttle = r#"{"error":{"code":80004,"error_subcode":2446079}}"#;
        let fake = Fake::always(Ok(answer(400, throttle)));
        let writer = Writer::new(fake.link());
        let key = OpKey::new("K").unwrap();
        let raise = template("POST", "4", &[("daily_budget", "9")]);
        let pause = template("POST", "4", &[("status", "PAUSED")]);
        assert_eq!(word(&writer.send_once(&key, &raise, false).await), "unknown");
        for held in [&raise, &pause] {
            let held = writer.send_once(&key, held, false).await;
            assert!(matches!(held, WriteOutcome::Refused(e) if e.class == MetaClass::NotSent));
        }
        assert_eq!(fake.seen().len(), 1, "a call would prolong the block");
        fake.clock.0.store(300_000, std::sync::atomic::Ordering::SeqCst);
        writer.send_once(&key, &pause, false).await;
        assert_eq!(fake.seen().len(), 2);
    }
}
