//! Several reads in one request.
//!
//! Each element counts as a call of its own and has an outcome of its own: the answer as a whole can be fine while an
//! element failed, or is `null` because time ran out, and then nothing is known of it (Graph API, "Batch requests").
//! Writes are never sent this way.

use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Link,
    error::{body_of, plain},
};
use crate::ports::{MetaClass, MetaError, Method, Request, Response, Transport};

/// Elements of one request; Meta takes fifty, but all of them are charged at once.
const AT_ONCE: usize = 10;

impl<T: Transport> Link<T> {
    /// Reads every request; outcomes come in the same order, one for each.
    pub(super) async fn batch(
        &self,
        what: &str,
        reads: &[Request],
    ) -> Result<Vec<Result<Value, MetaError>>, MetaError> {
        let mut outcomes = Vec::with_capacity(reads.len());
        for some in reads.chunks(AT_ONCE) {
            let elements: Vec<Value> = some.iter().map(|r| self.element(r)).collect();
            let request = Request::post(self.path(""))
                .form("batch", Value::Array(elements).to_string())
                .form("include_headers", "true");
            let body = self.get(what, request).await?;
            let Some(answers) = body.as_array().filter(|a| a.len() == some.len()) else {
                let why = format!("the batch of {} has another number of answers", some.len());
                return Err(plain(MetaClass::Lost, what, why));
            };
            outcomes.extend(answers.iter().map(|answer| self.outcome(what, answer)));
        }
        Ok(outcomes)
    }

    /// A read as an element: path without version and slash, parameters encoded.
    fn element(&self, read: &Request) -> Value {
        debug_assert!(read.method == Method::Get, "only reads are sent in batches");
        let path = read.path.trim_start_matches('/');
        let path = path.strip_prefix(&format!("{}/", self.options.version)).unwrap_or(path);
        let query = Url::parse_with_params("https://graph.invalid/", &read.query);
        let query = query.ok().and_then(|u| u.query().map(str::to_owned)).unwrap_or_default();
        let url = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        json!({"method": "GET", "relative_url": url})
    }

    fn outcome(&self, what: &str, answer: &Value) -> Result<Value, MetaError> {
        let wire = Element::deserialize(answer).ok().filter(|e| e.code > 0);
        let Some(Element { code, headers, body }) = wire else {
            return Err(plain(MetaClass::Lost, what, "the batch ended without this element"));
        };
        let headers: Vec<_> =
            headers.into_iter().map(|h| (h.name.to_ascii_lowercase(), h.value)).collect();
        let tells = !headers.is_empty();
        let response = Response { status: code, headers, body: body.into_bytes() };
        if tells {
            // An element without headers says nothing, where an answer without them would say that all is calm.
            self.pace.observe(&super::usage::Usage::of(&response));
        }
        body_of(what, &response).inspect_err(|error| self.pace.throttled(error))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Element {
    code: u16,
    headers: Vec<Header>,
    body: String,
}
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Header {
    name: String,
    value: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{
        fake::{Fake, answer},
        is_mutation,
    };

    fn reads(n: usize) -> Vec<Request> {
        (0..n).map(|i| Request::get(format!("/v26.0/{i}/x")).with("fields", "id,a&b")).collect()
    }

    #[tokio::test]
    async fn each_element_has_an_outcome_of_its_own_and_null_is_unknown() {
        let fake = Fake::always(Ok(answer(
            200,
            &json!([
                {"code":200,"headers":[{"name":"X-App-Usage","value":"{\"call_count\":97}"}],"body":"{\"data\":[]}"},
                null,
                {"code":400,"headers":[],"body":"{\"error\":{\"code\":100,\"error_subcode\":33}}"},
                {"code":500,"body":"<html>"},
                {"body":"{\"data\":[]}"},
                {"code":"200","body":"{}"}
            ])
            .to_string(),
        )));
        let link = fake.link();
        let outcomes = link.batch("r", &reads(6)).await.unwrap();
        let classes: Vec<_> = outcomes.iter().map(|o| o.as_ref().err().map(|e| e.class)).collect();
        let lost = Some(MetaClass::Lost);
        assert_eq!(classes, [None, lost, Some(MetaClass::Gone), lost, lost, lost]);
        let request = fake.seen().remove(0);
        assert!(!is_mutation(&request));
        let batch = &request.form[0].1;
        assert!(batch.contains(r#""relative_url":"0/x?fields=id%2Ca%26b""#), "{batch}");
        assert!(!format!("{request:?}").contains("EAAB"));
        // The headers of an element count like those of an answer.
        let at = fake.clock.0.load(std::sync::atomic::Ordering::SeqCst);
        link.pace.read("r", super::super::pace::Kind::Other).await.unwrap();
        assert!(fake.clock.0.load(std::sync::atomic::Ordering::SeqCst) > at);
    }

    #[tokio::test]
    async fn many_reads_go_some_at_a_time_and_a_wrong_number_of_answers_is_no_answer() {
        let fake = Fake::new(|r, _| {
            let batch: Vec<Value> = serde_json::from_str(&r.form[0].1).unwrap();
            let one = json!({"code":200,"body":"{}"});
            Ok(answer(200, &Value::Array(vec![one; batch.len()]).to_string()))
        });
        assert_eq!(fake.link().batch("r", &reads(23)).await.unwrap().len(), 23);
        assert_eq!(fake.seen().len(), 3);
        let short = Fake::always(Ok(answer(200, r#"[{"code":200,"body":"{}"}]"#)));
        let error = short.link().batch("r", &reads(2)).await.unwrap_err();
        assert_eq!(error.class, MetaClass::Lost);
        let refused = Fake::always(Ok(answer(400, r#"{"error":{"code":190}}"#)));
        assert!(refused.link().batch("r", &reads(2)).await.is_err());
    }
}
