//! What keeps a long outage from becoming a storm of calls.
//!
//! When a read has failed through all its tries without any answer of Meta's, the line is taken to be down: for five
//! minutes nothing is asked at all, then one read is let through without repeats. Its answer, whatever it says, ends
//! the outage; silence begins another five minutes. Repeats of reads are also limited as a whole, to a tenth of what
//! was sent.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::error::plain;
use crate::{
    domain::Moment,
    ports::{MetaClass, MetaError},
};

/// Between two probes of a line that is down, in milliseconds.
const PROBE_MS: i64 = 300_000;

/// Whether the line is down, and when it may be tried again.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<Moment>>);

impl Outage {
    /// True when the read is a probe of a line that was down; an error while it must not be tried.
    pub(super) fn may_ask(&self, what: &str, now: Moment) -> Result<bool, MetaError> {
        let mut down = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = *down else { return Ok(false) };
        if now < next {
            let left = next.since(now);
            let detail = format!("Meta did not answer; the next try is in {} s", left / 1_000);
            let mut error = plain(MetaClass::NotSent, what, detail);
            error.wait_ms = Some(left);
            return Err(error);
        }
        // Whoever else asks meanwhile waits for what this probe learns.
        *down = Some(now.plus(PROBE_MS));
        Ok(true)
    }
    /// What came of a read, after all its tries.
    pub(super) fn learn(&self, error: Option<&MetaError>, now: Moment) {
        // A page of a gateway or silence; whatever has a code came from Meta itself.
        let silent = error.is_some_and(|e| {
            e.code.is_none()
                && e.wait_ms.is_none()
                && matches!(e.class, MetaClass::NotSent | MetaClass::Lost | MetaClass::Transient)
        });
        let mut down = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *down = silent.then(|| now.plus(PROBE_MS));
    }
}

/// Repeats in proportion to what is sent at all.
#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    sent: AtomicU64,
    repeated: AtomicU64,
}

/// Repeats that are always free: a short run would have none otherwise.
const FREE: u64 = 20;

impl RetryBudget {
    /// A request goes out.
    pub(super) fn sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }
    /// Takes one repeat, if there is any left.
    pub(super) fn allows(&self) -> bool {
        let most = FREE + self.sent.load(Ordering::Relaxed) / 10;
        self.repeated
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1))
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_line_is_probed_once_in_five_minutes_until_it_answers() {
        let outage = Outage::default();
        let at = |s: i64| Moment::from_millis(s * 1_000);
        let silence = plain(MetaClass::Lost, "r", "timed out");
        assert_eq!(outage.may_ask("r", at(0)), Ok(false));
        outage.learn(Some(&silence), at(60));
        let probes = (60..7_260).filter(|s| {
            let asked = outage.may_ask("r", at(*s)) == Ok(true);
            if asked {
                outage.learn(Some(&silence), at(*s));
            }
            asked
        });
        assert_eq!(probes.count(), 23, "two hours");
        assert_eq!(outage.may_ask("r", at(9_000)), Ok(true));
        assert!(outage.may_ask("r", at(9_001)).is_err(), "one at a time");
        let mut refusal = plain(MetaClass::Refused, "r", "no");
        refusal.code = Some(100);
        outage.learn(Some(&refusal), at(9_002));
        assert_eq!(outage.may_ask("r", at(9_003)), Ok(false), "a refusal is an answer");
    }

    #[test]
    fn repeats_stay_within_a_tenth() {
        let budget = RetryBudget::default();
        for _ in 0..1_000 {
            budget.sent();
        }
        assert_eq!((0..500).filter(|_| budget.allows()).count(), 120);
    }
}
