//! Parallel loops for work that takes less than a millisecond, of which a training step has
//! several. [`each`] runs one loop. Between two loops the threads of a pool would fall asleep, and
//! waking them takes a tenth of a step; [`awake`] keeps them busy looking for work instead.

use rayon::Yield;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts one task less when dropped, so also when the task panics.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Runs tasks of this thread's pool until `left` is 0.
fn help(left: &AtomicUsize) {
    while left.load(Ordering::Acquire) > 0 {
        if rayon::yield_now() != Some(Yield::Executed) {
            std::thread::yield_now();
        }
    }
}

thread_local! {
    static IS_AWAKE: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as kept awake until dropped, and remembers whether it was already. A thread
/// inside [`awake`] must not help another call of it: it would wait for that call in the middle of
/// its own, and the other call perhaps for it.
struct WasAwake(bool);

impl WasAwake {
    fn begin() -> Self {
        Self(IS_AWAKE.replace(true))
    }
}

impl Drop for WasAwake {
    fn drop(&mut self) {
        IS_AWAKE.set(self.0);
    }
}

/// Runs `work` on a thread of a pool. Meanwhile up to `helpers` other threads stay awake, unless
/// they already do for another call.
pub(crate) fn awake<R>(helpers: usize, work: impl FnOnce() -> R) -> R {
    let was_awake = WasAwake::begin();
    let (n, this) = (rayon::current_num_threads(), rayon::current_thread_index());
    let Some(this) = this.filter(|_| !was_awake.0 && helpers.min(n - 1) > 0) else {
        return work();
    };
    let left = AtomicUsize::new(1);
    rayon::in_place_scope(|scope| {
        let left = &left;
        let _done = Done(left);
        scope.spawn_broadcast(move |_, thread| {
            let behind = (thread.index() + n - this) % n;
            let was_awake = WasAwake::begin();
            if (1..=helpers).contains(&behind) && !was_awake.0 {
                help(left);
            }
        });
        work()
    })
}

/// Runs `work` on every piece, in any order, and returns when all are done. The calling thread
/// takes part.
pub(crate) fn each<T: Send>(pieces: impl IntoIterator<Item = T>, work: impl Fn(T) + Sync) {
    let (left, work) = (AtomicUsize::new(0), &work);
    rayon::in_place_scope(|scope| {
        for piece in pieces {
            left.fetch_add(1, Ordering::Relaxed);
            let done = Done(&left);
            scope.spawn(move |_| {
                let _done = done;
                work(piece);
            });
        }
        help(&left);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn in_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(work)
    }

    #[test]
    fn every_piece_is_done_once() {
        for threads in [1, 2, 5] {
            let mut counts = vec![0; 1000];
            in_pool(threads, || {
                awake(4, || {
                    for round in 0..50 {
                        each(counts.iter_mut().enumerate(), |(i, count)| {
                            *count += i + round
                        });
                    }
                    each(Vec::<()>::new(), |()| unreachable!());
                });
            });
            let expected = (0..1000).map(|i| 50 * i + 49 * 25);
            assert!(counts.into_iter().eq(expected), "{threads}");
        }
    }

    #[test]
    fn work_that_fails_is_no_deadlock() {
        for threads in [1, 3] {
            let fail = || each(0..10, |i| assert_ne!(i, 3));
            let failed = in_pool(threads, || {
                catch_unwind(AssertUnwindSafe(|| awake(1, fail)))
            });
            assert!(failed.is_err());
            let failed = in_pool(threads, || catch_unwind(|| awake(9, || panic!("here"))));
            assert!(failed.is_err());
        }
    }

    #[test]
    fn several_at_a_time_do_not_wait_for_each_other() {
        let sum = AtomicUsize::new(0);
        let add = |n| {
            // Long enough for others to look for work meanwhile.
            (0..3000).for_each(|i| {
                std::hint::black_box(i);
            });
            sum.fetch_add(n, Ordering::Relaxed);
        };
        let step = || (0..3).for_each(|_| each(0..10, add));
        let steps = |_| (0..2000).for_each(|_| awake(3, step));
        in_pool(2, || each(0..2, steps));
        in_pool(4, || each(0..3, steps));
        assert_eq!(sum.into_inner(), 5 * 2000 * 3 * 45);
    }
}
