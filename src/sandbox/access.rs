//! Who may come in: tokens, `appsecret_proof`, and the login endpoints.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    errors::{Answer, Refusal},
    params::Params,
    world::World,
};
use crate::domain::Moment;

const SCOPES: [&str; 3] = ["ads_read", "ads_management", "business_management"];

/// `appsecret_proof`: lower-case hex of HMAC-SHA256 over the token, keyed with the app secret.
fn proof(secret: &str, token: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(token.as_bytes());
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
}

impl World {
    /// The proof that goes with the token.
    pub(super) fn own_proof(&self) -> String {
        let c = &self.credentials;
        proof(c.app_secret.expose_secret(), c.access_token.expose_secret())
    }
    /// Takes token and proof out of the parameters and checks them; returns the token.
    pub(super) fn admit(
        &self,
        params: &mut Params,
        bearer: Option<&str>,
    ) -> Result<String, Refusal> {
        let sent = params.take("access_token").map(|v| super::params::plain(&v));
        let given = params.take("appsecret_proof").map(|v| super::params::plain(&v));
        let missing = "An access token is required to request this resource.";
        let Some(token) = sent.filter(|t| !t.is_empty()).or_else(|| bearer.map(str::to_owned))
        else {
            let mut refusal = Refusal::new(104, missing);
            refusal.status = 400;
            return Err(refusal);
        };
        if token != self.credentials.access_token.expose_secret() {
            return Err(Refusal::token(
                None,
                "Invalid OAuth access token - Cannot parse access token",
            ));
        }
        if self.expired() {
            return Err(Refusal::token(
                Some(463),
                "Error validating access token: Session has expired.",
            ));
        }
        let secret = self.credentials.app_secret.expose_secret();
        match given {
            Some(text) if text != proof(secret, &token) => Err(Refusal::proof()),
            None if self.options.require_proof => {
                let text = "API calls from the server require an appsecret_proof argument";
                Err(Refusal::new(100, text))
            }
            _ => Ok(token),
        }
    }
    fn expired(&self) -> bool {
        self.options.token_expires.is_some_and(|t| t <= self.now)
    }
    /// `GET /debug_token`: for the app (`app|secret`) or the token itself.
    pub(super) fn debug_token(&self, params: &Params, bearer: Option<&str>) -> Answer {
        let c = &self.credentials;
        let own = c.access_token.expose_secret();
        let app = format!("{}|{}", c.app_id, c.app_secret.expose_secret());
        let caller =
            params.text("access_token").or_else(|| bearer.map(str::to_owned)).unwrap_or_default();
        if caller != app && caller != own {
            return Err(Refusal::token(None, "Invalid OAuth access token signature."));
        }
        let asked = params.need("input_token")?;
        if asked != own {
            let error = json!({"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"});
            return Ok(json!({"data": {"error": error, "is_valid": false, "scopes": []}}));
        }
        let granular: Vec<Value> =
            SCOPES.iter().map(|s| json!({"scope": s, "target_ids": [c.account_id]})).collect();
        Ok(json!({"data": {
            "app_id": c.app_id, "type": "SYSTEM_USER", "application": "Rehearsal app", "expires_at": self.options.token_expires.map_or(0, Moment::seconds),
            "data_access_expires_at": 0, "is_valid": !self.expired(), "issued_at": self.scenario.start.seconds(),
            "scopes": SCOPES, "granular_scopes": granular, "user_id": c.user_id,
        }}))
    }
    /// `GET /oauth/access_token`: exchanges the token for a long-lived one; here it already is one.
    pub(super) fn exchange_token(&self, params: &Params) -> Answer {
        let c = &self.credentials;
        let known = params.text("client_id").as_deref() == Some(c.app_id.as_str())
            && params.text("client_secret").as_deref() == Some(c.app_secret.expose_secret());
        if !known {
            return Err(Refusal::new(1, "Error validating client secret."));
        }
        match params.text("grant_type").as_deref() {
            Some("client_credentials") => {
                let token = format!("{}|{}", c.app_id, c.app_secret.expose_secret());
                Ok(json!({"access_token": token, "token_type": "bearer"}))
            }
            Some("fb_exchange_token")
                if params.text("fb_exchange_token").as_deref()
                    == Some(c.access_token.expose_secret()) =>
            {
                Ok(json!({"access_token": c.access_token.expose_secret(), "token_type": "bearer"}))
            }
            _ => Err(Refusal::token(None, "Invalid OAuth access token.")),
        }
    }
    /// `GET /me`.
    pub(super) fn me(&self) -> Value {
        json!({"id": self.credentials.user_id, "name": "Rehearsal system user"})
    }
}

/// `GET /me/permissions`.
pub(super) fn permissions() -> Value {
    let granted: Vec<Value> =
        SCOPES.iter().map(|s| json!({"permission": s, "status": "granted"})).collect();
    json!({ "data": granted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_hmac_of_the_token() {
        // RFC 4231, test case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(proof("Jefe", "what do ya want for nothing?"), expected);
    }
}
