//! `login`: brings a token, holds it against Meta, and keeps it sealed.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use serde_json::json;

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    boot::{
        self, Role,
        custody::{self, Checked, Keeper, Keys},
        login,
    },
    domain::Moment,
    ports::{Clock as _, StoreError, SystemClock},
    store::SqliteStore,
};

/// Longest token that is read, in bytes.
const LONGEST: u64 = 8 * 1024;

/// Runs it.
pub async fn run(args: &args::Args, login: &args::Login, out: &Output) -> Ended {
    let context = context::open(args)?;
    std::fs::create_dir_all(&context.dir).map_err(|e| {
        let what = format!("cannot make the state directory {}: {e}", context.dir.display());
        Failure::new(Ending::CannotWrite, what, "choose a directory you may write to with --dir")
    })?;
    if login.rotate_key {
        let store = open_beside_an_agent(&context).await?;
        return rotate(&context, &store, out).await;
    }
    let (transport, clock, _) = boot::outside(&context.account).await?;
    let token = if login.system_user {
        read_token(login.token_file.as_deref())?
    } else {
        let redirect = login.redirect.as_deref();
        let waiting =
            login::begin(&context.account, transport.clone(), redirect, login.pkce).await?;
        let page = invite(&context.dir, waiting.address(), login.no_browser, out)?;
        let brought = waiting.finish(login::PATIENCE).await;
        // The page holds the state of this login, which is spent now.
        page.map(std::fs::remove_file).transpose().ok();
        brought?
    };
    let keys = Keys::find_or_draw(&context.config.secrets, &context.dir)?;
    // Only now: nobody's agent waits while a person looks for a password.
    let store = open_beside_an_agent(&context).await?;
    let (warning, source) = (keys.warning(), keys.source.to_string());
    let keeper = Keeper::new(store, &context.config.secrets, &context.account, transport, clock);
    let mut checked = keeper.adopt(&token, &context::user()).await?;
    checked.warnings.extend(warning.map(str::to_owned));
    if context.account.api.token.is_some() {
        checked.warnings.push(
            "a token is also given by environment or file, and that one is used: take it away"
                .to_owned(),
        );
    }
    tell(&context, &checked, &source, out)
}

/// The database as the agent, which makes it when there is none; beside a running agent as a person.
async fn open_beside_an_agent(context: &context::Context) -> Result<SqliteStore, Failure> {
    match boot::open_store(&context.dir, &context.account, Role::Agent).await {
        Err(boot::BootError::Store(StoreError::Locked { .. })) => {
            context.store(Role::Commands).await
        }
        other => Ok(other?),
    }
}

/// Shows the address, or opens it in a browser. A browser gets a page of ours, readable by this user alone, that leads on
/// to it: the arguments of a process can be read by everybody on the machine, and the address holds the login's state.
fn invite(
    dir: &Path,
    address: &str,
    no_browser: bool,
    out: &Output,
) -> Result<Option<PathBuf>, Failure> {
    if no_browser {
        if out.json {
            out.compact(&json!({ "open": address }))?;
        } else {
            out.line("open this address in a browser on this machine within five minutes:")?;
            out.line(address)?;
        }
        return Ok(None);
    }
    let page = dir.join("login.html");
    let failed = |e: std::io::Error| {
        let what = format!("cannot write {}: {e}", page.display());
        Failure::new(Ending::CannotWrite, what, "run `rungwise login --no-browser`")
    };
    write_page(&page, address).map_err(failed)?;
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = std::process::Command::new(opener);
    let nowhere = std::process::Stdio::null;
    command.arg(&page).stdin(nowhere()).stdout(nowhere()).stderr(nowhere());
    match command.spawn() {
        Ok(_) => out.say("a browser opens; answer there within five minutes"),
        Err(e) => {
            let _ = std::fs::remove_file(&page);
            let what = format!("cannot open a browser with {opener}: {e}");
            let hint = "run `rungwise login --no-browser` and open the address yourself";
            return Err(Failure::new(Ending::Unavailable, what, hint));
        }
    }
    Ok(Some(page))
}

fn write_page(page: &Path, address: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    match std::fs::remove_file(page) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let address = address.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let text = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0; url={address}\"><title>Rungwise</title>\
         <p><a href=\"{address}\">Log in</a></p>\n"
    );
    options.open(page)?.write_all(text.as_bytes())
}

/// A token from a file or from standard input, never from an argument.
fn read_token(file: Option<&Path>) -> Result<SecretString, Failure> {
    let wrong = |what: String| {
        let hint = "give one line with the token: rungwise login --system-user < token.txt";
        Failure::new(Ending::BadInput, what, hint)
    };
    let mut text = String::new();
    let read = match file {
        Some(path) => {
            std::fs::File::open(path).and_then(|f| f.take(LONGEST).read_to_string(&mut text))
        }
        None => std::io::stdin().lock().take(LONGEST).read_to_string(&mut text),
    };
    let from = file.map_or_else(|| "standard input".to_owned(), |p| p.display().to_string());
    read.map_err(|e| wrong(format!("cannot read a token from {from}: {e}")))?;
    let token = text.trim();
    let legal = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    if !legal {
        return Err(wrong(format!("{from} does not hold one token")));
    }
    Ok(token.to_owned().into())
}

fn tell(context: &context::Context, checked: &Checked, key: &str, out: &Output) -> Ended {
    let info = &checked.info;
    if out.json {
        out.compact(&json!({
            "account": context.account.id.act(), "account_name": checked.account.name, "kind": info.kind,
            "app_id": info.app_id, "scopes": info.scopes, "extra_scopes": checked.extra,
            "expires": info.expires_at.map(Moment::rfc3339),
            "data_access_until": info.data_access_until.map(Moment::rfc3339),
            "key": key, "warnings": checked.warnings,
        }))?;
        return Ok(Ending::Done);
    }
    let end =
        info.expires_at.map_or_else(|| "without an end".to_owned(), |end| format!("until {end}"));
    out.line(&format!(
        "stored a {} token for {} ({}), {end}",
        info.kind,
        context.account.id.act(),
        checked.account.name
    ))?;
    out.line(&format!("  may      {}", info.scopes.join(", ")))?;
    out.line(&format!("  sealed   under the key of {key}"))?;
    for warning in &checked.warnings {
        out.line(&format!("  note     {warning}"))?;
    }
    out.line("next: rungwise doctor")?;
    Ok(Ending::Done)
}

async fn rotate(context: &context::Context, store: &SqliteStore, out: &Output) -> Ended {
    let (config, dir, user) = (&context.config.secrets, &context.dir, context::user());
    let done = custody::rotate(store, config, dir, &user, SystemClock.now()).await?;
    if out.json {
        out.compact(&json!({
            "sealed": done.sealed, "key_id": done.key_id, "old_dropped": done.old_dropped,
        }))?;
        return Ok(Ending::Done);
    }
    out.line(&format!("{} secrets sealed under key {}", done.sealed, done.key_id))?;
    if !done.old_dropped {
        out.line("now take the old key away where you keep it")?;
    }
    Ok(Ending::Done)
}
