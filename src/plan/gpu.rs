//! GPUs by their names: what their makers say of them.

use std::str::FromStr;

use anyhow::{Error, bail};

/// A GPU as its data sheet has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gpu {
    /// What it is called.
    pub name: &'static str,
    /// Operations per second of bf16 products, without sparsity.
    pub flops: f64,
    /// Bytes of memory.
    pub memory: f64,
    /// Bytes per second of memory.
    pub bandwidth: f64,
}

const GIB: f64 = (1u64 << 30) as f64;

const fn gpu(name: &'static str, tflops: f64, gib: f64, tb_per_s: f64) -> Gpu {
    Gpu { name, flops: tflops * 1e12, memory: gib * GIB, bandwidth: tb_per_s * 1e12 }
}

/// Those that are known.
const GPUS: &[Gpu] = &[
    gpu("b200", 2250.0, 179.0, 8.0),
    gpu("h200", 989.0, 140.0, 4.8),
    gpu("h100", 989.0, 79.6, 3.35),
    gpu("a100", 312.0, 79.3, 2.04),
    gpu("a100-40gb", 312.0, 39.6, 1.56),
    gpu("l40s", 362.0, 44.7, 0.86),
    gpu("a10", 125.0, 22.5, 0.6),
    gpu("l4", 121.0, 22.5, 0.3),
    gpu("rtx4090", 165.0, 23.6, 1.01),
];

impl Gpu {
    /// The one that the driver calls `name`, such as `NVIDIA H100 80GB HBM3`.
    pub(crate) fn by_driver(name: &str) -> Option<&'static Self> {
        let name = name.to_lowercase().replace(' ', "");
        if name.contains("a100") && name.contains("40gb") {
            return GPUS.iter().find(|gpu| gpu.name == "a100-40gb");
        }
        // The longest name: an A100 is no A10.
        GPUS.iter().filter(|gpu| name.contains(gpu.name)).max_by_key(|gpu| gpu.name.len())
    }
}

impl FromStr for Gpu {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = GPUS.iter().find(|gpu| gpu.name == text.to_lowercase());
        let Some(gpu) = found else {
            let names: Vec<&str> = GPUS.iter().map(|gpu| gpu.name).collect();
            bail!(
                "got {text:?}, expected one of {}; of another one name the most similar, and how much it holds: --memory GB",
                names.join(", ")
            );
        };
        Ok(*gpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_and_people_name_the_same() {
        let of_driver = |name| Gpu::by_driver(name).map(|gpu| gpu.name);
        assert_eq!(of_driver("NVIDIA H100 80GB HBM3"), Some("h100"));
        assert_eq!(of_driver("NVIDIA A100-SXM4-40GB"), Some("a100-40gb"));
        assert_eq!(of_driver("NVIDIA A100-SXM4-80GB"), Some("a100"));
        assert_eq!(of_driver("NVIDIA GeForce RTX 4090"), Some("rtx4090"));
        assert_eq!(of_driver("Tesla T4"), None);
        assert_eq!("H200".parse::<Gpu>().map(|gpu| gpu.name).ok(), Some("h200"));
        assert!("h1".parse::<Gpu>().is_err());
    }
}
