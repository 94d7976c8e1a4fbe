//! Which step met which fault, and which never can.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::{
    ports::{Method, Request},
    sandbox::{Focus, Meets, fault_kinds},
};

/// Steps that read, by what they ask for.
const READS: [(&str, bool); 11] = [
    ("read account", false),
    ("read campaigns", true),
    ("read ad sets", true),
    ("read ads", true),
    ("read insights", true),
    ("read rules", true),
    ("read activities", true),
    ("read studies", true),
    ("read batch", false),
    ("read token", false),
    ("read object", false),
];
/// Steps that write.
const WRITES: [&str; 9] = [
    "create campaign",
    "create ad set",
    "create ad",
    "create rule",
    "create study",
    "set status",
    "set budget",
    "set bound",
    "delete rule",
];

/// Names the step a request belongs to.
pub fn step(request: &Request) -> &'static str {
    let tail = request.path.rsplit('/').next().unwrap_or_default();
    if request.method == Method::Delete {
        return "delete rule";
    }
    // Several reads in one request; writes are never sent so.
    if tail.is_empty() {
        return "read batch";
    }
    let reads = request.method == Method::Get || tail == "insights";
    if reads {
        return match tail {
            "campaigns" => "read campaigns",
            "adsets" => "read ad sets",
            "ads" => "read ads",
            "insights" => "read insights",
            "adrules_library" => "read rules",
            "activities" => "read activities",
            "ad_studies" => "read studies",
            "debug_token" => "read token",
            _ if tail.starts_with("act_") => "read account",
            _ => "read object",
        };
    }
    let has = |name: &str| request.form.iter().any(|(n, _)| n == name);
    match tail {
        "campaigns" => "create campaign",
        "adsets" => "create ad set",
        "ads" => "create ad",
        "adrules_library" => "create rule",
        "ad_studies" => "create study",
        _ if has("status") => "set status",
        _ if has("daily_budget") => "set budget",
        _ => "set bound",
    }
}

/// Hits per step and fault, and how often each step was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    steps: BTreeMap<&'static str, u64>,
    cells: BTreeMap<(&'static str, &'static str), u64>,
    events: BTreeMap<&'static str, u64>,
    stood: BTreeMap<(&'static str, bool), u64>,
    gates: BTreeMap<String, u64>,
}

/// In one story of four, faults meet what is rare elsewhere: split tests, half budgets, ends and caps.
pub(super) const fn is_about_rare_steps(seed: u64) -> bool {
    seed % 4 == 2
}

/// In how many of a hundred a story's own fault meets a step: elsewhere, and in a story about rare steps.
fn percent(step: &str, rare: bool) -> u32 {
    let (elsewhere, there) = match step {
        // Many stories never take these.
        "create study" | "set bound" => (25, 90),
        "create rule" => (25, 80),
        // Every climb takes these several times.
        "set status" | "create ad set" | "create ad" => (8, 16),
        _ if WRITES.contains(&step) => (25, 40),
        "read activities" => (1, 8),
        _ => (1, 1),
    };
    if rare { there } else { elsewhere }
}

/// What a story is about: each step has one kind of fault that meets it more often than the mix says; seeds in a row go
/// through all kinds.
pub fn focus(seed: u64) -> Vec<Focus> {
    let rare = is_about_rare_steps(seed);
    // Drawn apart: what a story is like otherwise follows from its seed, too, so that a kind that came with every so
    // many seeds would meet stories of one sort only.
    let turn = if rare { Pcg64Mcg::seed_from_u64(seed ^ 0x0f0_c05).random() } else { seed };
    let steps = READS.iter().map(|(name, _)| *name).chain(WRITES);
    let mut out = Vec::new();
    for (n, step) in steps.enumerate() {
        let kinds: Vec<&str> =
            fault_kinds().map(|k| k.name).filter(|kind| impossible(step, kind).is_none()).collect();
        let turn = turn.wrapping_add(7_u64.wrapping_mul(u64::try_from(n).unwrap_or(0)));
        let count = u64::try_from(kinds.len()).unwrap_or(1).max(1);
        let at = usize::try_from(turn % count).unwrap_or(0);
        let percent = percent(step, rare);
        out.extend(kinds.get(at).map(|kind| Focus { step, kind, percent }));
    }
    out
}

/// Why a step can never meet a fault, if it cannot.
pub fn impossible(step: &str, fault: &str) -> Option<&'static str> {
    let write = WRITES.contains(&step);
    let kind = fault_kinds().find(|kind| kind.name == fault)?;
    let list = READS.iter().any(|(name, list)| *name == step && *list);
    let edit = step.starts_with("set ");
    match kind.meets {
        Meets::Lists if !list => return Some("only a list has pages"),
        Meets::Edits if !edit => return Some("only an edit is answered without an id or a value"),
        Meets::Amounts if !(edit || matches!(step, "create campaign" | "create ad set")) => {
            return Some("it has no amount, end or schedule that could be kept otherwise");
        }
        _ => {}
    }
    if !write && kind.on_read == 0 {
        return Some("a read applies nothing");
    }
    (write && kind.on_write == 0).then_some("only a list has pages")
}

impl Coverage {
    /// A step was taken and met this, or nothing.
    pub fn count(&mut self, step: &'static str, fault: Option<&'static str>) {
        let one = self.steps.entry(step).or_insert(0);
        *one = one.saturating_add(1);
        if let Some(fault) = fault {
            let cell = self.cells.entry((step, fault)).or_insert(0);
            *cell = cell.saturating_add(1);
        }
    }
    /// Something else went wrong: a crash, an edit by a person, …
    pub fn event(&mut self, kind: &'static str) {
        let n = self.events.entry(kind).or_insert(0);
        *n = n.saturating_add(1);
    }
    /// A climb stood in a state at the end of a pass, on hold or not.
    pub fn stood(&mut self, state: &'static str, held: bool) {
        let n = self.stood.entry((state, held)).or_insert(0);
        *n = n.saturating_add(1);
    }
    /// A decision found a gate closed.
    pub fn closed(&mut self, gate: &str) {
        let n = self.gates.entry(gate.to_owned()).or_insert(0);
        *n = n.saturating_add(1);
    }
    /// Where climbs stood at the ends of passes, and which gates kept decisions from starting anything.
    pub fn waits(&self) -> (BTreeMap<String, u64>, &BTreeMap<String, u64>) {
        let named = |((state, held), n): (&(&'static str, bool), &u64)| {
            let name = if *held { format!("{state}, on hold") } else { (*state).to_owned() };
            (name, *n)
        };
        (self.stood.iter().map(named).collect(), &self.gates)
    }
    /// Takes the counts of another story in.
    pub fn merge(&mut self, other: &Self) {
        for (step, n) in &other.steps {
            *self.steps.entry(step).or_insert(0) += n;
        }
        for (cell, n) in &other.cells {
            *self.cells.entry(*cell).or_insert(0) += n;
        }
        for (event, n) in &other.events {
            *self.events.entry(event).or_insert(0) += n;
        }
        for (state, n) in &other.stood {
            *self.stood.entry(*state).or_insert(0) += n;
        }
        for (gate, n) in &other.gates {
            *self.gates.entry(gate.clone()).or_insert(0) += n;
        }
    }
    /// Cells that something can hit and fewer than `least` hits have.
    pub fn thin_cells(&self, least: u64) -> usize {
        self.table().iter().filter(|(_, _, hits)| hits.is_some_and(|n| n < least)).count()
    }
    /// Hits by kind of fault, and other trouble by kind.
    pub fn by_kind(&self) -> BTreeMap<&'static str, u64> {
        let mut out = self.events.clone();
        for ((_, fault), n) in &self.cells {
            *out.entry(fault).or_insert(0) += n;
        }
        out
    }
    /// Every cell: step, fault, hits; None where it is impossible.
    pub fn table(&self) -> Vec<(&'static str, &'static str, Option<u64>)> {
        let steps = READS.iter().map(|(name, _)| *name).chain(WRITES);
        let cells = steps.flat_map(|step| fault_kinds().map(move |kind| (step, kind.name)));
        let hits = |step, fault| self.cells.get(&(step, fault)).copied().unwrap_or(0);
        cells
            .map(|(step, fault)| {
                (step, fault, impossible(step, fault).is_none().then(|| hits(step, fault)))
            })
            .collect()
    }
    /// Possible cells nothing has hit yet.
    pub fn empty_cells(&self) -> usize {
        self.table().iter().filter(|(_, _, hits)| *hits == Some(0)).count()
    }
    /// How often each step was taken.
    pub fn steps(&self) -> &BTreeMap<&'static str, u64> {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_loop_and_only_writes_are_applied_in_spite_of_a_fault() {
        assert!(impossible("read object", "page_loop").is_some());
        assert!(impossible("read campaigns", "page_loop").is_none());
        assert!(impossible("read campaigns", "server_error_applied").is_some());
        assert!(impossible("create ad", "server_error_applied").is_none());
        assert!(impossible("create ad", "page_loop").is_some());
    }

    #[test]
    fn a_hit_fills_its_cell() {
        let mut coverage = Coverage::default();
        let before = coverage.empty_cells();
        coverage.count("create ad", Some("timeout_after"));
        assert_eq!(coverage.empty_cells(), before - 1);
        assert_eq!(coverage.by_kind().get("timeout_after"), Some(&1));
    }
}
