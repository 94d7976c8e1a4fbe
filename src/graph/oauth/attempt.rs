//! One attempt to log in: an address with a state, and the one answer that fits it.

use std::fmt;

use oauth2::{CsrfToken, PkceCodeChallenge, Scope};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::App;
use crate::{domain::Moment, ports::MetaError};

/// Bytes of the state; 128 bits are asked of it at least.
const STATE_BYTES: u32 = 32;
/// How long an answer is waited for, in milliseconds.
const LIFE_MS: i64 = 10 * 60 * 1000;
/// What Meta may send besides code and state: which permissions were granted, when that is asked for.
const BESIDE_A_CODE: [&str; 2] = ["granted_scopes", "denied_scopes"];
/// What belongs to a refusal besides `error` and `state`.
const BESIDE_A_REFUSAL: [&str; 4] =
    ["error_code", "error_description", "error_reason", "error_message"];
/// Longest code that is taken.
const LONGEST: usize = 2_048;

/// The parameters a browser came back with, in order, decoded.
#[derive(Clone)]
pub struct Callback(pub Vec<(String, String)>);

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Why an answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefused {
    /// There was an answer before.
    #[error("this login has been answered already")]
    Spent,
    /// Too late.
    #[error("the answer came after more than ten minutes")]
    Late,
    /// The clock went backwards.
    #[error("the answer came before the question: this machine's clock was changed")]
    Early,
    /// A parameter twice.
    #[error("the answer names {0:?} twice")]
    Twice(String),
    /// A parameter that does not belong there.
    #[error("the answer has a parameter that does not belong there: {0:?}")]
    Strange(String),
    /// No state, or another one than was sent.
    #[error("the answer belongs to another login: its state is {0}")]
    State(&'static str),
    /// The person, or Meta, said no.
    #[error("access was not granted: {0}")]
    Denied(String),
    /// No code.
    #[error("the answer holds no usable code")]
    NoCode,
}

impl LoginRefused {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Denied(_) => "run `rungwise login` again and grant what it asks for",
            Self::Spent | Self::Late | Self::Early => "run `rungwise login` again",
            Self::Twice(_) | Self::Strange(_) | Self::State(_) | Self::NoCode => {
                "somebody else may have sent it: nothing was stored; run `rungwise login` again"
            }
        }
    }
}

/// A login that waits for its answer.
pub struct Attempt {
    address: String,
    redirect: String,
    state: SecretString,
    verifier: Option<SecretString>,
    begun: Moment,
    answered: bool,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Attempt {
    /// Draws state (256 bits) and, with `pkce`, a verifier. Meta documents PKCE for its OpenID Connect flow only, as
    /// still in testing; this flow is bound by state, exact redirect and the app's secret either way.
    pub fn begin(
        app: &App,
        redirect: &str,
        scopes: &[&str],
        pkce: bool,
        now: Moment,
    ) -> Result<Self, MetaError> {
        let client = app.client(redirect)?;
        let mut request = client.authorize_url(|| CsrfToken::new_random_len(STATE_BYTES));
        for scope in scopes {
            request = request.add_scope(Scope::new((*scope).to_owned()));
        }
        let mut verifier = None;
        if pkce {
            let (challenge, kept) = PkceCodeChallenge::new_random_sha256();
            request = request.set_pkce_challenge(challenge);
            verifier = Some(SecretString::from(kept.secret().clone()));
        }
        let (address, state) = request.url();
        Ok(Self {
            address: address.to_string(),
            redirect: redirect.to_owned(),
            state: state.into_secret().into(),
            verifier,
            begun: now,
            answered: false,
        })
    }
    /// The address to open in a browser. It holds the state: it belongs into a browser or a terminal, not into a log
    /// or an argument of a process.
    pub fn address(&self) -> &str {
        &self.address
    }
    /// Where the browser is sent back to.
    pub fn redirect(&self) -> &str {
        &self.redirect
    }
    /// The verifier that goes with the code.
    pub fn verifier(&self) -> Option<SecretString> {
        self.verifier.clone()
    }

    /// Takes the one answer; whatever it is, there will be no second one.
    pub fn accept(
        &mut self,
        callback: &Callback,
        now: Moment,
    ) -> Result<SecretString, LoginRefused> {
        if std::mem::replace(&mut self.answered, true) {
            return Err(LoginRefused::Spent);
        }
        let age = now.since(self.begun);
        if age > LIFE_MS {
            return Err(LoginRefused::Late);
        }
        if age < 0 {
            return Err(LoginRefused::Early);
        }
        let params = &callback.0;
        for (i, (name, _)) in params.iter().enumerate() {
            if params.iter().take(i).any(|(earlier, _)| earlier == name) {
                return Err(LoginRefused::Twice(shown(name)));
            }
        }
        let get = |name: &str| params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        // First the state: of an answer to another login nothing else is looked at.
        match get("state") {
            None | Some("") => return Err(LoginRefused::State("missing")),
            Some(state) if !same(state, self.state.expose_secret()) => {
                return Err(LoginRefused::State("not the one that was sent"));
            }
            Some(_) => {}
        }
        let refused = get("error").is_some();
        let belongs: &[&str] = if refused { &BESIDE_A_REFUSAL } else { &BESIDE_A_CODE };
        let own = if refused { "error" } else { "code" };
        let strange =
            params.iter().find(|(n, _)| n != "state" && n != own && !belongs.contains(&n.as_str()));
        if let Some((name, _)) = strange {
            return Err(LoginRefused::Strange(shown(name)));
        }
        if refused {
            let why = get("error_description").or_else(|| get("error")).unwrap_or_default();
            return Err(LoginRefused::Denied(shown(why)));
        }
        let good = |code: &&str| {
            !code.is_empty() && code.len() <= LONGEST && code.bytes().all(|b| b.is_ascii_graphic())
        };
        let code = get("code").filter(good).ok_or(LoginRefused::NoCode)?;
        Ok(code.to_owned().into())
    }
}

/// Equal, in a time that tells nothing about where they differ.
fn same(a: &str, b: &str) -> bool {
    Sha256::digest(a.as_bytes()) == Sha256::digest(b.as_bytes())
}

/// Foreign text, short and on one line.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> App {
        App {
            id: "77".into(),
            secret: "s3cret".to_owned().into(),
            version: "v26.0".into(),
            dialog_host: "https://www.facebook.com".into(),
        }
    }
    fn at(ms: i64) -> Moment {
        Moment::from_millis(1_780_000_000_000 + ms)
    }
    const BACK: &str = "http://127.0.0.1:4711/abc";

    fn begin(pkce: bool) -> Attempt {
        Attempt::begin(&app(), BACK, &["ads_read", "ads_management"], pkce, at(0)).unwrap()
    }
    fn query(attempt: &Attempt, name: &str) -> Option<String> {
        let address = oauth2::url::Url::parse(attempt.address()).unwrap();
        address.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
    }
    fn callback(pairs: &[(&str, &str)]) -> Callback {
        Callback(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn the_address_is_metas_dialog_with_a_state_nobody_can_guess() {
        let (one, two) = (begin(false), begin(false));
        assert!(one.address().starts_with("https://www.facebook.com/v26.0/dialog/oauth?"));
        for (name, value) in [
            ("client_id", "77"),
            ("redirect_uri", BACK),
            ("response_type", "code"),
            ("scope", "ads_read ads_management"),
        ] {
            assert_eq!(query(&one, name).as_deref(), Some(value), "{name}");
        }
        let state = query(&one, "state").unwrap();
        // 43 characters of base64 are 256 bits.
        assert!(state.len() >= 43, "{state}");
        assert_ne!(Some(state.clone()), query(&two, "state"));
        assert_eq!(query(&one, "code_challenge"), None);
        assert!(!one.address().contains("s3cret"));
        let shown = format!("{one:?} {:?} {:?}", app(), callback(&[("code", "AQx")]));
        assert!(!shown.contains(&state) && !shown.contains("s3cret") && !shown.contains("AQx"));
    }

    #[test]
    fn with_pkce_the_challenge_is_the_hash_of_the_kept_verifier() {
        let attempt = begin(true);
        assert_eq!(query(&attempt, "code_challenge_method").as_deref(), Some("S256"));
        let verifier = attempt.verifier().unwrap();
        let digest = Sha256::digest(verifier.expose_secret().as_bytes());
        let expected = data_encoding::BASE64URL_NOPAD.encode(&digest);
        assert_eq!(query(&attempt, "code_challenge"), Some(expected));
    }

    /// Name, what the browser brings ("STATE" = the right one), how late, and the refusal.
    type Attack = (&'static str, &'static [(&'static str, &'static str)], i64, &'static str);

    fn attacks() -> Vec<Attack> {
        const LATE: i64 = LIFE_MS + 1;
        let long: String = "A".repeat(LONGEST + 1);
        let long: &'static str = Box::leak(long.into_boxed_str());
        vec![
            ("nothing at all", &[], 5, "State"),
            ("a code without a state", &[("code", "AQ1")], 5, "State"),
            ("an empty state", &[("code", "AQ1"), ("state", "")], 5, "State"),
            ("a foreign state", &[("code", "AQ1"), ("state", "guess")], 5, "State"),
            ("the state in another case", &[("code", "AQ1"), ("state", "LOWER")], 5, "State"),
            ("the state cut short", &[("code", "AQ1"), ("state", "CUT")], 5, "State"),
            ("the state prolonged", &[("code", "AQ1"), ("state", "MORE")], 5, "State"),
            ("two states", &[("code", "AQ1"), ("state", "x"), ("state", "STATE")], 5, "Twice"),
            ("two codes", &[("code", "AQ1"), ("code", "AQ2"), ("state", "STATE")], 5, "Twice"),
            ("the right answer too late", &[("code", "AQ1"), ("state", "STATE")], LATE, "Late"),
            ("the right answer too early", &[("code", "AQ1"), ("state", "STATE")], -1, "Early"),
            ("a refusal", &[("error", "access_denied"), ("state", "STATE")], 5, "Denied"),
            ("a refusal of another login", &[("error", "access_denied")], 5, "State"),
            (
                "a refusal with a code",
                &[("error", "access_denied"), ("code", "AQ1"), ("state", "STATE")],
                5,
                "Strange",
            ),
            (
                "a token instead of a code",
                &[("access_token", "EAAB"), ("state", "STATE")],
                5,
                "Strange",
            ),
            (
                "a token beside the code",
                &[("code", "AQ1"), ("access_token", "EAAB"), ("state", "STATE")],
                5,
                "Strange",
            ),
            (
                "another issuer",
                &[("code", "AQ1"), ("iss", "https://evil.example"), ("state", "STATE")],
                5,
                "Strange",
            ),
            (
                "another redirect",
                &[("code", "AQ1"), ("redirect_uri", "http://127.0.0.1:1/"), ("state", "STATE")],
                5,
                "Strange",
            ),
            ("no code", &[("state", "STATE")], 5, "NoCode"),
            ("an empty code", &[("code", ""), ("state", "STATE")], 5, "NoCode"),
            ("a code with a line end", &[("code", "AQ\r\nX: y"), ("state", "STATE")], 5, "NoCode"),
            (
                "a code without end",
                Box::leak(Box::new([("code", long), ("state", "STATE")])),
                5,
                "NoCode",
            ),
        ]
    }

    #[test]
    fn every_answer_but_the_right_one_is_refused() {
        let attacks = attacks();
        assert!(attacks.len() >= 20);
        for (name, pairs, late, wanted) in attacks {
            let mut attempt = begin(false);
            let state = query(&attempt, "state").unwrap();
            let swapped: String =
                state
                    .chars()
                    .map(|c| {
                        if c.is_lowercase() {
                            c.to_ascii_uppercase()
                        } else {
                            c.to_ascii_lowercase()
                        }
                    })
                    .collect();
            let (cut, more) = (state[..state.len() - 1].to_owned(), format!("{state}A"));
            let filled: Vec<(&str, &str)> = pairs
                .iter()
                .map(|(n, v)| {
                    let value = match *v {
                        "STATE" => state.as_str(),
                        "LOWER" => swapped.as_str(),
                        "CUT" => cut.as_str(),
                        "MORE" => more.as_str(),
                        other => other,
                    };
                    (*n, value)
                })
                .collect();
            let error = attempt.accept(&callback(&filled), at(late)).unwrap_err();
            assert!(format!("{error:?}").starts_with(wanted), "{name}: {error:?}");
            // Whatever came first, there is no second answer, not even the right one.
            let right = callback(&[("code", "AQ1"), ("state", &state)]);
            assert_eq!(attempt.accept(&right, at(6)).unwrap_err(), LoginRefused::Spent, "{name}");
        }
    }

    #[test]
    fn the_right_answer_is_taken_once() {
        let mut attempt = begin(false);
        let state = query(&attempt, "state").unwrap();
        let right = callback(&[("code", "AQ1"), ("state", &state), ("granted_scopes", "ads_read")]);
        let code = attempt.accept(&right, at(LIFE_MS)).unwrap();
        assert_eq!(code.expose_secret(), "AQ1");
        assert_eq!(attempt.accept(&right, at(LIFE_MS)).unwrap_err(), LoginRefused::Spent);
        // An answer of one login replayed into another.
        let mut other = begin(false);
        assert!(matches!(other.accept(&right, at(5)), Err(LoginRefused::State(_))));
    }
}
