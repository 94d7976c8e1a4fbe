//! Which of our own writes can send an ad set back into its learning phase.
//!
//! Meta names the kinds (audience, creative, event, bid strategy, a pause of a week or more) and says of budgets only
//! that large changes count; a fifth is what practice holds to be safe (Help Centre 112167992830700). Our plans never
//! change the first kinds on a campaign that runs. `last_sig_edit_ts` tells afterwards whether an edit counted.

use serde::{Deserialize, Serialize};

use super::Movement;
use crate::domain::{DAY_MS, Moment, Status, plan::Op};

/// A budget change beyond this share of the budget may restart learning, in basis points.
const LARGE_BP: i128 = 2_000;
/// A pause of this length restarts learning when it ends, in milliseconds.
const LONG_PAUSE_MS: i64 = 7 * DAY_MS;

/// Whether a write can restart learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Significance {
    /// It cannot.
    Safe,
    /// It may, because of its size.
    Possible,
    /// It does.
    Certain,
}

/// How significant a write is; `off_since` tells when its object was switched off.
pub fn significance(
    op: &Op,
    movement: Option<&Movement>,
    off_since: Option<Moment>,
) -> Significance {
    match (op, movement) {
        (Op::SetDailyBudget { .. }, Some(m)) => {
            let change = i128::from(m.to) - i128::from(m.from);
            let large = change.abs() * 10_000 > i128::from(m.from) * LARGE_BP;
            if large { Significance::Possible } else { Significance::Safe }
        }
        (Op::SetStatus { to: Status::Active, .. }, Some(m)) => match off_since {
            Some(off) if m.at.since(off) >= LONG_PAUSE_MS => Significance::Certain,
            _ => Significance::Safe,
        },
        _ => Significance::Safe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CampaignId, Money, plan::ObjectKind, plan::Target};

    fn movement(from: i64, to: i64) -> Movement {
        Movement {
            campaign: CampaignId::new("1").unwrap(),
            before: from,
            after: to,
            object: None,
            from,
            to,
            at: Moment::from_millis(8 * DAY_MS),
            worst: 0,
        }
    }

    #[test]
    fn a_fifth_is_safe_and_a_unit_more_may_not_be() {
        let object = Target::from(&CampaignId::new("1").unwrap());
        let money = Money::from_minor(0, "EUR".parse().unwrap());
        let op = Op::SetDailyBudget { object, kind: ObjectKind::Campaign, to: money };
        for (from, to, wanted) in [
            (1_000, 1_200, Significance::Safe),
            (1_000, 800, Significance::Safe),
            (1_000, 1_201, Significance::Possible),
            (1_000, 799, Significance::Possible),
        ] {
            assert_eq!(significance(&op, Some(&movement(from, to)), None), wanted, "{from} {to}");
        }
    }

    #[test]
    fn the_end_of_a_pause_of_a_week_restarts_learning() {
        let object = Target::from(&CampaignId::new("1").unwrap());
        let on = Op::SetStatus { object, kind: ObjectKind::Campaign, to: Status::Active };
        let ask =
            |off: i64| significance(&on, Some(&movement(0, 0)), Some(Moment::from_millis(off)));
        assert_eq!(ask(DAY_MS), Significance::Certain);
        assert_eq!(ask(DAY_MS + 1), Significance::Safe);
        assert_eq!(significance(&on, Some(&movement(0, 0)), None), Significance::Safe);
    }
}
