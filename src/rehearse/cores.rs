//! Many independent stories on all cores: one thread per core, each with a runtime of its own.
//!
//! What comes back is handed over in the order of the jobs, so that a report does not depend on who was faster.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
};

use tokio::runtime::{Builder, Runtime};

/// What a job came to: its result, or the words of its panic.
pub(super) type Ended<T> = Result<T, String>;

fn runtime() -> Runtime {
    // Own I/O is not needed: the world is in process, and the database has threads of its own.
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime needs nothing that can fail")
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|t| (*t).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

/// Keeps this thread, and the database's threads it will start, on one core, each working until it has to wait: they
/// hand work to and fro a hundred times a pass, and waking another core, or being interrupted by whom one has just
/// woken, costs more than the work. Where the system does not let us, it is slower, not wrong.
#[cfg(target_os = "linux")]
fn stay_on(number: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    use thread_priority::{
        NormalThreadSchedulePolicy::Batch, ThreadPriority, ThreadSchedulePolicy::Normal,
        set_thread_priority_and_policy, thread_native_id,
    };
    if let Ok(allowed) = sched_getaffinity(None)
        && let Some(core) = (0..CpuSet::MAX_CPU).filter(|n| allowed.is_set(*n)).nth(number)
    {
        let mut own = CpuSet::new();
        own.set(core);
        let _ = sched_setaffinity(None, &own);
    }
    // The lowest priority, too: a rehearsal gives way to whatever else runs here.
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, Normal(Batch));
}

#[cfg(not(target_os = "linux"))]
fn stay_on(_number: usize) {}

/// Does the jobs `0..jobs` and hands each result to `done` in order; stops early when `done` says so.
pub(super) fn on_cores<T: Send>(
    jobs: u64,
    work: impl Fn(&Runtime, u64) -> T + Sync,
    mut done: impl FnMut(u64, Ended<T>) -> bool,
) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    let (send, receive) = mpsc::channel::<(u64, Ended<T>)>();
    std::thread::scope(|scope| {
        for core in 0..cores {
            let (send, next, enough, work) = (send.clone(), &next, &enough, &work);
            scope.spawn(move || {
                stay_on(core);
                let mut own = runtime();
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= jobs || enough.load(Ordering::Relaxed) {
                        return;
                    }
                    let ended = catch_unwind(AssertUnwindSafe(|| work(&own, job)));
                    let ended = ended.map_err(|panic| {
                        own = runtime();
                        words(panic.as_ref())
                    });
                    if send.send((job, ended)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early: BTreeMap<u64, Ended<T>> = BTreeMap::new();
        let mut wanted = 0;
        for (job, ended) in receive {
            early.insert(job, ended);
            while let Some(ended) = early.remove(&wanted) {
                if !done(wanted, ended) {
                    enough.store(true, Ordering::Relaxed);
                }
                wanted += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_a_panic_is_a_result() {
        let mut seen = Vec::new();
        let work = |_: &Runtime, job: u64| {
            assert!(job != 3, "job three");
            job * 2
        };
        on_cores(6, work, |job, ended| {
            seen.push((job, ended));
            true
        });
        let numbers: Vec<u64> = seen.iter().map(|(job, _)| *job).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
        assert_eq!(seen[2].1, Ok(4));
        assert_eq!(seen[3].1, Err("job three".to_owned()));
    }
}
