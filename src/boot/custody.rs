//! The token at rest: which key seals it, and how one takes the place of another.
//!
//! A renewal has two phases. The new token is stored as a candidate before anything depends on it; it is tested; and one
//! commit lets it take the place of the old one. Cut off anywhere, it goes on from what is stored: a candidate that passes
//! the test is taken, one that fails is dropped, and until then the old token stays in use, which Meta keeps valid until
//! its own end (Marketing API, "System users").

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{AnyClock, AnyTransport, Role, open_store, secrets_of};
use crate::{
    app::{journal, token::needed},
    config::{AccountConfig, Secret, SecretSource, SecretsConfig},
    domain::{AccountInfo, DAY_MS, Moment},
    graph::{Client, Link, oauth::App},
    ports::{
        Clock as _, MetaClass, MetaError, MetaRead as _, Record, Store as _, StoreError,
        meta::TokenInfo,
        store::{SealedRow, Standing},
    },
    store::{DATABASE_FILE, Keyring, SqliteStore, VaultError},
};

/// Name of the key file in the state directory.
pub const KEY_FILE: &str = "secrets.key";
/// What a stored token is for.
const TOKEN: &str = "token";
/// A system user's token is renewed when it has this long to live: a week before the first warning.
const RENEW_MS: i64 = 21 * DAY_MS;
/// Longest key file that is read, in bytes.
const KEY_BYTES: u64 = 8 * 1024;

/// Why a token cannot be kept, fetched or taken.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// The key file cannot be used.
    #[error("{path}: {why}")]
    KeyFile {
        /// Which one.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A token is stored, but there is no key for it.
    #[error("a token is stored, but there is no key to open it")]
    NoKey,
    /// Sealing or opening failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The parts cannot be put together.
    #[error(transparent)]
    Boot(Box<super::BootError>),
    /// Meta did not answer, or refused.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// The token is none that may be used here.
    #[error("the token is refused: {0}")]
    Rejected(String),
    /// Keys cannot be replaced where they do not belong to us.
    #[error("the key comes from {0}, where only you can replace it")]
    NotOurs(String),
}

impl From<super::BootError> for CustodyError {
    fn from(e: super::BootError) -> Self {
        Self::Boot(Box::new(e))
    }
}

impl CustodyError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::KeyFile { .. } => {
                "the file holds 64 hex digits and belongs to this user alone: chmod 600"
            }
            Self::NoKey => {
                "put the key back where it was (see [secrets] in `rungwise config default`), or log in again"
            }
            Self::Vault(e) => e.hint(),
            Self::Store(e) => e.hint(),
            Self::Boot(e) => e.hint(),
            Self::Meta(e) => e.hint(),
            Self::Rejected(_) => {
                "make a system-user token of the configured app with ads_read and ads_management on this account"
            }
            Self::NotOurs(_) => {
                "put the new key on the first line before the old one, run `rungwise login --rotate-key`, then drop the old"
            }
        }
    }
}

/// Where the keys came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A credential of the service manager.
    Credential(PathBuf),
    /// A file.
    File(PathBuf),
    /// The environment.
    Env(String),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(path) => write!(f, "credential {}", path.display()),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// The keys with their source.
#[derive(Debug)]
pub struct Keys {
    /// The keys.
    pub ring: Keyring,
    /// Where they lie.
    pub source: KeySource,
}

impl Keys {
    /// What is unwise about where they lie.
    pub fn warning(&self) -> Option<&'static str> {
        matches!(self.source, KeySource::Env(_)).then_some(
            "the key of the secrets is in the environment, which every child process inherits: use a credential or a file",
        )
    }

    /// The keys where they are looked for; None when there are none anywhere.
    pub fn find(config: &SecretsConfig, dir: &Path) -> Result<Option<Self>, CustodyError> {
        let own = dir.join(KEY_FILE);
        let own = own.is_file().then_some(own);
        let source = match (&config.credential, config.key_file.clone().or(own)) {
            (Some(path), _) => KeySource::Credential(path.clone()),
            (None, Some(path)) => KeySource::File(path),
            (None, None) => {
                let Some(key) = &config.key else { return Ok(None) };
                let ring = Keyring::parse(&key.value)?;
                return Ok(Some(Self { ring, source: KeySource::Env(key.source.to_string()) }));
            }
        };
        let (KeySource::Credential(path) | KeySource::File(path)) = &source else {
            return Ok(None);
        };
        let text = read_key_file(path, matches!(source, KeySource::File(_)))?;
        Ok(Some(Self { ring: Keyring::parse(&text)?, source }))
    }

    /// The same; draws a key into the state directory when there is none.
    pub fn find_or_draw(config: &SecretsConfig, dir: &Path) -> Result<Self, CustodyError> {
        if let Some(keys) = Self::find(config, dir)? {
            return Ok(keys);
        }
        let path = dir.join(KEY_FILE);
        write_key_file(&path, &[Keyring::draw()?])?;
        let text = read_key_file(&path, true)?;
        Ok(Self { ring: Keyring::parse(&text)?, source: KeySource::File(path) })
    }
}

fn trouble(path: &Path) -> impl Fn(io::Error) -> CustodyError + '_ {
    move |e| CustodyError::KeyFile { path: path.to_owned(), why: e.to_string() }
}

/// Reads a key file; one of our own must be readable by nobody else. A credential lies in a directory that only the
/// service can enter, whatever its own mode says.
fn read_key_file(path: &Path, private: bool) -> Result<SecretString, CustodyError> {
    let meta = std::fs::metadata(path).map_err(trouble(path))?;
    let refuse = |why: &str| CustodyError::KeyFile { path: path.to_owned(), why: why.to_owned() };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if private && meta.permissions().mode() & 0o077 != 0 {
            return Err(refuse("others can read it"));
        }
    }
    let _ = private;
    if !meta.is_file() || meta.len() > KEY_BYTES {
        return Err(refuse("it is no key file"));
    }
    std::fs::read_to_string(path).map(SecretString::from).map_err(trouble(path))
}

/// Writes a whole key file in the place of the old one: never half of it, never readable by others.
fn write_key_file(path: &Path, keys: &[SecretString]) -> Result<(), CustodyError> {
    use std::io::Write as _;
    let mut part = path.as_os_str().to_owned();
    part.push(".unfinished");
    let part = PathBuf::from(part);
    match std::fs::remove_file(&part) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(trouble(&part)(e)),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&part).map_err(trouble(&part))?;
    for key in keys {
        writeln!(file, "{}", key.expose_secret()).map_err(trouble(&part))?;
    }
    file.sync_all().map_err(trouble(&part))?;
    std::fs::rename(&part, path).map_err(trouble(path))?;
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(trouble(path))
}

/// What is known about a stored token, and is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFacts {
    /// `USER`, `SYSTEM_USER`, …
    pub kind: String,
    /// The app it was made for.
    pub app_id: Option<String>,
    /// Its permissions.
    pub scopes: Vec<String>,
    /// When it ends; None = never, or not told.
    pub expires_at: Option<Moment>,
}

impl TokenFacts {
    fn of(info: &TokenInfo) -> Self {
        Self {
            kind: info.kind.clone(),
            app_id: info.app_id.clone(),
            scopes: info.scopes.clone(),
            expires_at: info.expires_at,
        }
    }
    fn read(row: &SealedRow) -> Result<Self, StoreError> {
        serde_json::from_slice(&row.facts).map_err(|e| StoreError::Document {
            what: format!("facts of secret {}", row.id),
            why: e.to_string(),
        })
    }
    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("facts have only text keys")
    }
}

/// A token that was held against Meta and found good.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What Meta says about it.
    pub info: TokenInfo,
    /// The account it reaches.
    pub account: AccountInfo,
    /// Permissions it has beyond what is needed.
    pub extra: Vec<String>,
    /// What is allowed but unwise.
    pub warnings: Vec<String>,
}

/// Holds a token against Meta: valid, of the configured app, with every needed permission, and the account in reach.
pub async fn check(
    account: &AccountConfig,
    transport: &AnyTransport,
    clock: &AnyClock,
    token: &SecretString,
) -> Result<Checked, CustodyError> {
    let client = client_with(account, transport, clock, token);
    let info = client.token().await?;
    let refuse = |why: String| Err(CustodyError::Rejected(why));
    if !info.valid {
        return refuse("Meta says that it is not valid".to_owned());
    }
    if let (Some(found), Some(own)) = (&info.app_id, &account.api.app_id)
        && found != own
    {
        return refuse(format!("it was made for app {found}, not for {own}"));
    }
    if info.expires_at.is_some_and(|end| end <= clock.now()) {
        return refuse("it has ended".to_owned());
    }
    let needed = needed(&account.policy);
    let examined = account.api.app_secret.is_some();
    let lacks: Vec<&str> = needed
        .iter()
        .copied()
        .filter(|s| examined && !info.scopes.iter().any(|t| t == s))
        .collect();
    if !lacks.is_empty() {
        return refuse(format!("it lacks {}", lacks.join(", ")));
    }
    let reached = client.account().await?;
    let extra: Vec<String> =
        info.scopes.iter().filter(|s| !needed.contains(&s.as_str())).cloned().collect();
    let mut warnings = Vec::new();
    if !extra.is_empty() {
        warnings.push(format!("it may do more than is needed: {}", extra.join(", ")));
    }
    if !examined {
        warnings.push(
            "without api.app_id and the app secret its end and permissions are not known"
                .to_owned(),
        );
    }
    if info.kind == "USER" {
        warnings.push(
            "a person's token ends with their password or session: a system-user token is the right one for a daemon"
                .to_owned(),
        );
    }
    Ok(Checked { info, account: reached, extra, warnings })
}

fn client_with(
    account: &AccountConfig,
    transport: &AnyTransport,
    clock: &AnyClock,
    token: &SecretString,
) -> Client<AnyTransport> {
    let mut account = account.clone();
    account.api.token = Some(Secret { value: token.clone(), source: SecretSource::Stored });
    let link: std::sync::Arc<Link<AnyTransport>> =
        super::link(&account, transport.clone(), clock.clone(), None)
            .expect("the token has just been set");
    Client::new(link)
}

/// Keeps the token of one account: takes it in, hands it out, renews it.
pub struct Keeper {
    store: SqliteStore,
    /// Where the keys are looked for: each time, because a person may replace them beside a running agent.
    keys: SecretsConfig,
    account: AccountConfig,
    transport: AnyTransport,
    clock: AnyClock,
    /// The row whose token the client calls with.
    in_use: Mutex<Option<String>>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("account", &self.account.id).finish_non_exhaustive()
    }
}

/// What became of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// There is nothing to renew, or not yet.
    NotDue,
    /// A new token is in use, until then.
    Renewed(Option<Moment>),
    /// A candidate is stored and could not be tested yet.
    Waiting(String),
    /// The candidate failed its test and was dropped.
    Dropped(String),
}

impl Keeper {
    /// A keeper over an open store.
    pub fn new(
        store: SqliteStore,
        keys: &SecretsConfig,
        account: &AccountConfig,
        transport: AnyTransport,
        clock: AnyClock,
    ) -> Self {
        let (keys, account) = (keys.clone(), account.clone());
        Self { store, keys, account, transport, clock, in_use: Mutex::new(None) }
    }

    fn ring(&self) -> Result<Keyring, CustodyError> {
        Ok(Keys::find(&self.keys, self.store.dir())?.ok_or(CustodyError::NoKey)?.ring)
    }

    async fn row(&self, standing: Standing) -> Result<Option<SealedRow>, StoreError> {
        let rows = self.store.sealed().await?;
        Ok(rows.into_iter().find(|r| r.purpose == TOKEN && r.standing == standing))
    }

    /// The stored token with what is known about it.
    pub async fn current(&self) -> Result<Option<(SecretString, TokenFacts)>, CustodyError> {
        let Some(row) = self.row(Standing::Current).await? else { return Ok(None) };
        let token = self.ring()?.open(&self.account.id, &row)?;
        Ok(Some((token, TokenFacts::read(&row)?)))
    }

    fn seal(
        &self,
        standing: Standing,
        token: &SecretString,
        facts: &TokenFacts,
    ) -> Result<SealedRow, CustodyError> {
        let (account, now) = (&self.account.id, self.clock.now());
        Ok(self.ring()?.seal(account, TOKEN, standing, token, facts.bytes(), now)?)
    }

    /// Checks a token and lets it take the place of the stored one, in one commit with its audit link.
    pub async fn adopt(&self, token: &SecretString, actor: &str) -> Result<Checked, CustodyError> {
        let checked = check(&self.account, &self.transport, &self.clock, token).await?;
        self.install(token, &checked.info, "token_stored", actor).await?;
        Ok(checked)
    }

    /// Everything of the old goes in the commit that brings the new.
    async fn install(
        &self,
        token: &SecretString,
        info: &TokenInfo,
        kind: &str,
        actor: &str,
    ) -> Result<(), CustodyError> {
        let facts = TokenFacts::of(info);
        let row = self.seal(Standing::Current, token, &facts)?;
        let old = self.store.sealed().await?.into_iter().filter(|r| r.purpose == TOKEN);
        let mut batch: Vec<Record> = old.map(|r| Record::SealedRemoved { id: r.id }).collect();
        let body = json!({
            "secret": row.id, "key": row.key_id, "token": facts, "replaces": batch.len(),
        });
        batch.push(Record::Sealed(row));
        batch.push(journal::audit(self.clock.now(), kind, actor, body));
        Ok(self.store.commit(batch).await?)
    }

    /// Goes on with a renewal that was cut off: tests a stored candidate.
    pub async fn resume(&self) -> Result<Renewal, CustodyError> {
        let Some(candidate) = self.row(Standing::Candidate).await? else {
            return Ok(Renewal::NotDue);
        };
        let token = self.ring()?.open(&self.account.id, &candidate)?;
        match check(&self.account, &self.transport, &self.clock, &token).await {
            Ok(checked) => {
                self.install(&token, &checked.info, "token_renewed", "agent").await?;
                Ok(Renewal::Renewed(checked.info.expires_at))
            }
            // A verdict on the token itself; anything else says nothing about it.
            Err(CustodyError::Rejected(why)) => self.drop_candidate(&candidate, why).await,
            Err(CustodyError::Meta(e)) if e.class == MetaClass::Auth => {
                self.drop_candidate(&candidate, e.to_string()).await
            }
            Err(CustodyError::Meta(e)) => Ok(Renewal::Waiting(e.to_string())),
            Err(e) => Err(e),
        }
    }
    async fn drop_candidate(&self, row: &SealedRow, why: String) -> Result<Renewal, CustodyError> {
        let body = json!({ "secret": row.id, "why": why });
        let note = journal::audit(self.clock.now(), "token_renewal_failed", "agent", body);
        self.store.commit(vec![Record::SealedRemoved { id: row.id.clone() }, note]).await?;
        Ok(Renewal::Dropped(why))
    }

    /// Renews a system user's token when it has less than three weeks to live.
    pub async fn renew(&self) -> Result<Renewal, CustodyError> {
        match self.resume().await? {
            Renewal::NotDue => {}
            other => return Ok(other),
        }
        let Some(app) = app_of(&self.account) else { return Ok(Renewal::NotDue) };
        let Some((old, facts)) = self.current().await? else { return Ok(Renewal::NotDue) };
        let now = self.clock.now();
        let due = facts.expires_at.is_some_and(|end| end > now && end.since(now) <= RENEW_MS);
        if !due || facts.kind != "SYSTEM_USER" {
            return Ok(Renewal::NotDue);
        }
        let grant = app.renew(&self.transport, &old).await?;
        let expires_at = grant.expires_in.map(|s| now.plus(s.saturating_mul(1000)));
        let row =
            self.seal(Standing::Candidate, &grant.token, &TokenFacts { expires_at, ..facts })?;
        let body = json!({ "secret": row.id, "key": row.key_id });
        let note = journal::audit(now, "token_candidate", "agent", body);
        self.store.commit(vec![Record::Sealed(row), note]).await?;
        self.resume().await
    }

    /// Lets `client` call with the stored token, when that is another than it calls with. True when it changed.
    pub async fn follow(&self, client: &Client<AnyTransport>) -> Result<bool, CustodyError> {
        let Some(row) = self.row(Standing::Current).await? else { return Ok(false) };
        let known = self.in_use.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known.as_ref() == Some(&row.id) {
            return Ok(false);
        }
        let token = self.ring()?.open(&self.account.id, &row)?;
        client.change_secrets(secrets_of(&self.account, token, true));
        *self.in_use.lock().unwrap_or_else(PoisonError::into_inner) = Some(row.id);
        Ok(known.is_some())
    }
}

/// The app of an account, when id and secret are known.
pub(super) fn app_of(account: &AccountConfig) -> Option<App> {
    let (id, secret) = account.api.app_id.clone().zip(account.api.app_secret.as_ref())?;
    // People log in at the web host; in the rehearsal world that is the same server.
    let dialog_host = if account.api.base_url.is_loopback() {
        account.api.base_url.as_str().to_owned()
    } else {
        "https://www.facebook.com".to_owned()
    };
    Some(App {
        id,
        secret: secret.value.clone(),
        version: account.api.version.clone(),
        dialog_host,
    })
}

/// The account with the stored token, where neither environment nor file gives one.
pub async fn with_stored_token(
    config: &SecretsConfig,
    dir: &Path,
    account: &AccountConfig,
) -> Result<AccountConfig, CustodyError> {
    let mut account = account.clone();
    if account.api.token.is_some() || !dir.join(DATABASE_FILE).is_file() {
        return Ok(account);
    }
    let store = open_store(dir, &account, Role::Reader).await?;
    account.api.token = stored(&store, config, dir, &account).await?;
    Ok(account)
}

/// The stored token of an account, opened.
pub async fn stored(
    store: &SqliteStore,
    config: &SecretsConfig,
    dir: &Path,
    account: &AccountConfig,
) -> Result<Option<Secret>, CustodyError> {
    let rows = store.sealed().await?;
    let current = |r: &&SealedRow| r.purpose == TOKEN && r.standing == Standing::Current;
    let Some(row) = rows.iter().find(current) else { return Ok(None) };
    let keys = Keys::find(config, dir)?.ok_or(CustodyError::NoKey)?;
    let value = keys.ring.open(&account.id, row)?;
    Ok(Some(Secret { value, source: SecretSource::Stored }))
}

/// How far a change of keys got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Secrets sealed anew.
    pub sealed: usize,
    /// The key that seals now.
    pub key_id: String,
    /// Whether the old keys are gone from the file; where the keys are not ours, that is yours to do.
    pub old_dropped: bool,
}

/// Replaces the key: a fresh one in front of the old ones, every secret of every account sealed anew, the old ones gone.
/// At every point in between each secret opens with a key of the file, and running it again goes on.
pub async fn rotate(
    store: &SqliteStore,
    config: &SecretsConfig,
    dir: &Path,
    actor: &str,
    now: Moment,
) -> Result<Rotated, CustodyError> {
    let keys = Keys::find_or_draw(config, dir)?;
    let ours = matches!(&keys.source, KeySource::File(path) if *path == dir.join(KEY_FILE));
    let several = keys.ring.ids().count() > 1;
    let ring = match (&keys.source, several) {
        // Cut off before: the first key is fresh already.
        (_, true) => keys.ring,
        (KeySource::File(path), false) if ours => {
            let old = read_key_file(path, true)?;
            write_key_file(
                path,
                &[Keyring::draw()?, old.expose_secret().trim().to_owned().into()],
            )?;
            Keyring::parse(&read_key_file(path, true)?)?
        }
        (source, false) => return Err(CustodyError::NotOurs(source.to_string())),
    };
    let key_id = ring.first_id().to_owned();
    let mut sealed = 0;
    for (account, row) in store.all_sealed().await? {
        if row.key_id == key_id {
            continue;
        }
        let secret = ring.open(&account, &row)?;
        let facts = row.facts.clone();
        let fresh = ring.seal(&account, &row.purpose, row.standing, &secret, facts, row.made_at)?;
        let body = json!({ "secret": fresh.id, "replaces": row.id, "key": key_id });
        let batch = vec![
            Record::SealedRemoved { id: row.id },
            Record::Sealed(fresh),
            journal::audit(now, "secret_resealed", actor, body),
        ];
        store.for_account(&account).commit(batch).await?;
        sealed += 1;
    }
    if ours {
        let path = dir.join(KEY_FILE);
        let text = read_key_file(&path, true)?;
        let first = text.expose_secret().split_whitespace().next().unwrap_or_default().to_owned();
        write_key_file(&path, &[first.into()])?;
    }
    Ok(Rotated { sealed, key_id, old_dropped: ours })
}
