//! Rounds of parallel work that take less than a millisecond, as a training step has several of.
//! A thread that falls asleep between two of them is woken up too late for a tenth of the next.

use rayon::Yield;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Says when dropped, so also when work fails, that there is one thing less left to do.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Does what others have to do until nothing is `left`.
fn help(left: &AtomicUsize) {
    while left.load(Ordering::Acquire) > 0 {
        if rayon::yield_now() != Some(Yield::Executed) {
            std::thread::yield_now();
        }
    }
}

/// Does `work` on a thread of a pool and keeps the pool's other threads awake meanwhile.
pub(crate) fn awake<R>(work: impl FnOnce() -> R) -> R {
    let left = AtomicUsize::new(1);
    rayon::in_place_scope(|scope| {
        let (this, left) = (rayon::current_thread_index(), &left);
        let _done = Done(left);
        scope.spawn_broadcast(move |_, thread| {
            if Some(thread.index()) != this {
                help(left);
            }
        });
        work()
    })
}

/// Does `work` on every piece, in any order; the calling thread stays awake until all is done.
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
                awake(|| {
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
            let failed = in_pool(threads, || catch_unwind(AssertUnwindSafe(|| awake(fail))));
            assert!(failed.is_err());
            let failed = in_pool(threads, || catch_unwind(|| awake(|| panic!("here"))));
            assert!(failed.is_err());
        }
    }

    #[test]
    fn two_at_a_time_finish() {
        let sum = AtomicUsize::new(0);
        let add = |n| {
            sum.fetch_add(n, Ordering::Relaxed);
        };
        let rounds = || awake(|| (0..100).for_each(|_| each(0..10, add)));
        in_pool(2, || rayon::join(rounds, rounds));
        assert_eq!(sum.into_inner(), 2 * 100 * 45);
    }
}
