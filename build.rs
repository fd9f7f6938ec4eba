//! Writes libtorch's place into every binary and test, so that they run without `LD_LIBRARY_PATH`.
//!
//! torch-sys links the libtorch that `LIBTORCH` names but cannot hand a run-time path on to its dependents.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    if let Ok(libtorch) = std::env::var("LIBTORCH") {
        // Not `-Wl,-rpath,...`, which a path with a comma would break.
        for argument in ["-Xlinker", "-rpath", "-Xlinker", &format!("{libtorch}/lib")] {
            println!("cargo::rustc-link-arg={argument}");
        }
    }
}
