//! Typed values into a [`Policy`], with everything that must hold between keys.

use std::collections::{BTreeMap, BTreeSet};

use super::{ConfigError, reader::Reader};
use crate::domain::{
    CampaignId, Currency, CustomConversionId, HOUR_MS, Ladder, Objective, Policy, Rung,
    policy::{
        Approval, Blackout, BudgetMode, Compare, Freshness, Gates, Isolation, JudgedBy, Limits,
        Lines, Mode, Pattern, Placement, Probation, Retry, RuleName, Shifting, Stabilising, Stop,
        ValueGuard, Warming, WriteCaps,
    },
    rung::EVENTS,
};

const ODAX: &[&str] = &["OUTCOME_SALES", "OUTCOME_LEADS", "OUTCOME_ENGAGEMENT", "OUTCOME_TRAFFIC"];
const LIMITS: [&str; 3] =
    ["limits.max_daily_spend", "limits.max_spend_per_climb", "limits.max_regret_per_climb"];
/// Longest marker prefix: names are limited, and the marker also carries its key.
const MAX_PREFIX: usize = 12;
/// No period in a policy is longer than a year.
const YEAR: u32 = 366;

pub(super) fn policy(read: &Reader<'_>) -> Result<Policy, ConfigError> {
    Ok(Policy {
        mode: read.choice("mode.level", Mode::NAMES, Mode::parse)?,
        ladder: ladder(read)?,
        limits: limits(read)?,
        writes: WriteCaps {
            per_hour: read.int("limits.writes_per_hour", 1, 1_000)?,
            per_day: read.int("limits.writes_per_day", 1, 10_000)?,
        },
        gates: gates(read)?,
        compare: compare(read)?,
        stabilising: stabilising(read)?,
        warming: warming(read)?,
        shifting: shifting(read)?,
        retry: Retry {
            after_days: read.days("retry.after", 1, YEAR)?,
            volume_factor: read.number("retry.volume_factor", 1.0, 10.0)?,
        },
        placement: placement(read)?,
        probation: Probation {
            look_days: read.ascending("probation.looks")?,
            baseline_days: read.days("probation.baseline", 7, YEAR)?,
            revert_at: read.number("probation.revert_at", 0.0, 1.0)?,
            proven_at: read.number("probation.proven_at", 0.0, 1.0)?,
        },
        approval: Approval {
            expires_ms: read.duration_ms("approval.expires")?,
            quorum: read.int("approval.quorum", 1, 10)?,
        },
        stop: Stop { pause_challengers: read.flag("stop.pause_challengers")? },
        value_guard: ValueGuard {
            enabled: read.flag("value_guard.enabled")?,
            max_fall: read.number("value_guard.max_fall", 0.0, 1.0)?,
            probability: read.number("value_guard.probability", 0.5, 1.0)?,
        },
        freshness: Freshness {
            insights_ms: read.duration_ms("freshness.insights")?,
            token_margin_days: read.days("freshness.token_margin", 1, 60)?,
        },
        blackouts: blackouts(read)?,
        protect: protect(read)?,
        marker_prefix: marker(read)?,
        lines: lines(read)?,
        unrehearsed: false,
    })
}

fn ladder(read: &Reader<'_>) -> Result<Ladder, ConfigError> {
    let names = &["ecommerce", "lead_gen", "custom"];
    let parse = |text: &str| names.contains(&text).then(|| text.to_owned());
    let preset = read.choice("ladder.preset", names, parse)?;
    let (mut ladder, mut at) = match Ladder::preset(&preset) {
        Some(_) if read.is_set("ladder.rungs") => {
            let hint = Some("set preset = \"custom\"".to_owned());
            return Err(read.refuse(
                "ladder.rungs",
                format!("has no effect with the preset {preset}"),
                hint,
            ));
        }
        Some(ladder) => (ladder, "ladder.preset"),
        None => (custom(read)?, "ladder.rungs"),
    };
    if read.is_set("ladder.objective") {
        let parse = |text: &str| ODAX.contains(&text).then(|| Objective::from(text));
        ladder.objective = read.choice("ladder.objective", ODAX, parse)?;
        if preset != "custom" {
            at = "ladder.objective";
        }
    }
    for (rung_key, key, action_type) in read.free("ladder.action_types")? {
        match ladder.rungs.iter_mut().find(|rung| rung.key == rung_key) {
            Some(rung) => action_type.clone_into(&mut rung.action_type),
            None => return Err(read.refuse(&key, "names a rung that is not on the ladder", None)),
        }
    }
    ladder.check().map_err(|source| ConfigError::Ladder { place: read.origin(at), source })?;
    Ok(ladder)
}

fn custom(read: &Reader<'_>) -> Result<Ladder, ConfigError> {
    for key in ["ladder.objective", "ladder.rungs"] {
        if !read.is_set(key) {
            let hint = "preset = \"custom\" needs 'objective' and 'rungs'".to_owned();
            return Err(ConfigError::Missing { key: key.to_owned(), hint });
        }
    }
    let rungs = read.texts("ladder.rungs")?.into_iter().map(|text| rung(read, text));
    let rungs = rungs.collect::<Result<Vec<_>, _>>()?;
    Ok(Ladder { name: "custom".to_owned(), objective: Objective::Sales, rungs })
}

/// `add_to_cart`, `custom:Quiz Finished`, `conversion:123` or `conversion:123:LEAD`.
fn rung(read: &Reader<'_>, text: &str) -> Result<Rung, ConfigError> {
    let refuse = |why: String, hint| Err(read.refuse("ladder.rungs", why, hint));
    if let Some(name) = text.strip_prefix("custom:") {
        if name.trim().is_empty() {
            return refuse(format!("holds {text:?}, which names no event"), None);
        }
        return Ok(Rung::custom_event(name.trim()));
    }
    if let Some(rest) = text.strip_prefix("conversion:") {
        let (id, kind) = rest.split_once(':').map_or((rest, None), |(id, kind)| (id, Some(kind)));
        return match CustomConversionId::new(id) {
            Ok(id) => Ok(Rung::custom_conversion(&id, kind)),
            Err(e) => refuse(format!("holds {text:?}: {e}"), None),
        };
    }
    let near = super::schema::nearest(text, EVENTS.iter().map(|event| event.key));
    let hint = near.map_or_else(
        || {
            "standard events are written like add_to_cart, others as custom:Name or conversion:ID"
                .to_owned()
        },
        |near| format!("did you mean '{near}'?"),
    );
    match Rung::standard(text) {
        Some(rung) => Ok(rung),
        None => refuse(format!("holds {text:?}, which is no standard event"), Some(hint)),
    }
}

fn limits(read: &Reader<'_>) -> Result<Option<Limits>, ConfigError> {
    let caps = LIMITS.map(|key| read.money(key));
    let [daily, spend, regret] = caps;
    let (daily, spend, regret) = (daily?, spend?, regret?);
    let max_step = read.money("limits.max_step")?;
    if daily.or(spend).or(regret).or(max_step).is_none() {
        return Ok(None);
    }
    let (Some(max_daily_spend), Some(max_spend_per_climb), Some(max_regret_per_climb)) =
        (daily, spend, regret)
    else {
        let missing = LIMITS.into_iter().find(|key| !read.is_set(key)).unwrap_or(LIMITS[0]);
        let hint =
            "the three caps go together: give all of them, or none to only observe".to_owned();
        return Err(ConfigError::Missing { key: missing.to_owned(), hint });
    };
    let max_weekly_spend = read.money("limits.max_weekly_spend")?;
    let limits = Limits {
        max_daily_spend,
        max_spend_per_climb,
        max_regret_per_climb,
        max_step,
        max_weekly_spend,
    };
    let currency = limits.currency();
    check_currency(read, currency, &format!("unlike limits.max_daily_spend ({currency})"))?;
    if max_regret_per_climb.minor() > max_spend_per_climb.minor() {
        let why = format!("is {max_regret_per_climb}, more than a climb may spend at all");
        return Err(read.refuse("limits.max_regret_per_climb", why, None));
    }
    Ok(Some(limits))
}

/// Refuses the first cap that is in another currency.
pub(super) fn check_currency(
    read: &Reader<'_>,
    currency: Currency,
    unlike: &str,
) -> Result<(), ConfigError> {
    for key in LIMITS.into_iter().chain(["limits.max_step", "limits.max_weekly_spend"]) {
        if let Some(cap) = read.money(key)?
            && cap.currency() != currency
        {
            return Err(read.refuse(key, format!("is in {}, {unlike}", cap.currency()), None));
        }
    }
    Ok(())
}

fn gates(read: &Reader<'_>) -> Result<Gates, ConfigError> {
    let gates = Gates {
        micro_events_per_week: read.int("gates.micro_events_per_week", 1, 10_000)?,
        micro_probability: read.number("gates.micro_probability", 0.5, 1.0)?,
        macro_events_per_week: read.int("gates.macro_events_per_week", 1, 10_000)?,
        micro_descend_below: read.int("gates.micro_descend_below", 0, 10_000)?,
        macro_descend_below: read.int("gates.macro_descend_below", 0, 10_000)?,
        untested_below: read.int("gates.untested_below", 0, 10_000)?,
        tested_below: read.int("gates.tested_below", 0, 10_000)?,
        placement_events_per_week: read.int("gates.placement_events_per_week", 1, 100_000)?,
        rung_change_gap_days: read.days("gates.rung_change_gap", 7, YEAR)?,
        min_expected_conversions: read.int("gates.min_expected_conversions", 1, 10_000)?,
    };
    let pairs = [
        ("gates.micro_descend_below", gates.micro_descend_below, gates.micro_events_per_week),
        ("gates.macro_descend_below", gates.macro_descend_below, gates.macro_events_per_week),
    ];
    for (key, down, up) in pairs {
        if down >= up {
            let why = format!(
                "is {down}, not below the {up} a week that a climb needs: a line would flap"
            );
            return Err(read.refuse(key, why, None));
        }
    }
    Ok(gates)
}

fn compare(read: &Reader<'_>) -> Result<Compare, ConfigError> {
    let compare = Compare {
        rule: read.choice("compare.rule", RuleName::NAMES, RuleName::parse)?,
        window_days: read.days("compare.window", 14, 84)?,
        max_window_days: read.days("compare.max_window", 14, 84)?,
        margin: read.number("compare.margin", 0.0, 1.0)?,
        promote_at: read.maybe_number("compare.promote_at", 0.5, 1.0)?,
        promote_at_last: read.maybe_number("compare.promote_at_last", 0.5, 1.0)?,
        stay_at: read.maybe_number("compare.stay_at", 0.0, 0.5)?,
        isolation: read.choice("compare.isolation", Isolation::NAMES, Isolation::parse)?,
        budget_mode: read.choice("compare.budget_mode", BudgetMode::NAMES, BudgetMode::parse)?,
        allowance_bp: read.share_bp("compare.allowance", 0.1, 1.0)?,
        settle_ms: read.duration_ms("compare.settle")?,
    };
    for (key, days) in
        [("compare.window", compare.window_days), ("compare.max_window", compare.max_window_days)]
    {
        if days % 7 != 0 {
            let why =
                format!("is {days}d, but looks need whole weeks so that weekdays mix equally");
            return Err(read.refuse(key, why, Some("write 14d, 21d, 28d …".to_owned())));
        }
    }
    if compare.window_days > compare.max_window_days {
        return Err(read.refuse("compare.window", "is longer than compare.max_window", None));
    }
    if compare.rule == RuleName::AlwaysValid && compare.promote_at_last.is_some() {
        return Err(read.refuse(
            "compare.promote_at_last",
            "has no meaning with the rule always_valid, whose odds are the same on every day",
            Some("set compare.promote_at, or leave both out".to_owned()),
        ));
    }
    if compare.settle_ms < 72 * HOUR_MS {
        return Err(read.refuse(
            "compare.settle",
            "is below 72h: figures of such days still move",
            None,
        ));
    }
    Ok(compare)
}

fn placement(read: &Reader<'_>) -> Result<Placement, ConfigError> {
    let placement = Placement {
        judged_by: read.choice("placement.judged_by", JudgedBy::NAMES, JudgedBy::parse)?,
        loss_weight: read.maybe_number("placement.loss_weight", 1.0, 100.0)?,
        horizon_days: read.days("placement.horizon", 28, YEAR)?,
        first_look_days: read.days("placement.first_look", 10, 60)?,
        look_every_days: read.days("placement.look_every", 1, 28)?,
        watch_days: read.days("placement.watch", 28, YEAR)?,
    };
    if placement.first_look_days >= placement.watch_days {
        return Err(read.refuse(
            "placement.first_look",
            "is not before placement.watch ends",
            None,
        ));
    }
    Ok(placement)
}

fn stabilising(read: &Reader<'_>) -> Result<Stabilising, ConfigError> {
    let min_days = read.days("stabilising.min", 7, YEAR)?;
    let max_days = read.days("stabilising.max", 7, YEAR)?;
    if min_days > max_days {
        return Err(read.refuse("stabilising.min", "is longer than stabilising.max", None));
    }
    let max_cost_cv = read.number("stabilising.max_cost_cv", 0.05, 2.0)?;
    Ok(Stabilising { min_days, max_days, max_cost_cv })
}

fn warming(read: &Reader<'_>) -> Result<Warming, ConfigError> {
    let min_days = read.days("warming.min", 1, 28)?;
    let max_days = read.days("warming.max", 1, 28)?;
    if min_days > max_days {
        return Err(read.refuse("warming.min", "is longer than warming.max", None));
    }
    Ok(Warming { min_days, max_days, events: read.int("warming.events", 1, 10_000)? })
}

/// The bounds are part of what the product promises, so a file can only tighten them.
fn shifting(read: &Reader<'_>) -> Result<Shifting, ConfigError> {
    let gap_ms = read.duration_ms("shifting.gap")?;
    if gap_ms < 48 * HOUR_MS {
        return Err(read.refuse(
            "shifting.gap",
            "is below 48h, the least between two raises",
            None,
        ));
    }
    Ok(Shifting {
        step_bp: read.share_bp("shifting.step", 0.01, 0.20)?,
        gap_ms,
        max_steps_per_week: read.int("shifting.max_steps_per_week", 1, 3)?,
        worsen_margin: read.number("shifting.worsen_margin", 0.0, 1.0)?,
    })
}

fn blackouts(read: &Reader<'_>) -> Result<BTreeMap<String, Blackout>, ConfigError> {
    let mut out = BTreeMap::new();
    for (name, key, text) in read.free("blackout")? {
        if text != "off" {
            let range =
                text.parse().map_err(|e| read.refuse(&key, format!("is wrong: {e}"), None))?;
            out.insert(name.to_owned(), range);
        }
    }
    Ok(out)
}

fn protect(read: &Reader<'_>) -> Result<Vec<Pattern>, ConfigError> {
    let key = "protect.names";
    let blank = || read.refuse(key, "holds a blank pattern", None);
    read.texts(key)?.into_iter().map(|text| Pattern::new(text).ok_or_else(blank)).collect()
}

fn marker(read: &Reader<'_>) -> Result<String, ConfigError> {
    let text = read.need_text("marker.prefix")?;
    let legal = text.len() <= MAX_PREFIX && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if legal {
        return Ok(text.to_owned());
    }
    Err(read.refuse("marker.prefix", format!("must be 1 to {MAX_PREFIX} letters or digits"), None))
}

fn lines(read: &Reader<'_>) -> Result<Lines, ConfigError> {
    let names = &["all_eligible", "listed"];
    let listed = |text: &str| names.contains(&text).then_some(text == "listed");
    let listed = read.choice("lines.scope", names, listed)?;
    let key = "lines.campaigns";
    let ids = read.texts(key)?.into_iter().map(CampaignId::new).collect::<Result<BTreeSet<_>, _>>();
    let ids = ids.map_err(|e| read.refuse(key, format!("is wrong: {e}"), None))?;
    match (listed, ids.is_empty()) {
        (false, true) => Ok(Lines::AllEligible),
        (true, false) => Ok(Lines::Campaigns(ids)),
        (true, true) => Err(read.refuse(
            key,
            "is empty, and nothing is not everything",
            Some("list campaign ids, or set lines.scope = \"all_eligible\"".to_owned()),
        )),
        (false, false) => Err(read.refuse(
            key,
            "has no effect with scope all_eligible",
            Some("set lines.scope = \"listed\"".to_owned()),
        )),
    }
}
