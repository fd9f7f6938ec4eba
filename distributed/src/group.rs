//! Collectives.

use std::ffi::c_int;
use std::ptr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tch::{Kind, Tensor};

use crate::error::{Error, Trouble, check};
use crate::ffi;
use crate::store::{Store, millis, text};
use crate::world::World;

/// Who carries the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Between processors, for tensors in main memory.
    Gloo,
    /// Between GPUs, for their tensors; where libtorch has it.
    Nccl,
}

/// How numbers of several processes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Their sum.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

/// Processes that work together.
pub struct Group {
    /// One collective begins after the other, whichever threads begin them.
    raw: Mutex<Raw>,
    rank: usize,
    size: usize,
}

struct Raw(*mut ffi::Group);

// SAFETY: c10d's groups belong to no thread.
unsafe impl Send for Raw {}

/// A collective under way. What its tensors hold is settled once it was waited for.
#[must_use = "a collective is finished by waiting for it"]
pub struct Work {
    raw: *mut ffi::Work,
    /// Kept for as long as others write into them.
    tensors: Vec<Tensor>,
}

// SAFETY: c10d's works belong to no thread.
unsafe impl Send for Work {}

impl Group {
    /// Meets the other processes of the store under `name`, once per name. `timeout` bounds that and, until
    /// [`Group::set_timeout`] says otherwise, each collective.
    ///
    /// # Errors
    /// If somebody does not come, or there is no such backend here.
    pub fn open(store: &Store, backend: Backend, name: &str, timeout: Duration) -> Result<Self, Error> {
        let World { rank, size, .. } = *store.world();
        let kind = text(match backend {
            Backend::Gloo => "gloo",
            Backend::Nccl => "nccl",
        })?;
        let name = store.key(name)?;
        let mut raw = ptr::null_mut();
        // SAFETY: the texts end in a NUL, and all outlive the call; the group keeps the store on its own.
        let status = unsafe {
            ffi::dist_group_open(
                store.raw(),
                kind.as_ptr(),
                name.as_ptr(),
                rank as c_int,
                size as c_int,
                millis(timeout),
                &mut raw,
            )
        };
        check(status).map_err(|error| {
            let where_to = match backend {
                Backend::Gloo => {
                    "; on several machines, GLOO_SOCKET_IFNAME names the network interface that they reach each other by"
                }
                Backend::Nccl => "",
            };
            Error::new(error.trouble, format!("rank {rank} cannot meet the others: {}{where_to}", error.message))
        })?;
        Ok(Self { raw: Mutex::new(Raw(raw)), rank, size })
    }

    /// Bounds each collective that begins from now on. NCCL's keep the time that they were opened with.
    ///
    /// # Errors
    /// If the backend refuses.
    pub fn set_timeout(&self, timeout: Duration) -> Result<(), Error> {
        let group = self.raw.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: made by `dist_group_open`, and open as long as `self` is.
        check(unsafe { ffi::dist_group_set_timeout(group.0, millis(timeout)) })
    }

    /// The number of this process.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many processes there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Every process's `tensor` becomes the `op` of all of them, to the same bits.
    ///
    /// # Errors
    /// If the tensor has gaps, or the collective cannot begin; the same holds of all others.
    pub fn all_reduce(&self, tensor: &mut Tensor, op: Op) -> Result<Work, Error> {
        // SAFETY: of this and those below: `begin` keeps the tensors until the collective is over.
        self.begin([tensor], |group, [tensor], out| unsafe {
            ffi::dist_all_reduce(group, tensor, op.number(), out)
        })
    }

    /// The `tensor` of process `root` becomes the `op` of all of them; those of the others hold nothing sensible behind it.
    ///
    /// # Errors
    /// As of [`Group::all_reduce`].
    pub fn reduce(&self, tensor: &mut Tensor, root: usize, op: Op) -> Result<Work, Error> {
        self.begin([tensor], |group, [tensor], out| unsafe {
            ffi::dist_reduce(group, tensor, root as c_int, op.number(), out)
        })
    }

    /// Every process's `tensor` becomes that of process `root`.
    ///
    /// # Errors
    /// As of [`Group::all_reduce`].
    pub fn broadcast(&self, tensor: &mut Tensor, root: usize) -> Result<Work, Error> {
        self.begin([tensor], |group, [tensor], out| unsafe {
            ffi::dist_broadcast(group, tensor, root as c_int, out)
        })
    }

    /// `output` becomes this process's part of the `op` of all inputs, one of as many equal parts as there are processes. It may be
    /// that very part of `input`.
    ///
    /// # Errors
    /// As of [`Group::all_reduce`]; if the sizes do not fit.
    pub fn reduce_scatter(&self, output: &mut Tensor, input: &Tensor, op: Op) -> Result<Work, Error> {
        self.fit(output, input)?;
        self.begin([output, input], |group, [output, input], out| unsafe {
            ffi::dist_reduce_scatter(group, output, input, op.number(), out)
        })
    }

    /// `output` becomes the inputs of all processes, one behind the other. `input` may be this process's part of `output`.
    ///
    /// # Errors
    /// As of [`Group::all_reduce`]; if the sizes do not fit.
    pub fn all_gather(&self, output: &mut Tensor, input: &Tensor) -> Result<Work, Error> {
        self.fit(input, output)?;
        self.begin([output, input], |group, [output, input], out| unsafe {
            ffi::dist_all_gather(group, output, input, out)
        })
    }

    /// Waits until all processes have come this far.
    ///
    /// # Errors
    /// If one does not.
    pub fn barrier(&self) -> Result<(), Error> {
        self.begin([], |group, [], out| unsafe { ffi::dist_barrier(group, out) })?.wait()
    }

    /// Whether `part` is one of as many equal parts of `whole` as there are processes.
    fn fit(&self, part: &Tensor, whole: &Tensor) -> Result<(), Error> {
        let (n, all) = (part.numel(), whole.numel());
        if n * self.size == all && part.kind() == whole.kind() {
            return Ok(());
        }
        let size = self.size;
        let message =
            format!("a part of {n} numbers is not one of {size} equal parts of {all}, or of another kind");
        Err(Error::new(Trouble::Other, message))
    }

    fn begin<const N: usize>(
        &self,
        tensors: [&Tensor; N],
        call: impl FnOnce(*mut ffi::Group, [ffi::Tensor; N], *mut *mut ffi::Work) -> c_int,
    ) -> Result<Work, Error> {
        for tensor in tensors {
            // Gloo goes by the first element and the number of them, wherever the others lie.
            if !tensor.is_contiguous() {
                let message = format!(
                    "a collective needs a tensor without gaps, and this one {:?} has some",
                    tensor.size()
                );
                return Err(Error::new(Trouble::Other, message));
            }
            if tensor.kind() == Kind::Bool {
                return Err(Error::new(Trouble::Other, "a collective of booleans; use bytes"));
            }
        }
        let kept = tensors.map(Tensor::shallow_clone);
        let pointers: [ffi::Tensor; N] = std::array::from_fn(|i| kept[i].as_ptr().cast_mut().cast());
        let mut raw = ptr::null_mut();
        let group = self.raw.lock().unwrap_or_else(PoisonError::into_inner);
        check(call(group.0, pointers, &mut raw))?;
        Ok(Work { raw, tensors: kept.into() })
    }
}

impl Op {
    fn number(self) -> c_int {
        match self {
            Self::Sum => 0,
            Self::Min => 3,
            Self::Max => 4,
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = self.raw.get_mut().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: made by `dist_group_open`, and closed once.
        unsafe { ffi::dist_group_close(group.0) };
    }
}

impl Work {
    /// Waits for the end.
    ///
    /// # Errors
    /// If a process is lost, or does not come in time.
    pub fn wait(mut self) -> Result<(), Error> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Error> {
        let raw = std::mem::replace(&mut self.raw, ptr::null_mut());
        if raw.is_null() {
            return Ok(());
        }
        // SAFETY: made by a collective, and waited for once.
        let waited = check(unsafe { ffi::dist_work_wait(raw) });
        self.tensors.clear();
        waited
    }
}

impl Drop for Work {
    /// Whoever leaves early leaves memory behind that others still write into, so it is waited for all the same.
    fn drop(&mut self) {
        let _ = self.finish();
    }
}
