//! One request, decoded: the same whether it came in process, over HTTP or inside a batch.

use std::fmt::Write as _;

use super::params::{Params, escape};
use crate::ports::Method;

/// A request before routing.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub(super) method: Method,
    /// Path without query, e.g. `/v26.0/act_1/insights`.
    pub(super) path: String,
    /// Query and body together; the body wins.
    pub(super) params: Params,
    /// From the `Authorization` header.
    pub(super) bearer: Option<String>,
}

/// A request on its way to a handler: version and path taken apart.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    /// `(26, 0)`; None when the path had no version.
    pub(super) version: Option<(u32, u32)>,
    pub(super) path: Vec<String>,
    pub(super) params: Params,
    /// Scheme, host and path for `paging.next`.
    pub(super) here: String,
    /// The token it came with, for `paging.next`.
    pub(super) token: String,
    /// Part of a request set: limits of synchronous calls do not hold.
    pub(super) background: bool,
}

impl Call {
    /// Takes the path apart; empty segments (doubled or trailing slashes) are tolerated.
    pub(super) fn new(incoming: Incoming, base: &str, token: String) -> Self {
        let mut path: Vec<String> =
            incoming.path.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        let version = path.first().and_then(|s| version(s));
        if version.is_some() {
            path.remove(0);
        }
        let here = format!("{base}{}", incoming.path);
        let (method, params) = (incoming.method, incoming.params);
        Self { method, version, path, params, here, token, background: false }
    }
    /// The same call for another object, for nested fields.
    pub(super) fn nested(&self, id: &str, edge: &str, params: Params) -> Self {
        let version = self.version.map_or(String::new(), |(a, b)| format!("/v{a}.{b}"));
        let host: String = self.here.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let here = format!("{host}{version}/{id}/{edge}");
        Self { path: vec![id.to_owned(), edge.to_owned()], params, here, ..self.clone() }
    }
    /// The absolute URL of another page of this list; carries the token, as Meta's does.
    pub(super) fn page_url(&self, cursor: (&str, &str)) -> String {
        let kept = self.params.iter().filter(|(name, _)| {
            !matches!(name.as_str(), "after" | "before" | "access_token" | "batch")
        });
        let mut query = format!("access_token={}", escape(&self.token));
        for (name, value) in kept {
            let _ = write!(query, "&{}={}", escape(name), escape(&super::params::plain(value)));
        }
        format!("{}?{query}&{}={}", self.here, cursor.0, escape(cursor.1))
    }
    /// True from this Marketing API version on.
    pub(super) fn at_least(&self, major: u32) -> bool {
        self.version.is_none_or(|(v, _)| v >= major)
    }
}

fn version(segment: &str) -> Option<(u32, u32)> {
    let (major, minor) = segment.strip_prefix('v')?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
