//! What a machine has, and how much of it this process may use.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use tch::{Cuda, Device};

use super::Finding;
use crate::environment::BUILT_FROM;
use crate::kernel::cpu_has;
use crate::model::device::has_fast_bf16;
use crate::model::{BackendChoice, DeviceChoice, Dtype, Placement};
use crate::plan::Room;
use crate::threads::{VARIABLE, n_threads};
use crate::types::counted;

/// Main memory below which the smallest recipes do not train, and below which small pretrained models do not, GB.
const LEAST_MEMORY_GB: f64 = 1.0;
const LITTLE_MEMORY_GB: f64 = 4.0;

/// Disk below which a small run does not end, and below which runs of small models do not, GB.
const LEAST_DISK_GB: f64 = 0.5;
const LITTLE_DISK_GB: f64 = 5.0;

pub(super) fn program(_: &Path) -> Finding {
    Finding::ok("program", format!("rlcredit {}, {BUILT_FROM}", env!("CARGO_PKG_VERSION")))
}

pub(super) fn libtorch(_: &Path) -> Finding {
    let build = if Cuda::is_available() { "which sees a GPU" } else { "which computes on the CPU" };
    Finding::ok("libtorch", format!("{}, {build}", env!("LIBTORCH_VERSION")))
}

fn placement() -> Option<Placement> {
    Placement::resolve(DeviceChoice::Auto, Dtype::Auto, BackendChoice::Auto).ok()
}

pub(super) fn device(_: &Path) -> Finding {
    const NAME: &str = "device";
    let gpus = driver_gpus();
    let n = Cuda::device_count();
    if Cuda::is_available() {
        let names = gpus.first().map_or_else(String::new, |name| format!(": {name}"));
        return Finding::ok(NAME, format!("cuda, {}{names}", counted(n, "GPU")));
    }
    let cpu = format!("cpu: {}", processor());
    match gpus.first() {
        None => Finding::ok(NAME, cpu),
        Some(gpu) => Finding::warning(
            NAME,
            format!("{cpu}; libtorch does not see the GPU, {gpu}"),
            "build with LIBTORCH set to a libtorch for CUDA of the same version, and check that CUDA_VISIBLE_DEVICES names one",
        ),
    }
}

pub(super) fn precision(_: &Path) -> Finding {
    const NAME: &str = "precision";
    let device = placement().map_or(Device::Cpu, |placement| placement.device);
    if device.is_cuda() {
        return Finding::ok(NAME, "bf16 on the GPU");
    }
    if !has_fast_bf16(device) {
        return Finding::warning(
            NAME,
            "f32: this processor has no units for bf16, neither AMX nor AVX512-BF16",
            "nothing has to be done; steps take several times as long as on one that has them (lscpu shows flags)",
        );
    }
    let by = if cpu_has("amx_bf16") { "AMX" } else { "AVX512-BF16, without AMX" };
    Finding::ok(NAME, format!("bf16 by {by}"))
}

pub(super) fn threads(_: &Path) -> Finding {
    let there = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let there = there.lines().filter(|line| line.starts_with("processor")).count();
    let usable = available_parallelism().map_or(1, usize::from);
    of_threads(n_threads(), usable, there, |name| std::env::var(name).ok())
}

/// `computing` threads where `usable` processors of those that are `there` may be used.
fn of_threads(
    computing: usize,
    usable: usize,
    there: usize,
    variable: impl Fn(&str) -> Option<String>,
) -> Finding {
    const NAME: &str = "threads";
    let limited = if usable < there {
        format!(", of the {there} of this machine (affinity, or the quota of a cgroup)")
    } else {
        String::new()
    };
    let said = format!("{} for {}{limited}", counted(computing, "thread"), counted(usable, "processor"));
    let by = [VARIABLE, "OMP_NUM_THREADS"]
        .into_iter()
        .find(|name| variable(name).is_some_and(|text| !text.is_empty()));
    let by = by.unwrap_or("--threads");
    if computing < usable {
        return Finding::warning(
            NAME,
            said,
            format!("{by} says so; leave it out, or say {usable}, to use all of them"),
        );
    }
    if computing > usable {
        return Finding::warning(
            NAME,
            said,
            format!("{by} says so; say {usable}, since threads that share a processor wait for each other"),
        );
    }
    Finding::ok(NAME, said)
}

pub(super) fn memory(_: &Path) -> Finding {
    const NAME: &str = "memory";
    let (room, _) = Room::here(false, 1);
    let (Some(bytes), free) = (room.bytes, room.free.or(room.bytes).unwrap_or_default()) else {
        return Finding::warning(
            NAME,
            "not known",
            "/proc/meminfo cannot be read; --memory says how much there is",
        );
    };
    of_memory(bytes / 1e9, free / 1e9, machine_gb())
}

/// `total` GB that may be used, of them `free`, where the machine has `machine`.
fn of_memory(total: f64, free: f64, machine: Option<f64>) -> Finding {
    const NAME: &str = "memory";
    let limited = machine.filter(|machine| total < 0.99 * machine);
    let limited = limited.map_or_else(String::new, |machine| {
        format!(", the limit of a cgroup, where the machine has {}", gb(machine))
    });
    let said = format!("{} GB are free of {} GB{limited}", gb(free), gb(total));
    let remedy =
        "end what else takes memory, or give the container or job more; `plan RECIPE` says what a run holds";
    match free {
        ..LEAST_MEMORY_GB => Finding::problem(NAME, said, remedy),
        ..LITTLE_MEMORY_GB => Finding::warning(NAME, said, remedy),
        _ => Finding::ok(NAME, said),
    }
}

/// Main memory of the machine, whatever this process may take of it, GB.
fn machine_gb() -> Option<f64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib * 1024.0 / 1e9)
}

pub(super) fn disk(runs: &Path) -> Finding {
    const NAME: &str = "disk";
    let shown = runs.display();
    let Some(free) = free_gb(runs) else {
        return Finding::warning(
            NAME,
            format!("{shown}: how much is free is not known"),
            "name another folder with --runs",
        );
    };
    let said = format!("{shown}: {} GB are free", gb(free));
    if !is_writable(runs) {
        let remedy = "name a folder of yours with --runs, here and with train";
        return Finding::problem(NAME, format!("{shown}: cannot be written"), remedy);
    }
    let remedy = "make room, or name a folder on another disk with --runs; [checkpoint] keep and [observe] rollouts_every say what \
                  a run keeps";
    match free {
        ..LEAST_DISK_GB => Finding::problem(NAME, said, remedy),
        ..LITTLE_DISK_GB => Finding::warning(NAME, said, remedy),
        _ => Finding::ok(NAME, said),
    }
}

/// The folder itself, or the nearest around it that is there.
fn there(path: &Path) -> Option<std::path::PathBuf> {
    let whole = std::path::absolute(path).ok()?;
    whole.ancestors().find(|path| path.is_dir()).map(Path::to_owned)
}

/// Whether a file can be made in `folder`, or where it would be made.
fn is_writable(folder: &Path) -> bool {
    there(folder).is_some_and(|folder| tempfile::tempfile_in(folder).is_ok())
}

/// GB that are free where `path` is, or would be.
pub(super) fn free_gb(path: &Path) -> Option<f64> {
    let room = rustix::fs::statvfs(there(path)?).ok()?;
    Some(room.f_bavail as f64 * room.f_frsize as f64 / 1e9)
}

/// GB with as many digits as tell something.
pub(super) fn gb(gb: f64) -> String {
    if gb < 9.95 { format!("{gb:.1}") } else { format!("{gb:.0}") }
}

/// What Linux calls the processor.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// Names of the GPUs that the driver knows.
fn driver_gpus() -> Vec<String> {
    let said = Command::new("nvidia-smi").args(["--query-gpu=name", "--format=csv,noheader"]).output();
    let said = said.ok().filter(|said| said.status.success());
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn threads_and_processors_should_be_as_many() {
        let of = |computing, usable, there, omp: Option<&str>| {
            of_threads(computing, usable, there, |name| {
                omp.filter(|_| name == "OMP_NUM_THREADS").map(str::to_owned)
            })
        };
        let all = of(8, 8, 8, None);
        assert_eq!((all.state, all.said.as_str()), (State::Ok, "8 threads for 8 processors"));
        let few = of(1, 8, 8, Some("1"));
        assert_eq!(few.state, State::Warning);
        assert!(few.remedy.is_some_and(|remedy| remedy.starts_with("OMP_NUM_THREADS says so; ")));
        let limited = of(2, 2, 64, None);
        assert_eq!(limited.state, State::Ok);
        assert!(limited.said.ends_with("of the 64 of this machine (affinity, or the quota of a cgroup)"));
        assert_eq!(of(4, 1, 1, None).state, State::Warning);
    }

    #[test]
    fn memory_that_a_cgroup_limits_is_said_to_be() {
        let state = |free| of_memory(32.0, free, Some(32.0)).state;
        assert_eq!([0.5, 2.0, 20.0].map(state), [State::Problem, State::Warning, State::Ok]);
        assert_eq!(of_memory(32.0, 20.0, Some(32.0)).said, "20 GB are free of 32 GB");
        let said = of_memory(8.0, 7.0, Some(64.0)).said;
        assert_eq!(said, "7.0 GB are free of 8.0 GB, the limit of a cgroup, where the machine has 64");
    }

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_disk_of_the_one_around_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let free = |path: &Path| free_gb(path).is_some_and(|free| free > 0.0);
        assert!(free(dir.path()) && free(&dir.path().join("runs/of/mine")));
        assert!(is_writable(&dir.path().join("runs")));
        assert_ne!(disk(&dir.path().join("runs")).said, "");
    }
}
