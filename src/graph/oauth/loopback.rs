//! Where the browser comes back to: one request on 127.0.0.1, then the door is shut.
//!
//! The path is random, so that nobody on this machine who cannot read the dialog's address can answer in its place; what
//! asks for another path, by another method or under another host name is turned away and does not count. (RFC 8252,
//! sections 7.3 and 8.3.)

use std::{io, net::SocketAddr, time::Duration};

use data_encoding::BASE32_NOPAD;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, timeout, timeout_at},
};

use super::Callback;

/// Longest head of a request that is read.
const HEAD: usize = 16 * 1024;
/// How long one connection may take.
const ONE: Duration = Duration::from_secs(5);
/// Strangers that are turned away before the door is shut.
const STRANGERS: usize = 50;

/// Why no browser came back.
#[derive(Debug, thiserror::Error)]
pub enum LoopbackError {
    /// The address is not one that may be listened on.
    #[error("{0:?} is no address to come back to")]
    Address(String),
    /// It cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(String, io::Error),
    /// Nobody came.
    #[error("no browser came back within {0} seconds")]
    Nobody(u64),
    /// Too many who did not belong there.
    #[error(
        "{STRANGERS} requests that do not belong to this login came in: something on this machine probes it"
    )]
    Strangers,
}

impl LoopbackError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Address(_) => {
                "write --redirect http://127.0.0.1:PORT/PATH or http://localhost:PORT/PATH"
            }
            Self::Listen(..) => "choose another port with --redirect, or leave it out",
            Self::Nobody(_) => {
                "run `rungwise login` again; on a machine without a browser import a system-user token instead"
            }
            Self::Strangers => "find out what it is, then run `rungwise login` again",
        }
    }
}

/// A door for one browser.
#[derive(Debug)]
pub struct Loopback {
    listener: TcpListener,
    local: SocketAddr,
    host: String,
    path: String,
}

impl Loopback {
    /// Listens on 127.0.0.1: at a free port and a random path, or at the address that was registered with the app.
    pub async fn open(redirect: Option<&str>) -> Result<Self, LoopbackError> {
        let (name, port, path) = match redirect {
            Some(text) => parse(text).ok_or_else(|| LoopbackError::Address(text.to_owned()))?,
            None => ("127.0.0.1".to_owned(), 0, random_path()?),
        };
        // The name may be localhost, because Meta's list of redirects may say so; the door is on one address only.
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        let fail = |e| LoopbackError::Listen(at.to_string(), e);
        let listener = TcpListener::bind(at).await.map_err(fail)?;
        let local = listener.local_addr().map_err(fail)?;
        let host = format!("{name}:{}", local.port());
        Ok(Self { listener, local, host, path })
    }
    /// The address the browser is to come back to.
    pub fn redirect(&self) -> String {
        format!("http://{}{}", self.host, self.path)
    }
    /// Where it listens.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Waits for the one request and shuts the door, whatever it brought.
    pub async fn wait(self, patience: Duration) -> Result<Callback, LoopbackError> {
        let end = Instant::now() + patience;
        let mut strangers = 0;
        loop {
            let accepted = timeout_at(end, self.listener.accept())
                .await
                .map_err(|_| LoopbackError::Nobody(patience.as_secs()))?;
            let Ok((stream, from)) = accepted else { continue };
            let asked = timeout(ONE, self.serve(&stream, from)).await.ok().flatten();
            if let Some(callback) = asked {
                return Ok(callback);
            }
            strangers += 1;
            if strangers >= STRANGERS {
                return Err(LoopbackError::Strangers);
            }
        }
    }

    /// Answers one connection; Some when it was the browser.
    async fn serve(&self, stream: &TcpStream, from: SocketAddr) -> Option<Callback> {
        let head = read_head(stream).await?;
        let asked = from.ip().is_loopback().then(|| self.asked(&head)).flatten();
        let (status, text) = match &asked {
            Some(_) => (
                "200 OK",
                "Rungwise has got the answer. Look at the terminal; this page can be closed.",
            ),
            None => ("404 Not Found", "There is nothing here."),
        };
        write_all(stream, &page(status, text)).await;
        asked
    }

    /// The parameters, if this head is the one that is waited for.
    fn asked(&self, head: &str) -> Option<Callback> {
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target, version) = (first.next()?, first.next()?, first.next()?);
        let host = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
        };
        let hosts: Vec<String> = lines.filter_map(host).collect();
        // Another name that leads here is a page of a stranger that speaks to this machine (DNS rebinding).
        let ours = hosts.len() == 1 && hosts.first().is_some_and(|h| *h == self.host);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let fits = method == "GET" && version.starts_with("HTTP/1.") && ours && path == self.path;
        fits.then(|| {
            let pairs = oauth2::url::form_urlencoded::parse(query.as_bytes());
            Callback(pairs.into_owned().collect())
        })
    }
}

fn random_path() -> Result<String, LoopbackError> {
    let mut bytes = [0_u8; 20];
    getrandom::fill(&mut bytes).map_err(|e| {
        LoopbackError::Listen("127.0.0.1".to_owned(), io::Error::other(e.to_string()))
    })?;
    Ok(format!("/{}", BASE32_NOPAD.encode(&bytes).to_lowercase()))
}

/// `http://127.0.0.1:PORT/PATH` or the same at localhost.
fn parse(text: &str) -> Option<(String, u16, String)> {
    let url = oauth2::url::Url::parse(text).ok()?;
    let host = url.host_str()?.to_owned();
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let known = matches!(host.as_str(), "127.0.0.1" | "localhost");
    (url.scheme() == "http" && known && plain && url.password().is_none())
        .then(|| Some((host, url.port()?, url.path().to_owned())))
        .flatten()
}

/// The head of a request, up to the empty line.
async fn read_head(stream: &TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut chunk = [0_u8; 4096];
    loop {
        stream.readable().await.ok()?;
        match stream.try_read(&mut chunk) {
            Ok(0) => return None,
            Ok(n) => head.extend_from_slice(chunk.get(..n)?),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        if head.len() > HEAD {
            return None;
        }
        if head.windows(4).any(|w| w == b"\r\n\r\n") {
            return String::from_utf8(head).ok();
        }
    }
}

async fn write_all(stream: &TcpStream, text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        if stream.writable().await.is_err() {
            return;
        }
        match stream.try_write(rest) {
            Ok(n) => rest = rest.get(n..).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// A page that loads nothing, keeps nothing and tells the next one nothing.
fn page(status: &str, text: &str) -> String {
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Rungwise</title></head><body><p>{text}</p></body></html>"
    );
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn say(at: SocketAddr, text: &str) -> String {
        let Ok(stream) = TcpStream::connect(at).await else { return "refused".to_owned() };
        write_all(&stream, text).await;
        let mut out = Vec::new();
        let mut chunk = [0_u8; 2048];
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => out.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        String::from_utf8(out).unwrap()
    }
    fn get(target: &str, host: &str) -> String {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
    }

    #[tokio::test]
    async fn strangers_are_turned_away_the_browser_is_heard_and_then_the_door_is_shut() {
        let door = Loopback::open(None).await.unwrap();
        let (at, host, path) = (door.local(), door.host.clone(), door.path.clone());
        assert!(at.ip().is_loopback());
        // 32 characters of base32 are 160 bits.
        assert!(path.len() >= 33, "{path}");
        let waiting = tokio::spawn(door.wait(PATIENCE));
        let right = format!("{path}?code=AQ%2F1&state=s");
        for stranger in [
            get("/", &host),
            get("/favicon.ico", &host),
            get(&format!("{path}/x?code=1&state=s"), &host),
            get(&path.to_uppercase(), &host),
            get(&right, "evil.example"),
            get(&right, &format!("localhost:{}", at.port())),
            format!("GET {right} HTTP/1.1\r\n\r\n"),
            format!("GET {right} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"),
            format!("POST {right} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"),
            format!("GET {right}\r\n\r\n"),
        ] {
            let answer = say(at, &stranger).await;
            assert!(answer.starts_with("HTTP/1.1 404 "), "{stranger:?}: {answer}");
        }
        let answer = say(at, &get(&right, &host)).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("no-store"), "{answer}");
        assert!(!answer.contains("AQ"), "the page repeats nothing: {answer}");
        let Callback(pairs) = waiting.await.unwrap().unwrap();
        assert_eq!(pairs, [("code".into(), "AQ/1".into()), ("state".into(), "s".into())]);
        assert_eq!(say(at, &get(&right, &host)).await, "refused", "a second request finds no door");
    }

    #[tokio::test]
    async fn nobody_is_waited_for_without_end() {
        let door = Loopback::open(None).await.unwrap();
        let at = door.local();
        let error = door.wait(Duration::from_millis(1)).await.unwrap_err();
        assert!(matches!(error, LoopbackError::Nobody(_)), "{error}");
        assert!(TcpStream::connect(at).await.is_err(), "the door is shut");
    }

    #[tokio::test]
    async fn one_that_knocks_without_end_shuts_the_door() {
        let door = Loopback::open(None).await.unwrap();
        let (at, host) = (door.local(), door.host.clone());
        let waiting = tokio::spawn(door.wait(PATIENCE));
        for _ in 0..STRANGERS {
            say(at, &get("/", &host)).await;
        }
        assert!(matches!(waiting.await.unwrap(), Err(LoopbackError::Strangers)));
    }

    #[tokio::test]
    async fn only_addresses_of_this_machine_can_be_come_back_to() {
        for bad in [
            "https://127.0.0.1:8099/x",
            "http://192.0.2.1:8099/x",
            "http://evil.example:8099/x",
            "http://127.0.0.1/x",
            "http://a@127.0.0.1:8099/x",
            "http://127.0.0.1:8099/x?y=1",
            "127.0.0.1:8099",
        ] {
            let error = Loopback::open(Some(bad)).await.unwrap_err();
            assert!(matches!(error, LoopbackError::Address(_)), "{bad}: {error}");
        }
        let (name, port, path) = parse("http://localhost:8099/back").unwrap();
        assert_eq!((name.as_str(), port, path.as_str()), ("localhost", 8099, "/back"));
    }
}
