//! `init`: writes a first configuration file. It asks nothing of Meta and overwrites nothing.

use super::{Ended, Ending, Failure, args, output::Output};
use crate::{config, domain::AccountId};

/// Runs it.
pub fn run(args: &args::Args, init: &args::Init, out: &Output) -> Ended {
    let wanted = args.account.as_deref().ok_or_else(|| {
        let hint = "find it in Ads Manager's address bar: rungwise init --account act_1234567890";
        Failure::new(Ending::Usage, "which ad account?", hint)
    })?;
    let account = AccountId::new(wanted).map_err(|e| {
        Failure::new(Ending::Usage, e.to_string(), "an account is written act_1234567890")
    })?;
    let caps = [
        ("max_daily_spend", &init.max_daily_spend),
        ("max_spend_per_climb", &init.max_spend_per_climb),
        ("max_regret_per_climb", &init.max_regret_per_climb),
    ];
    let mut text = format!(
        "# Only what differs from the defaults; `rungwise config default` shows every key.\n\n\
         [account]\nid = \"{}\"\n\n[mode]\nlevel = \"propose\"   # the dry run: plans, but never a write\n\n[limits]\n",
        account.act()
    );
    for (key, value) in caps {
        let line = match value {
            Some(money) => format!("{key} = \"{}\"\n", money.replace(['"', '\\', '\n'], "")),
            None => {
                format!("# {key} = \"… EUR\"   # without the three caps Rungwise only observes\n")
            }
        };
        text.push_str(&line);
    }
    // The file must be one that the other commands accept.
    config::from_toml(&text, &[])?;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&init.to);
    let written = file.and_then(|mut f| std::io::Write::write_all(&mut f, text.as_bytes()));
    written.map_err(|e| {
        let what = format!("cannot write {}: {e}", init.to.display());
        Failure::new(
            Ending::CannotWrite,
            what,
            "choose another file with --to; nothing is ever overwritten",
        )
    })?;
    out.line(&format!("wrote {}", init.to.display()))?;
    out.line("next: rungwise login (or export RUNGWISE_API_TOKEN=…), then rungwise doctor")?;
    Ok(Ending::Done)
}
