//! How much memory a rank may take: of a GPU, or its share of main memory.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::gpu::Gpu;

/// Share of a GPU's memory that tensors can fill: blocks of many sizes leave gaps.
const OF_GPU: f64 = 0.92;
/// Share of main memory that a run may take.
const OF_MAIN: f64 = 0.95;

/// The memory of a rank.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Room {
    /// Bytes of it; `None` where nobody knows.
    pub bytes: Option<f64>,
    /// Of these, bytes that nobody has taken at present, where that is known.
    pub free: Option<f64>,
    /// What it is of.
    pub of: String,
    share: f64,
}

impl Room {
    /// That of a named GPU.
    pub(crate) fn of_gpu(gpu: &Gpu) -> Self {
        Self { bytes: Some(gpu.memory), free: None, of: format!("one {}", gpu.name), share: OF_GPU }
    }

    /// `bytes` that somebody has named: of each GPU, or of main memory, which `local_ranks` share.
    pub(crate) fn named(bytes: f64, on_gpu: bool, local_ranks: usize) -> Self {
        if on_gpu {
            return Self { bytes: Some(bytes), free: None, of: "--memory".to_owned(), share: OF_GPU };
        }
        Self {
            bytes: Some(bytes / local_ranks as f64),
            free: None,
            of: shared("--memory", local_ranks),
            share: OF_MAIN,
        }
    }

    /// That of this machine: of its first GPU, or of its main memory, which `local_ranks` share; with the GPU's name.
    pub(crate) fn here(on_gpu: bool, local_ranks: usize) -> (Self, Option<String>) {
        if on_gpu {
            let Some((name, bytes, free)) = first_gpu() else {
                let of = "the GPU, of which nvidia-smi says nothing".to_owned();
                return (Self { bytes: None, free: None, of, share: OF_GPU }, None);
            };
            return (
                Self { bytes: Some(bytes), free: Some(free), of: format!("one {name}"), share: OF_GPU },
                Some(name),
            );
        }
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (bytes, free) = main_memory(&read("/proc/meminfo"), limit(&read));
        let each = |bytes: f64| bytes / local_ranks as f64;
        let of = shared("the main memory of this machine", local_ranks);
        (Self { bytes: bytes.map(each), free: free.map(each), of, share: OF_MAIN }, None)
    }

    /// Bytes that a run may take.
    pub(crate) fn usable(&self) -> Option<f64> {
        self.bytes.map(|bytes| bytes * self.share)
    }
}

fn shared(of: &str, local_ranks: usize) -> String {
    if local_ranks > 1 { format!("{of}, which {local_ranks} ranks share") } else { of.to_owned() }
}

/// Bytes that this process's control groups let it take together with the others in them, and those that are taken: of the tightest.
/// Containers and jobs of a cluster are such groups.
fn limit(read: &dyn Fn(&str) -> String) -> Option<(f64, f64)> {
    let number = |path: &Path| read(&path.to_string_lossy()).trim().parse::<f64>().ok();
    let groups = read("/proc/self/cgroup");
    let of_line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (root, most, taken) = match parts.next()? {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
            of if of.split(',').any(|of| of == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => return None,
        };
        let group = parts.next()?.trim_start_matches('/');
        let folders = Path::new(group).ancestors().map(|group| Path::new(root).join(group));
        folders
            .filter_map(|folder| number(&folder.join(most)).zip(number(&folder.join(taken))))
            .min_by(|a, b| a.0.total_cmp(&b.0))
    };
    groups.lines().filter_map(of_line).min_by(|a, b| a.0.total_cmp(&b.0))
}

/// Bytes of main memory, and those that are free; no more than a container may take, `limit` and used.
fn main_memory(meminfo: &str, limit: Option<(f64, f64)>) -> (Option<f64>, Option<f64>) {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
    };
    let (total, free) = (bytes("MemTotal:"), bytes("MemAvailable:"));
    match limit {
        Some((most, used)) if total.is_none_or(|total| most < total) => {
            (Some(most), Some(free.unwrap_or(f64::INFINITY).min(most - used)))
        }
        _ => (total, free),
    }
}

/// Name, bytes and free bytes of the first GPU, as the driver's tool says them.
fn first_gpu() -> Option<(String, f64, f64)> {
    let query = ["--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"];
    let said = Command::new("nvidia-smi").args(query).output().ok()?;
    of_csv(&String::from_utf8(said.stdout).ok()?)
}

fn of_csv(said: &str) -> Option<(String, f64, f64)> {
    const MIB: f64 = (1 << 20) as f64;
    let cells: Vec<&str> = said.lines().next()?.split(',').map(str::trim).collect();
    let [name, total, free] = cells[..] else { return None };
    Some((name.to_owned(), total.parse::<f64>().ok()? * MIB, free.parse::<f64>().ok()? * MIB))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_no_more_than_its_limit() {
        let meminfo = "MemTotal:       32000000 kB\nMemAvailable:   24000000 kB\n";
        let (total, free) = (32e6 * 1024.0, 24e6 * 1024.0);
        assert_eq!(main_memory(meminfo, None), (Some(total), Some(free)));
        assert_eq!(main_memory(meminfo, Some((8e9, 3e9))), (Some(8e9), Some(5e9)));
        assert_eq!(main_memory(meminfo, Some((9e18, 3e9))), (Some(total), Some(free)));
        assert_eq!(main_memory("", None), (None, None));
    }

    #[test]
    fn the_tightest_of_nested_groups_is_the_limit() {
        let read = |path: &str| {
            match path {
                "/proc/self/cgroup" => "0::/slurm/job_7/step_0\n",
                "/sys/fs/cgroup/slurm/job_7/memory.max" => "64000000000\n",
                "/sys/fs/cgroup/slurm/job_7/memory.current" => "1000\n",
                "/sys/fs/cgroup/slurm/memory.max" => "128000000000\n",
                "/sys/fs/cgroup/slurm/job_7/step_0/memory.max" => "max\n",
                "/sys/fs/cgroup/slurm/job_7/step_0/memory.current"
                | "/sys/fs/cgroup/slurm/memory.current" => "7\n",
                _ => "",
            }
            .to_owned()
        };
        assert_eq!(limit(&read), Some((64e9, 1000.0)));
        let read = |path: &str| {
            match path {
                "/proc/self/cgroup" => "5:cpu,cpuacct:/\n4:memory:/job\n",
                "/sys/fs/cgroup/memory/job/memory.limit_in_bytes" => "9000",
                "/sys/fs/cgroup/memory/job/memory.usage_in_bytes" => "10",
                _ => "",
            }
            .to_owned()
        };
        assert_eq!(limit(&read), Some((9000.0, 10.0)));
        assert_eq!(limit(&|_| String::new()), None);
    }

    #[test]
    fn the_first_of_several_gpus_is_read() {
        let said = "NVIDIA H100 80GB HBM3, 81559, 80994\nNVIDIA H100 80GB HBM3, 81559, 1000\n";
        let mib = f64::from(1 << 20);
        let expected = ("NVIDIA H100 80GB HBM3".to_owned(), 81_559.0 * mib, 80_994.0 * mib);
        assert_eq!(of_csv(said), Some(expected));
        assert_eq!(of_csv("No devices were found"), None);
    }

    #[test]
    fn ranks_share_main_memory_and_have_a_gpu_each() {
        assert_eq!(Room::named(8e9, false, 4).bytes, Some(2e9));
        assert_eq!(Room::named(8e9, true, 4).bytes, Some(8e9));
    }
}
