//! How long the token still lives, said in time.

use serde::{Deserialize, Serialize};

use crate::{
    app::{Desk, Result},
    domain::{
        DAY_MS, Moment,
        policy::{Isolation, Policy},
    },
    ports::{Clock, MetaRead, Record, Store, StoreError, meta::TokenInfo},
};

/// Days before its end at which a token is warned of, once each.
pub const WARN_DAYS: [i64; 4] = [14, 7, 3, 1];
/// The note that remembers what was found last.
const NOTE: &str = "token";

/// Permissions the agent needs under a policy: the fewest that do.
pub fn needed(policy: &Policy) -> Vec<&'static str> {
    let mut needed = vec!["ads_read", "ads_management"];
    if policy.compare.isolation == Isolation::AdStudy {
        needed.push("business_management");
    }
    needed
}

/// What was found when the token was looked at last. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenNote {
    /// When it was looked at.
    pub seen_at: Moment,
    /// Usable then.
    pub valid: bool,
    /// `USER`, `SYSTEM_USER`, …
    pub kind: String,
    /// When it ends; None = never, or not told.
    pub expires_at: Option<Moment>,
    /// The agent renews it by itself.
    pub renewable: bool,
    /// The smallest of [`WARN_DAYS`] that was warned at.
    pub warned_days: Option<i64>,
}

impl TokenNote {
    /// The warning that is due at `now`, in one sentence.
    pub fn warning(&self, now: Moment) -> Option<String> {
        if !self.valid {
            return Some("the token is not valid any more: run `rungwise login`".to_owned());
        }
        let end = self.expires_at?;
        let step = step(end, now)?;
        let left = end.since(now);
        if left <= 0 {
            return Some(format!("the token ended at {end}: run `rungwise login`"));
        }
        let days = left.div_euclid(DAY_MS);
        let cure = if self.renewable {
            "its renewal has not succeeded so far: see the log"
        } else {
            "run `rungwise login` before"
        };
        let less =
            if days == 0 { "in less than a day".to_owned() } else { format!("in {days} days") };
        tracing::trace!(step, "token warning");
        Some(format!("the token ends {less}, at {end}: {cure}"))
    }
}

/// The smallest of [`WARN_DAYS`] that has been reached.
fn step(end: Moment, now: Moment) -> Option<i64> {
    let left = end.since(now);
    WARN_DAYS.into_iter().filter(|days| left <= days * DAY_MS).min()
}

/// What was found last, if anything.
pub async fn last<S: Store>(store: &S) -> Result<Option<TokenNote>> {
    let Some(text) = store.note(NOTE).await? else { return Ok(None) };
    let read = serde_json::from_str(&text)
        .map_err(|e| StoreError::Document { what: "note token".to_owned(), why: e.to_string() })?;
    Ok(Some(read))
}

/// Looks at the token, remembers what it found, and warns where a threshold has been passed since the last look.
pub async fn watch<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
) -> Result<Option<String>> {
    let info = desk.meta.token().await?;
    note(desk, &info).await
}

async fn note<S: Store, R, C: Clock>(
    desk: Desk<'_, S, R, C>,
    info: &TokenInfo,
) -> Result<Option<String>> {
    let now = desk.clock.now();
    let before = last(desk.store).await?;
    let reached = info.expires_at.and_then(|end| step(end, now));
    let warned = before
        .as_ref()
        .filter(|n| n.expires_at == info.expires_at && n.valid == info.valid)
        .and_then(|n| n.warned_days);
    let found = TokenNote {
        seen_at: now,
        valid: info.valid,
        kind: info.kind.clone(),
        expires_at: info.expires_at,
        renewable: info.renewable,
        warned_days: reached.into_iter().chain(warned).min(),
    };
    let news = reached.is_some() && reached != warned || !info.valid;
    let warning = found.warning(now).filter(|_| news);
    let value = serde_json::to_string(&found).expect("a note has only text keys");
    desk.store.commit(vec![Record::Note { key: NOTE.to_owned(), value }]).await?;
    if let Some(text) = &warning {
        tracing::warn!("{text}");
    }
    Ok(warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(days_left: i64, renewable: bool) -> (TokenNote, Moment) {
        let now = Moment::from_millis(1_780_000_000_000);
        let note = TokenNote {
            seen_at: now,
            valid: true,
            kind: "USER".into(),
            expires_at: Some(now.plus(days_left * DAY_MS)),
            renewable,
            warned_days: None,
        };
        (note, now)
    }

    #[test]
    fn each_threshold_speaks_and_nothing_before_it() {
        for (days, wanted) in [
            (15, None),
            (14, Some(14)),
            (8, Some(14)),
            (7, Some(7)),
            (3, Some(3)),
            (2, Some(3)),
            (1, Some(1)),
            (0, Some(1)),
            (-3, Some(1)),
        ] {
            let (note, now) = found(days, false);
            assert_eq!(step(note.expires_at.unwrap(), now), wanted, "{days} days left");
            assert_eq!(note.warning(now).is_some(), wanted.is_some(), "{days} days left");
        }
        let (mut never, now) = found(1, false);
        never.expires_at = None;
        assert_eq!(never.warning(now), None);
        never.valid = false;
        assert!(never.warning(now).unwrap().contains("not valid"));
    }

    #[test]
    fn what_is_to_be_done_depends_on_who_renews() {
        let (person, now) = found(5, false);
        assert!(person.warning(now).unwrap().contains("in 5 days"));
        assert!(person.warning(now).unwrap().contains("rungwise login"));
        let (system, now) = found(5, true);
        assert!(system.warning(now).unwrap().contains("renewal"));
    }
}
