//! The database is lost, and an old copy of it is put back: by the product's own restore, into an agent that is held
//! until a person has looked at what it no longer knows.
//!
//! From then on the witness goes by what the copy knows. What was done since is, to this history, the work of others: a
//! person's edit must not be overwritten, and neither must that. The keys of lost writes may not be used again.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{
    RehearsalError, Witness,
    checks::Seen,
    stage::{PERSON, Stage},
};
use crate::{
    app::strangers,
    domain::{DAY_MS, HOUR_MS, Moment},
    sandbox::{Edited, Standing},
};

/// How old a copy is when it is put back, in milliseconds.
const AGES: [i64; 3] = [HOUR_MS, DAY_MS, 14 * DAY_MS];
/// One pass in so many is followed by a copy that will be put back.
const COPIED: u32 = 15;
/// One pass in so many of a held agent is followed by a person's look.
const LOOKED_AT: u32 = 3;

/// A copy, and what was true when it was made.
pub(super) struct Copy {
    path: std::path::PathBuf,
    made: Moment,
    /// When it will be put back.
    due: Moment,
    witness: Witness,
    world: Vec<Standing>,
    seen: Seen,
}

/// Copies and restores of one story.
pub(super) struct OldBackup {
    dice: Pcg64Mcg,
    copy: Option<Copy>,
    copies: u32,
}

impl OldBackup {
    /// In one story of eight the database is lost now and then.
    pub(super) fn new(seed: u64) -> Option<Self> {
        let dice = Pcg64Mcg::seed_from_u64(seed ^ 0x01d_bac4);
        (seed % 8 == 7).then_some(Self { dice, copy: None, copies: 0 })
    }

    /// Between two passes: makes a copy, or puts one back whose time has come.
    pub(super) async fn between_passes(&mut self, stage: &mut Stage) -> Result<(), RehearsalError> {
        let now = stage.now();
        if let Some(copy) = self.copy.take_if(|copy| copy.due <= now) {
            let hours = now.since(copy.made) / HOUR_MS;
            stage.border.happened("db_restored", &format!("a copy {hours} hours old"));
            return stage.put_back(copy).await;
        }
        if self.copy.is_none() && self.dice.random_ratio(1, COPIED) {
            let age = AGES[self.dice.random_range(0..AGES.len())];
            self.copies = self.copies.saturating_add(1);
            self.copy = Some(stage.copy(self.copies, now.plus(age)).await?);
        }
        Ok(())
    }

    /// A person looks sooner or later.
    pub(super) fn looks(&mut self) -> bool {
        self.dice.random_ratio(1, LOOKED_AT)
    }
    /// A person puts an unknown object away; else it is taken as known.
    pub(super) fn puts_away(&mut self) -> bool {
        self.dice.random_ratio(1, 2)
    }
}

impl Stage {
    async fn copy(&self, number: u32, due: Moment) -> Result<Copy, RehearsalError> {
        let path = self.dir().join(format!("copy{number}.db"));
        self.parts().store.backup(&path).await?;
        let witness = self.border.witness().clone();
        let world = self.border.world.inventory();
        let (made, seen) = (self.now(), self.seen.clone());
        Ok(Copy { path, made, due, witness, world, seen })
    }

    async fn put_back(&mut self, copy: Copy) -> Result<(), RehearsalError> {
        let records = self.restore(&copy.path).await?;
        let now = self.now();
        let world = self.border.world.inventory();
        let mut edits = differences(&copy.world, &world);
        {
            let mut witness = self.border.witness();
            let later = std::mem::replace(&mut *witness, copy.witness);
            witness.goes_back(later, &world);
            edits.created.retain(|id| !witness.ours.contains(id));
            witness.people_edited(now, &edits, &copy.world, &world);
            witness.committed(&records);
        }
        // A history that has never read the account cannot know that it is shown as another.
        if self.border.witness().books.climbs.is_empty() {
            self.border.world.show_odd_account(None);
        }
        self.seen = Seen { clock_went_back: self.seen.clock_went_back, ..copy.seen };
        self.begin_life().await
    }

    /// A person looks at what the restored history does not know, and lets the agent go. What cannot be read now is
    /// looked at another time.
    pub(super) async fn settle_restore(
        &mut self,
        mut puts_away: impl FnMut() -> bool,
    ) -> Result<(), RehearsalError> {
        let parts = self.parts();
        let Ok(found) = strangers::strangers(parts.desk(PERSON)).await else { return Ok(()) };
        for stranger in found {
            let id = stranger.id.as_str();
            self.border.witness().people.shown.insert(id.to_owned());
            let away = puts_away() && self.border.archived_by_person(id);
            if !away && strangers::adopt(parts.desk(PERSON), id, "seen").await.is_err() {
                return Ok(());
            }
        }
        let _ = parts.switch.start();
        self.put_together_anew();
        self.border.happened("restore_settled", "by a person");
        Ok(())
    }
}

/// What is different, as if people had done it.
fn differences(before: &[Standing], after: &[Standing]) -> Edited {
    let mut edited = Edited { what: "what the copy does not know".to_owned(), ..Edited::default() };
    for is in after {
        let Some(was) = before.iter().find(|o| o.id == is.id) else {
            edited.created.push(is.id.clone());
            continue;
        };
        let fields = [
            ("name", was.name != is.name),
            ("status", was.status != is.status),
            ("daily_budget", was.daily_budget != is.daily_budget),
            ("spend_cap", was.spend_cap != is.spend_cap),
            ("end_time", was.end_time != is.end_time),
            ("event", was.event != is.event),
            ("shows", was.shows != is.shows),
        ];
        let changed = fields.into_iter().filter(|(_, changed)| *changed);
        edited.touched.extend(changed.map(|(field, _)| (is.id.clone(), field.to_owned())));
    }
    edited
}
