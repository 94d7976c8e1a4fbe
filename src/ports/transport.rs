//! The wire: one request out, one response back.

use std::{fmt, future::Future, pin::Pin};

use secrecy::SecretString;

/// A boxed future, so that the traits of this module can be used as `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The HTTP methods the Graph API knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Read.
    Get,
    /// Create, edit, copy, start a report, batch.
    Post,
    /// Delete.
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        })
    }
}

/// One request as a value: cloneable, comparable in tests, free of secrets but for the two wrapped ones.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path with version, e.g. `/v26.0/act_1/insights`; no host, no query.
    pub path: String,
    /// Query parameters in order, not encoded.
    pub query: Vec<(String, String)>,
    /// Form parameters in order, not encoded; empty for GET.
    pub form: Vec<(String, String)>,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<SecretString>,
    /// `appsecret_proof`, sent in the query of a GET and the form of a POST.
    pub proof: Option<SecretString>,
}

impl Request {
    /// A read.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }
    /// A write, or a read that Meta wants as POST.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::Post, path)
    }
    fn new(method: Method, path: impl Into<String>) -> Self {
        let (query, form) = (Vec::new(), Vec::new());
        Self { method, path: path.into(), query, form, token: None, proof: None }
    }
    /// Adds a query parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }
    /// Adds a form parameter.
    #[must_use]
    pub fn form(mut self, name: &str, value: impl Into<String>) -> Self {
        self.form.push((name.to_owned(), value.into()));
        self
    }
}

/// Parameters that carry a secret in plain text, because Meta takes them nowhere else.
const SECRET_PARAMS: [&str; 9] = [
    "access_token",
    "appsecret_proof",
    "client_secret",
    "code",
    "code_verifier",
    "state",
    "fb_exchange_token",
    "input_token",
    "revoke_token",
];

/// Parameters with the value of the secret ones replaced, for logs.
fn redacted(params: &[(String, String)]) -> Vec<(&str, &str)> {
    params
        .iter()
        .map(|(name, value)| {
            let secret = SECRET_PARAMS.contains(&name.as_str());
            (name.as_str(), if secret { "…" } else { value.as_str() })
        })
        .collect()
}

/// Shows everything but the secrets.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &redacted(&self.query))
            .field("form", &redacted(&self.form))
            .finish_non_exhaustive()
    }
}

/// What came back, whatever the status.
#[derive(Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers with lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed and capped.
    pub body: Vec<u8>,
}

/// Shows no body: the answer to a login holds a token.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Response {
    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Why there is no response. What matters for a write is whether the request may have arrived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// It certainly was not sent: name lookup, connection refused, TLS refused.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have arrived: time-out, reset, cut body.
    #[error("no complete answer: {0}")]
    Lost(String),
    /// The answer was larger than the cap.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The cap in bytes.
        limit: usize,
    },
}

/// Sends requests to a Graph API: the real one, or the rehearsal world.
///
/// An implementation adds the host, the secrets and the time-outs; it follows no redirect and repeats nothing.
pub trait Transport: Send + Sync {
    /// Sends once.
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>>;
}

impl<T: Transport + ?Sized> Transport for std::sync::Arc<T> {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        (**self).send(request)
    }
}
