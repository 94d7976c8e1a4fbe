//! A study of Meta's own that splits people at random between the two arms of a test.
//!
//! It is made before the challenger gets traffic and begins in the future, as Meta wants it: at the first midnight of
//! the account after the plan can no longer be approved, so that it still lies ahead whenever the yes comes. The
//! challenger is turned on when it has begun. (Marketing API, "Split testing".)

use super::{Draft, Refusal, RouteKind, Wish};
use crate::domain::{
    HOUR_MS, Moment, ObjectId, Tree,
    plan::{Op, Target},
    policy::Isolation,
};

/// Time between the last moment of a yes and the study's start: the writes before it take less.
const HEAD_START_MS: i64 = HOUR_MS;
/// Days by which the start of a study can delay the activation.
const SLACK_DAYS: i64 = 2;

impl Wish<'_> {
    fn isolates(&self) -> bool {
        self.policy.compare.isolation == Isolation::AdStudy
    }

    /// Days the dead-man bound allows for waiting until a study begins.
    pub(super) fn study_slack_days(&self, kind: RouteKind) -> i64 {
        if self.isolates() && kind != RouteKind::Placement { SLACK_DAYS } else { 0 }
    }

    /// The study with its start, where the policy asks for one. It ends with the test at the latest.
    pub(super) fn study(
        &self,
        built: &Tree,
        bound: Option<Moment>,
    ) -> Result<Option<(Draft, Moment)>, Refusal> {
        if !self.isolates() {
            return Ok(None);
        }
        let business = self.business.ok_or(Refusal::NoBusiness)?;
        let latest = self.expires().plus(HEAD_START_MS);
        let start = self.zone.start_of(self.zone.day_of(latest).plus(1));
        // A test has a bound; without one the study would need an end of its own choosing.
        let end = bound.filter(|end| *end > start).ok_or(Refusal::StudyTooLate(start))?;
        let cells = vec![
            ("incumbent".to_owned(), Target::from(&self.source.campaign.id)),
            ("challenger".to_owned(), Target::from(&built.campaign.id)),
        ];
        let name = self.name("study", &built.campaign.name, "study");
        let business = business.to_owned();
        let study = Draft {
            key: "study".to_owned(),
            op: Op::CreateStudy { name, business, start, end, cells },
            expects: Vec::new(),
            not_before: None,
            reason: "each person sees one arm only; the arms do not bid against each other"
                .to_owned(),
        };
        Ok(Some((study, start)))
    }

    pub(super) fn end_study(study: &ObjectId) -> Draft {
        Draft {
            key: "study".to_owned(),
            op: Op::EndStudy { study: Target::Id(study.clone()) },
            expects: Vec::new(),
            not_before: None,
            reason: "the verdict stands: our own study has done its duty".to_owned(),
        }
    }
}
