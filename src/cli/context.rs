//! What every command needs first: configuration, account, directory.

use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::{
    Ended, Ending, Failure,
    args::{Args, ConfigCommand, ConfigWhat},
    output::Output,
};
use crate::{
    boot::{
        self, Parts, Role,
        custody::{self, Keeper},
    },
    config::{self, AccountConfig, Config},
    domain::AccountId,
    ports::{Clock, MetaRead, SystemClock},
    store::{AnchorFile, SqliteStore},
    telemetry,
};

/// Configuration, account and directory of this call.
#[derive(Debug)]
pub struct Context {
    /// The configuration.
    pub config: Config,
    /// The account.
    pub account: AccountConfig,
    /// The state directory.
    pub dir: PathBuf,
}

/// Reads the configuration: `--config`, else `DIR/config.toml`, else what the environment names.
pub fn read_config(args: &Args) -> Result<Config, Failure> {
    let beside = args.dir.as_ref().map(|dir| dir.join("config.toml")).filter(|p| p.is_file());
    let path = args.config.clone().or(beside);
    let mut config = config::load(path.as_deref(), &config::environment())?;
    config.accounts.iter_mut().for_each(boot::seal::hold_back);
    Ok(config)
}

/// Reads the configuration and picks the account.
pub fn open(args: &Args) -> Result<Context, Failure> {
    let config = read_config(args)?;
    let wanted = args.account.as_deref().map(AccountId::new).transpose();
    let wanted = wanted.map_err(|e| {
        Failure::new(Ending::Usage, e.to_string(), "an account is written act_1234567890")
    })?;
    let account = config.account(wanted.as_ref())?.clone();
    let dir = boot::state_dir(&config, args.dir.as_deref());
    Ok(Context { config, account, dir })
}

impl Context {
    /// The database in that role.
    pub async fn store(&self, role: Role) -> Result<SqliteStore, Failure> {
        Ok(boot::open_store(&self.dir, &self.account, role).await?)
    }
    /// Holds the configured currency, zone and limits against the account as it is.
    pub async fn check(&self, parts: &Parts) -> Result<(), Failure> {
        let account = parts.client.account().await?;
        self.account.check_currency(account.currency)?;
        Ok(self.account.check_zone(&account.zone)?)
    }
    /// The file of copied audit heads.
    pub fn anchors(&self) -> Result<AnchorFile, Failure> {
        let key = self.config.audit.key.as_ref().map(|k| &k.value);
        Ok(boot::anchor_file(&self.dir, key)?)
    }
    /// Everything an agent works with; takes the lock.
    pub async fn agent(
        &self,
    ) -> Result<(Parts, Option<std::sync::Arc<boot::SandboxClock>>), Failure> {
        telemetry::init(&self.config.log).map_err(|e| {
            Failure::new(Ending::Config, e.to_string(), "see [log] in the configuration")
        })?;
        telemetry::end_on_panic();
        let store = self.store(Role::Agent).await?;
        let (transport, clock, sandbox) = boot::outside(&self.account).await?;
        let key = self.config.audit.key.as_ref().map(|k| &k.value);
        boot::prove(&store, key, clock.now()).await?;
        // Room for the outcome of a write is set aside before there is any.
        store.look().await?;
        let mut account = self.account.clone();
        let mut keeper = None;
        // A token given by environment or file wins over the stored one.
        if account.api.token.is_none()
            && let Some(token) =
                custody::stored(&store, &self.config.secrets, &self.dir, &account).await?
        {
            account.api.token = Some(token);
            let (transport, clock) = (transport.clone(), clock.clone());
            let keys = &self.config.secrets;
            keeper = Some(Keeper::new(store.clone(), keys, &account, transport, clock));
        }
        let mut parts = Parts::assemble(store, &account, transport, clock, None)?;
        parts.keeper = keeper;
        parts.head_key = self.config.audit.key.as_ref().map(|k| k.value.clone());
        parts.heads_file.clone_from(&self.config.audit.heads_file);
        parts.keep_backups = usize::try_from(self.config.store.keep_backups).unwrap_or(usize::MAX);
        Ok((parts, sandbox))
    }
}

/// The user name of the session, for the audit log.
pub fn user() -> String {
    config::session_user().unwrap_or_else(|| "unknown user".to_owned())
}

/// `config …`.
pub fn config(args: &Args, which: &ConfigCommand, out: &Output) -> Ended {
    let mut text = Vec::new();
    let done = match which.what {
        ConfigWhat::Default => super::config::default(&mut text),
        ConfigWhat::Show => super::config::show(&read_config(args)?, out.json, &mut text),
        ConfigWhat::Check => {
            let config = read_config(args)?;
            let now = SystemClock.now();
            super::config::check(
                &config,
                &std::collections::BTreeMap::new(),
                now,
                out.json,
                &mut text,
            )
        }
    };
    done.map_err(Failure::output)?;
    out.write(&text)?;
    Ok(Ending::Done)
}

/// `completions SHELL`.
pub fn completions(shell: clap_complete::Shell, out: &Output) -> Ended {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "rungwise", &mut text);
    out.write(&text)?;
    Ok(Ending::Done)
}

/// Reads a small file somebody named.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| {
        let what = format!("cannot read {}: {e}", path.display());
        Failure::new(Ending::BadInput, what, "check the path")
    })
}
