//! The token and what is derived from it.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::ports::Request;

/// What a request needs to be accepted. Neither `Debug` nor anything else shows it.
#[derive(Clone)]
pub struct Secrets {
    token: SecretString,
    proof: Option<SecretString>,
    app: Option<SecretString>,
    renewable: bool,
}

impl Secrets {
    /// A token, with the app's id and secret where they are known.
    ///
    /// With them every call carries `appsecret_proof`, the lower-case hex of HMAC-SHA256 of the token under the app
    /// secret (Graph API, "Secure Graph API calls"), and the token can be examined.
    pub fn new(token: SecretString, app: Option<(&str, &SecretString)>) -> Self {
        let proof = app.map(|(_, secret)| proof(secret, &token));
        let app = app.map(|(id, secret)| format!("{id}|{}", secret.expose_secret()).into());
        Self { token, proof, app, renewable: false }
    }
    /// The same, where whoever holds the token can get the next one before this one ends. Only a system user's can be.
    #[must_use]
    pub fn renewable(self, renewable: bool) -> Self {
        Self { renewable, ..self }
    }
    /// True when the next token comes by itself.
    pub(super) fn is_renewable(&self) -> bool {
        self.renewable
    }
    /// True when calls carry a proof.
    pub(super) fn has_proof(&self) -> bool {
        self.proof.is_some()
    }
    /// Signs a request with the token alone, to find out whether the app minds.
    pub(super) fn sign_without_proof(&self, request: Request) -> Request {
        let mut request = self.sign(request);
        request.proof = None;
        request
    }
    /// The id of our app, when it is known.
    pub(super) fn app_id(&self) -> Option<&str> {
        self.app.as_ref()?.expose_secret().split_once('|').map(|(id, _)| id)
    }
    /// Signs a request with token and proof.
    pub(super) fn sign(&self, mut request: Request) -> Request {
        request.token = Some(self.token.clone());
        request.proof.clone_from(&self.proof);
        request
    }
    /// The request that examines the token, when the app is known.
    pub(super) fn debug_token(&self, path: String) -> Option<Request> {
        let app = self.app.as_ref()?;
        let mut request = Request::get(path).with("input_token", self.token.expose_secret());
        request.token = Some(app.clone());
        Some(request)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

fn proof(secret: &SecretString, token: &SecretString) -> SecretString {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(token.expose_secret().as_bytes());
    HEXLOWER.encode(&mac.finalize().into_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_hmac_of_the_token_under_the_app_secret() {
        // RFC 4231, test case 2.
        let token = "what do ya want for nothing?".to_owned().into();
        let secret = "Jefe".to_owned().into();
        let secrets = Secrets::new(token, Some(("1", &secret)));
        let signed = secrets.sign(Request::get("/v26.0/me"));
        assert_eq!(
            signed.proof.unwrap().expose_secret(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn nothing_printable_holds_a_secret() {
        let secret = "APPSECRET".to_owned().into();
        let secrets = Secrets::new("EAABTOKEN".to_owned().into(), Some(("77", &secret)));
        let signed = secrets.sign(Request::get("/v26.0/me"));
        let debug = secrets.debug_token("/v26.0/debug_token".into()).unwrap();
        let text = format!("{secrets:?} {signed:?} {debug:?}");
        assert!(!text.contains("EAABTOKEN") && !text.contains("APPSECRET"), "{text}");
    }
}
