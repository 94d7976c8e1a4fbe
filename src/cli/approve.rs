//! `approve`, `reject`: a person's yes or no to one plan hash, written beside a running agent.

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    app::commands::{answer, find_plan},
    boot::{self, Role},
    domain::plan::PlanHash,
    ports::Clock,
};

/// Runs it.
pub async fn run(args: &args::Args, answer_: &args::Answer, yes: bool, out: &Output) -> Ended {
    let context = context::open(args)?;
    let text = match (&answer_.plan, &answer_.file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => PlanHash::of(&context::read_file(path)?).to_string(),
        (None, None) => String::new(),
    };
    let store = context.store(Role::Commands).await?;
    let row = find_plan(&store, &text).await.map_err(|e| {
        let mut failure = Failure::from(e);
        if answer_.file.is_some() {
            "no plan has the hash of this file: it was changed, or made by another installation"
                .clone_into(&mut failure.what);
            failure.ending = Ending::NotApproved;
        }
        failure
    })?;
    let by = answer_.by.clone().unwrap_or_else(context::user);
    let (_, clock, _) = boot::outside(&context.account).await?;
    answer(&store, clock.now(), &row, &by, &answer_.note, yes).await?;
    let verb = if yes { "approved" } else { "rejected" };
    if out.json {
        out.document(&serde_json::json!({ "plan": row.hash.as_str(), "answer": verb, "by": by }))?;
    } else {
        out.line(&format!("{verb} plan {} as {by}", row.hash.plan_id()))?;
    }
    Ok(Ending::Done)
}
