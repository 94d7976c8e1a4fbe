//! The seam for trouble on the wire: consulted once per request, it says what goes wrong and on which side of the act.

use std::{collections::BTreeMap, fmt};

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
    /// HTTP 500 with code 1 or 2; `applied` says whether the world acted.
    ServerError {
        /// Whether the world acted before failing.
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
    /// Paging goes in a circle: `after` and `next` lead back to this page.
    PageLoop,
}

impl Fault {
    /// True if the world acts on the request in spite of the fault.
    pub fn applies(&self) -> bool {
        match self {
            Self::Refused | Self::LostRequest => false,
            Self::LostReply | Self::Truncated | Self::PageLoop | Self::BatchNulls { .. } => true,
            Self::ServerError { applied }
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
        usual: Vec<(String, String)>,
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
                headers: usual.clone(),
                body: refusal.body(trace).to_string().into_bytes(),
            }
        };
        match self {
            Self::Refused => Err(TransportError::NotSent("connection refused".to_owned())),
            Self::LostRequest | Self::LostReply => Err(TransportError::Lost(
                "the connection was reset before an answer came".to_owned(),
            )),
            Self::ServerError { .. } => Ok(error(500, 2, None)),
            Self::Html { status, .. } => Ok(body(
                *status,
                format!(
                    "<html><head><title>{status}</title></head><body>Sorry, something went wrong.</body></html>"
                ),
            )),
            Self::Error { status, code, subcode, .. } => Ok(error(*status, *code, *subcode)),
            Self::Answer { status, body: own, headers: more, .. } => {
                let mut answer = body(*status, own.to_string());
                answer.headers.clone_from(&usual);
                answer.headers.retain(|(name, _)| !more.iter().any(|(n, _)| n == name));
                answer.headers.extend(more.iter().cloned());
                Ok(answer)
            }
            Self::Truncated | Self::PageLoop | Self::BatchNulls { .. } => {
                let mut answer = real.unwrap_or_else(|| body(200, "{}".to_owned()));
                match self {
                    Self::Truncated => answer.body.truncate(answer.body.len() / 2),
                    Self::BatchNulls { from } => answer.body = nulls(&answer.body, *from),
                    _ => answer.body = looped(&answer.body),
                }
                Ok(answer)
            }
        }
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

/// Points `after` back to where this page began.
fn looped(body: &[u8]) -> Vec<u8> {
    let Ok(mut page) = serde_json::from_slice::<serde_json::Value>(body) else {
        return body.to_vec();
    };
    let before = page["paging"]["cursors"]["before"].clone();
    if let (Some(text), Some(cursors)) = (before.as_str(), page["paging"].get_mut("cursors")) {
        cursors["after"] = before.clone();
        let next = page["paging"]["next"].as_str().and_then(|n| n.rsplit_once("after="));
        if let Some(looped) = next.map(|(url, _)| format!("{url}after={text}")) {
            page["paging"]["next"] = serde_json::json!(looped);
        }
    }
    page.to_string().into_bytes()
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
