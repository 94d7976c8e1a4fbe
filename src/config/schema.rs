//! Which keys exist. A key outside this table is an error, so that a slip of the pen never becomes a default.

/// What a key takes. Only what a parser must know beforehand stands here; ranges are checked where the key is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Number,
    Bool,
    List,
    IntList,
    Secret,
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

use Kind::{Bool, Int, IntList, List, Number, Secret, Text};

pub(super) const KEYS: &[Key] = &[
    key("account.id", Text),
    key("account.time_zone", Text),
    key("account.currency", Text),
    key("mode.level", Text),
    key("ladder.preset", Text),
    key("ladder.objective", Text),
    key("ladder.rungs", List),
    key("limits.max_daily_spend", Text),
    key("limits.max_spend_per_climb", Text),
    key("limits.max_regret_per_climb", Text),
    key("limits.max_step", Text),
    key("limits.max_weekly_spend", Text),
    key("limits.writes_per_hour", Int),
    key("limits.writes_per_day", Int),
    key("gates.micro_events_per_week", Int),
    key("gates.micro_probability", Number),
    key("gates.macro_events_per_week", Int),
    key("gates.micro_descend_below", Int),
    key("gates.macro_descend_below", Int),
    key("gates.untested_below", Int),
    key("gates.tested_below", Int),
    key("gates.placement_events_per_week", Int),
    key("gates.rung_change_gap", Text),
    key("gates.min_expected_conversions", Int),
    key("compare.rule", Text),
    key("compare.window", Text),
    key("compare.max_window", Text),
    key("compare.margin", Number),
    key("compare.promote_at", Number),
    key("compare.promote_at_last", Number),
    key("compare.stay_at", Number),
    key("compare.isolation", Text),
    key("compare.budget_mode", Text),
    key("compare.allowance", Number),
    key("compare.settle", Text),
    key("stabilising.min", Text),
    key("stabilising.max", Text),
    key("stabilising.max_cost_cv", Number),
    key("warming.min", Text),
    key("warming.max", Text),
    key("warming.events", Int),
    key("shifting.step", Number),
    key("shifting.gap", Text),
    key("shifting.max_steps_per_week", Int),
    key("shifting.worsen_margin", Number),
    key("retry.after", Text),
    key("retry.volume_factor", Number),
    key("placement.judged_by", Text),
    key("placement.loss_weight", Number),
    key("placement.horizon", Text),
    key("placement.first_look", Text),
    key("placement.look_every", Text),
    key("placement.watch", Text),
    key("probation.looks", IntList),
    key("probation.baseline", Text),
    key("probation.revert_at", Number),
    key("probation.proven_at", Number),
    key("approval.expires", Text),
    key("approval.quorum", Int),
    key("stop.pause_challengers", Bool),
    key("value_guard.enabled", Bool),
    key("value_guard.max_fall", Number),
    key("value_guard.probability", Number),
    key("freshness.insights", Text),
    key("freshness.token_margin", Text),
    key("protect.names", List),
    key("marker.prefix", Text),
    key("lines.scope", Text),
    key("lines.campaigns", List),
    key("api.base_url", Text),
    key("api.version", Text),
    key("api.app_id", Text),
    key("api.token", Secret),
    key("api.token_file", Text),
    key("api.app_secret", Secret),
    key("api.app_secret_file", Text),
    key("api.timeout", Text),
    key("schedule.pull", Text),
    key("schedule.decide", Text),
    key("schedule.watch", Text),
    key("schedule.reconcile", Text),
    key("schedule.audit_events", Text),
    key("schedule.verify_audit", Text),
    key("schedule.backup", Text),
    key("schedule.check_token", Text),
    key("store.dir", Text),
    key("store.keep_backups", Int),
    key("audit.key", Secret),
    key("audit.key_file", Text),
    key("audit.heads_file", Text),
    key("secrets.key", Secret),
    key("secrets.key_file", Text),
    key("log.level", Text),
    key("log.format", Text),
];

/// Tables whose keys the user names; their values are text.
pub(super) const FREE: [&str; 2] = ["blackout", "ladder.action_types"];
/// Tables of the whole installation, which a file of one account may not hold.
pub(super) const MACHINE: [&str; 4] = ["store", "audit", "secrets", "log"];

/// The kind of a key, standing in the table or in a free table.
pub(super) fn kind(name: &str) -> Option<Kind> {
    let (table, _) = name.rsplit_once('.')?;
    if FREE.contains(&table) {
        return Some(Text);
    }
    KEYS.iter().find(|key| key.name == name).map(|key| key.kind)
}

pub(super) fn is_secret(name: &str) -> bool {
    kind(name) == Some(Secret)
}

/// True when keys or tables may stand under `name`.
pub(super) fn is_table(name: &str) -> bool {
    let under = |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    FREE.iter().any(|free| *free == name || under(free)) || KEYS.iter().any(|k| under(k.name))
}

/// `RUNGWISE_COMPARE_WINDOW` for `compare.window`.
pub(super) fn variable(name: &str) -> String {
    format!("RUNGWISE_{}", name.replace('.', "_").to_uppercase())
}

/// What the user may have meant by an unknown key or table.
pub(super) fn suggestion(unknown: &str) -> String {
    let (table, last) = unknown.rsplit_once('.').unwrap_or(("", unknown));
    let siblings = KEYS.iter().filter_map(|key| match key.name.rsplit_once('.') {
        Some((own, name)) if own == table => Some(name),
        _ => None,
    });
    let tables = KEYS.iter().filter_map(|key| key.name.rsplit_once('.')).map(|(own, _)| own);
    let near =
        if table.is_empty() { nearest(last, tables.chain(FREE)) } else { nearest(last, siblings) };
    if let Some(near) = near {
        return format!("did you mean '{near}'?");
    }
    let elsewhere = KEYS.iter().filter_map(|key| key.name.rsplit_once('.'));
    let homes: Vec<&str> = elsewhere.filter(|(_, n)| *n == last).map(|(own, _)| own).collect();
    match homes.as_slice() {
        [home] => format!("'{last}' belongs to [{home}]"),
        _ => "`rungwise config default` lists every key".to_owned(),
    }
}

/// The known variable nearest to an unknown one.
pub(super) fn variable_suggestion(unknown: &str) -> Option<String> {
    let known: Vec<String> = KEYS.iter().map(|key| variable(key.name)).collect();
    nearest(unknown, known.iter().map(String::as_str)).map(|near| format!("did you mean {near}?"))
}

/// The spelling nearest to `text`, if one is near enough to be a slip.
pub(super) fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (text.chars().count() / 3).clamp(1, 3);
    known.map(|k| (distance(text, k), k)).filter(|(d, _)| *d <= allowed).min().map(|(_, k)| k)
}

/// Edits (insert, delete, replace, swap neighbours) from one text to the other: optimal string alignment.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replace = rows[i][j] + usize::from(x != y);
            let mut best = replace.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        assert_eq!(suggestion("compare.windw"), "did you mean 'window'?");
        assert_eq!(suggestion("compare.marign"), "did you mean 'margin'?");
        assert_eq!(suggestion("limits.step"), "'step' belongs to [shifting]");
        assert_eq!(suggestion("compar"), "did you mean 'compare'?");
        assert_eq!(suggestion("shedule"), "did you mean 'schedule'?");
        assert!(suggestion("compare.zzz").contains("config default"));
        assert_eq!(
            variable_suggestion("RUNGWISE_LIMITS_MAX_DALY_SPEND").unwrap(),
            "did you mean RUNGWISE_LIMITS_MAX_DAILY_SPEND?"
        );
    }

    #[test]
    fn no_two_keys_share_a_variable() {
        let names: std::collections::BTreeSet<String> =
            KEYS.iter().map(|k| variable(k.name)).collect();
        assert_eq!(names.len(), KEYS.len());
    }
}
