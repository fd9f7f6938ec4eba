//! Compiles `shim/` against the headers of the libtorch that `LIBTORCH` names, and links it with what tch links.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=shim");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = env::var("LIBTORCH").unwrap_or_default();
    assert!(
        !libtorch.is_empty(),
        "LIBTORCH names no libtorch: run scripts/setup, which puts one into .libtorch, or name a folder with include/ and lib/"
    );
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        // Without this name torch's header hides the class that the library was built with.
        .define("USE_C10D_GLOO", None)
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        // gloo's own headers come with no libtorch; the few names that torch's header takes from them are in shim/gloo.
        .include("shim")
        .include(format!("{libtorch}/include"))
        .include(format!("{libtorch}/include/torch/csrc/api/include"))
        .files(["shim/distributed.cpp", "shim/nccl.cpp"])
        .compile("distributed_shim");
    println!("cargo::rustc-link-search=native={libtorch}/lib");
    println!("cargo::rustc-link-lib=dylib=torch_cpu");
    println!("cargo::rustc-link-lib=dylib=c10");
    // For this crate's own tests; the program brings its own run path.
    for argument in ["-Xlinker", "-rpath", "-Xlinker", &format!("{libtorch}/lib")] {
        println!("cargo::rustc-link-arg={argument}");
    }
}
