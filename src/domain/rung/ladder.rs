//! Ladders: the presets, the order, and whether Meta would accept every rung.

use super::{Goal, Ladder, Rung};
use crate::domain::{Objective, Optimisation};

/// The shop's ladder of the procedure this product carries out.
const ECOMMERCE: [&str; 5] =
    ["page_view", "view_content", "add_to_cart", "initiate_checkout", "purchase"];

/// Lead generation. Between the visit and the lead stands the one standard event that is both legal under
/// OUTCOME_LEADS and, on most such sites, a smaller commitment than asking to be contacted: leaving an address (a
/// registration, a newsletter, a download). Sites without that event write their own ladder, e.g.
/// `["page_view", "contact", "lead"]`.
const LEAD_GEN: [&str; 3] = ["page_view", "complete_registration", "lead"];

/// Why a ladder cannot be climbed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LadderError {
    /// Fewer than two rungs.
    #[error("the ladder has {0} rung(s): climbing needs at least two")]
    TooShort(usize),
    /// A rung stands twice.
    #[error("rung '{0}' stands on the ladder twice")]
    Repeated(String),
    /// Two rungs would be counted by the same number.
    #[error(
        "rungs '{first}' and '{second}' are both counted as {action_type} and cannot be told apart"
    )]
    SameCount {
        /// The lower one.
        first: String,
        /// The higher one.
        second: String,
        /// Their common name.
        action_type: String,
    },
    /// Meta refuses the rung under the ladder's objective.
    #[error("rung '{rung}' is not legal on this ladder: {why}")]
    Illegal {
        /// The rung.
        rung: String,
        /// Which combination is refused.
        why: String,
        /// The objectives it is legal under.
        legal_under: Vec<Objective>,
    },
    /// The last rung is lumped together with other events, so its cost cannot be judged.
    #[error(
        "the last rung '{0}' is counted together with all other custom events, so its cost cannot be judged"
    )]
    MacroAmbiguous(String),
    /// The last rung is a page view.
    #[error(
        "the last rung '{0}' is a page view: the last rung is the conversion whose cost is judged"
    )]
    MacroIsAVisit(String),
}

impl LadderError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooShort(_) | Self::Repeated(_) => None,
            Self::SameCount { .. } | Self::MacroAmbiguous(_) => {
                Some("make a custom conversion of the event and use 'conversion:ID'".to_owned())
            }
            Self::MacroIsAVisit(_) => {
                Some("list the rungs lowest first, e.g. page_view … purchase".to_owned())
            }
            Self::Illegal { legal_under, .. } if legal_under.is_empty() => None,
            Self::Illegal { legal_under, .. } => {
                let names: Vec<&str> = legal_under.iter().map(Objective::as_str).collect();
                Some(format!("it is legal under {}", names.join(", ")))
            }
        }
    }
}

impl Ladder {
    /// PageView → ViewContent → AddToCart → InitiateCheckout → Purchase under OUTCOME_SALES.
    pub fn ecommerce() -> Self {
        Self::of("ecommerce", Objective::Sales, &ECOMMERCE)
    }
    /// PageView → CompleteRegistration → Lead under OUTCOME_LEADS.
    pub fn lead_gen() -> Self {
        Self::of("lead_gen", Objective::Leads, &LEAD_GEN)
    }
    /// A preset by its name.
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "ecommerce" => Some(Self::ecommerce()),
            "lead_gen" => Some(Self::lead_gen()),
            _ => None,
        }
    }
    fn of(name: &str, objective: Objective, keys: &[&str]) -> Self {
        let rungs = keys.iter().filter_map(|key| Rung::standard(key)).collect();
        Self { name: name.to_owned(), objective, rungs }
    }

    /// Refuses a ladder that Meta would not accept under its one objective, or whose rungs cannot be told apart.
    pub fn check(&self) -> Result<(), LadderError> {
        if self.rungs.len() < 2 {
            return Err(LadderError::TooShort(self.rungs.len()));
        }
        for (n, rung) in self.rungs.iter().enumerate() {
            for lower in self.rungs.iter().take(n) {
                if lower.key == rung.key {
                    return Err(LadderError::Repeated(rung.key.clone()));
                }
                if lower.action_type == rung.action_type {
                    let (first, second) = (lower.key.clone(), rung.key.clone());
                    let action_type = rung.action_type.clone();
                    return Err(LadderError::SameCount { first, second, action_type });
                }
            }
            if let Some(why) = rung.illegal_because(&self.objective) {
                let (rung, legal_under) = (rung.key.clone(), rung.legal_objectives());
                return Err(LadderError::Illegal { rung, why, legal_under });
            }
        }
        match self.rungs.last() {
            Some(last) if last.is_ambiguous() => Err(LadderError::MacroAmbiguous(last.key.clone())),
            Some(last) if last.goal == Goal::LandingPageViews => {
                Err(LadderError::MacroIsAVisit(last.key.clone()))
            }
            _ => Ok(()),
        }
    }

    /// The macro-conversion: the last rung. None only for an empty ladder, which [`Self::check`] refuses.
    pub fn macro_rung(&self) -> Option<&Rung> {
        self.rungs.last()
    }
    /// True when `key` names the last rung.
    pub fn is_macro(&self, key: &str) -> bool {
        self.macro_rung().is_some_and(|rung| rung.key == key)
    }
    /// The rung with that key.
    pub fn rung(&self, key: &str) -> Option<&Rung> {
        self.rungs.iter().find(|rung| rung.key == key)
    }
    /// Height of a rung: 0 is the lowest.
    pub fn position(&self, key: &str) -> Option<usize> {
        self.rungs.iter().position(|rung| rung.key == key)
    }
    /// The neighbour above; None at the top and for unknown keys.
    pub fn next_up(&self, key: &str) -> Option<&Rung> {
        self.rungs.get(self.position(key)?.checked_add(1)?)
    }
    /// The neighbour below; None at the bottom and for unknown keys.
    pub fn next_down(&self, key: &str) -> Option<&Rung> {
        self.rungs.get(self.position(key)?.checked_sub(1)?)
    }
    /// The rung an existing ad set stands on.
    pub fn rung_of(&self, optimisation: &Optimisation) -> Option<&Rung> {
        self.rungs.iter().find(|rung| rung.matches(optimisation))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{CustomConversionId, rung::EVENTS};

    fn ladder(objective: Objective, keys: &[&str]) -> Ladder {
        Ladder::of("custom", objective, keys)
    }

    #[test]
    fn the_presets_are_complete_and_legal() {
        for (preset, rungs, last) in
            [(Ladder::ecommerce(), 5, "purchase"), (Ladder::lead_gen(), 3, "lead")]
        {
            assert_eq!(preset.check(), Ok(()));
            assert_eq!(preset.rungs.len(), rungs);
            assert!(preset.is_macro(last));
            assert_eq!(Ladder::preset(&preset.name), Some(preset));
        }
    }

    #[test]
    fn an_illegal_rung_is_named_with_the_reason_and_where_it_would_be_legal() {
        let error =
            ladder(Objective::Sales, &["page_view", "search", "purchase"]).check().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("'search'") && text.contains("OUTCOME_SALES"), "{text}");
        assert_eq!(error.hint().unwrap(), "it is legal under OUTCOME_ENGAGEMENT");
        let leads = ladder(Objective::Leads, &["page_view", "view_content", "lead"]);
        assert!(
            matches!(leads.check(), Err(LadderError::Illegal { rung, .. }) if rung == "view_content")
        );
    }

    #[test]
    fn ladders_that_cannot_be_judged_are_refused() {
        let cart = || Rung::standard("add_to_cart").unwrap();
        let with = |rungs| Ladder { name: "custom".into(), objective: Objective::Sales, rungs };
        assert_eq!(with(vec![cart()]).check(), Err(LadderError::TooShort(1)));
        assert_eq!(
            with(vec![cart(), cart()]).check(),
            Err(LadderError::Repeated("add_to_cart".into()))
        );
        let lumped = with(vec![Rung::custom_event("A"), Rung::custom_event("B"), cart()]);
        assert!(matches!(lumped.check(), Err(LadderError::SameCount { .. })));
        let blind = with(vec![cart(), Rung::custom_event("A")]);
        assert_eq!(blind.check(), Err(LadderError::MacroAmbiguous("custom:A".into())));
        let upside_down = ladder(Objective::Sales, &["purchase", "page_view"]);
        assert_eq!(upside_down.check(), Err(LadderError::MacroIsAVisit("page_view".into())));
        let id = CustomConversionId::new("5").unwrap();
        assert_eq!(with(vec![cart(), Rung::custom_conversion(&id, None)]).check(), Ok(()));
    }

    proptest! {
        #[test]
        fn up_and_down_are_inverse_and_never_jump(picks in proptest::sample::subsequence(EVENTS.to_vec(), 2..EVENTS.len())) {
            let keys: Vec<&str> = picks.iter().map(|e| e.key).collect();
            let ladder = ladder(Objective::Sales, &keys);
            for (n, key) in keys.iter().enumerate() {
                prop_assert_eq!(ladder.position(key), Some(n));
                if let Some(up) = ladder.next_up(key) {
                    prop_assert_eq!(ladder.position(&up.key), Some(n + 1));
                    prop_assert_eq!(&ladder.next_down(&up.key).unwrap().key, key);
                } else {
                    prop_assert!(ladder.is_macro(key));
                }
            }
            prop_assert!(ladder.next_down(keys[0]).is_none());
            prop_assert!(ladder.next_up("no_such_rung").is_none());
        }

        #[test]
        fn a_ladder_passes_only_if_each_rung_is_legal(picks in proptest::sample::subsequence(EVENTS.to_vec(), 2..6), n in 0_usize..6) {
            let objective = [Objective::Sales, Objective::Leads, Objective::Engagement, Objective::Traffic,
                Objective::Awareness, Objective::AppPromotion][n].clone();
            let keys: Vec<&str> = picks.iter().map(|e| e.key).collect();
            let ladder = ladder(objective.clone(), &keys);
            let legal = ladder.rungs.iter().all(|r| r.is_legal_under(&objective));
            prop_assert_eq!(ladder.check().is_ok(), legal);
        }
    }
}
