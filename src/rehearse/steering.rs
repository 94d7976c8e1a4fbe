//! What people of a rehearsal want of their climbs: somebody who keeps an eye on the account lets climbs go on, ends them
//! and starts over, so that a story of weeks holds many climbs and not one that waits.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::{
    domain::{
        ClimbId, Moment,
        climb::{Climb, Command, State},
    },
    rehearse::{books::Books, coverage},
    sandbox::Standing,
};

/// What somebody who keeps an eye on a climb asks for, by where it stands: one pass in so many, a word. Whoever is eager
/// promotes as soon as there is something to promote.
fn words(climb: &Climb, eager: bool) -> &'static [(u32, Command)] {
    if climb.held.is_some() {
        return &[(2, Command::Resume), (12, Command::Abort)];
    }
    match &climb.state {
        State::Warming { .. } | State::Comparing { .. } if eager => &[(2, Command::Promote)],
        State::Warming { .. } | State::Comparing { .. } => {
            &[(6, Command::Promote), (4, Command::Abort), (40, Command::Pause)]
        }
        State::Probation { .. } => &[(30, Command::Promote), (3, Command::Abort)],
        State::Judged { .. } | State::Shifting { .. } => &[(16, Command::Abort)],
        State::Cloning { .. } => &[(24, Command::Abort)],
        State::Stuck { .. } => &[(3, Command::Abort)],
        State::Eligible { .. } | State::Stabilising { .. } | State::Proposed { .. } => {
            &[(40, Command::Pause)]
        }
        State::Observing | State::Settled { .. } | State::Stayed { .. } | State::Aborted => &[],
    }
}

/// Somebody who looks after the climbs of a story, or does not.
pub(super) struct Steering {
    dice: Pcg64Mcg,
    keen: bool,
    eager: bool,
}

impl Steering {
    pub(super) fn new(seed: u64, keen: bool) -> Self {
        let eager = coverage::is_about_rare_steps(seed);
        Self { dice: Pcg64Mcg::seed_from_u64(seed ^ 0x57ee_2169), keen, eager }
    }
    pub(super) const fn is_keen(&self) -> bool {
        self.keen
    }
    /// What is asked for now.
    pub(super) fn wishes(&mut self, books: &Books) -> Vec<(ClimbId, Command)> {
        if !self.keen {
            return Vec::new();
        }
        let mut out = Vec::new();
        for climb in books.climbs.values().filter(|c| c.state.is_open()) {
            let mut said = words(climb, self.eager).iter();
            let wanted = said.find(|(one_in, _)| self.dice.random_ratio(1, *one_in));
            out.extend(wanted.map(|(_, command)| (climb.id.clone(), *command)));
        }
        out
    }
    /// The campaign of a line that stands still because it is off, once somebody turns it on again in Ads Manager.
    pub(super) fn revives(&mut self, books: &Books, world: &[Standing]) -> Option<String> {
        if !self.keen || !self.dice.random_ratio(1, 6) {
            return None;
        }
        let idle = books.climbs.values().filter(|c| matches!(c.state, State::Observing));
        let off = |id: &str| {
            world.iter().any(|o| o.kind == "campaign" && o.id == id && o.status == "PAUSED")
        };
        idle.map(|c| c.incumbent.to_string()).find(|id| off(id))
    }
    /// Somebody looks at what guard rails took and gives it back.
    pub(super) fn lifts(&mut self) -> bool {
        self.keen && self.dice.random_ratio(1, 6)
    }
}

/// True when an approved plan could go on before `then`.
pub(super) fn under_way(books: &Books, then: Moment) -> bool {
    let open = books.plans.values().filter(|p| p.outcome.is_none() && !p.yes.is_empty());
    open.into_iter().any(|filed| {
        let begun = |op_key: &str| books.writes.contains_key(op_key);
        let mut left = filed.plan.actions.iter().filter(|a| !begun(a.op_key.as_str()));
        left.next().is_none_or(|a| a.not_before.is_none_or(|at| at <= then))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        CampaignId, LineId,
        climb::{Memory, Route, RouteKind},
    };

    #[test]
    fn somebody_keen_gives_a_held_climb_back_and_nobody_else_says_anything() {
        let (id, line) = (ClimbId::new("c").unwrap(), LineId::new("l").unwrap());
        let incumbent = CampaignId::new("1").unwrap();
        let at = Moment::from_millis(0);
        let mut climb = Climb::open(id, line, incumbent, "purchase", at, Memory::default());
        let mut books = Books::default();
        books.climbs.insert("c".to_owned(), climb.clone());
        let mut keen = Steering::new(1, true);
        assert!((0..50).all(|_| keen.wishes(&books).is_empty()), "it only watches");
        let route = Route {
            from: "purchase".to_owned(),
            to: "add_to_cart".to_owned(),
            kind: RouteKind::Placement,
        };
        climb.state = State::Proposed { route };
        climb.held = Some("somebody else changed it".to_owned());
        books.climbs.insert("c".to_owned(), climb);
        let asked: Vec<Command> =
            (0..20).flat_map(|_| keen.wishes(&books)).map(|(_, c)| c).collect();
        assert!(asked.contains(&Command::Resume), "{asked:?}");
        assert!((0..20).all(|_| Steering::new(1, false).wishes(&books).is_empty()));
    }
}
