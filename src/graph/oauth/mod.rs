//! Facebook Login and everything else that brings a token.
//!
//! Reading order: [`Attempt`] (the address of the dialog, and the one answer it may get), [`Loopback`] (where the browser
//! comes back to), and here the exchanges: code for token, token for a longer-lived or a renewed one. All of them go
//! through our own [`Transport`]: one request, no redirect, no repeat, secrets in the body of a POST and never in an
//! address. (Graph API, "Manually build a login flow"; Marketing API, "System users".)

mod attempt;
mod loopback;

use std::fmt;

use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, HttpRequest, HttpResponse,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, TokenResponse as _, TokenUrl, basic,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::error::{body_of, of_transport, plain};
use crate::ports::{MetaClass, MetaError, Request, Transport};

pub use attempt::{Attempt, Callback, LoginRefused};
pub use loopback::{Loopback, LoopbackError};

/// The app that asks for access, and where it is known.
#[derive(Clone)]
pub struct App {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
    /// API version, e.g. `v26.0`.
    pub version: String,
    /// Scheme and host of the dialog, without a trailing slash: people log in at another host than programs call.
    pub dialog_host: String,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A token as an exchange brought it.
pub struct Grant {
    /// The token.
    pub token: SecretString,
    /// Seconds it lives; None when it was not said.
    pub expires_in: Option<i64>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// An address that was put together wrongly.
fn misbuilt(what: &str) -> impl Fn(oauth2::url::ParseError) -> MetaError + '_ {
    move |e| plain(MetaClass::NotSent, what, e.to_string())
}

/// A client of the login with both its addresses, and one redirect.
type Client = basic::BasicClient<
    oauth2::EndpointSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointSet,
>;

impl App {
    fn client(&self, redirect: &str) -> Result<Client, MetaError> {
        let what = "prepare the login";
        let dialog = format!("{}/{}/dialog/oauth", self.dialog_host, self.version);
        // Only the path of this one counts: the transport has its own host.
        let exchange = format!("https://graph.facebook.com{}", self.path());
        Ok(basic::BasicClient::new(ClientId::new(self.id.clone()))
            .set_client_secret(ClientSecret::new(self.secret.expose_secret().to_owned()))
            .set_auth_uri(AuthUrl::new(dialog).map_err(misbuilt(what))?)
            .set_token_uri(TokenUrl::new(exchange).map_err(misbuilt(what))?)
            .set_redirect_uri(RedirectUrl::new(redirect.to_owned()).map_err(misbuilt(what))?)
            // Meta takes id and secret as parameters, not as HTTP Basic.
            .set_auth_type(AuthType::RequestBody))
    }
    fn path(&self) -> String {
        format!("/{}/oauth/access_token", self.version)
    }

    /// Exchanges the code of an answered dialog. A code works once.
    pub async fn exchange_code<T: Transport>(
        &self,
        transport: &T,
        redirect: &str,
        code: SecretString,
        verifier: Option<SecretString>,
    ) -> Result<Grant, MetaError> {
        let what = "exchange the login code";
        let client = self.client(redirect)?;
        let send = |request: HttpRequest| carry(transport, what, request);
        let mut exchange =
            client.exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()));
        if let Some(verifier) = verifier {
            let verifier = PkceCodeVerifier::new(verifier.expose_secret().to_owned());
            exchange = exchange.set_pkce_verifier(verifier);
        }
        let answer = exchange.request_async(&send).await.map_err(|e| match e {
            RequestTokenError::Request(e) => e,
            // The others can hold the whole answer, and that may be a token.
            RequestTokenError::ServerResponse(_) => {
                plain(MetaClass::Refused, what, "the login was refused")
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                plain(MetaClass::Unknown, what, "the answer holds no token")
            }
        })?;
        let seconds = answer.expires_in().and_then(|d| i64::try_from(d.as_secs()).ok());
        Ok(Grant { token: answer.access_token().secret().clone().into(), expires_in: seconds })
    }

    /// A person's short-lived token for one of about sixty days.
    pub async fn exchange_long_lived<T: Transport>(
        &self,
        transport: &T,
        token: &SecretString,
    ) -> Result<Grant, MetaError> {
        let request = self.exchange(token);
        bring(transport, "exchange for a long-lived token", &request).await
    }

    /// A system user's token for a new one of sixty days; the old one stays valid until its own end.
    pub async fn renew<T: Transport>(
        &self,
        transport: &T,
        token: &SecretString,
    ) -> Result<Grant, MetaError> {
        let request = self.exchange(token).form("set_token_expires_in_60_days", "true");
        bring(transport, "renew the token", &request).await
    }

    fn exchange(&self, token: &SecretString) -> Request {
        Request::post(self.path())
            .form("grant_type", "fb_exchange_token")
            .form("client_id", &self.id)
            .form("client_secret", self.secret.expose_secret())
            .form("fb_exchange_token", token.expose_secret())
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<i64>,
}

async fn bring<T: Transport>(
    transport: &T,
    what: &str,
    request: &Request,
) -> Result<Grant, MetaError> {
    let response = transport.send(request).await.map_err(|e| of_transport(what, &e))?;
    let body: Value = body_of(what, &response)?;
    // What serde says about a wrong value can quote it.
    let answer: Answer = serde_json::from_value(body)
        .map_err(|_| plain(MetaClass::Unknown, what, "the answer holds no token"))?;
    if answer.access_token.is_empty() {
        return Err(plain(MetaClass::Unknown, what, "the answer holds an empty token"));
    }
    Ok(Grant { token: answer.access_token.into(), expires_in: answer.expires_in })
}

/// What the `oauth2` crate wants sent, over our transport: its path and form, nothing of its host or headers.
async fn carry<T: Transport>(
    transport: &T,
    what: &str,
    request: HttpRequest,
) -> Result<HttpResponse, MetaError> {
    let mut ours = Request::post(request.uri().path());
    for (name, value) in oauth2::url::form_urlencoded::parse(request.body()) {
        ours = ours.form(&name, value);
    }
    let response = transport.send(&ours).await.map_err(|e| of_transport(what, &e))?;
    // Meta's refusals are not OAuth's: their class is told here, and only a yes goes on.
    body_of(what, &response)?;
    let mut answer = HttpResponse::new(response.body);
    *answer.status_mut() = oauth2::http::StatusCode::from_u16(response.status)
        .map_err(|e| plain(MetaClass::Lost, what, e.to_string()))?;
    let json = oauth2::http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(oauth2::http::header::CONTENT_TYPE, json);
    Ok(answer)
}
