//! The fault mix: what goes wrong on the way to an API that mostly works, drawn from a seed.
//!
//! Rates are per ten thousand requests. A seed may leave kinds out, so that rare combinations of the others get their
//! turn, and a *storm* multiplies all of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::faults::{Fault, Faults};
use crate::ports::Method;

/// Chance per ten thousand, on reads and on writes, of each kind.
const MIX: [(&str, u32, u32); 12] = [
    ("refused", 50, 50),
    ("lost_request", 50, 70),
    ("lost_reply", 30, 120),
    ("server_error", 200, 110),
    ("server_error_applied", 0, 70),
    ("throttled", 100, 30),
    ("throttled_applied", 0, 30),
    ("html", 20, 20),
    ("html_applied", 0, 10),
    ("truncated", 20, 20),
    ("page_loop", 100, 0),
    ("token", 5, 5),
];
/// Codes that mean too many calls: of the app, the user, the ad set, the account (Marketing API, "Rate limiting").
const THROTTLES: [(i64, Option<i64>); 5] = [
    (4, Some(1_504_022)),
    (17, Some(2_446_079)),
    (613, Some(1_487_742)),
    (80_000, None),
    (80_004, Some(2_446_079)),
];
/// Codes of a token that no longer works.
const TOKEN: [i64; 3] = [458, 460, 463];

/// The kinds of fault of the mix, each with whether it can meet a read and a write.
pub fn kinds() -> impl Iterator<Item = (&'static str, bool, bool)> {
    MIX.into_iter().map(|(kind, read, write)| (kind, read > 0, write > 0))
}

/// Draws faults. Clones share the stream, so that the holder of one can steer the one in the sandbox.
#[derive(Debug, Clone)]
pub struct FaultMix {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    rng: Pcg64Mcg,
    factor: u32,
    left_out: [bool; MIX.len()],
    token_dead: bool,
    last: Option<&'static str>,
}

impl FaultMix {
    /// The mix of a seed at its normal rates; kinds are left out with one chance in five each.
    pub fn new(seed: u64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let left_out = std::array::from_fn(|_| rng.random_ratio(1, 5));
        let inner = Inner { rng, factor: 1, left_out, token_dead: false, last: None };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Multiplies every rate from now on; 0 = nothing goes wrong.
    pub fn storm(&self, factor: u32) {
        self.lock().factor = factor;
    }
    /// From now on every request finds the token dead, or alive again.
    pub fn token_dead(&self, dead: bool) {
        self.lock().token_dead = dead;
    }
    /// The kind that struck the last request, once.
    pub fn take(&self) -> Option<&'static str> {
        self.lock().last.take()
    }
}

impl Inner {
    fn draw(&mut self, write: bool) -> Option<&'static str> {
        if self.token_dead {
            return Some("token");
        }
        let at: u32 = self.rng.random_range(0..10_000);
        let mut upto: u32 = 0;
        for ((kind, read_rate, write_rate), left_out) in MIX.into_iter().zip(self.left_out) {
            let rate = if write { write_rate } else { read_rate };
            upto = upto.saturating_add(if left_out { 0 } else { rate.saturating_mul(self.factor) });
            if at < upto {
                return Some(kind);
            }
        }
        None
    }
    fn fault(&mut self, kind: &str) -> Option<Fault> {
        Some(match kind {
            "refused" => Fault::Refused,
            "lost_request" => Fault::LostRequest,
            "lost_reply" => Fault::LostReply,
            "server_error" => Fault::ServerError { applied: false },
            "server_error_applied" => Fault::ServerError { applied: true },
            "throttled" | "throttled_applied" => {
                let (code, subcode) = THROTTLES[self.rng.random_range(0..THROTTLES.len())];
                Fault::Error { status: 400, code, subcode, applied: kind == "throttled_applied" }
            }
            "html" => Fault::Html { status: 502, applied: false },
            "html_applied" => Fault::Html { status: 200, applied: true },
            "truncated" => Fault::Truncated,
            "page_loop" => Fault::PageLoop,
            "token" => {
                let subcode = Some(TOKEN[self.rng.random_range(0..TOKEN.len())]);
                Fault::Error { status: 401, code: 190, subcode, applied: false }
            }
            _ => return None,
        })
    }
}

impl Faults for FaultMix {
    fn strike(&mut self, _n: u64, method: Method, path: &str) -> Option<Fault> {
        let write = method != Method::Get && !path.ends_with("/insights");
        let mut inner = self.lock();
        inner.last = inner.draw(write);
        let kind = inner.last?;
        inner.fault(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_faults_and_a_calm_draws_none() {
        let draw = |mix: FaultMix| {
            let mut mix = mix;
            (0..3_000).map(|n| mix.strike(n, Method::Post, "/v26.0/1")).collect::<Vec<_>>()
        };
        let one = draw(FaultMix::new(7));
        assert_eq!(one, draw(FaultMix::new(7)));
        assert_ne!(one, draw(FaultMix::new(8)));
        assert!(one.iter().any(Option::is_some));
        let calm = FaultMix::new(7);
        calm.storm(0);
        assert!(draw(calm).iter().all(Option::is_none));
    }

    #[test]
    fn every_kind_of_the_mix_has_a_fault_and_a_dead_token_meets_everything() {
        let mix = FaultMix::new(1);
        for (kind, ..) in kinds() {
            assert!(mix.lock().fault(kind).is_some(), "{kind}");
        }
        let mut mix = mix;
        mix.token_dead(true);
        for n in 0..50 {
            assert!(mix.strike(n, Method::Get, "/v26.0/me").is_some());
            assert_eq!(mix.take(), Some("token"));
        }
    }
}
