//! Who may come in: tokens, what they may do, and `appsecret_proof`.

use std::collections::BTreeMap;

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

/// Permissions this world knows.
pub(super) const SCOPES: [&str; 3] = ["ads_read", "ads_management", "business_management"];

/// Whose token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// A person who logged in.
    Person,
    /// A system user of the business.
    System,
}

/// A token this world has given out.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub(super) holder: Holder,
    pub(super) scopes: Vec<String>,
    /// Asked for and not granted.
    pub(super) declined: Vec<String>,
    pub(super) since: Moment,
    /// None = never.
    pub(super) expires: Option<Moment>,
    pub(super) revoked: bool,
}

/// Tokens and codes given out since the beginning.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate {
    pub(super) tokens: BTreeMap<String, Issued>,
    pub(super) codes: BTreeMap<String, super::login::Code>,
}

/// `appsecret_proof`: lower-case hex of HMAC-SHA256 over the token, keyed with the app secret.
fn proof(secret: &str, token: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(token.as_bytes());
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
}

impl World {
    /// The proof that goes with a token.
    pub(super) fn proof_of(&self, token: &str) -> String {
        proof(self.credentials.app_secret.expose_secret(), token)
    }
    /// What is known about a token; the one of the credentials is a system user's.
    pub(super) fn issued(&self, token: &str) -> Option<Issued> {
        if token == self.credentials.access_token.expose_secret() {
            return Some(Issued {
                holder: Holder::System,
                scopes: self.options.scopes.clone(),
                declined: Vec::new(),
                since: self.scenario.start,
                expires: self.options.token_expires,
                revoked: false,
            });
        }
        self.gate.tokens.get(token).cloned()
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
        let Some(issued) = self.issued(&token) else {
            return Err(Refusal::token(
                None,
                "Invalid OAuth access token - Cannot parse access token",
            ));
        };
        self.alive(&issued)?;
        let secret = self.credentials.app_secret.expose_secret();
        match given {
            Some(text) if text != proof(secret, &token) => Err(Refusal::proof()),
            None if self.options.require_proof => Err(Refusal::no_proof()),
            _ => Ok(token),
        }
    }
    pub(super) fn alive(&self, issued: &Issued) -> Result<(), Refusal> {
        if issued.revoked {
            let text = "Error validating access token: The session has been invalidated.";
            return Err(Refusal::token(Some(467), text));
        }
        if issued.expires.is_some_and(|t| t <= self.now) {
            let text = "Error validating access token: Session has expired.";
            return Err(Refusal::token(Some(463), text));
        }
        Ok(())
    }
    /// `GET /debug_token`: for the app (`app|secret`) or the token itself.
    pub(super) fn debug_token(&self, params: &Params, bearer: Option<&str>) -> Answer {
        let c = &self.credentials;
        let app = format!("{}|{}", c.app_id, c.app_secret.expose_secret());
        let caller =
            params.text("access_token").or_else(|| bearer.map(str::to_owned)).unwrap_or_default();
        if caller != app && self.issued(&caller).is_none() {
            return Err(Refusal::token(None, "Invalid OAuth access token signature."));
        }
        let asked = params.need("input_token")?;
        let Some(issued) = self.issued(&asked) else {
            let error = json!({"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"});
            return Ok(json!({"data": {"error": error, "is_valid": false, "scopes": []}}));
        };
        let granular: Vec<Value> = issued
            .scopes
            .iter()
            .map(|s| json!({"scope": s, "target_ids": [c.account_id]}))
            .collect();
        let alive = self.alive(&issued);
        let mut data = json!({
            "app_id": c.app_id, "type": kind(issued.holder), "application": "Rehearsal app",
            "expires_at": issued.expires.map_or(0, Moment::seconds),
            "data_access_expires_at": data_access(&issued), "is_valid": alive.is_ok(),
            "issued_at": issued.since.seconds(), "scopes": issued.scopes, "granular_scopes": granular,
            "user_id": self.user_of(issued.holder),
        });
        if let Err(refusal) = alive {
            data["error"] = json!({"code": refusal.code, "subcode": refusal.subcode, "message": refusal.message});
        }
        Ok(json!({ "data": data }))
    }
    fn user_of(&self, holder: Holder) -> String {
        match holder {
            Holder::System => self.credentials.user_id.clone(),
            // Another number than the system user's, of the same length.
            Holder::Person => self.credentials.user_id.chars().rev().collect(),
        }
    }
    /// `GET /me`.
    pub(super) fn me(&self, token: &str) -> Value {
        let holder = self.issued(token).map_or(Holder::System, |i| i.holder);
        let name = match holder {
            Holder::System => "Rehearsal system user",
            Holder::Person => "Rehearsal person",
        };
        json!({"id": self.user_of(holder), "name": name})
    }
    /// `GET /me/permissions`.
    pub(super) fn permissions(&self, token: &str) -> Value {
        let Some(issued) = self.issued(token) else { return json!({"data": []}) };
        let one = |status: &str, s: &String| json!({"permission": s, "status": status});
        let granted = issued.scopes.iter().map(|s| one("granted", s));
        let declined = issued.declined.iter().map(|s| one("declined", s));
        json!({ "data": granted.chain(declined).collect::<Vec<Value>>() })
    }
}

fn kind(holder: Holder) -> &'static str {
    match holder {
        Holder::Person => "USER",
        Holder::System => "SYSTEM_USER",
    }
}

/// A person's consent to read data ends 90 days after they last used the app; a system user's does not.
fn data_access(issued: &Issued) -> i64 {
    const DAYS: i64 = 90;
    match issued.holder {
        Holder::Person => issued.since.plus(DAYS * crate::domain::DAY_MS).seconds(),
        Holder::System => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_hmac_of_the_token() {
        // RFC 4231, test case 2, with key and data swapped into our roles.
        assert_eq!(
            proof("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
