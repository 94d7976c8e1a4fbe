//! Rate limits: a decaying score per account, hourly use-case counts, and the headers that tell of them.
//!
//! Marketing API, "Rate limiting": a read costs 1, a write 3; the score decays over 300 s; 60 points on the limited
//! tier, 9 000 on the full one. Use-case limits are counted per rolling hour.

use std::collections::VecDeque;

use serde_json::json;

use super::{errors::Refusal, num, options::Tier};
use crate::domain::{HOUR_MS, Moment};

/// Calls of the last hour.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    tier: Tier,
    calls: VecDeque<(Moment, Use, i64)>,
    blocked: Moment,
}

/// What a call counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Insights,
    Management,
}

const WINDOW_MS: i64 = 300_000;

impl Usage {
    pub(super) fn new(tier: Tier) -> Self {
        Self { tier, calls: VecDeque::new(), blocked: Moment::from_millis(i64::MIN) }
    }
    /// Counts a call.
    pub(super) fn count(&mut self, now: Moment, kind: Use, cost: i64) {
        self.calls.push_back((now, kind, cost));
        while self.calls.front().is_some_and(|(at, _, _)| now.since(*at) > HOUR_MS) {
            self.calls.pop_front();
        }
    }
    fn score(&self, now: Moment) -> f64 {
        let weight = |at: Moment| 1.0 - num::float(now.since(at)) / num::float(WINDOW_MS);
        let fresh = self.calls.iter().filter(|(at, _, _)| now.since(*at) < WINDOW_MS);
        fresh.map(|(at, _, cost)| num::float(*cost) * weight(*at)).sum()
    }
    fn maximum(&self) -> f64 {
        if self.tier == Tier::Full { 9_000.0 } else { 60.0 }
    }
    fn hourly(&self, kind: Use) -> i64 {
        self.calls.iter().filter(|(_, k, _)| *k == kind).map(|(_, _, c)| c).sum()
    }
    fn quota(&self, kind: Use, ads: i64) -> i64 {
        match (kind, self.tier) {
            (Use::Insights, Tier::Full) => 190_000 + 400 * ads,
            (Use::Insights, Tier::Limited) => 600 + 400 * ads,
            (Use::Management, Tier::Full) => 100_000 + 40 * ads,
            (Use::Management, Tier::Limited) => 300 + 40 * ads,
        }
    }
    /// Refuses a call beyond the limits; calling on while blocked prolongs the block.
    pub(super) fn admit(&mut self, now: Moment, kind: Use, ads: i64) -> Result<(), Refusal> {
        let pause = if self.tier == Tier::Full { 60_000 } else { 300_000 };
        if now < self.blocked || self.score(now) >= self.maximum() {
            self.blocked = now.plus(pause);
            return Err(Refusal::new(17, "(#17) User request limit reached").sub(2_446_079).saying(
                "Ad account has too many API calls",
                "There have been too many calls from this ad-account. Please wait a bit and try again.",
            ));
        }
        if self.hourly(kind) >= self.quota(kind, ads) {
            let code = if kind == Use::Insights { 80_000 } else { 80_004 };
            let text = format!(
                "(#{code}) There have been too many calls to this ad-account. Wait a bit and try again. For more \
                 info, please refer to https://developers.facebook.com/docs/graph-api/overview/rate-limiting."
            );
            return Err(Refusal::new(code, text).sub(2_446_079));
        }
        Ok(())
    }
    /// The headers of an answer.
    pub(super) fn headers(&self, now: Moment, account: &str, ads: i64) -> Vec<(String, String)> {
        let percent =
            |part: f64, whole: f64| num::float(num::round(part / whole * 10_000.0)) / 100.0;
        let tier = if self.tier == Tier::Full { "standard_access" } else { "development_access" };
        let account_pct = percent(self.score(now), self.maximum()).min(100.0);
        let regain = i64::from(now < self.blocked) * ((self.blocked.since(now) / 60_000) + 1);
        let all: i64 = self.calls.iter().map(|(_, _, c)| c).sum();
        let whole = |x: f64| num::round(x.ceil()).min(100);
        let cases: Vec<_> = [(Use::Insights, "ads_insights"), (Use::Management, "ads_management")]
            .into_iter()
            .filter(|(kind, _)| self.hourly(*kind) > 0)
            .map(|(kind, name)| {
                let used = whole(percent(
                    num::float(self.hourly(kind)),
                    num::float(self.quota(kind, ads)),
                ));
                json!({"type": name, "call_count": used, "total_cputime": used, "total_time": used,
                       "estimated_time_to_regain_access": regain, "ads_api_access_tier": tier})
            })
            .collect();
        let app = whole(percent(num::float(all), 20_000.0));
        let reset = i64::from(account_pct > 0.0) * WINDOW_MS / 1000;
        let values = [
            ("x-app-usage", json!({"call_count": app, "total_time": app, "total_cputime": app})),
            (
                "x-ad-account-usage",
                json!({"acc_id_util_pct": account_pct, "reset_time_duration": reset, "ads_api_access_tier": tier}),
            ),
            ("x-business-use-case-usage", json!({ account: cases })),
            (
                "x-fb-ads-insights-throttle",
                json!({"app_id_util_pct": num::float(app), "acc_id_util_pct": account_pct, "ads_api_access_tier": tier}),
            ),
        ];
        values.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_decays_and_the_limited_tier_blocks_at_sixty_points() {
        let mut usage = Usage::new(Tier::Limited);
        let start = Moment::from_millis(0);
        for _ in 0..20 {
            usage.admit(start, Use::Management, 1).unwrap();
            usage.count(start, Use::Management, 3);
        }
        let refused = usage.admit(start, Use::Management, 1).unwrap_err();
        assert_eq!((refused.code, refused.subcode), (17, Some(2_446_079)));
        assert!(usage.admit(start.plus(299_000), Use::Management, 1).is_err(), "blocked for 300 s");
        assert!(usage.admit(start.plus(700_000), Use::Management, 1).is_ok());
    }
}
