//! Rate limits: a decaying score per account, hourly use-case counts, mutations per second, and the headers that tell
//! of them.
//!
//! Marketing API, "Rate limiting": a read costs 1, a write 3; the score decays over 300 s; 60 points on the limited
//! tier, 9 000 on the full one. Use-case limits are counted per rolling hour. Calls that concern no account (`/me`,
//! `/debug_token`) count for the app alone.

use std::collections::VecDeque;

use super::{errors::Refusal, num, options::Tier};
use crate::domain::{HOUR_MS, Moment};

/// Calls of the last hour, and the block that stands.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    tier: Tier,
    calls: VecDeque<Counted>,
    blocked: Moment,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    at: Moment,
    kind: Use,
    cost: i64,
}

/// What a call counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Insights,
    Management,
    /// Of no account.
    App,
}

const WINDOW_MS: i64 = 300_000;
/// Points of a write.
const WRITE: i64 = 3;
/// Mutations per second and account.
const MUTATIONS: usize = 100;
/// Calls an app with one user may make in an hour, for the percentages of `x-app-usage`.
const APP_HOURLY: f64 = 20_000.0;
const MANY: &str =
    "There have been too many calls from this ad-account. Please wait a bit and try again.";

impl Usage {
    pub(super) fn new(tier: Tier) -> Self {
        Self { tier, calls: VecDeque::new(), blocked: Moment::from_millis(i64::MIN) }
    }
    /// Counts a call.
    pub(super) fn count(&mut self, now: Moment, kind: Use, write: bool) {
        self.calls.push_back(Counted { at: now, kind, cost: if write { WRITE } else { 1 } });
        while self.calls.front().is_some_and(|c| now.since(c.at) >= HOUR_MS) {
            self.calls.pop_front();
        }
    }
    /// Points of the account that have not yet decayed; each decays evenly over the window.
    pub(super) fn score(&self, now: Moment) -> f64 {
        let weight = |at: Moment| 1.0 - num::float(now.since(at)) / num::float(WINDOW_MS);
        let fresh = self.calls.iter().rev().take_while(|c| now.since(c.at) < WINDOW_MS);
        let own = fresh.filter(|c| c.kind != Use::App);
        own.map(|c| num::float(c.cost) * weight(c.at)).sum()
    }
    fn maximum(&self) -> f64 {
        if self.tier == Tier::Full { 9_000.0 } else { 60.0 }
    }
    fn pause(&self) -> i64 {
        if self.tier == Tier::Full { 60_000 } else { 300_000 }
    }
    fn hourly(&self, now: Moment, kind: Use) -> i64 {
        let fresh = self.calls.iter().filter(|c| now.since(c.at) < HOUR_MS);
        fresh.filter(|c| c.kind == kind).map(|c| c.cost).sum()
    }
    fn quota(&self, kind: Use, ads: i64) -> i64 {
        match (kind, self.tier) {
            (Use::Insights, Tier::Full) => 190_000 + 400 * ads,
            (Use::Insights, Tier::Limited) => 600 + 400 * ads,
            (_, Tier::Full) => 100_000 + 40 * ads,
            (_, Tier::Limited) => 300 + 40 * ads,
        }
    }
    /// Minutes until enough calls of a use case have left the hour; 0 = not full.
    fn regain(&self, now: Moment, kind: Use, ads: i64) -> i64 {
        let mut over = self.hourly(now, kind) - self.quota(kind, ads);
        if over < 0 {
            return 0;
        }
        let own = self.calls.iter().filter(|c| c.kind == kind && now.since(c.at) < HOUR_MS);
        for call in own {
            over -= call.cost;
            if over < 0 {
                return (HOUR_MS - now.since(call.at)) / 60_000 + 1;
            }
        }
        60
    }
    /// Refuses a call beyond the limits; calling on while blocked prolongs the block.
    pub(super) fn admit(
        &mut self,
        now: Moment,
        kind: Use,
        write: bool,
        ads: i64,
    ) -> Result<(), Refusal> {
        if kind == Use::App {
            return Ok(());
        }
        if now < self.blocked || self.score(now) >= self.maximum() {
            self.blocked = now.plus(self.pause());
            let refusal = if write {
                Refusal::new(613, format!("(#613) {MANY}")).sub(1_487_742)
            } else {
                Refusal::new(17, "(#17) User request limit reached").sub(2_446_079)
            };
            return Err(refusal.saying("Ad account has too many API calls", MANY));
        }
        if self.regain(now, kind, ads) > 0 {
            let code = if kind == Use::Insights { 80_000 } else { 80_004 };
            let text = format!(
                "(#{code}) There have been too many calls to this ad-account. Wait a bit and try again. For more \
                 info, please refer to https://developers.facebook.com/docs/graph-api/overview/rate-limiting."
            );
            return Err(Refusal::new(code, text).sub(2_446_079));
        }
        let second = self.calls.iter().rev().take_while(|c| now.since(c.at) < 1_000);
        if write && second.filter(|c| c.cost == WRITE).count() >= MUTATIONS {
            let text = "(#613) Calls to this api have exceeded the rate limit.";
            let user = "There are too many mutations per second for this ad account.";
            return Err(Refusal::new(613, text).sub(5_044_001).saying("Too many calls", user));
        }
        Ok(())
    }
    /// The headers of an answer.
    pub(super) fn headers(&self, now: Moment, account: &str, ads: i64) -> Vec<(String, String)> {
        let percent =
            |part: f64, whole: f64| num::float(num::round(part / whole * 10_000.0)) / 100.0;
        let tier = if self.tier == Tier::Full { "standard_access" } else { "development_access" };
        let blocked_s = (self.blocked.millis().saturating_sub(now.millis()).max(0) + 999) / 1_000;
        let score = percent(self.score(now), self.maximum()).min(100.0);
        let account_pct = if blocked_s > 0 { 100.0 } else { score };
        let all: i64 = self.calls.iter().map(|c| c.cost).sum();
        let whole = |x: f64| num::round(x.ceil()).min(100);
        let case = |kind: Use, name: &str| {
            let quota = num::float(self.quota(kind, ads));
            let used = whole(percent(num::float(self.hourly(now, kind)), quota));
            let regain = self.regain(now, kind, ads).max((blocked_s + 59) / 60);
            format!(
                r#"{{"ads_api_access_tier":"{tier}","call_count":{used},"estimated_time_to_regain_access":{regain},"total_cputime":{used},"total_time":{used},"type":"{name}"}}"#
            )
        };
        let cases: Vec<String> =
            [(Use::Insights, "ads_insights"), (Use::Management, "ads_management")]
                .into_iter()
                .filter(|(kind, _)| self.hourly(now, *kind) > 0)
                .map(|(kind, name)| case(kind, name))
                .collect();
        let cases = cases.join(",");
        let app = whole(percent(num::float(all), APP_HOURLY));
        let app_pct = num::float(app);
        let reset = if blocked_s > 0 {
            blocked_s
        } else {
            i64::from(account_pct > 0.0) * WINDOW_MS / 1_000
        };
        // Every answer carries them, so they are spelled out: words of ours and numbers need no escaping.
        [
            (
                "x-app-usage",
                format!(r#"{{"call_count":{app},"total_cputime":{app},"total_time":{app}}}"#),
            ),
            (
                "x-ad-account-usage",
                format!(
                    r#"{{"acc_id_util_pct":{account_pct:?},"ads_api_access_tier":"{tier}","reset_time_duration":{reset}}}"#
                ),
            ),
            ("x-business-use-case-usage", format!(r#"{{"{account}":[{cases}]}}"#)),
            (
                "x-fb-ads-insights-throttle",
                format!(
                    r#"{{"acc_id_util_pct":{account_pct:?},"ads_api_access_tier":"{tier}","app_id_util_pct":{app_pct:?}}}"#
                ),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_score_decays_and_the_limited_tier_blocks_at_sixty_points() {
        let mut usage = Usage::new(Tier::Limited);
        let start = Moment::from_millis(0);
        for _ in 0..20 {
            usage.admit(start, Use::Management, true, 1).unwrap();
            usage.count(start, Use::Management, true);
        }
        let refused = usage.admit(start, Use::Management, false, 1).unwrap_err();
        assert_eq!((refused.code, refused.subcode), (17, Some(2_446_079)));
        let write = usage.admit(start, Use::Management, true, 1).unwrap_err();
        assert_eq!((write.code, write.subcode), (613, Some(1_487_742)));
        assert!(
            usage.admit(start, Use::App, false, 1).is_ok(),
            "the account is blocked, not the app"
        );
        let early = start.plus(299_000);
        assert!(usage.admit(early, Use::Management, false, 1).is_err(), "blocked for 300 s");
        let late = start.plus(700_000);
        assert!(usage.admit(late, Use::Management, false, 1).is_ok());
    }

    #[test]
    fn the_full_tier_takes_nine_thousand_points_and_blocks_for_a_minute() {
        let mut usage = Usage::new(Tier::Full);
        let start = Moment::from_millis(0);
        for _ in 0..3_000 {
            usage.count(start, Use::Management, true);
        }
        assert_eq!(usage.admit(start, Use::Insights, false, 1).unwrap_err().code, 17);
        let headers = usage.headers(start, "7", 1);
        let account: Value = serde_json::from_str(&headers[1].1).unwrap();
        assert_eq!(
            (&account["acc_id_util_pct"], &account["reset_time_duration"]),
            (&json!(100.0), &json!(60))
        );
        assert!(usage.admit(start.plus(59_000), Use::Insights, false, 1).is_err());
        // The second try made the block longer; of the score 60 % are left when it ends.
        assert!(usage.admit(start.plus(120_000), Use::Insights, false, 1).is_ok());
    }

    #[test]
    fn quotas_of_use_cases_grow_with_the_ads_that_are_on() {
        let (limited, full) = (Usage::new(Tier::Limited), Usage::new(Tier::Full));
        assert_eq!(
            (limited.quota(Use::Insights, 7), limited.quota(Use::Management, 7)),
            (3_400, 580)
        );
        assert_eq!(
            (full.quota(Use::Insights, 7), full.quota(Use::Management, 7)),
            (192_800, 100_280)
        );
    }

    #[test]
    fn a_full_use_case_tells_the_minutes_until_access_is_regained() {
        let mut usage = Usage::new(Tier::Limited);
        let start = Moment::from_millis(0);
        // 340 points in an hour with one ad, spread so thin that the score stays low.
        for n in 0..340 {
            usage.count(start.plus(n * 10_000), Use::Management, false);
        }
        let now = start.plus(3_400_000);
        let refused = usage.admit(now, Use::Management, false, 1).unwrap_err();
        assert_eq!(refused.code, 80_004);
        assert_eq!(usage.regain(now, Use::Management, 1), 4);
        assert!(usage.admit(now, Use::Insights, false, 1).is_ok(), "another use case");
        let headers = usage.headers(now, "7", 1);
        let cases: Value = serde_json::from_str(&headers[2].1).unwrap();
        assert_eq!(cases["7"][0]["estimated_time_to_regain_access"], 4);
        assert!(usage.admit(start.plus(3_620_000), Use::Management, false, 1).is_ok());
    }
}
