//! What is seen at the border as it happens: every commit before every send.
//!
//! The witness keeps its own [`Books`]. A write may leave only on a permit that a durable commit gave it in the same
//! life: the *began* link with the digest of that very request. Permits die with the process, so a request sent again on
//! the strength of an old intent shows at once. What must hold is judged by the rooms of [`super::law`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    books::{Books, body_text},
    law,
};
use crate::{
    domain::{Moment, plan::Template, policy::Policy, write_log::Entry},
    ports::Record,
    sandbox::{Edited, Standing},
};

/// Something that must never happen, happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// The seed of the story.
    pub seed: u64,
    /// What had gone wrong until then, oldest first.
    pub story: Vec<String>,
}

/// What a person authorised and what the account is, as the rehearsal itself set it up.
#[derive(Debug, Clone)]
pub struct Mandate {
    /// The mode writes at all.
    pub may_write: bool,
    /// Limit of the sum of daily budgets in minor units.
    pub daily_cap_minor: i64,
    /// Currency and zone of the account.
    pub account: (String, String),
    /// Texts that may stand in no record.
    pub secrets: Vec<String>,
    /// The policy in force, for steps and blackouts.
    pub policy: Option<Policy>,
}

impl Default for Mandate {
    fn default() -> Self {
        let account = ("EUR".to_owned(), "Europe/Berlin".to_owned());
        let secrets = Vec::new();
        Self { may_write: true, daily_cap_minor: i64::MAX, account, secrets, policy: None }
    }
}

#[derive(Debug, Clone)]
struct Permit {
    op_key: String,
    plan: String,
}

/// What other people have done to the account.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// When each field of each object was last touched.
    pub touched: BTreeMap<(String, String), Moment>,
    /// Objects they made, and when.
    pub made: BTreeMap<String, Moment>,
    /// Markers they moved, copied or removed.
    pub markers: BTreeSet<String>,
    /// They deleted or switched a rule.
    pub rules: bool,
    /// When they last moved budget, switch, end or event of something in a campaign.
    pub moved: BTreeMap<String, Moment>,
    /// Objects of a lost history that the product showed to a person after a restore.
    pub shown: BTreeSet<String>,
}

impl People {
    /// True for a campaign that they have switched, or were shown after a restore: that it runs is no news to them.
    pub fn know(&self, id: &str) -> bool {
        self.shown.contains(id) || self.touched.contains_key(&(id.to_owned(), "status".to_owned()))
    }
    /// True when anything of these objects was touched, or is of their making.
    pub fn touched_any(&self, ids: &BTreeSet<&str>) -> bool {
        self.touched.keys().any(|(id, _)| ids.contains(id.as_str()))
            || ids.iter().any(|id| self.made.contains_key(*id))
    }
}

/// A request on its way out, with what the world is like right now.
#[derive(Debug, Clone, Copy)]
pub struct Leaving<'a> {
    /// The request.
    pub template: &'a Template,
    /// Why it should not leave, when the kill switch is on.
    pub stopped: Option<&'a str>,
    /// Every object as it truly is.
    pub world: &'a [Standing],
    /// The world's time.
    pub now: Moment,
    /// Currency and zone as the account shows them.
    pub account: &'a (String, String),
    /// `account_status`.
    pub account_status: i64,
}

/// The witness of one story.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    seed: u64,
    story: Vec<String>,
    violations: Vec<Violation>,
    permits: BTreeMap<String, Vec<Permit>>,
    sent: BTreeMap<String, u32>,
    absent: BTreeMap<String, u32>,
    writes: u64,
    /// What the last request belonged to.
    pub(super) leaving: Option<(String, String)>,
    /// What was set up.
    pub mandate: Mandate,
    /// What was committed.
    pub books: Books,
    /// What others did.
    pub people: People,
    /// Objects that came into being by our requests.
    pub ours: BTreeSet<String>,
    /// Daily budget our writes have added, by climb, in minor units.
    pub added: BTreeMap<String, i64>,
    /// Which write of ours made an object.
    pub made: BTreeMap<String, String>,
    /// Writes that have changed something at Meta, whatever the answer was.
    pub happened: BTreeSet<String>,
    /// What writes came to, and when a breaker was closed.
    pub(super) breaker: law::order::Breaker,
    /// The agent has failed in a way that takes its autonomy, and no person has looked yet.
    pub distrusted: bool,
    /// How far the agent's clock is off, in milliseconds.
    pub skew_ms: i64,
    /// Daily budget that other people have taken from the campaigns of a climb, in minor units.
    pub lowered: BTreeMap<String, i64>,
    /// When our writes raised the budget of an object.
    pub raised: BTreeMap<String, Vec<Moment>>,
    /// Keys of writes that only a history which is lost has planned.
    pub lost: BTreeSet<String>,
    /// Writes this history knows, but of which only a lost one knew that they were read back.
    pub unproved: BTreeSet<String>,
    /// Some faults make a second, paused object of one write possible: reads that lag for longer than is waited for.
    pub blind: bool,
}

impl Witness {
    /// Nothing seen yet.
    pub fn new(seed: u64, mandate: Mandate) -> Self {
        Self { seed, mandate, ..Self::default() }
    }
    /// Adds to the story.
    pub fn tell(&mut self, at: Moment, what: impl AsRef<str>) {
        self.story.push(format!("{at} {}", what.as_ref()));
    }
    /// Names a violation; the same one is kept once.
    pub fn accuse(&mut self, invariant: &'static str, what: impl Into<String>) {
        debug_assert!(law::is_named(invariant), "{invariant} stands in no list");
        let what = what.into();
        let known = |v: &Violation| v.invariant == invariant && v.what == what;
        if !self.violations.iter().any(known) {
            let (seed, story) = (self.seed, self.story.clone());
            self.violations.push(Violation { invariant, what, seed, story });
        }
    }
    /// What was found, and what had gone wrong.
    pub fn into_parts(self) -> (Vec<Violation>, Vec<String>) {
        (self.violations, self.story)
    }
    /// True while nothing was found.
    pub fn is_content(&self) -> bool {
        self.violations.is_empty()
    }
    /// Writes sent so far.
    pub fn writes(&self) -> u64 {
        self.writes
    }
    /// What had happened so far.
    pub fn story(&self) -> &[String] {
        &self.story
    }

    /// The process died: what it was permitted to send, it can no longer send.
    pub fn died(&mut self) {
        self.permits.clear();
    }

    /// The history is again what it was when this witness was copied; `later` has seen what came of it since. What was
    /// found and what people did stays known; what this history does not know was not done by it. `world` is what stands.
    pub fn goes_back(&mut self, later: Self, world: &[Standing]) {
        let planned = |books: &Books| -> BTreeSet<String> {
            let actions = books.plans.values().flat_map(|p| &p.plan.actions);
            actions.map(|a| a.op_key.to_string()).collect()
        };
        let known = planned(&self.books);
        self.lost = later.lost;
        self.lost.extend(planned(&later.books).difference(&known).cloned());
        let proved = |books: &Books| -> BTreeSet<String> {
            let verified = books.writes.iter().filter(|(_, w)| w.verified);
            verified.map(|(key, _)| key.clone()).collect()
        };
        self.unproved = later.unproved;
        self.unproved.extend(proved(&later.books).difference(&proved(&self.books)).cloned());
        // What was in doubt when the copy was made may have been carried out.
        let begun = |key: &String| self.books.writes.contains_key(key);
        let made: Vec<_> = later.made.into_iter().filter(|(_, key)| begun(key)).collect();
        // What was edited, the lost history may have edited again; a rule that it deleted is in no list any more.
        let creates = |key: &String| self.books.writes.get(key).is_some_and(|w| w.creates);
        let stands = |id: &str| world.iter().any(|o| o.id == id);
        let deleted: BTreeSet<&String> =
            made.iter().filter(|(id, _)| !stands(id)).map(|(_, key)| key).collect();
        let before = std::mem::take(&mut self.happened).into_iter();
        let happened = before.chain(later.happened);
        self.happened = happened.filter(|key| creates(key) && !deleted.contains(key)).collect();
        self.ours.extend(made.iter().map(|(id, _)| id.clone()));
        self.made.extend(made);
        self.permits.clear();
        (self.story, self.violations, self.people) = (later.story, later.violations, later.people);
        (self.mandate, self.skew_ms, self.blind) = (later.mandate, later.skew_ms, later.blind);
        self.lowered = later.lowered;
    }

    /// Somebody else changed the account.
    pub fn people_edited(
        &mut self,
        at: Moment,
        edited: &Edited,
        before: &[Standing],
        after: &[Standing],
    ) {
        law::money::people_lowered(self, before, after);
        let world = || before.iter().chain(after);
        let markers = |id: &str| -> Vec<String> {
            let names = world().filter(|o| o.id == id).map(|o| o.name.as_str());
            names.filter_map(marked).map(str::to_owned).collect()
        };
        for (id, field) in &edited.touched {
            if field == "name" || field == "(object)" {
                self.people.markers.extend(markers(id));
                let made = self.books.maker_of(id).map(|(key, _)| key.clone());
                self.people.markers.extend(made);
            }
            let rule = world().any(|o| o.id == *id && o.kind == "adrule");
            self.people.rules |= rule || field == "(object)";
            self.people.touched.insert((id.clone(), field.clone()), at);
            let find = |world: &[Standing]| world.iter().find(|o| o.id == *id).cloned();
            let (was, is) = (find(before), find(after));
            let moves = was.as_ref().zip(is.as_ref()).is_some_and(|(a, b)| !spend_alike(a, b));
            if let Some(object) = is.filter(|_| moves) {
                let own = object.kind == "campaign";
                let campaign = if own { object.id } else { object.campaign };
                self.people.moved.insert(campaign, at);
            }
        }
        for id in &edited.created {
            self.people.markers.extend(markers(id));
            self.people.made.insert(id.clone(), at);
        }
    }

    /// A batch became durable.
    pub fn committed(&mut self, batch: &[Record]) {
        for record in batch {
            self.books.enter(record);
            if let Record::Entry { op_key, entry, .. } = record {
                self.entered(op_key.as_str(), *entry);
            }
            if let Record::Audit { kind, body, .. } = record
                && kind == "write_began"
            {
                self.began(body);
            }
            law::record::entered(self, record);
            law::order::entered(self, record);
        }
        let audited = |kind: &str| {
            batch.iter().any(|r| matches!(r, Record::Audit { kind: k, .. } if k == kind))
        };
        for record in batch {
            let Record::Entry { op_key, entry, .. } = record else { continue };
            let link = if *entry == Entry::Started { "write_began" } else { "write_ended" };
            if !audited(link) {
                self.accuse("every_entry_has_its_audit_link", format!("{op_key} {link}"));
            }
        }
    }

    fn entered(&mut self, op_key: &str, entry: Entry) {
        if entry != Entry::Started {
            // Once something is known about it, the permit is used up.
            for permits in self.permits.values_mut() {
                permits.retain(|p| p.op_key != op_key);
            }
        }
        if entry == Entry::FoundAbsent {
            let n = self.absent.entry(op_key.to_owned()).or_insert(0);
            *n = n.saturating_add(1);
        }
    }

    fn began(&mut self, body: &[u8]) {
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return self.accuse("audit_bodies_are_json", "write_began");
        };
        let permit = Permit { plan: body_text(&body, "plan"), op_key: body_text(&body, "op_key") };
        self.permits.entry(body_text(&body, "request_digest")).or_default().push(permit);
    }

    /// A write is about to leave.
    pub fn sends(&mut self, leaving: Leaving<'_>) {
        self.writes = self.writes.saturating_add(1);
        self.leaving = None;
        let template = leaving.template;
        let shown = format!("{} {}", template.method, template.path);
        if !self.mandate.may_write {
            self.accuse("dry_modes_write_nothing", &shown);
        }
        if let Some(why) = leaving.stopped {
            self.accuse("nothing_is_sent_while_stopped", format!("{shown} ({why})"));
        }
        let permit = self.permits.get_mut(&template.digest()).and_then(Vec::pop);
        let Some(permit) = permit else {
            return self.accuse("intent_and_audit_precede_the_send", shown);
        };
        let approved =
            self.books.plans.get(&permit.plan).is_some_and(|p| !p.yes.is_empty() && !p.rejected);
        if !approved {
            self.accuse("approval_precedes_the_write", format!("{shown} of plan {}", permit.plan));
        }
        let sent = self.sent.entry(permit.op_key.clone()).or_insert(0);
        *sent = sent.saturating_add(1);
        let allowed = self.absent.get(&permit.op_key).copied().unwrap_or(0).saturating_add(1);
        if *sent > allowed {
            let what = format!("{shown} (op {}) was sent {sent} times", permit.op_key);
            self.accuse("no_write_is_repeated_without_proof_of_absence", what);
        }
        law::order::leaving(self, leaving, &permit.op_key, &permit.plan);
        law::identity::leaving(self, leaving, &permit.op_key);
        law::money::leaving(self, leaving, &permit.op_key);
        self.leaving = Some((permit.op_key, permit.plan));
    }

    /// A write was carried out, or not, or (`clamped`) otherwise than it asked for: the world before and after it.
    pub fn applied(&mut self, now: Moment, before: &[Standing], after: &[Standing], clamped: bool) {
        let there: BTreeSet<&str> = before.iter().map(|o| o.id.as_str()).collect();
        let new = || after.iter().filter(|o| !there.contains(o.id.as_str()));
        self.ours.extend(new().map(|o| o.id.clone()));
        if let Some((op_key, _)) = &self.leaving {
            self.made.extend(new().map(|o| (o.id.clone(), op_key.clone())));
            let path = self.books.writes.get(op_key).map(|w| w.request.path.as_str());
            let changed = |o: &&Standing| {
                Some(o.id.as_str()) == path && before.iter().any(|b| b.id == o.id && b != *o)
            };
            if new().next().is_some() || !clamped && after.iter().any(|o| changed(&o)) {
                self.happened.insert(op_key.clone());
            }
        }
        law::money::applied(self, now, before, after);
    }

    /// How often the write of a key was sent.
    pub fn times_sent(&self, op_key: &str) -> u32 {
        self.sent.get(op_key).copied().unwrap_or(0)
    }
}

/// The same switch, budget, end and event.
fn spend_alike(a: &Standing, b: &Standing) -> bool {
    let of = |o: &Standing| (o.status.clone(), o.daily_budget, o.end_time, o.event.clone());
    of(a) == of(b)
}

/// The key in the marker of a name, e.g. `7Q2M…` of `Shop [rw:7Q2M…]`.
pub fn marked(name: &str) -> Option<&str> {
    let (_, tail) = name.rsplit_once("[rw:")?;
    tail.strip_suffix(']')
}
