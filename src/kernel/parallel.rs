//! Loops over libtorch's own threads.
//!
//! libtorch's threads belong to libgomp and spin for a while after each of its operations. A second pool would have to share
//! the cores with them, so loops here join the same team: `GOMP_parallel` is what a compiler makes of `#pragma omp parallel`.
//! Where libtorch brings another OpenMP, rayon's pool does the work.

use std::ffi::{c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::prelude::*;

type Work = unsafe extern "C" fn(*mut c_void);
type Parallel = unsafe extern "C" fn(Work, *mut c_void, c_uint, c_uint);

/// Threads that libtorch, and every loop beside it, compute with.
#[must_use]
pub(crate) fn n_threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1)
}

/// Calls `work(i)` for every `i < n`, in any order and from several threads.
pub(super) fn for_each(n: usize, work: impl Fn(usize) + Sync) {
    let threads = n_threads().min(n);
    if threads <= 1 {
        return (0..n).for_each(work);
    }
    match gomp_parallel() {
        Some(parallel) => on_team(parallel, threads, n, &work),
        None => (0..n).into_par_iter().for_each(&work),
    }
}

/// Calls `work(i)` for every `i < n` on a team of `n` threads, one for each; does nothing where libtorch brings another OpenMP.
///
/// Few systems have so many processors: this is for work that waits.
pub(crate) fn occupy(n: usize, work: impl Fn(usize) + Sync) {
    if let Some(parallel) = gomp_parallel() {
        on_team(parallel, n, n, &work);
    }
}

/// Processors that libgomp may use; `None` where libtorch brings another OpenMP.
#[must_use]
pub(crate) fn n_processors() -> Option<usize> {
    gomp_parallel()?;
    // SAFETY: the name is a C string; OpenMP gives a symbol of this name this type.
    let number = unsafe {
        let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"omp_get_num_procs".as_ptr());
        if symbol.is_null() {
            return None;
        }
        std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> libc::c_int>(symbol)()
    };
    usize::try_from(number).ok()
}

/// What the members of a team share.
struct Shared<'w, F> {
    next: AtomicUsize,
    n: usize,
    work: &'w F,
    panic: Mutex<Option<Box<dyn std::any::Any + Send>>>,
}

fn on_team<F: Fn(usize) + Sync>(parallel: Parallel, threads: usize, n: usize, work: &F) {
    /// # Safety
    /// `shared` leads to the team's `Shared<F>`.
    unsafe extern "C" fn member<F: Fn(usize) + Sync>(shared: *mut c_void) {
        // SAFETY: `on_team` passes a `Shared<F>` that outlives the team, and only shared references to it are made.
        let shared = unsafe { &*shared.cast::<Shared<'_, F>>() };
        // A panic must not cross into C.
        let done = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let i = shared.next.fetch_add(1, Ordering::Relaxed);
                if i >= shared.n {
                    break;
                }
                (shared.work)(i);
            }
        }));
        if let Err(panic) = done {
            *shared.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
        }
    }
    let shared = Shared { next: AtomicUsize::new(0), n, work, panic: Mutex::new(None) };
    // SAFETY: `GOMP_parallel` runs `member` on each thread of the team and returns when all have; flags 0 are none.
    unsafe { parallel(member::<F>, (&raw const shared).cast_mut().cast(), threads as c_uint, 0) };
    if let Some(panic) = shared.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
        resume_unwind(panic);
    }
}

fn gomp_parallel() -> Option<Parallel> {
    static FOUND: OnceLock<Option<Parallel>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: the name is a C string; a symbol of this name has this type in every version of libgomp.
        unsafe {
            let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"GOMP_parallel".as_ptr());
            (!symbol.is_null()).then(|| std::mem::transmute::<*mut c_void, Parallel>(symbol))
        }
    })
}

/// A slice whose parts are written by several threads, each part by one.
pub(super) struct DisjointSlices<'a, T> {
    start: *mut T,
    len: usize,
    _slice: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: all access goes through `get`, whose caller vouches that no two threads hold overlapping parts.
unsafe impl<T: Send> Sync for DisjointSlices<'_, T> {}

impl<'a, T> DisjointSlices<'a, T> {
    /// The slices of `slice`, whole until parts of it are taken.
    pub(super) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), _slice: std::marker::PhantomData }
    }

    /// The numbers `range`.
    ///
    /// # Safety
    /// No other part that is in use at the time may overlap it.
    #[expect(clippy::mut_from_ref, reason = "disjoint parts, as the caller vouches")]
    pub(super) unsafe fn get(&self, range: std::ops::Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "a part lies within its slice");
        // SAFETY: within the slice, and disjoint from all other parts.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// Writes one number.
    ///
    /// # Safety
    /// No other thread may read or write it at the time.
    #[inline(always)]
    pub(super) unsafe fn set(&self, i: usize, value: T) {
        debug_assert!(i < self.len, "within the slice");
        // SAFETY: the caller vouches for the place.
        unsafe { self.start.add(i).write(value) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_worked_on_once() {
        for n in [0, 1, 2, 7, 1000] {
            let counts: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
            for_each(n, |i| {
                counts[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{n}");
        }
    }

    #[test]
    fn a_panic_comes_back_to_the_caller() {
        let panic = catch_unwind(|| for_each(50, |i| assert!(i != 33, "number {i}")));
        let text = panic.err().and_then(|panic| panic.downcast_ref::<String>().cloned());
        assert!(text.is_some_and(|text| text.contains("number 33")));
    }
}
