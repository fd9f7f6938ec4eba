//! Where to compute, in which precision and by what, and the process-wide settings of libtorch.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tch::{Cuda, Device, Kind};

use super::settings::{BackendChoice, DeviceChoice, Dtype, ModelSettings};
use crate::kernel::cpu_has;

/// A device, the float kind of the forward and backward pass, and who is wished to compute them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placement {
    /// Where the tensors live.
    pub device: Device,
    /// Compute precision: `Kind::Float` or `Kind::BFloat16`.
    pub kind: Kind,
    /// Which engine a network there takes, see [`Backend::choose`](super::Backend::choose).
    pub backend: BackendChoice,
}

impl Placement {
    /// Resolves a recipe's choices on this machine.
    ///
    /// # Errors
    /// As [`Placement::resolve`].
    pub(crate) fn from_settings(model: &ModelSettings) -> Result<Self> {
        Self::resolve(model.device, model.dtype, model.backend)
    }

    /// Resolves choices on this machine.
    ///
    /// # Errors
    /// If CUDA is asked for and libtorch sees no CUDA device.
    pub(crate) fn resolve(device: DeviceChoice, dtype: Dtype, backend: BackendChoice) -> Result<Self> {
        let device = match device {
            DeviceChoice::Cpu => Device::Cpu,
            DeviceChoice::Auto => Device::cuda_if_available(),
            DeviceChoice::Cuda if Cuda::is_available() => Device::Cuda(0),
            DeviceChoice::Cuda => bail!(
                "[model] device = \"cuda\": libtorch sees no CUDA device; expected a GPU and a CUDA build of \
                 libtorch. Use device = \"auto\" or \"cpu\", or point LIBTORCH to a CUDA build"
            ),
        };
        let kind = match dtype {
            Dtype::F32 => Kind::Float,
            Dtype::Bf16 => Kind::BFloat16,
            Dtype::Auto if has_fast_bf16(device) => Kind::BFloat16,
            Dtype::Auto => Kind::Float,
        };
        Ok(Self { device, kind, backend })
    }

    /// The precision by its name in recipes.
    #[must_use]
    pub(crate) fn dtype(&self) -> Dtype {
        Dtype::of_kind(self.kind)
    }

    /// The device by its name in recipes: `cpu`, and of GPUs with its number, `cuda:0`.
    #[must_use]
    pub(crate) fn device_name(&self) -> String {
        format!("{:?}", self.device).to_lowercase()
    }

    /// f32 on the CPU: what tests and references use.
    #[cfg(test)]
    pub(crate) fn cpu_f32() -> Self {
        Self::cpu(Kind::Float)
    }

    /// Numbers of `kind` on the CPU.
    #[cfg(test)]
    pub(crate) fn cpu(kind: Kind) -> Self {
        Self { device: Device::Cpu, kind, backend: BackendChoice::Auto }
    }

    /// The same, by libtorch's operations whatever the device.
    #[cfg(test)]
    pub(crate) fn by_ops(self) -> Self {
        Self { backend: BackendChoice::Ops, ..self }
    }
}

impl Dtype {
    /// The name of `kind`, in which forward and backward pass are computed.
    #[must_use]
    pub(crate) fn of_kind(kind: Kind) -> Self {
        if kind == Kind::BFloat16 { Self::Bf16 } else { Self::F32 }
    }
}

/// `bf16 on cpu`, `f32 on cuda:0`: by the names of recipes.
impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.dtype(), self.device_name())
    }
}

/// Whether bf16 products run on units made for them.
#[must_use]
pub(crate) fn has_fast_bf16(device: Device) -> bool {
    if device.is_cuda() {
        return true;
    }
    cpu_has("amx_bf16") || cpu_has("avx512_bf16")
}

/// Prepares the process for libtorch; call once, before the first tensor.
///
/// Big blocks stay with the allocator instead of going back to the kernel after every operation: page faults on
/// fresh memory would cost several times the operation itself. All threads share one heap, or each would keep its own
/// (see [`FreeMemory`] for the holes that remain). And the CUDA half of libtorch is loaded if there is
/// one, since a binary linked against the CPU half names nothing of it.
#[expect(unsafe_code, reason = "allocator settings and dlopen are C calls")]
pub(crate) fn prepare_process() {
    const KEEP: libc::c_int = 1 << 30;
    /// The most that a glibc before 2.35 accepts as M_MMAP_THRESHOLD.
    const KEEP_IN_OLD_GLIBC: libc::c_int = 32 << 20;
    // SAFETY: mallopt only sets numbers; dlopen gets a valid C string and its handle is kept for good.
    unsafe {
        if libc::mallopt(libc::M_MMAP_THRESHOLD, KEEP) == 0 {
            libc::mallopt(libc::M_MMAP_THRESHOLD, KEEP_IN_OLD_GLIBC);
        }
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEEP);
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL);
    }
}

/// Hands memory that no tensor holds back to the kernel, now and then.
///
/// Blocks of ever-changing lengths leave holes that no later block fits, and a process that keeps them all grows for
/// hundreds of steps. Faulting pages in again costs a quarter of a second per GB, so it is not done in every short step.
#[derive(Debug)]
pub(crate) struct FreeMemory {
    released: Instant,
}

impl Default for FreeMemory {
    fn default() -> Self {
        Self { released: Instant::now() }
    }
}

impl FreeMemory {
    /// Time between two releases.
    const PAUSE: Duration = Duration::from_secs(10);

    /// Releases what is free if it is time; call where much is free and little is wanted, such as after generation.
    pub(crate) fn release_if_due(&mut self) {
        if self.released.elapsed() >= Self::PAUSE {
            Self::release();
            self.released = Instant::now();
        }
    }

    /// Releases what is free, once, where far more was held than ever again, as behind loading: what ranks have a piece of fits the
    /// holes that the whole leaves but for a few bytes.
    #[expect(unsafe_code, reason = "the allocator is a C library")]
    pub(crate) fn release() {
        // SAFETY: malloc_trim touches free pages alone.
        unsafe { libc::malloc_trim(0) };
    }
}
