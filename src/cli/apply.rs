//! `apply`: carries out what is approved, as far as it goes now.

use super::{Ended, Ending, Failure, args, context, output::Output, tick::report};
use crate::{
    app::{self, tick::Scope},
    ports::StopSwitch,
};

/// Runs it.
pub async fn run(args: &args::Args, out: &Output) -> Ended {
    let context = context::open(args)?;
    let (parts, _) = context.agent().await?;
    if let Some(why) = parts.switch.stopped() {
        let what = format!("writes are stopped: {why}");
        return Err(Failure::new(
            Ending::Stopped,
            what,
            "release them with `rungwise start --reason …`",
        ));
    }
    let Some(hands) = parts.hands() else {
        let (mode, why) = context.account.policy.effective_mode();
        let why = why.map_or_else(String::new, |w| format!(" ({w})"));
        return Err(Failure::new(
            Ending::NotApproved,
            format!("mode is {mode}{why}: it never writes to Meta"),
            "set mode.level = \"supervised\" and the [limits] to carry plans out",
        ));
    };
    context.check(&parts).await?;
    let user = context::user();
    let done = app::tick::tick(parts.desk(&user), Some(&hands), Scope { decide: false }).await?;
    parts.anchor().await?;
    report(&done, out)
}
