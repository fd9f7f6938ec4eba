//! Writes libtorch's place into every binary and test, so that they run without `LD_LIBRARY_PATH`, and its version into
//! the program, which reports it.
//!
//! torch-sys links the libtorch that `LIBTORCH` names but cannot hand a run-time path on to its dependents.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH").unwrap_or_default();
    if !libtorch.is_empty() {
        // Not `-Wl,-rpath,...`, which a path with a comma would break.
        for argument in ["-Xlinker", "-rpath", "-Xlinker", &format!("{libtorch}/lib")] {
            println!("cargo::rustc-link-arg={argument}");
        }
    }
    let header = std::fs::read_to_string(format!("{libtorch}/include/torch/headeronly/version.h"));
    let version = header.ok().and_then(|text| version(&text)).unwrap_or_else(|| String::from("unknown"));
    println!("cargo::rustc-env=LIBTORCH_VERSION={version}");
}

/// `2.11.0` from the three numbers that the header defines.
fn version(header: &str) -> Option<String> {
    let number = |name: &str| {
        let definition = format!("#define TORCH_VERSION_{name} ");
        header.lines().find_map(|line| line.strip_prefix(&definition)).map(str::trim)
    };
    Some(format!("{}.{}.{}", number("MAJOR")?, number("MINOR")?, number("PATCH")?))
}
