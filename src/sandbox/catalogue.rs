//! Errors Meta is known to answer with, in its own words, so that any of them can be called up.
//!
//! What a rule of this world refuses says so itself (`laws`, `edits`, `usage`, …); the rest (outages, locks of the
//! account, limits of other products) has no cause in a rehearsal and is called up as a fault. Codes: Marketing API,
//! "Error codes" and "Rate limiting"; Graph API, "Handling errors"; Insights, "Error codes".

use std::sync::LazyLock;

use super::errors::Refusal;

/// One error as it is listed; title and text for the person may be empty.
struct Known {
    code: i64,
    subcode: i64,
    status: u16,
    message: &'static str,
    title: &'static str,
    user: &'static str,
}

/// Everything that is known by heart.
static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let lines = include_str!("errors.txt").lines().filter(|l| !l.starts_with('#'));
    lines.map(|line| parse(line).expect("a test reads every line")).collect()
});

fn parse(line: &'static str) -> Option<Known> {
    let mut parts = line.split('|').map(str::trim);
    let mut numbers = parts.next()?.split(' ');
    let (code, subcode) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    let (status, message) = (numbers.next()?.parse().ok()?, parts.next()?);
    let (title, user) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    Some(Known { code, subcode, status, message, title, user })
}

/// Every code and subcode that is known by heart (subcode 0 = none).
pub fn known_errors() -> impl Iterator<Item = (i64, i64)> {
    KNOWN.iter().map(|known| (known.code, known.subcode))
}

/// The refusal of a code and subcode: in Meta's words where they are known, else plain.
pub(super) fn called(code: i64, subcode: Option<i64>) -> Refusal {
    let wanted = subcode.unwrap_or(0);
    let found = KNOWN.iter().find(|k| k.code == code && k.subcode == wanted);
    let Some(Known { status, message, title, user, .. }) = found else {
        let mut refusal = Refusal::new(code, format!("(#{code}) An error occurred"));
        refusal.subcode = subcode;
        refusal.transient = matches!(code, 1 | 2);
        return refusal;
    };
    let mut refusal = Refusal::new(code, *message);
    refusal.subcode = subcode.filter(|s| *s != 0);
    refusal.status = *status;
    refusal.transient =
        matches!(code, 2 | -1 | -2 | -3) && wanted != 1_504_041 && wanted != 1_504_042;
    if (code, wanted) == (100, 33) {
        refusal.kind = "GraphMethodException";
    }
    if !user.is_empty() {
        refusal.title = Some(*title).filter(|t| !t.is_empty());
        refusal.user = Some((*user).to_owned());
    }
    // Validation blames a field; which form error_data has differs from rule to rule.
    if code == 100 && wanted > 1_000_000 {
        refusal.blame = Some(blamed(wanted).to_owned());
        refusal.open_data = wanted % 2 == 0;
    }
    refusal
}

fn blamed(subcode: i64) -> &'static str {
    match subcode {
        1_885_272 | 1_885_650 | 1_885_088 | 1_487_901 | 1_487_990 | 2_238_055 | 1_885_621 => {
            "daily_budget"
        }
        1_885_737 => "bid_strategy",
        1_815_857 => "bid_amount",
        2_446_307 => "spend_cap",
        3_260_011 => "promoted_object",
        3_858_079 => "dsa_beneficiary",
        3_858_081 => "dsa_payor",
        4_834_002..=4_834_011 | 3_858_418 => "is_adset_budget_sharing_enabled",
        1_487_033 | 1_885_204 => "start_time",
        1_504_018 | 1_487_534 => "time_range",
        2_490_408 => "optimization_goal",
        2_446_383 | 2_446_509 => "targeting",
        _ => "id",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_error_is_listed_once_and_comes_back_as_listed() {
        let all: Vec<(i64, i64)> = known_errors().collect();
        assert!(all.len() > 100, "{}", all.len());
        let unique: BTreeSet<(i64, i64)> = all.iter().copied().collect();
        assert_eq!(all.len(), unique.len());
        for (code, subcode) in all {
            let refusal = called(code, Some(subcode).filter(|s| *s != 0));
            assert_eq!((refusal.code, refusal.subcode.unwrap_or(0)), (code, subcode));
        }
    }

    #[test]
    fn error_data_comes_in_both_forms() {
        let form = |sub| called(100, Some(sub)).body("A")["error"]["error_data"].is_string();
        assert!(form(3_858_079) && !form(1_885_272));
    }
}
