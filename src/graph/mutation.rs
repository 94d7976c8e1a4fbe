//! Which requests change something at Meta.
//!
//! The method alone does not tell: starting an insights report, a batch of reads and a validation are POSTs that change
//! nothing, and `method=` in the parameters turns one method into another. What is not certainly a read is a change.

use reqwest::Url;
use serde_json::Value;

use crate::ports::{Method, Request};

/// True unless the request certainly changes nothing.
pub fn is_mutation(request: &Request) -> bool {
    judge(request, 0)
}

fn judge(request: &Request, depth: u8) -> bool {
    match effective_method(request) {
        Some(Method::Get) => false,
        Some(Method::Post) => {
            !(starts_report(request)
                || validates_only(request)
                || depth == 0 && reads_in_batch(request))
        }
        Some(Method::Delete) | None => true,
    }
}

fn params<'a>(request: &'a Request, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = request.query.iter().chain(&request.form);
    pairs.filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
}

/// The method Graph acts upon; None when it cannot be told.
fn effective_method(request: &Request) -> Option<Method> {
    let mut overrides = params(request, "method");
    match (overrides.next(), overrides.next()) {
        (None, _) => Some(request.method),
        (Some(text), None) => match text.to_ascii_uppercase().as_str() {
            "GET" => Some(Method::Get),
            "POST" => Some(Method::Post),
            _ => None,
        },
        (Some(_), Some(_)) => None,
    }
}

fn segments(request: &Request) -> Vec<&str> {
    let mut parts: Vec<&str> = request.path.split('/').filter(|p| !p.is_empty()).collect();
    let versioned = parts.first().is_some_and(|p| {
        p.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    if versioned {
        parts.remove(0);
    }
    parts
}

/// `POST /{object}/insights`: an asynchronous report run.
fn starts_report(request: &Request) -> bool {
    matches!(segments(request).as_slice(), [_, "insights"])
}

/// `validate_only`, where Meta heeds it: creating and editing campaigns, ad sets, ads and creatives. `/copies` and
/// rules ignore it.
fn validates_only(request: &Request) -> bool {
    let heeded = match segments(request).as_slice() {
        [_, edge] => matches!(*edge, "campaigns" | "adsets" | "ads" | "adcreatives"),
        [id] => !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()),
        _ => false,
    };
    let mut options = params(request, "execution_options");
    let (Some(text), None) = (options.next(), options.next()) else { return false };
    let listed = match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(items)) => items.iter().any(|i| i.as_str() == Some("validate_only")),
        _ => false,
    };
    heeded && listed
}

/// `POST /` with `batch`, each element of which changes nothing.
fn reads_in_batch(request: &Request) -> bool {
    if !segments(request).is_empty() || params(request, "asyncbatch").next().is_some() {
        return false;
    }
    let mut batches = params(request, "batch");
    let (Some(text), None) = (batches.next(), batches.next()) else { return false };
    let Ok(Value::Array(items)) = serde_json::from_str(text) else { return false };
    !items.is_empty() && items.iter().all(|item| element(item).is_some_and(|r| !judge(&r, 1)))
}

/// One element of a batch as a request; None when it cannot be read.
fn element(item: &Value) -> Option<Request> {
    let url = item.get("relative_url")?.as_str()?;
    let url = Url::parse("https://graph.invalid/").ok()?.join(url.trim_start_matches('/')).ok()?;
    let mut request = match item.get("method")?.as_str()?.to_ascii_uppercase().as_str() {
        "GET" => Request::get(url.path()),
        "POST" => Request::post(url.path()),
        _ => return None,
    };
    request.query = url.query_pairs().into_owned().collect();
    if let Some(body) = item.get("body") {
        let mut form = Url::parse("https://graph.invalid/").ok()?;
        form.set_query(Some(body.as_str()?));
        request.form = form.query_pairs().into_owned().collect();
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str) -> Request {
        Request::post(path)
    }

    #[test]
    fn reads_and_posts_that_change_nothing_are_no_mutations() {
        let validate = r#"["validate_only"]"#;
        let reads = [
            Request::get("/v26.0/act_1/campaigns"),
            Request::get("/v26.0/1").with("method", "get"),
            post("/v26.0/act_1/insights").form("level", "adset"),
            post("/v26.0/77/insights"),
            post("/v26.0/act_1/adsets").form("execution_options", validate),
            post("/v26.0/act_1/ads")
                .form("execution_options", r#"["synchronous_ad_review","validate_only"]"#),
            post("/v26.0/77").form("daily_budget", "1").form("execution_options", validate),
            post("/v26.0/").form(
                "batch",
                r#"[{"method":"GET","relative_url":"77?fields=id"},{"method":"get","relative_url":"78"}]"#,
            ),
            post("/").form(
                "batch",
                r#"[{"method":"POST","relative_url":"act_1/insights","body":"level=adset"}]"#,
            ),
            post("/v26.0/77").form("method", "GET"),
        ];
        for request in reads {
            assert!(!is_mutation(&request), "{request:?}");
        }
    }

    #[test]
    fn everything_else_is_a_mutation() {
        let validate = r#"["validate_only"]"#;
        let mut delete = post("/v26.0/77");
        delete.method = Method::Delete;
        let writes = [
            delete,
            post("/v26.0/77").form("status", "ACTIVE"),
            post("/v26.0/act_1/campaigns").form("name", "x"),
            post("/v26.0/77/copies").form("execution_options", validate),
            post("/v26.0/act_1/adrules_library").form("execution_options", validate),
            post("/v26.0/77").form("execution_options", "validate_only"),
            post("/v26.0/77").form("execution_options", r#"["include_recommendations"]"#),
            post("/v26.0/77")
                .form("execution_options", validate)
                .form("execution_options", "[]"),
            post("/v26.0/act_1/async_batch_requests"),
            post("/v26.0/").form("asyncbatch", "[]"),
            post("/v26.0/").form("batch", "[]"),
            post("/v26.0/").form("batch", "not json"),
            post("/v26.0/").form(
                "batch",
                r#"[{"method":"GET","relative_url":"77"},{"method":"POST","relative_url":"77","body":"status=ACTIVE"}]"#,
            ),
            post("/v26.0/").form("batch", r#"[{"relative_url":"77"}]"#),
            post("/v26.0/").form("batch", r#"[{"method":"DELETE","relative_url":"77"}]"#),
            post("/v26.0/")
                .form("batch", r#"[{"method":"GET","relative_url":"77?method=delete"}]"#),
            post("/v26.0/")
                .form("batch", r#"[{"method":"GET","relative_url":"77"}]"#)
                .form("asyncbatch", "[]"),
            Request::get("/v26.0/77").with("method", "delete"),
            Request::get("/v26.0/77").with("method", "post").with("status", "ACTIVE"),
            post("/v26.0/77/insights/extra"),
            post("/v26.0/insights"),
            post("/v26.0/act_1/ad_studies").form("execution_options", validate),
        ];
        for request in writes {
            assert!(is_mutation(&request), "{request:?}");
        }
    }
}
