//! What happens to an agent and its account between two passes, drawn from the seed; each class from a stream of its
//! own, so that a class can be left out without changing the others.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{
    RehearsalError,
    stage::{PERSON, Stage},
    tripwire::Side,
    wire::{Border, DiskTrouble},
};
use crate::{
    domain::{
        DAY_MS, HOUR_MS,
        climb::{Climb, Command, State},
        plan::PlanKind,
    },
    ports::Store,
    sandbox::{Edit, Outage},
};

/// A class of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Faults on the wire.
    Wire,
    /// Storms and outages.
    Outages,
    /// Edits by people and by Meta's rules.
    Edits,
    /// Crashes and restarts.
    Crashes,
    /// Clocks and frozen processes.
    Clock,
    /// The disk.
    Disk,
    /// Meta's restatements, over-delivery and reviews.
    Market,
    /// Kill switch, commands, answers that do not come.
    Operator,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Wire,
        Self::Outages,
        Self::Edits,
        Self::Crashes,
        Self::Clock,
        Self::Disk,
        Self::Market,
        Self::Operator,
    ];
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Which classes happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classes(u8);

impl Classes {
    /// Everything goes wrong.
    pub const fn all() -> Self {
        Self(u8::MAX)
    }
    /// True when the class happens.
    pub const fn has(self, class: Class) -> bool {
        self.0 & class.bit() != 0
    }
    /// The same without a class.
    #[must_use]
    pub const fn without(self, class: Class) -> Self {
        Self(self.0 & !class.bit())
    }
    /// The classes that happen, in words.
    pub fn names(self) -> String {
        let left = Class::ALL.iter().filter(|c| self.has(**c));
        let names: Vec<String> = left.map(|c| format!("{c:?}").to_lowercase()).collect();
        if names.is_empty() { "no trouble at all".to_owned() } else { names.join(", ") }
    }
}

/// Until when what is broken stays broken, in passes.
#[derive(Debug, Default)]
struct Lasting {
    storm: u32,
    outage: u32,
    disabled: u32,
    stopped: u32,
    skew: u32,
    odd: u32,
    absent: u32,
}

/// The dice of one story.
pub(super) struct Nemesis {
    classes: Classes,
    streams: Vec<Pcg64Mcg>,
    /// For what happens at a chosen moment.
    aimed: Pcg64Mcg,
    lasting: Lasting,
    /// Edits a week, in thousandths.
    edits: i64,
    /// Outages begin with a lost answer.
    swallows: bool,
    /// The agent dies where money starts.
    deadly: bool,
}

/// In one story of eight, and not in those of old backups, outages begin with a lost answer.
const SWALLOWING: (u64, u64) = (8, 5);
/// In one story of four the agent dies where money starts, half of the time.
const DEADLY: (u64, u64) = (4, 1);

/// Edits a week in thousandths: of a busy account, and of one that people mostly leave to the agent.
const EDITS: (i64, i64) = (2_000, 500);

fn ends(left: &mut u32) -> bool {
    let was = *left;
    *left = was.saturating_sub(1);
    was == 1
}

impl Nemesis {
    /// `calm`: people edit less themselves.
    pub(super) fn new(seed: u64, classes: Classes, calm: bool) -> Self {
        let stream = |n: usize| {
            Pcg64Mcg::seed_from_u64(seed ^ 0x5709_11e5 ^ (u64::try_from(n).unwrap_or(0) << 40))
        };
        let streams = (0..Class::ALL.len()).map(stream).collect();
        let edits = if calm { EDITS.1 } else { EDITS.0 };
        let aimed = stream(Class::ALL.len());
        let swallows = seed % SWALLOWING.0 == SWALLOWING.1;
        let deadly = seed % DEADLY.0 == DEADLY.1;
        Self { classes, streams, aimed, lasting: Lasting::default(), edits, swallows, deadly }
    }
    fn dice(&mut self, class: Class) -> &mut Pcg64Mcg {
        let at = Class::ALL.iter().position(|c| *c == class).unwrap_or(0);
        &mut self.streams[at]
    }
    /// True when something of which there are `per_week_milli` thousandths a week happens within `ms`.
    fn happens(&mut self, class: Class, per_week_milli: i64, ms: i64) -> bool {
        let chance = per_week_milli.saturating_mul(ms) / (7 * DAY_MS);
        let drawn = self.dice(class).random_range(0..1_000);
        self.classes.has(class) && drawn < chance
    }
    fn draw(&mut self, class: Class, range: std::ops::Range<u32>) -> u32 {
        self.dice(class).random_range(range)
    }
    /// People do not answer these days.
    pub(super) const fn nobody_answers(&self) -> bool {
        self.lasting.absent > 0
    }
    /// The wire's own faults.
    pub(super) fn wire_factor(&self) -> u32 {
        u32::from(self.classes.has(Class::Wire))
    }

    /// Ends everything that lasts.
    pub(super) fn calm(&mut self, stage: &mut Stage) {
        let border = Arc::clone(&stage.border);
        border.mix.storm(0);
        border.mix.outage(None);
        border.world.set_account_status(1);
        border.world.show_odd_account(None);
        border.skew_ms.store(0, Relaxed);
        border.break_disk(DiskTrouble::Full, 0);
        border.freeze_in(-1);
        stage.go_again();
        self.lasting = Lasting::default();
    }

    fn recover(&mut self, stage: &Stage) {
        let border = &stage.border;
        if ends(&mut self.lasting.storm) {
            border.mix.storm(self.wire_factor());
        }
        if ends(&mut self.lasting.outage) {
            border.mix.outage(None);
        }
        if ends(&mut self.lasting.disabled) {
            border.world.set_account_status(1);
        }
        if ends(&mut self.lasting.stopped) {
            stage.go_again();
        }
        if ends(&mut self.lasting.skew) {
            border.skew_ms.store(0, Relaxed);
        }
        if ends(&mut self.lasting.odd) {
            border.world.show_odd_account(None);
        }
        ends(&mut self.lasting.absent);
    }

    /// What happens in the `ms` since the last pass.
    pub(super) async fn strike(
        &mut self,
        stage: &mut Stage,
        ms: i64,
    ) -> Result<(), RehearsalError> {
        self.recover(stage);
        let border = Arc::clone(&stage.border);
        self.outages(&border, ms);
        self.edits(&border, ms);
        self.market(&border, ms);
        self.clock(stage, ms);
        self.disk(&border, ms);
        self.operator(stage, ms).await?;
        if self.happens(Class::Crashes, 5_000, ms) {
            let side = [Side::Before, Side::Applied, Side::After, Side::ReplyLost];
            let side = side[usize::try_from(self.draw(Class::Crashes, 0..4)).unwrap_or(0)];
            border.trip.arm((u64::from(self.draw(Class::Crashes, 1..60)), side));
        }
        self.kill_an_activation(&border);
        Ok(())
    }

    fn kill_an_activation(&mut self, border: &Border) {
        let activates = |climb: &Climb| {
            climb.pending.as_ref().is_some_and(|pending| pending.kind == PlanKind::Activate)
        };
        let deadly = self.deadly && self.classes.has(Class::Crashes);
        if deadly
            && border.witness().books.climbs.values().any(activates)
            && self.aimed.random_ratio(1, 2)
        {
            let side = [Side::Applied, Side::After][self.aimed.random_range(0..2)];
            border.trip.arm((self.aimed.random_range(1..60), side));
        }
    }

    fn outages(&mut self, border: &Border, ms: i64) {
        let begins = self.swallows && self.classes.has(Class::Outages) && self.lasting.outage == 0;
        if begins
            && border.witness().books.in_doubt().next().is_some()
            && self.aimed.random_ratio(1, 3)
        {
            self.lasting.outage = self.aimed.random_range(2..6);
            border.mix.outage(Some(Outage::Down));
            border.happened("total_outage", "it swallowed an answer first");
        }
        if self.happens(Class::Outages, 700, ms) {
            self.lasting.storm = self.draw(Class::Outages, 1..4);
            border.mix.storm(10);
            border.happened("storm", "ten times the trouble");
        }
        if self.happens(Class::Outages, 300, ms) {
            let kinds = [
                (Outage::Token, "token_death"),
                (Outage::Permission, "permission_loss"),
                (Outage::Policy, "policy_block"),
                (Outage::Sunset, "version_sunset"),
                (Outage::Down, "total_outage"),
            ];
            let at = usize::try_from(self.draw(Class::Outages, 0..5)).unwrap_or(0);
            let (outage, name) = kinds[at];
            self.lasting.outage = self.draw(Class::Outages, 1..6);
            border.mix.outage(Some(outage));
            border.happened(name, "until further notice");
        }
        if self.happens(Class::Outages, 120, ms) {
            self.lasting.disabled = self.draw(Class::Outages, 1..6);
            border.world.set_account_status(2);
            border.happened("account_disabled", "account_status 2");
        }
    }

    fn edits(&mut self, border: &Border, ms: i64) {
        if self.happens(Class::Edits, self.edits, ms) {
            let kinds = u32::try_from(Edit::ALL.len()).unwrap_or(1);
            let at = usize::try_from(self.draw(Class::Edits, 0..kinds)).unwrap_or(0);
            let pick = self.dice(Class::Edits).random();
            let edit = Edit::ALL[at];
            let world = border.world.inventory();
            if let Some(edited) = border.world.edit_outside(edit, pick) {
                border.happened(edit.name(), &edited.what);
                let after = border.world.inventory();
                border.witness().people_edited(border.now(), &edited, &world, &after);
            }
        }
        // An agent that has never read the account cannot know that it was another.
        let known = !border.witness().books.climbs.is_empty();
        if self.happens(Class::Edits, 25, ms) && known {
            let zone = self.draw(Class::Edits, 0..2) == 0;
            let (currency, own) = border.world.shown_account();
            let odd =
                if zone { (currency.as_str(), "Pacific/Apia") } else { ("USD", own.as_str()) };
            border.world.show_odd_account(Some(odd));
            self.lasting.odd = self.draw(Class::Edits, 1..5);
            let name = if zone { "edit_zone_changed" } else { "edit_currency_changed" };
            border.happened(name, &format!("{odd:?}"));
        }
    }

    /// Somebody archives the incumbent of what the dead agent has just turned on, before it can take note that it did.
    pub(super) fn meddle_after_death(&mut self, border: &Border) {
        let before = border.world.inventory();
        let is_on = |id: &str| before.iter().any(|o| o.id == id && o.is_on());
        let unnoted = border.witness().books.climbs.values().find_map(|climb| match &climb.state {
            State::Cloning { challenger: Some(id), .. } if is_on(id.as_str()) => {
                Some(climb.incumbent.to_string())
            }
            _ => None,
        });
        let Some(id) = unnoted.filter(|_| self.classes.has(Class::Edits)) else { return };
        let meddles = self.aimed.random_ratio(1, 2);
        if meddles && border.archived_by_person(&id) {
            border.happened(Edit::CampaignArchived.name(), &format!("campaign {id}"));
        }
    }

    fn market(&mut self, border: &Border, ms: i64) {
        if self.happens(Class::Market, 1_000, ms) {
            let percent = self.draw(Class::Market, 70..101);
            let rows = border.world.restate(28, f64::from(percent) / 100.0);
            border.happened("restated", &format!("{rows} rows to {percent} %"));
        }
        if self.happens(Class::Market, 10, ms) {
            let factor = self.draw(Class::Market, 2..11);
            border.world.lose_pace(f64::from(factor));
            border.happened("over_delivery", &format!("{factor} times the budget today"));
        }
        if self.happens(Class::Market, 100, ms) {
            let ads: Vec<String> = border
                .world
                .inventory()
                .into_iter()
                .filter(|o| o.kind == "ad" && o.is_there())
                .map(|o| o.id)
                .collect();
            let count = u32::try_from(ads.len()).unwrap_or(0);
            if count > 0 {
                let at = usize::try_from(self.draw(Class::Market, 0..count)).unwrap_or(0);
                border.world.disapprove(&ads[at]);
                border.happened("ad_disapproved", &ads[at]);
            }
        }
    }

    fn clock(&mut self, stage: &mut Stage, ms: i64) {
        let border = &stage.border;
        if self.happens(Class::Clock, 150, ms) {
            let skews = [
                ("clock_back", -HOUR_MS),
                ("clock_ahead", DAY_MS),
                ("clock_ahead", HOUR_MS),
                ("ntp_step", 700),
                ("ntp_step", -700),
            ];
            let at = usize::try_from(self.draw(Class::Clock, 0..5)).unwrap_or(0);
            let (name, skew) = skews[at];
            self.lasting.skew = self.draw(Class::Clock, 1..5);
            border.skew_ms.store(skew, Relaxed);
            border.happened(name, &format!("{skew} ms"));
            stage.seen.clock_went_back = true;
        }
        let border = &stage.border;
        if self.happens(Class::Clock, 150, ms) {
            border.freeze_in(i64::from(self.draw(Class::Clock, 0..30)));
        }
        if self.happens(Class::Clock, 150, ms) {
            border.world.advance_to(border.now().plus(8 * HOUR_MS));
            border.happened("machine_asleep", "for eight hours");
        }
    }

    fn disk(&mut self, border: &Border, ms: i64) {
        if self.happens(Class::Disk, 200, ms) {
            let kinds = [DiskTrouble::Full, DiskTrouble::Locked, DiskTrouble::Broken];
            let at = usize::try_from(self.draw(Class::Disk, 0..3)).unwrap_or(0);
            border.break_disk(kinds[at], self.draw(Class::Disk, 1..8));
        }
    }

    async fn operator(&mut self, stage: &Stage, ms: i64) -> Result<(), RehearsalError> {
        let border = &stage.border;
        if self.happens(Class::Operator, 250, ms) {
            self.lasting.stopped = self.draw(Class::Operator, 1..6);
            let _ = stage.parts().switch.stop(PERSON);
            border.happened("kill_switch", "on");
        }
        if self.happens(Class::Operator, 100, ms) {
            self.lasting.absent = 20;
            border.happened("nobody_answers", "for many passes");
        }
        if self.happens(Class::Operator, 1_000, ms) {
            stage.lift().await?;
            border.happened("guard_rails_lifted", "by a person");
        }
        if self.happens(Class::Operator, 700, ms) {
            let open = stage.parts().store.climbs(true).await?;
            let all = [Command::Pause, Command::Resume, Command::Abort, Command::Promote];
            let at = usize::try_from(self.draw(Class::Operator, 0..6)).unwrap_or(0);
            if let (Some(row), Some(command)) = (open.first(), all.get(at).or(all.get(1))) {
                stage.command(&row.id, *command).await?;
            }
        }
        Ok(())
    }
}
