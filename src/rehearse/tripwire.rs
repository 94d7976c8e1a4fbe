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
    After,
}

/// The n-th call or commit of a life, counted from 1, and the side of it.
pub type Point = (u64, Side);

/// Counts calls and commits and ends lives.
#[derive(Debug, Default)]
pub struct Tripwire {
    state: Mutex<State>,
    died: Notify,
}

#[derive(Debug, Default)]
struct State {
    count: u64,
    dead: bool,
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
        state.next = Some((state.count.saturating_add(point.0), point.1));
    }
    /// Disarms what has not been met.
    pub fn disarm(&self) {
        let mut state = self.lock();
        state.next = None;
        state.queue.clear();
    }
    /// Counts one call or commit; tells on which side of it the agent dies, if it does.
    pub fn step(&self) -> Option<Side> {
        let mut state = self.lock();
        if state.dead {
            return Some(Side::Before);
        }
        state.count = state.count.saturating_add(1);
        let (count, next) = (state.count, state.next?);
        (next.0 == count).then_some(next.1)
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
    /// Calls and commits of the present life.
    pub fn count(&self) -> u64 {
        self.lock().count
    }
    /// A new life: counts from zero, and the next point of the queue is armed.
    pub fn revive(&self) {
        let mut state = self.lock();
        state.dead = false;
        state.count = 0;
        state.next = state.queue.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_life_ends_at_its_own_point_and_a_dead_agent_does_nothing_more() {
        let wire = Tripwire::at(&[(2, Side::After), (1, Side::Before)]);
        assert_eq!((wire.step(), wire.step()), (None, Some(Side::After)));
        wire.die();
        assert_eq!(wire.step(), Some(Side::Before));
        wire.revive();
        assert_eq!(wire.step(), Some(Side::Before));
        wire.die();
        wire.revive();
        assert_eq!((wire.step(), wire.step()), (None, None));
    }
}
