//! Writes libtorch's place into every binary and test, so that they run without `LD_LIBRARY_PATH`, its version into the program,
//! which reports it, and the commit that the program is built from.
//!
//! torch-sys links the libtorch that `LIBTORCH` names but cannot hand a run-time path on to its dependents. Behind that place comes
//! `lib` beside the folder of the binary, where an unpacked release has it.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH").unwrap_or_default();
    if !Path::new(&libtorch).join("lib/libtorch_cpu.so").is_file() {
        let got = if libtorch.is_empty() { "is not set" } else { libtorch.as_str() };
        println!(
            "cargo::error=LIBTORCH: {got}, expected the folder of a libtorch, with lib and include: run `python3 scripts/libtorch.py` \
             in the checkout, which puts one into .libtorch, or set LIBTORCH to that of a PyTorch of the same version"
        );
        return;
    }
    // Not `-Wl,-rpath,...`, which a path with a comma would break.
    for place in [format!("{libtorch}/lib"), "$ORIGIN/../lib".to_owned()] {
        for argument in ["-Xlinker", "-rpath", "-Xlinker", &place] {
            println!("cargo::rustc-link-arg={argument}");
        }
    }
    let header = std::fs::read_to_string(format!("{libtorch}/include/torch/headeronly/version.h"));
    let version = header.ok().and_then(|text| version(&text)).unwrap_or_else(|| String::from("unknown"));
    println!("cargo::rustc-env=LIBTORCH_VERSION={version}");
    println!("cargo::rustc-env=RLCREDIT_COMMIT={}", commit());
}

/// `2.11.0` from the three numbers that the header defines.
fn version(header: &str) -> Option<String> {
    let number = |name: &str| {
        let definition = format!("#define TORCH_VERSION_{name} ");
        header.lines().find_map(|line| line.strip_prefix(&definition)).map(str::trim)
    };
    Some(format!("{}.{}.{}", number("MAJOR")?, number("MINOR")?, number("PATCH")?))
}

/// What the program is built of: sources that are not tracked are none of it.
const SOURCES: [&str; 8] =
    ["src", "distributed", "rewards", "recipes", "build.rs", "Cargo.toml", "Cargo.lock", ".cargo"];

/// The commit of the checkout, and whether tracked sources differ from it; what `RLCREDIT_COMMIT` says where it says anything, as
/// where sources come without their history.
fn commit() -> String {
    println!("cargo::rerun-if-env-changed=RLCREDIT_COMMIT");
    let given = std::env::var("RLCREDIT_COMMIT").ok().filter(|given| !given.is_empty());
    given.or_else(of_checkout).unwrap_or_else(|| String::from("unknown commit"))
}

/// The commit of the checkout that is built, if it is one.
fn of_checkout() -> Option<String> {
    let head = git(&["rev-parse", "--short=12", "HEAD"])?;
    // Another commit, and another state of the sources, is found by what git and an editor touch.
    let reference = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let touched = ["HEAD", "packed-refs"].into_iter().chain(reference.as_deref());
    let touched = touched.filter_map(|name| git(&["rev-parse", "--git-path", name]));
    let touched = touched.chain(SOURCES.map(str::to_owned)).filter(|path| Path::new(path).exists());
    touched.for_each(|path| println!("cargo::rerun-if-changed={path}"));
    let changed = git(&[&["status", "--porcelain", "--untracked-files=no", "--"], &SOURCES[..]].concat())?;
    Some(if changed.is_empty() { format!("commit {head}") } else { format!("commit {head} and changes") })
}

/// What git says in the folder of this package.
fn git(arguments: &[&str]) -> Option<String> {
    let said = Command::new("git").args(arguments).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
