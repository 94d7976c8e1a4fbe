//! The login dialog as a person sees it, and the endpoint that turns codes into tokens.
//!
//! A page with what the app asks for, a form to grant or refuse, a redirect with a code: what a browser meets at
//! `www.facebook.com/vN.M/dialog/oauth` (Facebook Login, "Manually build a login flow"). Only loopback addresses are
//! redirected to, as Meta does for an app in development mode.

use std::fmt::Write as _;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Sandbox,
    access::{Holder, Issued, SCOPES},
    errors::{Answer, Refusal},
    params::{Params, escape},
    world::World,
};
use crate::domain::{DAY_MS, HOUR_MS, Moment};

/// How long a code can be exchanged.
const CODE_MS: i64 = 10 * 60 * 1000;
/// How long a person's first token lives.
const SHORT_MS: i64 = HOUR_MS + HOUR_MS / 2;
/// How long a long-lived token lives: what Meta answers is a few seconds short of sixty days.
const LONG_MS: i64 = 60 * DAY_MS - 56_000;

/// A code that waits to be exchanged.
#[derive(Debug, Clone)]
pub(super) struct Code {
    redirect_uri: String,
    scopes: Vec<String>,
    declined: Vec<String>,
    /// The S256 challenge, when the dialog was opened with one.
    challenge: Option<String>,
    issued: Moment,
    used: bool,
}

/// What the dialog answers a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialogAnswer {
    /// A page, with its HTTP status.
    Page(u16, String),
    /// Back to the app.
    Redirect(String),
}

impl Sandbox {
    /// The dialog opened (`submitted` false) or its form sent, with the parameters of query and form.
    pub fn dialog(&self, params: &[(String, String)], submitted: bool) -> DialogAnswer {
        let mut all = Params::default();
        all.add_texts(params.iter().cloned());
        // Several boxes of one name: the last value of a name wins in a Graph call, not in a form.
        let granted: Vec<String> =
            params.iter().filter(|(n, _)| n == "grant").map(|(_, v)| v.clone()).collect();
        self.change_world(|world| world.dialog(&all, &granted, submitted))
    }
}

impl World {
    fn dialog(&mut self, params: &Params, granted: &[String], submitted: bool) -> DialogAnswer {
        let text = |name: &str| params.text(name).unwrap_or_default();
        let blocked = |title: &str, why: &str| DialogAnswer::Page(400, error_page(title, why));
        if text("client_id") != self.credentials.app_id {
            return blocked(
                "Invalid App ID",
                "The provided app ID does not look like a valid app ID.",
            );
        }
        let redirect = text("redirect_uri");
        if !is_loopback(&redirect) {
            let why = "This redirect failed because the redirect URI is not white-listed in the app's client OAuth \
                       settings.";
            return blocked("URL blocked", why);
        }
        if text("response_type") != "code" {
            return blocked("Unsupported response type", "This world hands out codes only.");
        }
        let method = text("code_challenge_method");
        if params.has("code_challenge") && method != "S256" {
            return blocked("Unsupported challenge", "code_challenge_method must be S256.");
        }
        let asked: Vec<String> =
            text("scope").split([',', ' ']).filter(|s| !s.is_empty()).map(str::to_owned).collect();
        if let Some(strange) = asked.iter().find(|s| !SCOPES.contains(&s.as_str())) {
            return blocked("Invalid Scopes", &format!("Invalid Scopes: {strange}."));
        }
        if !submitted {
            return DialogAnswer::Page(200, consent_page(&self.scenario.name, params, &asked));
        }
        let join = if redirect.contains('?') { '&' } else { '?' };
        let state = escape(&text("state"));
        if text("decision") != "approve" {
            return DialogAnswer::Redirect(format!(
                "{redirect}{join}error=access_denied&error_code=200&error_description=Permissions+error\
                 &error_reason=user_denied&state={state}#_=_"
            ));
        }
        let (scopes, declined) = asked.into_iter().partition(|s| granted.contains(s));
        let code = self.draw_text("AQ");
        let entry = Code {
            redirect_uri: redirect.clone(),
            scopes,
            declined,
            challenge: params.text("code_challenge"),
            issued: self.now,
            used: false,
        };
        self.gate.codes.insert(code.clone(), entry);
        DialogAnswer::Redirect(format!("{redirect}{join}code={code}&state={state}#_=_"))
    }

    /// `/oauth/access_token`: a code, or a token, for another token.
    pub(super) fn exchange_token(&mut self, params: &Params) -> Answer {
        let c = &self.credentials;
        if params.text("client_id").as_deref() != Some(c.app_id.as_str()) {
            return Err(Refusal::new(
                101,
                "Error validating application. Cannot get application info.",
            ));
        }
        if params.text("client_secret").as_deref() != Some(c.app_secret.expose_secret()) {
            return Err(Refusal::new(1, "Error validating client secret."));
        }
        match params.text("grant_type").as_deref() {
            Some("client_credentials") => {
                let token = format!("{}|{}", c.app_id, c.app_secret.expose_secret());
                Ok(json!({"access_token": token, "token_type": "bearer"}))
            }
            Some("fb_exchange_token") => self.exchange_old(params),
            None | Some("authorization_code") if params.has("code") => self.exchange_code(params),
            _ => Err(Refusal::new(100, "Missing authorization code")),
        }
    }
    fn exchange_code(&mut self, params: &Params) -> Answer {
        let refuse = |sub, text: &str| Err(Refusal::new(100, text).sub(sub));
        let given = params.need("code")?;
        let now = self.now;
        let Some(code) = self.gate.codes.get_mut(&given) else {
            return refuse(36_009, "Invalid verification code format.");
        };
        if code.used {
            return refuse(36_009, "This authorization code has been used.");
        }
        if now.since(code.issued) > CODE_MS {
            return refuse(36_007, "This authorization code has expired.");
        }
        if params.text("redirect_uri").as_deref() != Some(code.redirect_uri.as_str()) {
            let text = "Error validating verification code. Please make sure your redirect_uri is identical to the one \
                        you used in the OAuth dialog request";
            return refuse(36_008, text);
        }
        if let Some(challenge) = &code.challenge {
            let verifier = params.text("code_verifier").unwrap_or_default();
            let digest = Sha256::digest(verifier.as_bytes());
            if data_encoding::BASE64URL_NOPAD.encode(&digest) != *challenge {
                return refuse(36_009, "Invalid code verifier.");
            }
        }
        code.used = true;
        let (scopes, declined) = (code.scopes.clone(), code.declined.clone());
        let expires = Some(now.plus(SHORT_MS));
        let issued = Issued {
            holder: Holder::Person,
            scopes,
            declined,
            since: now,
            expires,
            revoked: false,
        };
        Ok(self.hand_out(issued))
    }
    fn exchange_old(&mut self, params: &Params) -> Answer {
        let old = params.need("fb_exchange_token")?;
        let issued =
            self.issued(&old).ok_or_else(|| Refusal::token(None, "Invalid OAuth access token."))?;
        self.alive(&issued)?;
        let sixty = params.flag("set_token_expires_in_60_days") == Some(true);
        if issued.holder == Holder::System && !sixty {
            // A system user's token is long-lived already.
            let mut answer = json!({"access_token": old, "token_type": "bearer"});
            if let Some(end) = issued.expires {
                answer["expires_in"] = json!(end.since(self.now) / 1000);
            }
            return Ok(answer);
        }
        let expires = Some(self.now.plus(LONG_MS));
        Ok(self.hand_out(Issued { since: self.now, expires, ..issued }))
    }
    fn hand_out(&mut self, issued: Issued) -> Value {
        let token = self.draw_text("EAAB");
        let mut answer = json!({"access_token": token, "token_type": "bearer"});
        if let Some(end) = issued.expires {
            answer["expires_in"] = json!(end.since(self.now) / 1000);
        }
        self.gate.tokens.insert(token, issued);
        answer
    }
    /// `GET /oauth/revoke`.
    pub(super) fn revoke_token(&mut self, params: &Params) -> Answer {
        let c = &self.credentials;
        let known = params.text("client_id").as_deref() == Some(c.app_id.as_str())
            && params.text("client_secret").as_deref() == Some(c.app_secret.expose_secret());
        if !known {
            return Err(Refusal::new(1, "Error validating client secret."));
        }
        let token = params.need("revoke_token")?;
        let issued = self.gate.tokens.get_mut(&token);
        issued.ok_or_else(|| Refusal::token(None, "Invalid OAuth access token."))?.revoked = true;
        Ok(super::dialect::success())
    }
    /// Text nobody can guess who does not know the seed.
    fn draw_text(&mut self, prefix: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.credentials.app_secret.expose_secret().as_bytes());
        for _ in 0..4 {
            hash.update(self.draw(0, i64::MAX - 1).to_le_bytes());
        }
        let digest = hash.finalize();
        let twice = Sha256::digest(digest);
        format!(
            "{prefix}{}{}",
            data_encoding::BASE32_NOPAD.encode(&digest),
            data_encoding::BASE32_NOPAD.encode(&twice)
        )
    }
}

/// `http` on this machine, at a port.
fn is_loopback(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("http://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    !host.contains('@') && matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;background:#f0f2f5;margin:0}}main{{max-width:26rem;margin:4rem auto;\
         background:#fff;padding:1.5rem 2rem;border-radius:.5rem;box-shadow:0 1px 3px #0003}}\
         h1{{font-size:1.25rem}}label{{display:block;margin:.4rem 0}}button{{font:inherit;padding:.5rem 1rem;\
         border:0;border-radius:.4rem;margin-right:.5rem}}.yes{{background:#0866ff;color:#fff}}\
         footer{{color:#65676b;font-size:.85rem;margin-top:1.5rem}}</style></head><body><main>{body}\
         <footer>This is the rehearsal world: no real account is behind it.</footer></main></body></html>"
    )
}

fn error_page(title: &str, why: &str) -> String {
    let (title, why) = (html(title), html(why));
    frame(&title, &format!("<h1>{title}</h1><p>{why}</p>"))
}

/// What the app asks for, with a box for each permission, and the two answers.
fn consent_page(account: &str, params: &Params, asked: &[String]) -> String {
    let mut fields = String::new();
    let kept = params.iter().filter(|(n, _)| !matches!(n.as_str(), "grant" | "decision"));
    for (name, value) in kept {
        let (name, value) = (html(name), html(&super::params::plain(value)));
        let _ = write!(fields, "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
    }
    for scope in asked {
        let scope = html(scope);
        let _ = write!(
            fields,
            "<label><input type=\"checkbox\" name=\"grant\" value=\"{scope}\" checked> {scope}</label>"
        );
    }
    let body = format!(
        "<h1>Rehearsal app asks for access</h1><p>to the ad account <b>{}</b>, on behalf of Rehearsal person.</p>\
         <form method=\"post\">{fields}<p><button class=\"yes\" id=\"approve\" name=\"decision\" value=\"approve\">\
         Continue</button><button id=\"deny\" name=\"decision\" value=\"deny\">Cancel</button></p></form>",
        html(account)
    );
    frame("Log in", &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Scenario;

    fn dialog(world: &Sandbox, changes: &[(&str, &str)], submitted: bool) -> DialogAnswer {
        let app = world.credentials().app_id;
        let mut params: Vec<(String, String)> = [
            ("client_id", app.as_str()),
            ("redirect_uri", "http://127.0.0.1:9/back"),
            ("response_type", "code"),
            ("state", "a\"><script>"),
            ("scope", "ads_read ads_management"),
        ]
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
        for (name, value) in changes {
            if *name != "grant" {
                params.retain(|(n, _)| n != name);
            }
            params.push(((*name).to_owned(), (*value).to_owned()));
        }
        world.dialog(&params, submitted)
    }

    #[test]
    fn the_page_shows_what_is_asked_and_no_text_breaks_out_of_it() {
        let world = Sandbox::new(Scenario::default());
        let DialogAnswer::Page(200, page) = dialog(&world, &[], false) else { panic!("a page") };
        assert!(page.contains("name=\"grant\" value=\"ads_management\" checked"), "{page}");
        assert!(!page.contains("<script>"), "{page}");
    }

    #[test]
    fn strangers_are_not_redirected_to() {
        let world = Sandbox::new(Scenario::default());
        for (name, value) in [
            ("client_id", "1"),
            ("redirect_uri", "https://evil.example/"),
            ("redirect_uri", "http://127.0.0.1@evil.example/"),
            ("redirect_uri", "http://127.0.0.1.evil.example/"),
            ("response_type", "token"),
            ("scope", "ads_read,manage_everything"),
            ("code_challenge", "abc"),
        ] {
            for submitted in [false, true] {
                let changes = [(name, value), ("decision", "approve")];
                let answer = dialog(&world, &changes, submitted);
                assert!(matches!(answer, DialogAnswer::Page(400, _)), "{name}={value}: {answer:?}");
            }
        }
    }

    #[test]
    fn a_refusal_and_a_partial_grant_come_back_as_such() {
        let world = Sandbox::new(Scenario::default());
        let DialogAnswer::Redirect(no) = dialog(&world, &[("decision", "deny")], true) else {
            panic!("a redirect")
        };
        assert!(no.starts_with("http://127.0.0.1:9/back?error=access_denied&"), "{no}");
        let some = [("decision", "approve"), ("grant", "ads_read")];
        let DialogAnswer::Redirect(yes) = dialog(&world, &some, true) else { panic!("a redirect") };
        assert!(yes.contains("code=AQ") && yes.contains("&state=a%22%3E%3Cscript%3E"), "{yes}");
    }
}
