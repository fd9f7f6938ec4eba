//! What the processor can do beyond what the standard library asks it.

/// Whether Linux lists `flag` among the processor's, such as `amx_bf16`.
#[must_use]
pub(crate) fn cpu_has(flag: &str) -> bool {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    flags.split_whitespace().any(|known| known == flag)
}

/// The processor's instructions that kernels, here and in libtorch, are chosen by, in order of age, and what the environment
/// asks of libtorch: `avx2 fma avx512f ... ATEN_CPU_CAPABILITY=avx2`.
#[must_use]
pub(crate) fn instructions() -> String {
    const CHOOSING: [&str; 11] = [
        "avx2",
        "fma",
        "avx512f",
        "avx512bw",
        "avx512dq",
        "avx512vl",
        "avx512_vnni",
        "avx512_bf16",
        "avx512_fp16",
        "amx_bf16",
        "amx_int8",
    ];
    const ASKING: [&str; 3] = ["ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA"];
    let asked = ASKING.into_iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
    let has = CHOOSING.into_iter().filter(|flag| cpu_has(flag)).map(str::to_owned);
    has.chain(asked).collect::<Vec<_>>().join(" ")
}
