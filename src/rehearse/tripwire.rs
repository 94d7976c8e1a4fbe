//! Where a life of the agent ends: at the n-th call or commit, on one side of it.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// On which side of a call or commit the agent dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Before anything happened.
    Before,
    /// After it happened, before the agent learns so.
    Applied,
    /// Nobody dies: it happened, and the answer is lost. Calls only.
    ReplyLost,
    /// After the agent has learned of it, before it does anything else.
    After,
}

impl Side {
    /// The sides a call has.
    pub const OF_CALL: [Self; 4] = [Self::Before, Self::Applied, Self::ReplyLost, Self::After];
    /// The sides a commit has: the agent learns of it by its return, and nothing lies between that and the next event.
    pub const OF_COMMIT: [Self; 2] = [Self::Before, Self::Applied];
}

/// The n-th call or commit of a life, counted from 1, and the side of it.
pub type Point = (u64, Side);

/// What can be died at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A request.
    Call,
    /// A durable change.
    Commit,
}

impl Event {
    /// The sides it has.
    pub const fn sides(self) -> &'static [Side] {
        match self {
            Self::Call => &Side::OF_CALL,
            Self::Commit => &Side::OF_COMMIT,
        }
    }
}

/// Counts calls and commits and ends lives.
#[derive(Debug, Default)]
pub struct Tripwire {
    state: Mutex<State>,
    died: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    dead: bool,
    doomed: bool,
    next: Option<Point>,
    queue: VecDeque<Point>,
}

impl Tripwire {
    /// One point per life, in order.
    pub fn at(points: &[Point]) -> Self {
        let mut queue: VecDeque<Point> = points.iter().copied().collect();
        let next = queue.pop_front();
        let state = State { next, queue, ..State::default() };
        Self { state: Mutex::new(state), died: Notify::new() }
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Ends the present life at this point, counted from now.
    pub fn arm(&self, point: Point) {
        let mut state = self.lock();
        let met = u64::try_from(state.events.len()).unwrap_or(u64::MAX);
        state.next = Some((met.saturating_add(point.0), point.1));
    }
    /// Disarms what has not been met.
    pub fn disarm(&self) {
        let mut state = self.lock();
        state.next = None;
        state.queue.clear();
    }
    /// Counts one call or commit; tells on which side of it the agent dies, if it does.
    pub fn step(&self, event: Event) -> Option<Side> {
        let mut state = self.lock();
        if state.dead || state.doomed {
            return Some(Side::Before);
        }
        state.events.push(event);
        let (count, next) = (u64::try_from(state.events.len()).unwrap_or(u64::MAX), state.next?);
        let side = (next.0 == count).then_some(next.1)?;
        state.next = None;
        state.doomed = side == Side::After;
        if side == Side::ReplyLost {
            // Life goes on; the next point is counted from here.
            state.next = state.queue.pop_front().map(|(n, side)| (count.saturating_add(n), side));
        }
        Some(side)
    }
    /// The agent is dead from now on.
    pub fn die(&self) {
        self.lock().dead = true;
        self.died.notify_one();
    }
    /// Returns when the agent has died.
    pub async fn death(&self) {
        self.died.notified().await;
    }
    /// True while it is dead.
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }
    /// True when it was to die after its last event and has not done anything since.
    pub fn is_doomed(&self) -> bool {
        self.lock().doomed
    }
    /// True when every point it was given has been met.
    pub fn is_spent(&self) -> bool {
        let state = self.lock();
        state.next.is_none() && state.queue.is_empty()
    }
    /// Calls and commits of the present life.
    pub fn count(&self) -> u64 {
        u64::try_from(self.lock().events.len()).unwrap_or(u64::MAX)
    }
    /// What they were.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.clone()
    }
    /// A new life: counts from zero, and the next point of the queue is armed.
    pub fn revive(&self) {
        let mut state = self.lock();
        (state.dead, state.doomed) = (false, false);
        state.events.clear();
        if let Some(next) = state.queue.pop_front() {
            state.next = Some(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_life_ends_at_its_own_point_and_a_dead_agent_does_nothing_more() {
        let wire = Tripwire::at(&[(2, Side::Applied), (1, Side::Before)]);
        assert_eq!((wire.step(Event::Call), wire.step(Event::Call)), (None, Some(Side::Applied)));
        wire.die();
        assert_eq!(wire.step(Event::Call), Some(Side::Before));
        wire.revive();
        assert_eq!(wire.step(Event::Commit), Some(Side::Before));
        wire.die();
        wire.revive();
        assert_eq!((wire.step(Event::Call), wire.step(Event::Call)), (None, None));
    }

    #[test]
    fn who_dies_after_an_event_learns_of_it_and_does_nothing_more() {
        let wire = Tripwire::at(&[(1, Side::After)]);
        assert_eq!(wire.step(Event::Call), Some(Side::After));
        assert!(wire.is_doomed() && !wire.is_dead());
        assert_eq!(wire.step(Event::Commit), Some(Side::Before));
        assert_eq!(wire.count(), 1);
    }
}
