//! The seam for trouble on the wire: consulted once per request, it says what goes wrong and on which side of the act.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};

use crate::ports::{Method, Response, TransportError};

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The connection is refused: certainly not sent.
    Refused,
    /// No answer, and the world did not act.
    LostRequest,
    /// The world acted, the answer is lost.
    LostReply,
    /// The answer began to arrive and the connection was reset: the world acted, nobody can tell.
    Reset,
    /// HTTP 500 with code 1 or 2; `applied` says whether the world acted.
    ServerError {
        /// Whether the world acted before failing.
        applied: bool,
    },
    /// A bare HTTP status without any body, e.g. 502 or 503; the world acted or not.
    Bare {
        /// HTTP status.
        status: u16,
        /// Whether the world acted.
        applied: bool,
    },
    /// A gateway's HTML page with this status, after the world acted or not.
    Html {
        /// HTTP status, e.g. 502 or 200.
        status: u16,
        /// Whether the world acted.
        applied: bool,
    },
    /// The world acted; the body breaks off in the middle.
    Truncated,
    /// An error body with this code and subcode.
    Error {
        /// HTTP status.
        status: u16,
        /// `error.code`.
        code: i64,
        /// `error.error_subcode`.
        subcode: Option<i64>,
        /// Whether the world acted all the same.
        applied: bool,
    },
    /// An answer of one's own.
    Answer {
        /// HTTP status.
        status: u16,
        /// The body.
        body: serde_json::Value,
        /// Headers in place of the world's of the same name.
        headers: Vec<(String, String)>,
        /// Whether the world acted all the same.
        applied: bool,
    },
    /// The entries of a batch came to no answer in time: from this one on they are `null`, although the world acted.
    BatchNulls {
        /// The first entry without an answer, counted from 0.
        from: usize,
    },
    /// The world acted; the answer is HTTP 200 with JSON of another shape.
    WrongType,
    /// The world acted; the answer is larger than any client should take.
    Huge,
    /// The world acted, but not as it was told: it answers success and keeps another budget, end or name.
    Clamped,
    /// The world answers success to an edit and does not act.
    Ignored,
    /// Paging goes in a circle: `after` and `next` lead back to this page.
    PageLoop,
    /// Every row of the page comes twice.
    PageTwice,
    /// An empty page in the middle: the rows come with the page after it.
    PageEmpty,
    /// The page comes without its list.
    PageMissing,
    /// The rows come in another order.
    Shuffled,
    /// The answer is right and carries a warning that the API version ends soon.
    Warned,
}

impl Fault {
    /// True if the world acts on the request in spite of the fault.
    pub fn applies(&self) -> bool {
        match self {
            Self::Refused | Self::LostRequest | Self::Ignored => false,
            Self::LostReply
            | Self::Reset
            | Self::Truncated
            | Self::WrongType
            | Self::Huge
            | Self::Clamped
            | Self::PageLoop
            | Self::PageTwice
            | Self::PageEmpty
            | Self::PageMissing
            | Self::Shuffled
            | Self::Warned
            | Self::BatchNulls { .. } => true,
            Self::ServerError { applied }
            | Self::Bare { applied, .. }
            | Self::Html { applied, .. }
            | Self::Error { applied, .. }
            | Self::Answer { applied, .. } => *applied,
        }
    }
    /// What the client sees; `real` is the true answer when the world acted.
    pub(super) fn disturb(
        &self,
        real: Option<Response>,
        trace: &str,
        usual: &[(String, String)],
    ) -> Result<Response, TransportError> {
        let body = |status, text: String| Response {
            status,
            headers: Vec::new(),
            body: text.into_bytes(),
        };
        let error = |status, code: i64, subcode: Option<i64>| {
            let refusal = super::catalogue::called(code, subcode);
            Response {
                status,
                headers: usual.to_vec(),
                body: refusal.body(trace).to_string().into_bytes(),
            }
        };
        match self {
            Self::Refused => Err(TransportError::NotSent("connection refused".to_owned())),
            Self::LostRequest | Self::LostReply => Err(TransportError::Lost(
                "the connection was reset before an answer came".to_owned(),
            )),
            Self::Reset => {
                Err(TransportError::Lost("the connection was reset inside the answer".to_owned()))
            }
            Self::Huge => Err(TransportError::TooLarge { limit: HUGE }),
            Self::ServerError { .. } => Ok(error(500, 2, None)),
            Self::Bare { status, .. } => Ok(body(*status, String::new())),
            Self::Html { status, .. } => Ok(body(
                *status,
                format!(
                    "<html><head><title>{status}</title></head><body>Sorry, something went wrong.</body></html>"
                ),
            )),
            Self::Error { status, code, subcode, .. } => Ok(error(*status, *code, *subcode)),
            Self::Answer { status, body: own, headers: more, .. } => {
                let mut answer = body(*status, own.to_string());
                answer.headers = usual.to_vec();
                answer.headers.retain(|(name, _)| !more.iter().any(|(n, _)| n == name));
                answer.headers.extend(more.iter().cloned());
                Ok(answer)
            }
            Self::BatchNulls { from } => {
                let mut answer = real.unwrap_or_else(|| body(200, "{}".to_owned()));
                answer.body = nulls(&answer.body, *from);
                Ok(answer)
            }
            Self::WrongType => Ok(body(200, "[\"ok\"]".to_owned())),
            Self::Ignored => {
                Ok(real.unwrap_or_else(|| body(200, json!({"success": true}).to_string())))
            }
            Self::Clamped => Ok(real.unwrap_or_else(|| body(200, "{}".to_owned()))),
            Self::Warned => {
                let mut answer = real.unwrap_or_else(|| body(200, "{}".to_owned()));
                let text = "The API version in this call will be deprecated soon.";
                answer.headers.push(("x-ad-api-version-warning".to_owned(), text.to_owned()));
                Ok(answer)
            }
            Self::Truncated => {
                let mut answer = real.unwrap_or_else(|| body(200, "{}".to_owned()));
                answer.body.truncate(answer.body.len() / 2);
                Ok(answer)
            }
            Self::PageLoop
            | Self::PageTwice
            | Self::PageEmpty
            | Self::PageMissing
            | Self::Shuffled => {
                let mut answer = real.unwrap_or_else(|| body(200, "{}".to_owned()));
                if let Ok(page) = serde_json::from_slice::<Value>(&answer.body) {
                    answer.body = self.misprinted(page).to_string().into_bytes();
                }
                Ok(answer)
            }
        }
    }
    /// What becomes of a page of a list; anything else stays as it is.
    fn misprinted(&self, mut page: Value) -> Value {
        if *self == Self::PageLoop {
            looped(&mut page);
            return page;
        }
        let Some(rows) = page.get_mut("data").and_then(Value::as_array_mut) else { return page };
        match self {
            Self::PageTwice => rows.extend(rows.clone()),
            Self::Shuffled => rows.reverse(),
            // The cursor of the first row stands for "before it": whoever goes on from there gets the whole page.
            Self::PageEmpty if page["paging"]["cursors"]["before"].is_string() => {
                let before = page["paging"]["cursors"]["before"].clone();
                let next = format!(
                    "https://graph.facebook.com/next?after={}",
                    before.as_str().unwrap_or("")
                );
                page = json!({"data": [], "paging": {"cursors": {"before": before, "after": before}, "next": next}});
            }
            Self::PageMissing => {
                page.as_object_mut().map(|fields| fields.remove("data"));
            }
            _ => {}
        }
        page
    }
}

/// Replaces the answers of a batch from one entry on by `null`.
fn nulls(body: &[u8], from: usize) -> Vec<u8> {
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(serde_json::Value::Array(mut entries)) => {
            entries.iter_mut().skip(from).for_each(|e| *e = serde_json::Value::Null);
            serde_json::Value::Array(entries).to_string().into_bytes()
        }
        _ => body.to_vec(),
    }
}

/// More bytes than a client takes.
const HUGE: usize = 64 * 1024 * 1024;

/// Points `after` back to where this page began.
fn looped(page: &mut Value) {
    let before = page["paging"]["cursors"]["before"].clone();
    if let (Some(text), Some(cursors)) = (before.as_str(), page["paging"].get_mut("cursors")) {
        cursors["after"] = before.clone();
        let next = page["paging"]["next"].as_str().and_then(|n| n.rsplit_once("after="));
        let url = next.map_or("https://graph.facebook.com/next?", |(url, _)| url);
        page["paging"]["next"] = json!(format!("{url}after={text}"));
    }
}

/// Decides what goes wrong.
pub trait Faults: Send + fmt::Debug {
    /// Consulted once per request, before the world acts; `n` counts from 1 as the request log does.
    fn strike(&mut self, n: u64, method: Method, path: &str) -> Option<Fault>;
}

/// Nothing goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn strike(&mut self, _n: u64, _method: Method, _path: &str) -> Option<Fault> {
        None
    }
}

/// Request number `n` meets a given fault; or the next request whose method and path match.
#[derive(Debug, Clone, Default)]
pub struct ScriptedFaults {
    numbered: BTreeMap<u64, Fault>,
    matching: Vec<(Method, String, Fault)>,
}

impl ScriptedFaults {
    /// Request number `n` (counted from 1) meets `fault`.
    #[must_use]
    pub fn at(mut self, n: u64, fault: Fault) -> Self {
        self.numbered.insert(n, fault);
        self
    }
    /// The next request with this method whose path contains `part` meets `fault`, once.
    #[must_use]
    pub fn on(mut self, method: Method, part: &str, fault: Fault) -> Self {
        self.matching.push((method, part.to_owned(), fault));
        self
    }
}

impl Faults for ScriptedFaults {
    fn strike(&mut self, n: u64, method: Method, path: &str) -> Option<Fault> {
        if let Some(fault) = self.numbered.remove(&n) {
            return Some(fault);
        }
        let found = self
            .matching
            .iter()
            .position(|(m, part, _)| *m == method && path.contains(part.as_str()))?;
        Some(self.matching.remove(found).2)
    }
}
