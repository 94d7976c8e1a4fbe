//! The fault mix: what goes wrong on the way to an API that mostly works, drawn from a seed.
//!
//! Rates are per ten thousand requests. A seed may leave kinds out, so that rare combinations of the others get their
//! turn; a *storm* multiplies all of them; an *outage* meets every request until it is over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::faults::{Fault, Faults};
use crate::ports::Method;

/// Which requests a kind of fault can meet at all, besides reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meets {
    /// Every request.
    All,
    /// Lists, which have pages.
    Lists,
    /// Creations and edits of campaigns and ad sets, which have amounts and ends that can be kept otherwise.
    Amounts,
    /// Edits, which are answered without an id.
    Edits,
}

/// One kind of fault.
#[derive(Debug, Clone, Copy)]
pub struct FaultKind {
    /// Its name.
    pub name: &'static str,
    /// Chance per ten thousand reads.
    pub on_read: u32,
    /// Chance per ten thousand writes.
    pub on_write: u32,
    /// Which requests it can meet.
    pub meets: Meets,
}

const fn any(name: &'static str, on_read: u32, on_write: u32) -> FaultKind {
    FaultKind { name, on_read, on_write, meets: Meets::All }
}
const fn list(name: &'static str) -> FaultKind {
    FaultKind { name, on_read: 25, on_write: 0, meets: Meets::Lists }
}

const MIX: [FaultKind; 29] = [
    any("refused", 50, 50),
    any("timeout_before", 50, 70),
    any("timeout_after", 30, 90),
    any("reset", 30, 50),
    any("server_error", 60, 40),
    any("server_error_applied", 0, 30),
    any("bare_5xx", 40, 20),
    any("bare_5xx_applied", 0, 20),
    any("code_1", 50, 25),
    any("code_1_applied", 0, 15),
    any("code_2", 50, 25),
    any("code_2_applied", 0, 15),
    any("throttled", 100, 30),
    any("throttled_applied", 0, 30),
    any("html", 10, 10),
    any("html_applied", 0, 10),
    any("empty", 10, 10),
    any("truncated", 10, 10),
    any("wrong_type", 10, 10),
    any("huge", 5, 5),
    FaultKind { name: "clamped", on_read: 0, on_write: 40, meets: Meets::Amounts },
    FaultKind { name: "ignored", on_read: 0, on_write: 30, meets: Meets::Edits },
    list("page_loop"),
    list("page_twice"),
    list("page_empty"),
    list("page_missing"),
    list("shuffled"),
    any("unauthorised", 6, 6),
    any("version", 2, 2),
];
/// Codes that mean too many calls: of the app, the user, the ad set, the account (Marketing API, "Rate limiting").
const THROTTLES: [(i64, Option<i64>); 5] = [
    (4, Some(1_504_022)),
    (17, Some(2_446_079)),
    (613, Some(1_487_742)),
    (80_000, None),
    (80_004, Some(2_446_079)),
];
/// A token that no longer works, a permission that is missing, a policy that forbids.
const UNAUTHORISED: [(u16, i64, Option<i64>); 9] = [
    (401, 190, Some(458)),
    (401, 190, Some(459)),
    (401, 190, Some(460)),
    (401, 190, Some(463)),
    (401, 190, Some(464)),
    (401, 190, Some(467)),
    (403, 10, None),
    (403, 200, None),
    (400, 368, Some(1_404_078)),
];

/// The kinds of fault of the mix.
pub fn kinds() -> impl Iterator<Item = FaultKind> {
    MIX.into_iter()
}

/// What every request meets for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// The token is dead.
    Token,
    /// The permission is gone.
    Permission,
    /// Writes break a policy.
    Policy,
    /// The API version has ended.
    Sunset,
    /// Nothing answers.
    Down,
}

/// A kind of fault that meets a step of the agent more often than the mix says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Focus {
    /// The step, in the words of whoever announces steps.
    pub step: &'static str,
    /// Name of the kind.
    pub kind: &'static str,
    /// In how many of a hundred.
    pub percent: u32,
}

/// Draws faults. Clones share the stream, so that the holder of one can steer the one in the sandbox.
#[derive(Debug, Clone)]
pub struct FaultMix {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Clone)]
struct Inner {
    rng: Pcg64Mcg,
    factor: u32,
    left_out: [bool; MIX.len()],
    outage: Option<Outage>,
    last: Option<&'static str>,
    focus: Vec<Focus>,
    step: Option<&'static str>,
}

impl FaultMix {
    /// The mix of a seed at its normal rates; kinds are left out with one chance in five each.
    pub fn new(seed: u64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let left_out = std::array::from_fn(|_| rng.random_ratio(1, 5));
        let inner = Inner {
            rng,
            factor: 1,
            left_out,
            outage: None,
            last: None,
            focus: Vec::new(),
            step: None,
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }
    /// Another mix that goes on where this one stands, and shares nothing with it.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { inner: Arc::new(Mutex::new(self.lock().clone())) }
    }
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Multiplies every rate from now on; 0 = nothing goes wrong.
    pub fn storm(&self, factor: u32) {
        self.lock().factor = factor;
    }
    /// From now on every request meets this, or nothing of the kind.
    pub fn outage(&self, outage: Option<Outage>) {
        self.lock().outage = outage;
    }
    /// From now on these kinds meet these steps more often, as far as anything goes wrong at all.
    pub fn aim(&self, focus: Vec<Focus>) {
        self.lock().focus = focus;
    }
    /// Which step the next request belongs to.
    pub fn next_is(&self, step: &'static str) {
        self.lock().step = Some(step);
    }
    /// The kind that struck the last request, once.
    pub fn take(&self) -> Option<&'static str> {
        self.lock().last.take()
    }
}

/// What a request is, as far as faults care.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "four independent questions about one request")]
struct Shape {
    write: bool,
    list: bool,
    amounts: bool,
    edit: bool,
}

impl Shape {
    fn of(method: Method, path: &str) -> Self {
        let tail = path.rsplit('/').next().unwrap_or_default();
        let report = tail == "insights";
        // Requests to the root are several reads in one.
        let batch = tail.is_empty();
        let write = method != Method::Get && !report && !batch;
        let object = !batch && tail.bytes().all(|b| b.is_ascii_digit());
        let edge =
            !object && !batch && !tail.starts_with("act_") && tail != "debug_token" && tail != "me";
        let edit = write && method == Method::Post && object;
        let amounts = write && (edit || matches!(tail, "campaigns" | "adsets"));
        Self { write, list: !write && edge, amounts, edit }
    }
    fn meets(self, kind: &FaultKind) -> bool {
        match kind.meets {
            Meets::All => true,
            Meets::Lists => self.list,
            Meets::Amounts => self.amounts,
            Meets::Edits => self.edit,
        }
    }
}

impl Inner {
    fn draw(&mut self, shape: Shape) -> Option<&'static str> {
        match self.outage {
            Some(Outage::Policy) if !shape.write => {}
            Some(Outage::Token | Outage::Permission | Outage::Policy) => {
                return Some("unauthorised");
            }
            Some(Outage::Sunset) => return Some("version"),
            Some(Outage::Down) => return Some("refused"),
            None => {}
        }
        let step = self.step.take();
        let aimed = self.focus.iter().find(|f| Some(f.step) == step).copied();
        if let Some(focus) = aimed.filter(|_| self.factor > 0)
            && self.rng.random_range(0..100) < focus.percent
        {
            return Some(focus.kind);
        }
        let at: u32 = self.rng.random_range(0..10_000);
        let mut upto: u32 = 0;
        for (kind, left_out) in MIX.iter().zip(self.left_out) {
            let rate = if shape.write { kind.on_write } else { kind.on_read };
            upto = upto.saturating_add(if left_out { 0 } else { rate.saturating_mul(self.factor) });
            if at < upto {
                return shape.meets(kind).then_some(kind.name);
            }
        }
        None
    }
    fn error(status: u16, code: i64, subcode: Option<i64>, applied: bool) -> Fault {
        Fault::Error { status, code, subcode, applied }
    }
    fn fault(&mut self, kind: &str) -> Option<Fault> {
        let applied = kind.ends_with("_applied");
        Some(match kind.trim_end_matches("_applied") {
            "refused" => Fault::Refused,
            "timeout_before" => Fault::LostRequest,
            "timeout_after" => Fault::LostReply,
            "reset" => Fault::Reset,
            "server_error" => Fault::ServerError { applied },
            "bare_5xx" => Fault::Bare { status: [500, 502, 503][self.pick(3)], applied },
            "code_1" => Self::error(500, 1, None, applied),
            "code_2" => Self::error(500, 2, None, applied),
            "throttled" => {
                let (code, subcode) = THROTTLES[self.pick(THROTTLES.len())];
                Self::error(400, code, subcode, applied)
            }
            "html" => Fault::Html { status: if applied { 200 } else { 502 }, applied },
            "empty" => Fault::Bare { status: 200, applied: true },
            "truncated" => Fault::Truncated,
            "wrong_type" => Fault::WrongType,
            "huge" => Fault::Huge,
            "clamped" => Fault::Clamped,
            "ignored" => Fault::Ignored,
            "page_loop" => Fault::PageLoop,
            "page_twice" => Fault::PageTwice,
            "page_empty" => Fault::PageEmpty,
            "page_missing" => Fault::PageMissing,
            "shuffled" => Fault::Shuffled,
            "unauthorised" => {
                let of = match self.outage {
                    Some(Outage::Token) => 0..6,
                    Some(Outage::Permission) => 6..8,
                    Some(Outage::Policy) => 8..9,
                    _ => 0..UNAUTHORISED.len(),
                };
                let (status, code, subcode) = UNAUTHORISED[self.rng.random_range(of)];
                Self::error(status, code, subcode, false)
            }
            "version" if self.outage.is_none() && self.rng.random_ratio(2, 3) => Fault::Warned,
            "version" => Self::error(400, 2635, None, false),
            _ => return None,
        })
    }
    fn pick(&mut self, of: usize) -> usize {
        self.rng.random_range(0..of)
    }
}

impl Faults for FaultMix {
    fn strike(&mut self, _n: u64, method: Method, path: &str) -> Option<Fault> {
        let mut inner = self.lock();
        inner.last = inner.draw(Shape::of(method, path));
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
    fn every_kind_of_the_mix_has_a_fault_and_an_outage_meets_everything() {
        let mix = FaultMix::new(1);
        for kind in kinds() {
            let applied = mix.lock().fault(kind.name).map(|f| f.applies());
            assert!(applied.is_some(), "{}", kind.name);
            assert!(!kind.name.ends_with("_applied") || applied == Some(true), "{}", kind.name);
        }
        for (outage, name) in [
            (Outage::Token, "unauthorised"),
            (Outage::Permission, "unauthorised"),
            (Outage::Sunset, "version"),
            (Outage::Down, "refused"),
        ] {
            let mut mix = mix.clone();
            mix.outage(Some(outage));
            for n in 0..50 {
                assert!(mix.strike(n, Method::Get, "/v26.0/me").is_some());
                assert_eq!(mix.take(), Some(name));
            }
        }
    }

    #[test]
    fn what_a_story_is_about_meets_its_step_and_no_other() {
        let mut mix = FaultMix::new(5);
        mix.storm(1);
        mix.aim(vec![Focus { step: "delete rule", kind: "huge", percent: 90 }]);
        let mut hits = |step: &'static str| {
            let strike = |n| {
                mix.next_is(step);
                mix.strike(n, Method::Delete, "/v26.0/77");
                mix.take()
            };
            (0..100).filter_map(strike).filter(|kind| *kind == "huge").count()
        };
        assert!(hits("delete rule") > 70);
        assert!(hits("set status") < 10);
    }

    #[test]
    fn pages_go_wrong_on_lists_only_and_amounts_on_what_has_them() {
        let mix = FaultMix::new(3);
        mix.storm(5);
        let struck = |method, path: &str| {
            let mut mix = mix.fork();
            let seen = (0..20_000).filter_map(|n| mix.strike(n, method, path)).collect::<Vec<_>>();
            assert!(!seen.is_empty());
            seen
        };
        let paged = |f: &Fault| matches!(f, Fault::PageLoop | Fault::Shuffled | Fault::PageTwice);
        assert!(!struck(Method::Get, "/v26.0/77").iter().any(paged));
        assert!(struck(Method::Get, "/v26.0/act_1/ads").iter().any(paged));
        assert!(!struck(Method::Post, "/v26.0/act_1/ads").contains(&Fault::Clamped));
    }
}
