//! `login`: a person in a browser on one side, one request on a loopback port on the other.

use std::time::Duration;

use secrecy::SecretString;

use super::{AnyTransport, custody::app_of};
use crate::{
    app::token::needed,
    config::AccountConfig,
    graph::oauth::{App, Attempt, LoginRefused, Loopback, LoopbackError},
    ports::{Clock as _, MetaError, SystemClock},
};

pub use crate::graph::oauth::LoopbackError as LoopbackTrouble;

/// How long the door for the browser stays open.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// Why a login brought no token.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The app is not known.
    #[error("a login needs api.app_id and the app secret")]
    NoApp,
    /// The answer was not the right one, or a no.
    #[error(transparent)]
    Refused(#[from] LoginRefused),
    /// No browser came back.
    #[error(transparent)]
    Loopback(#[from] LoopbackError),
    /// An exchange failed.
    #[error(transparent)]
    Meta(#[from] MetaError),
}

impl LoginError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoApp => {
                "set api.app_id and api.app_secret_file (or RUNGWISE_API_APP_SECRET); both stand in the app's dashboard at Meta"
            }
            Self::Refused(e) => e.hint(),
            Self::Loopback(e) => e.hint(),
            Self::Meta(e) => e.hint(),
        }
    }
}

/// A login whose address waits to be opened.
#[derive(Debug)]
pub struct Waiting {
    app: App,
    attempt: Attempt,
    door: Loopback,
    transport: Quiet,
}

/// The transport, which has no `Debug`.
struct Quiet(AnyTransport);
impl std::fmt::Debug for Quiet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("transport")
    }
}

/// Opens the door and draws the address. `redirect` is the registered address of an app that wants one.
pub async fn begin(
    account: &AccountConfig,
    transport: AnyTransport,
    redirect: Option<&str>,
    pkce: bool,
) -> Result<Waiting, LoginError> {
    let app = app_of(account).ok_or(LoginError::NoApp)?;
    let door = Loopback::open(redirect).await?;
    let scopes = needed(&account.policy);
    let attempt = Attempt::begin(&app, &door.redirect(), &scopes, pkce, SystemClock.now())?;
    Ok(Waiting { app, attempt, door, transport: Quiet(transport) })
}

impl Waiting {
    /// What to open in a browser.
    pub fn address(&self) -> &str {
        self.attempt.address()
    }
    /// Waits for the browser, and exchanges its code for a token of about sixty days.
    pub async fn finish(self, patience: Duration) -> Result<SecretString, LoginError> {
        let Self { app, mut attempt, door, transport } = self;
        let callback = door.wait(patience).await?;
        let code = attempt.accept(&callback, SystemClock.now())?;
        let (redirect, verifier) = (attempt.redirect().to_owned(), attempt.verifier());
        let short = app.exchange_code(&transport.0, &redirect, code, verifier).await?;
        let long = app.exchange_long_lived(&transport.0, &short.token).await?;
        Ok(long.token)
    }
}
