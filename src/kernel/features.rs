//! What the processor can do beyond what the standard library asks it.

/// Whether Linux lists `flag` among the processor's, such as `amx_bf16`.
#[must_use]
pub fn cpu_has(flag: &str) -> bool {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    flags.split_whitespace().any(|known| known == flag)
}
