//! The real wire: one HTTP request out, one response back, nothing repeated, nothing followed.

use std::{error::Error, fmt::Write as _, net::IpAddr, time::Duration};

use reqwest::{Client, Url, redirect, retry};
use secrecy::ExposeSecret;

use crate::ports::{BoxFuture, Method, Request, Response, Transport, TransportError};

/// Largest JSON answer taken, decompressed.
const BODY_CAP: usize = 16 * 1024 * 1024;
/// Largest error answer taken, decompressed.
const ERROR_CAP: usize = 256 * 1024;

/// How long each stage may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To a connection, TLS included.
    pub connect: Duration,
    /// To the head of an answer that takes Meta no computing: reads other than insights. A write is waited for as long
    /// as it may take, since giving up leaves its outcome unknown.
    pub head: Duration,
    /// For a whole read.
    pub read: Duration,
    /// For a whole write.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { connect: secs(5), head: secs(20), read: secs(60), write: secs(90) }
    }
}

/// The base URL is not one this product talks to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("base URL {url:?} is refused: {why}")]
pub struct BadBaseUrl {
    /// What was given, without user name and password.
    pub url: String,
    /// Why.
    pub why: &'static str,
}

impl BadBaseUrl {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        "use https://graph.facebook.com, or http://127.0.0.1:PORT for a rehearsal"
    }
}

/// Sends to the Graph API, or to a rehearsal server on this machine.
#[derive(Debug)]
pub struct HttpTransport {
    base: Url,
    reads: Client,
    writes: Client,
    timeouts: Timeouts,
    cap: usize,
}

impl HttpTransport {
    /// Checks the base URL and prepares the connections; opens none.
    pub fn new(base_url: &str, timeouts: Timeouts) -> Result<Self, BadBaseUrl> {
        let base = check_base(base_url)?;
        // A write never goes out on a reused connection: one that died unnoticed would leave its outcome unknown.
        let (reads, writes) = (client(timeouts, 2), client(timeouts, 0));
        let why = "the TLS of this build cannot be started";
        let broken = |_| BadBaseUrl { url: base.to_string(), why };
        let (reads, writes) = (reads.map_err(broken)?, writes.map_err(broken)?);
        Ok(Self { base, reads, writes, timeouts, cap: BODY_CAP })
    }
    /// The same with another cap on the size of an answer, in bytes.
    #[must_use]
    pub fn with_body_cap(mut self, bytes: usize) -> Self {
        self.cap = bytes;
        self
    }

    fn build(&self, request: &Request) -> reqwest::Result<reqwest::Request> {
        let mut url = self.base.clone();
        url.set_path(&request.path);
        let mut query = request.query.clone();
        let mut form = request.form.clone();
        if let Some(proof) = &request.proof {
            let pair = ("appsecret_proof".to_owned(), proof.expose_secret().to_owned());
            if request.method == Method::Post { form.push(pair) } else { query.push(pair) }
        }
        let (client, method, limit) = match request.method {
            Method::Get => (&self.reads, reqwest::Method::GET, self.timeouts.read),
            Method::Post => (&self.writes, reqwest::Method::POST, self.timeouts.write),
            Method::Delete => (&self.writes, reqwest::Method::DELETE, self.timeouts.write),
        };
        let mut builder = client.request(method, url).timeout(limit);
        if !query.is_empty() {
            builder = builder.query(&query);
        }
        if request.method == Method::Post {
            builder = builder.form(&form);
        }
        if let Some(token) = &request.token {
            builder = builder.bearer_auth(token.expose_secret());
        }
        builder.build()
    }

    async fn exchange(&self, request: &Request) -> Result<Response, TransportError> {
        let ready = self.build(request).map_err(|e| TransportError::NotSent(text_of(e)))?;
        let client = if request.method == Method::Get { &self.reads } else { &self.writes };
        let quick = request.method == Method::Get && !request.path.ends_with("/insights");
        let head = if quick { self.timeouts.head } else { self.timeouts.write };
        let Ok(answer) = tokio::time::timeout(head, client.execute(ready)).await else {
            let text = format!("timed out: no head of an answer within {} s", head.as_secs());
            return Err(TransportError::Lost(text));
        };
        let mut answer = answer.map_err(|e| {
            let not_sent = e.is_builder() || e.is_connect();
            let text = text_of(e);
            if not_sent { TransportError::NotSent(text) } else { TransportError::Lost(text) }
        })?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let headers = headers.collect();
        let limit = if answer.status().is_success() { self.cap } else { self.cap.min(ERROR_CAP) };
        let told = answer.content_length().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let mut body = Vec::with_capacity(told.min(limit));
        while let Some(chunk) =
            answer.chunk().await.map_err(|e| TransportError::Lost(text_of(e)))?
        {
            if body.len() + chunk.len() > limit {
                return Err(TransportError::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body })
    }
}

impl Transport for HttpTransport {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(self.exchange(request))
    }
}

/// Every default that could repeat, redirect, leak or hang is set: reqwest follows redirects, obeys proxies in the
/// environment, sends referers and repeats some requests unless told otherwise, and has no time-out.
fn client(timeouts: Timeouts, idle: usize) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("rungwise/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(retry::never())
        .http1_only()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.write)
        .pool_idle_timeout(Duration::from_secs(20))
        .pool_max_idle_per_host(idle)
        .build()
}

fn check_base(text: &str) -> Result<Url, BadBaseUrl> {
    let shown: String = text.rsplit('@').next().unwrap_or(text).chars().take(80).collect();
    let bad = |why| BadBaseUrl { url: shown.clone(), why };
    let url = Url::parse(text).map_err(|_| bad("it is not a URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it holds a user name or password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it must be scheme, host and port only"));
    }
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let loopback = host == "localhost" || address.is_ok_and(|a| a.is_loopback());
    match url.scheme() {
        "https" if host == "graph.facebook.com" && url.port().is_none() => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(bad("plain http is for this machine only")),
        _ => Err(bad("the token would go to a host that is not Meta's")),
    }
}

/// The error with its causes in one line, without the URL: the query of a URL can hold secrets.
fn text_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = if error.is_timeout() { "timed out: ".to_owned() } else { String::new() };
    let _ = write!(text, "{error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metas_host_and_this_machine_are_talked_to() {
        for good in [
            "https://graph.facebook.com",
            "https://graph.facebook.com/",
            "http://127.0.0.1:8080",
            "http://[::1]:80/",
            "http://localhost:1",
        ] {
            assert!(HttpTransport::new(good, Timeouts::default()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "graph.facebook.com",
            "http://graph.facebook.com",
            "https://graph.facebook.com.evil.example",
            "https://graph.facebook.com:8443",
            "https://graph.facebook.com/v26.0",
            "https://user:pw@graph.facebook.com",
            "http://10.0.0.1",
            "http://127.0.0.1.nip.io",
            "https://127.0.0.1",
            "ftp://localhost",
        ] {
            let error = HttpTransport::new(bad, Timeouts::default()).unwrap_err();
            assert!(!error.to_string().contains("pw"), "{error}");
        }
    }
}
