//! Layers into a [`Config`]: defaults, main file, file of the account, environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    AccountConfig, CREDENTIALS, ConfigError, DEFAULT_TOML, Effective, KEY_CREDENTIAL, Origin,
    Secret, account,
    document::Document,
    environment,
    origin::{Entry, Values},
    policy,
    reader::Reader,
    schema,
};
use crate::{
    daemon::schedule::Schedules,
    domain::{AccountId, Currency, Policy, Zone},
};

/// Everything configured, checked as a whole.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directory of database and state.
    pub dir: PathBuf,
    /// Storage.
    pub store: StoreConfig,
    /// The audit trail.
    pub audit: AuditConfig,
    /// The key that seals stored secrets.
    pub secrets: SecretsConfig,
    /// Logging.
    pub log: LogConfig,
    /// The policy without any account, for commands that work on files alone.
    pub policy: Policy,
    /// The schedules without any account, in UTC.
    pub schedules: Schedules,
    /// The accounts, by id.
    pub accounts: Vec<AccountConfig>,
    /// The files that were read, main file first.
    pub files: Vec<PathBuf>,
    /// What is allowed but unwise, one line each.
    pub warnings: Vec<String>,
    /// Effective values without any account.
    pub effective: Vec<Effective>,
}

/// Storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// How many backups are kept.
    pub keep_backups: u32,
}

/// The audit trail.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// Keys the heads of the chain.
    pub key: Option<Secret>,
    /// Where heads are copied to.
    pub heads_file: Option<PathBuf>,
}

/// Where the key of stored secrets may lie, the better place first.
#[derive(Debug, Clone)]
pub struct SecretsConfig {
    /// A credential of the service manager, when there is one.
    pub credential: Option<PathBuf>,
    /// The configured file.
    pub key_file: Option<PathBuf>,
    /// The environment: inherited by every child process, so only where nothing else is there.
    pub key: Option<Secret>,
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A level or a filter of `tracing`.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Config {
    /// The named account, or the only one.
    pub fn account(&self, id: Option<&AccountId>) -> Result<&AccountConfig, ConfigError> {
        match (id, self.accounts.as_slice()) {
            (_, []) => Err(ConfigError::NoAccount),
            (None, [only]) => Ok(only),
            (None, several) => {
                Err(ConfigError::WhichAccount(several.iter().map(|a| a.id.to_string()).collect()))
            }
            (Some(id), accounts) => accounts
                .iter()
                .find(|a| a.id == *id)
                .ok_or_else(|| ConfigError::UnknownAccount(id.to_string())),
        }
    }
}

/// Reads the configuration: embedded defaults ← `path` ← its `accounts.d/*.toml` ← `env`.
///
/// Without a path it is `RUNGWISE_CONFIG`, else `config.toml` in `RUNGWISE_DIR`, else `config.toml` here; a named file
/// must exist, an unnamed one may be missing. `env` is [`super::environment`] or a test's own.
pub fn load(path: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
    let named = path.map(Path::to_owned).or_else(|| env.get("RUNGWISE_CONFIG").map(PathBuf::from));
    let beside = env.get("RUNGWISE_DIR").map_or_else(PathBuf::new, PathBuf::from);
    let path = match named {
        Some(path) => Some(path),
        None => Some(beside.join("config.toml")).filter(|path| path.is_file()),
    };
    let base = path.as_deref().and_then(Path::parent).map_or_else(PathBuf::new, Path::to_owned);
    let mut layers = Layers { shared: defaults()?, env, base, files: Vec::new() };
    let Some(path) = path else { return layers.config(Vec::new()) };
    let main = layers.file(&path, false)?;
    layers.shared.overlay(main);
    let mut accounts = Vec::new();
    for file in account_files(&layers.base.join("accounts.d"))? {
        let own = layers.file(&file, true)?;
        if !own.0.contains_key("account.id") {
            let hint = format!("{} must name its account", file.display());
            return Err(ConfigError::Missing { key: "account.id".to_owned(), hint });
        }
        accounts.push(own);
    }
    layers.config(accounts)
}

/// A configuration made in code: embedded defaults ← `text` ← `overrides`, pairs of a full key and a value written as
/// in the environment. Secrets are allowed among the overrides. Relative paths start from the working directory.
pub fn from_toml(text: &str, overrides: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env = BTreeMap::new();
    let mut layers =
        Layers { shared: defaults()?, env: &env, base: PathBuf::new(), files: Vec::new() };
    layers
        .shared
        .overlay(Document { text, name: Some("config.toml"), one_account: false }.values()?);
    for (key, text) in overrides {
        let origin = Origin::Given((*key).to_owned());
        let Some(kind) = schema::kind(key) else {
            let hint = Some(schema::suggestion(key));
            return Err(ConfigError::UnknownKey { place: origin, key: (*key).to_owned(), hint });
        };
        let raw = environment::typed(kind, text);
        layers.shared.0.insert((*key).to_owned(), Entry { raw, origin });
    }
    layers.config(Vec::new())
}

fn defaults() -> Result<Values, ConfigError> {
    Document { text: DEFAULT_TOML, name: None, one_account: false }.values()
}

/// The `*.toml` of a directory by name; none when there is no such directory.
fn account_files(dir: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let unreadable = |source| ConfigError::Read { path: dir.display().to_string(), source };
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ext| ext == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

struct Layers<'a> {
    /// Defaults and main file.
    shared: Values,
    env: &'a BTreeMap<String, String>,
    base: PathBuf,
    files: Vec<PathBuf>,
}

impl Layers<'_> {
    fn file(&mut self, path: &Path, one_account: bool) -> Result<Values, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: shown, source })?;
        self.files.push(path.to_owned());
        let name = path.strip_prefix(&self.base).unwrap_or(path).display().to_string();
        Document { text: &text, name: Some(&name), one_account }.values()
    }

    fn config(self, own_files: Vec<Values>) -> Result<Config, ConfigError> {
        let mut warnings = Vec::new();
        let mut base_values = self.shared.clone();
        base_values.overlay(environment::layer(self.env, None)?);
        let read = Reader::new(&base_values, &self.base);
        // Built even with no account at all, so that a mistake shows at once.
        let policy = policy::policy(&read)?;
        let schedules = account::schedules(&read, &Zone::utc())?;
        account::api(&read, &mut Vec::new())?;
        read.parsed::<Zone>("account.time_zone")?;
        read.parsed::<Currency>("account.currency")?;

        let mut accounts = Vec::new();
        let mut seen = BTreeSet::new();
        let main = if base_values.0.contains_key("account.id") {
            vec![Values::default()]
        } else {
            Vec::new()
        };
        for own in main.into_iter().chain(own_files) {
            let account = self.account(own, &mut warnings)?;
            if !seen.insert(account.id.clone()) {
                let id = account.id.to_string();
                let effective = account.effective.iter().find(|e| e.key == "account.id");
                let place = effective.and_then(|e| e.origin.clone()).unwrap_or(Origin::Default(0));
                return Err(ConfigError::AccountTwice { place, id });
            }
            accounts.push(account);
        }
        accounts.sort_by(|a, b| a.id.cmp(&b.id));

        let dir = match self.env.get("RUNGWISE_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => read.path("store.dir")?.unwrap_or_default(),
        };
        Ok(Config {
            dir,
            store: StoreConfig { keep_backups: read.int("store.keep_backups", 1, 10_000)? },
            audit: AuditConfig {
                key: read.secret("audit.key", &mut warnings)?,
                heads_file: read.path("audit.heads_file")?,
            },
            secrets: SecretsConfig {
                credential: self
                    .env
                    .get(CREDENTIALS)
                    .map(|dir| PathBuf::from(dir).join(KEY_CREDENTIAL))
                    .filter(|path| path.is_file()),
                key_file: read.path("secrets.key_file")?,
                key: read.given_secret("secrets.key")?,
            },
            log: log(&read)?,
            policy,
            schedules,
            accounts,
            files: self.files,
            warnings,
            effective: base_values.effective(),
        })
    }

    fn account(
        &self,
        own: Values,
        warnings: &mut Vec<String>,
    ) -> Result<AccountConfig, ConfigError> {
        let has_own_id = own.0.get("account.id").cloned();
        let mut values = self.shared.clone();
        if has_own_id.is_some() {
            // What identifies the main file's account is not inherited.
            values.0.retain(|key, _| !key.starts_with("account."));
        }
        values.overlay(own);
        let id_of = |values: &Values| {
            let read = Reader::new(values, &self.base);
            read.parsed::<AccountId>("account.id")
        };
        let mut merged = values.clone();
        merged.overlay(environment::layer(self.env, None)?);
        let id = if has_own_id.is_some() { id_of(&values)? } else { id_of(&merged)? };
        let id = id.ok_or(ConfigError::NoAccount)?;
        let mut env = environment::layer(self.env, Some(&id))?;
        if has_own_id.is_some() {
            // A variable such as RUNGWISE_ACCOUNT_ID means the main file's account, not every account.
            env.0.retain(|key, _| !key.starts_with("account."));
        }
        values.overlay(env);
        let read_from = values.clone();
        AccountConfig::build(id, values, &Reader::new(&read_from, &self.base), warnings)
    }
}

fn log(read: &Reader<'_>) -> Result<LogConfig, ConfigError> {
    let format = read.choice("log.format", &["text", "json"], |text| match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    })?;
    let filter = read.need_text("log.level")?;
    if let Some(part) = filter.split(',').find(|part| !is_directive(part.trim())) {
        let hint = Some("off, error, warn, info, debug, trace, or target=level".to_owned());
        return Err(read.refuse("log.level", format!("has {part:?}, which is no level"), hint));
    }
    Ok(LogConfig { filter: filter.to_owned(), format })
}

/// `level` or `target=level`. A bare target would pass the parser of `tracing` and silence everything else: most likely
/// it is a misspelt level.
fn is_directive(part: &str) -> bool {
    // An empty level would pass, as `error`.
    let level = |l: &str| !l.is_empty() && l.parse::<tracing::metadata::LevelFilter>().is_ok();
    part.split_once('=').map_or_else(|| level(part), |(target, l)| !target.is_empty() && level(l))
}
