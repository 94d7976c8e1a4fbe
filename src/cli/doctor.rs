//! `doctor`: is everything in place? One line per check, with a fix where it is not.
//!
//! Three levels: *ok*; *warn*, which is allowed but unwise and leaves the exit code at 0; *FAIL*, which makes it 1.

mod machine;
mod meta;

use serde_json::json;

use super::{Ended, Ending, args, context, output::Output};
use crate::boot::{self, custody};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

struct Check {
    name: &'static str,
    level: Level,
    found: String,
    fix: String,
}

/// The checks as they are gathered.
#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn ok(&mut self, name: &'static str, found: impl Into<String>) {
        self.add(name, Level::Ok, found, "");
    }
    fn warn(&mut self, name: &'static str, found: impl Into<String>, fix: impl Into<String>) {
        self.add(name, Level::Warn, found, fix);
    }
    fn fail(&mut self, name: &'static str, found: impl Into<String>, fix: impl Into<String>) {
        self.add(name, Level::Fail, found, fix);
    }
    fn add(
        &mut self,
        name: &'static str,
        level: Level,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.0.push(Check { name, level, found: found.into(), fix: fix.into() });
    }
}

/// Runs it; the exit code is 1 when a check fails.
pub async fn run(args: &args::Args, out: &Output) -> Ended {
    let context = context::open(args)?;
    let mut checks = Checks::default();
    machine::look(&context, &mut checks).await;
    let (secrets, dir) = (&context.config.secrets, &context.dir);
    match custody::with_stored_token(secrets, dir, &context.account).await {
        Ok(account) => match boot::reader(&account).await {
            Ok((client, clock)) => meta::look(&account, &client, &clock, &mut checks).await,
            Err(e) => checks.fail("token", e.to_string(), e.hint()),
        },
        Err(e) => checks.fail("token", e.to_string(), e.hint()),
    }
    report(&checks.0, out)
}

fn report(checks: &[Check], out: &Output) -> Ended {
    let worst = checks.iter().map(|c| c.level).max().unwrap_or(Level::Ok);
    let well = worst < Level::Fail;
    if out.json {
        let list: Vec<_> = checks
            .iter()
            .map(|c| {
                json!({
                    "check": c.name, "ok": c.level < Level::Fail, "level": c.level.as_str().to_lowercase(),
                    "found": c.found, "fix": (c.level > Level::Ok).then_some(&c.fix),
                })
            })
            .collect();
        out.document(&json!({ "ok": well, "checks": list }))?;
    } else {
        for c in checks {
            out.line(&format!("{:<4}  {:<14} {}", c.level.as_str(), c.name, c.found))?;
            if c.level > Level::Ok {
                out.line(&format!("      fix: {}", c.fix))?;
            }
        }
    }
    Ok(if well { Ending::Done } else { Ending::Failed })
}
