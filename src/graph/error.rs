//! From an answer to a body, or to an error with its class.
//!
//! Classes follow codes and subcodes, never texts, with one exception Meta leaves no way around: "reduce the amount of
//! data" comes under code 1, which otherwise means a passing fault (Marketing API, "Insights error codes"). A write
//! that meets a class it does not know is in doubt, never refused.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use super::usage::Usage;
use crate::ports::{MetaClass, MetaError, Response, TransportError};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// An error that has no code of Meta's.
pub fn plain(class: MetaClass, what: &str, detail: impl Into<String>) -> MetaError {
    let detail = one_line(detail.into());
    let what = what.to_owned();
    let (code, subcode, status, trace, wait_ms) = (None, None, None, None, None);
    MetaError { class, what, detail, code, subcode, status, trace, wait_ms }
}

/// The error of an exchange that brought no response.
pub fn of_transport(what: &str, error: &TransportError) -> MetaError {
    let class = match error {
        TransportError::NotSent(_) => MetaClass::NotSent,
        TransportError::Lost(_) => MetaClass::Lost,
        TransportError::TooLarge { .. } => MetaClass::TooMuch,
    };
    plain(class, what, error.to_string())
}

/// The JSON body of a response that means success; anything else is an error with its class.
pub fn body_of(what: &str, response: &Response) -> Result<Value, MetaError> {
    let Ok(body) = serde_json::from_slice::<Value>(strip_bom(&response.body)) else {
        return Err(unreadable(what, response));
    };
    if let Some(error) = body.get("error") {
        return Err(of_object(what, response, error));
    }
    if (200..300).contains(&response.status) {
        return Ok(body);
    }
    let class = match response.status {
        429 => MetaClass::Throttled,
        500..=599 => MetaClass::Transient,
        _ => MetaClass::Unknown,
    };
    let detail = format!("HTTP {} without an error object", response.status);
    Err(from_response(plain(class, what, detail), response))
}

fn strip_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// HTML of a gateway, a cut or an empty body: nobody knows what happened behind it, whatever the status.
fn unreadable(what: &str, response: &Response) -> MetaError {
    let seen = if response.body.is_empty() {
        "an empty body".to_owned()
    } else if response.body.trim_ascii_start().starts_with(b"<") {
        "HTML instead of JSON".to_owned()
    } else {
        format!("{} bytes that are not complete JSON", response.body.len())
    };
    let detail = format!("HTTP {} with {seen}", response.status);
    from_response(plain(MetaClass::Lost, what, detail), response)
}

fn from_response(mut error: MetaError, response: &Response) -> MetaError {
    error.status = Some(response.status);
    if error.trace.is_none() {
        error.trace = response.header("x-fb-request-id").map(|t| one_line(t).into());
    }
    if error.class == MetaClass::Throttled {
        error.wait_ms = Some(wait(error.code, error.subcode, &Usage::of(response)));
    }
    error
}

/// The fields of an error object that matter; each may be missing or of another type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    #[serde(deserialize_with = "lenient_int")]
    code: Option<i64>,
    #[serde(deserialize_with = "lenient_int")]
    error_subcode: Option<i64>,
    message: Value,
    error_user_title: Value,
    error_user_msg: Value,
    is_transient: Value,
    error_data: Value,
    fbtrace_id: Value,
}

fn lenient_int<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(d)? {
        Value::Number(n) => n.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

fn of_object(what: &str, response: &Response, error: &Value) -> MetaError {
    let wire: Wire = serde_json::from_value(error.clone()).unwrap_or_default();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let transient = wire.is_transient == Value::Bool(true);
    let message = match error {
        // OAuth endpoints answer `{"error":"invalid_request"}`.
        Value::String(text) => text.clone(),
        _ => text(&wire.message),
    };
    let class = match wire.code {
        Some(code) => classify(code, wire.error_subcode, transient, response.status, &message),
        None if response.status >= 500 || transient => MetaClass::Transient,
        None => MetaClass::Unknown,
    };
    let mut detail = match (wire.code, wire.error_subcode) {
        (Some(code), Some(sub)) => format!("error {code}/{sub}: "),
        (Some(code), None) => format!("error {code}: "),
        (None, _) => String::new(),
    };
    let user = [text(&wire.error_user_title), text(&wire.error_user_msg)];
    let user: Vec<&str> = user.iter().map(String::as_str).filter(|t| !t.is_empty()).collect();
    detail.push_str(&if user.is_empty() { message } else { user.join(": ") });
    let blamed = blamed(&wire.error_data);
    if !blamed.is_empty() {
        let _ = write!(detail, " ({})", blamed.join(", "));
    }
    let mut built = plain(class, what, detail);
    built.code = wire.code;
    built.subcode = wire.error_subcode;
    built.trace = wire.fbtrace_id.as_str().map(|t| one_line(t).into());
    from_response(built, response)
}

/// The parameters Meta blames; `error_data` is an object or the same object as text.
fn blamed(data: &Value) -> Vec<String> {
    let parsed: Value = match data {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        other => other.clone(),
    };
    let Some(paths) = parsed.get("blame_field_specs").and_then(Value::as_array) else {
        return Vec::new();
    };
    let path = |p: &Value| {
        let parts = p.as_array()?.iter().filter_map(Value::as_str);
        Some(parts.collect::<Vec<_>>().join("."))
    };
    paths.iter().filter_map(path).collect()
}

/// The class of an error code. `status` is the HTTP status, `message` is looked at for code 1 only.
pub fn classify(
    code: i64,
    subcode: Option<i64>,
    transient: bool,
    status: u16,
    message: &str,
) -> MetaClass {
    let sub = subcode.unwrap_or(0);
    if let Some(class) = by_subcode(code, sub) {
        return class;
    }
    match code {
        1 if message.to_ascii_lowercase().contains("reduce the amount of data") => {
            MetaClass::TooMuch
        }
        4 | 17 | 32 | 341 | 613 | 80_000..=80_014 => MetaClass::Throttled,
        3 | 10 | 102 | 104 | 190 | 200..=299 | 1_357_045 | 1_815_694 => MetaClass::Auth,
        368 | 1_404_078 | 1_404_163 | 1_870_034 | 1_870_090 | 1_870_092 | 2_490_427 | 2_490_468
        | 2_859_015 => MetaClass::Policy,
        2635 => MetaClass::Version,
        803 => MetaClass::Gone,
        ..=-1 | 1 | 2 | 960 | 3_910_001 => MetaClass::Transient,
        _ if transient || status >= 500 => MetaClass::Transient,
        100 | 506 | 2500 | 2641 | 2642 | 2695 | 2703 | 3018 => MetaClass::Refused,
        _ if is_validation(code) => MetaClass::Refused,
        _ => MetaClass::Unknown,
    }
}

/// Subcodes that say more than their code.
fn by_subcode(code: i64, sub: i64) -> Option<MetaClass> {
    Some(match (code, sub) {
        (_, 3_260_011) => MetaClass::Immutable,
        (100, 33) => MetaClass::Gone,
        (100, 3_191_001) | (_, 1_815_694 | 1_713_092 | 1_357_045) => MetaClass::Auth,
        (_, 1_487_534 | 1_504_018 | 1_504_038 | 1_504_045) => MetaClass::TooMuch,
        (
            _,
            1_404_078 | 1_404_163 | 1_870_034 | 1_870_090 | 1_870_092 | 2_490_427 | 2_490_468
            | 2_859_015,
        ) => MetaClass::Policy,
        (_, 1_504_041 | 1_504_042) => MetaClass::Refused,
        (_, 99 | 1_504_043 | 1_504_044 | 2_490_547) => MetaClass::Transient,
        _ => return None,
    })
}

/// The families of validation subcodes, which some answers carry as code.
fn is_validation(code: i64) -> bool {
    let family = code / 1000;
    matches!(family, 1487 | 1815 | 1885 | 2238 | 2446 | 2460 | 2490 | 3858 | 4834)
}

/// How long to wait, in milliseconds: what the headers say, else what the limit in question is known to take
/// (Marketing API, "Rate limits").
fn wait(code: Option<i64>, subcode: Option<i64>, usage: &Usage) -> i64 {
    match subcode {
        Some(1_885_172 | 1_487_225) => return 24 * HOUR,
        Some(1_487_632) => return HOUR,
        Some(5_044_001) => return SECOND,
        _ => {}
    }
    let told = match code {
        // A score over its limit says nothing of when a use case is free again.
        Some(17 | 613) => usage.reset_ms.max(usage.regain_ms()),
        _ => usage.regain_ms(),
    };
    if told > 0 {
        return told;
    }
    match code {
        Some(32 | 341) => HOUR,
        Some(17) if !usage.limited_tier => MINUTE,
        Some(613) if subcode != Some(1996) => MINUTE,
        _ => 5 * MINUTE,
    }
}

/// Foreign text made safe for one line of output.
pub fn one_line(text: impl AsRef<str>) -> String {
    let text: String =
        text.as_ref().chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use MetaClass::{
        Auth, Gone, Immutable, Lost, Policy, Refused, Throttled, TooMuch, Transient, Unknown,
        Version,
    };

    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }
    fn answer(status: u16, body: &str) -> MetaError {
        body_of("read x", &response(status, body)).unwrap_err()
    }

    /// Every code and subcode that the guides of Meta and the insights, rate-limit and error pages name.
    const TABLE: &[(i64, i64, MetaClass)] = &[
        (190, 458, Auth),
        (190, 459, Auth),
        (190, 460, Auth),
        (190, 463, Auth),
        (190, 464, Auth),
        (190, 467, Auth),
        (190, 492, Auth),
        (190, 0, Auth),
        (102, 0, Auth),
        (104, 0, Auth),
        (1_357_045, 0, Auth),
        (10, 0, Auth),
        (3, 0, Auth),
        (200, 0, Auth),
        (294, 0, Auth),
        (299, 0, Auth),
        (100, 3_191_001, Auth),
        (2654, 1_713_092, Auth),
        (1_815_694, 0, Auth),
        (100, 33, Gone),
        (803, 0, Gone),
        (100, 3_260_011, Immutable),
        (1, 0, Transient),
        (2, 0, Transient),
        (-2, 2_490_547, Transient),
        (-1, 0, Transient),
        (960, 0, Transient),
        (3_910_001, 0, Transient),
        (100, 99, Transient),
        (2, 1_504_043, Transient),
        (2, 1_504_044, Transient),
        (2, 1_504_041, Refused),
        (2, 1_504_042, Refused),
        (2, 1_504_038, TooMuch),
        (100, 1_504_018, TooMuch),
        (100, 1_487_534, TooMuch),
        (-3, 1_504_045, TooMuch),
        (4, 0, Throttled),
        (4, 1_504_022, Throttled),
        (4, 1_504_039, Throttled),
        (17, 0, Throttled),
        (17, 2_446_079, Throttled),
        (17, 1_885_172, Throttled),
        (32, 0, Throttled),
        (341, 0, Throttled),
        (613, 0, Throttled),
        (613, 1_487_742, Throttled),
        (613, 1_487_632, Throttled),
        (613, 1_487_225, Throttled),
        (613, 5_044_001, Throttled),
        (613, 4_841_018, Throttled),
        (613, 1996, Throttled),
        (80_000, 2_446_079, Throttled),
        (80_001, 0, Throttled),
        (80_002, 0, Throttled),
        (80_003, 2_446_079, Throttled),
        (80_004, 2_446_079, Throttled),
        (80_005, 0, Throttled),
        (80_006, 0, Throttled),
        (80_008, 0, Throttled),
        (80_009, 0, Throttled),
        (80_014, 0, Throttled),
        (368, 0, Policy),
        (368, 1_404_078, Policy),
        (100, 2_859_015, Policy),
        (100, 1_404_163, Policy),
        (100, 1_870_034, Policy),
        (100, 1_870_090, Policy),
        (100, 1_870_092, Policy),
        (100, 2_490_427, Policy),
        (100, 2_490_468, Policy),
        (2635, 0, Version),
        (100, 0, Refused),
        (506, 0, Refused),
        (2500, 0, Refused),
        (2641, 0, Refused),
        (2642, 0, Refused),
        (2695, 0, Refused),
        (3018, 0, Refused),
        (987_654, 0, Unknown),
        (0, 0, Unknown),
    ];

    #[test]
    fn every_known_code_has_its_class() {
        for (code, sub, class) in TABLE {
            let sub = (*sub != 0).then_some(*sub);
            assert_eq!(classify(*code, sub, false, 400, ""), *class, "{code}/{sub:?}");
        }
        for sub in [
            1_487_033, 1_487_056, 1_487_566, 1_487_901, 1_487_990, 1_885_088, 1_885_194, 1_885_204,
            1_885_272, 1_885_621, 1_885_650, 1_885_737, 2_238_055, 2_446_307, 2_446_383, 2_446_509,
            2_460_003, 2_460_004, 2_490_408, 3_858_079, 3_858_081, 3_858_418, 3_858_504, 4_834_002,
            4_834_005, 4_834_006, 4_834_009, 4_834_011,
        ] {
            assert_eq!(classify(100, Some(sub), false, 400, ""), Refused, "100/{sub}");
            assert_eq!(classify(sub, None, false, 400, ""), Refused, "{sub}");
        }
    }

    #[test]
    fn the_transient_flag_and_a_5xx_soften_a_refusal_but_not_a_throttle_or_a_token_error() {
        assert_eq!(classify(100, None, true, 400, ""), Transient);
        assert_eq!(classify(100, None, false, 500, ""), Transient);
        assert_eq!(classify(987_654, None, true, 400, ""), Transient);
        assert_eq!(classify(4, None, true, 400, ""), Throttled);
        assert_eq!(classify(190, None, true, 500, ""), Auth);
    }

    #[test]
    fn code_1_asks_for_less_data_only_when_it_says_so() {
        let body = r#"{"error":{"code":1,"message":"Please reduce the amount of data you're asking for, then retry your request"}}"#;
        assert_eq!(answer(500, body).class, TooMuch);
        let body = r#"{"error":{"code":1,"message":"An unknown error occurred"}}"#;
        assert_eq!(answer(500, body).class, Transient);
    }

    #[test]
    fn a_body_that_cannot_be_read_is_lost_at_any_status() {
        for status in [200, 204, 302, 400, 403, 500, 502, 503] {
            for body in ["", "<html>502 Bad Gateway</html>", r#"{"data":[{"id":"1"#, "\u{0}\u{1}"] {
                let error = answer(status, body);
                assert_eq!((error.class, error.status), (Lost, Some(status)), "{status} {body:?}");
            }
        }
    }

    #[test]
    fn an_error_in_a_200_is_an_error() {
        let error = answer(200, r#"{"error":{"code":190,"error_subcode":463,"fbtrace_id":"A1"}}"#);
        assert_eq!(error.class, Auth);
        assert_eq!((error.code, error.subcode), (Some(190), Some(463)));
        assert_eq!(error.trace.as_deref(), Some("A1"));
    }

    #[test]
    fn error_data_is_read_as_object_and_as_text() {
        for data in [
            r#"{"blame_field_specs":[["daily_budget"]]}"#,
            r#""{\"blame_field_specs\":[[\"daily_budget\"]]}""#,
        ] {
            let body = format!(
                r#"{{"error":{{"code":100,"error_subcode":1885272,"message":"m",
                "error_user_title":"Budget too low","error_user_msg":"Raise it","error_data":{data}}}}}"#
            );
            let error = answer(400, &body);
            assert_eq!(
                error.to_string(),
                "read x: error 100/1885272: Budget too low: Raise it (daily_budget)"
            );
        }
    }

    #[test]
    fn odd_error_objects_never_pass_for_success() {
        for body in [
            r#"{"error":null}"#,
            r#"{"error":"invalid_request"}"#,
            r#"{"error":{"code":"100"}}"#,
            r#"{"error":{"code":[1]}}"#,
            r#"{"error":[]}"#,
        ] {
            assert_ne!(answer(400, body).detail, "?", "{body}");
        }
        assert_eq!(answer(400, r#"{"error":{"code":"100"}}"#).class, Refused);
        assert_eq!(answer(400, r#"{"a":1}"#).class, Unknown);
        assert_eq!(answer(503, r#"{"a":1}"#).class, Transient);
        assert_eq!(answer(429, r#"{"a":1}"#).class, Throttled);
    }

    #[test]
    fn the_wait_comes_from_the_headers_or_from_the_kind_of_limit() {
        let throttled = |code: &str, headers: &[(&str, &str)]| {
            let mut response = response(400, &format!(r#"{{"error":{{{code}}}}}"#));
            response.headers =
                headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            body_of("w", &response).unwrap_err().wait_ms
        };
        let regain = r#"{"1":[{"type":"ads_management","estimated_time_to_regain_access":9}]}"#;
        let regain = [("x-business-use-case-usage", regain)];
        assert_eq!(throttled(r#""code":80004"#, &regain), Some(9 * MINUTE));
        let reset = r#"{"acc_id_util_pct":100,"reset_time_duration":123}"#;
        let reset = [("x-ad-account-usage", reset)];
        assert_eq!(throttled(r#""code":17,"error_subcode":2446079"#, &reset), Some(123 * SECOND));
        assert_eq!(throttled(r#""code":17,"error_subcode":1885172"#, &reset), Some(24 * HOUR));
        assert_eq!(throttled(r#""code":613,"error_subcode":1487632"#, &reset), Some(HOUR));
        assert_eq!(throttled(r#""code":4"#, &[]), Some(5 * MINUTE));
        assert_eq!(throttled(r#""code":613"#, &[]), Some(MINUTE));
    }

    #[test]
    fn foreign_text_stays_on_one_line() {
        let body = r#"{"error":{"code":100,"message":"a\nb\u001b[31mc"}}"#;
        assert_eq!(answer(400, body).to_string(), "read x: error 100: a b [31mc");
    }

    proptest::proptest! {
        #[test]
        fn no_answer_with_an_error_status_ever_passes_for_success(
            status in 300_u16..600,
            body in r#"[\x00-\x7f]{0,40}|\{"error":[\[\]{}",:0-9a-z]{0,20}\}|\{"(id|success)":(true|"1"|1)\}"#,
        ) {
            let error = body_of("w", &response(status, &body)).unwrap_err();
            proptest::prop_assert_eq!(error.status, Some(status));
            proptest::prop_assert!(!error.to_string().contains(char::is_control));
        }
    }
}
