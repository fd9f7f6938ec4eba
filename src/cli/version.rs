//! `rlcredit --version`: what a report of a problem should say first.

use crate::environment::BUILT_FROM;
use crate::model::device::prepare_process;
use crate::model::{BackendChoice, DeviceChoice, Dtype, Placement};

/// Version and commit, libtorch, and where and in which precision this machine computes.
pub(super) fn version() -> String {
    prepare_process();
    let placement = Placement::resolve(DeviceChoice::Auto, Dtype::Auto, BackendChoice::Auto);
    let device = placement.map_or_else(|error| format!("{error:#}"), |placement| placement.to_string());
    format!(
        "rlcredit {} ({BUILT_FROM})\nlibtorch {}\ncomputes in {device}",
        env!("CARGO_PKG_VERSION"),
        env!("LIBTORCH_VERSION")
    )
}
