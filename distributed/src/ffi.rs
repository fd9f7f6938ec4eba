//! `shim/distributed.h`, which says what each does.

#![allow(clippy::missing_docs_in_private_items, reason = "the header has the words")]

use std::ffi::{c_char, c_int, c_void};

pub(crate) const OK: c_int = 0;
pub(crate) const TIMEOUT: c_int = 2;
pub(crate) const LOST: c_int = 3;

#[repr(C)]
pub(crate) struct Store {
    opaque: [u8; 0],
}

#[repr(C)]
pub(crate) struct Group {
    opaque: [u8; 0],
}

#[repr(C)]
pub(crate) struct Work {
    opaque: [u8; 0],
}

/// `torch::Tensor *`.
pub(crate) type Tensor = *mut c_void;

unsafe extern "C" {
    pub(crate) fn dist_error() -> *const c_char;
    pub(crate) fn dist_store_open(
        host: *const c_char,
        port: u16,
        serve: c_int,
        timeout_ms: i64,
        out: *mut *mut Store,
    ) -> c_int;
    pub(crate) fn dist_store_close(store: *mut Store);
    pub(crate) fn dist_store_set(
        store: *mut Store,
        key: *const c_char,
        value: *const u8,
        len: usize,
    ) -> c_int;
    pub(crate) fn dist_store_get(
        store: *mut Store,
        key: *const c_char,
        value: *mut u8,
        len: *mut usize,
    ) -> c_int;
    pub(crate) fn dist_store_has(store: *mut Store, key: *const c_char, found: *mut c_int) -> c_int;
    pub(crate) fn dist_group_open(
        store: *mut Store,
        backend: *const c_char,
        name: *const c_char,
        rank: c_int,
        size: c_int,
        timeout_ms: i64,
        out: *mut *mut Group,
    ) -> c_int;
    pub(crate) fn dist_group_set_timeout(group: *mut Group, timeout_ms: i64) -> c_int;
    pub(crate) fn dist_group_close(group: *mut Group);
    pub(crate) fn dist_all_reduce(group: *mut Group, inout: Tensor, op: c_int, out: *mut *mut Work) -> c_int;
    pub(crate) fn dist_reduce(
        group: *mut Group,
        inout: Tensor,
        root: c_int,
        op: c_int,
        out: *mut *mut Work,
    ) -> c_int;
    pub(crate) fn dist_broadcast(group: *mut Group, inout: Tensor, root: c_int, out: *mut *mut Work)
    -> c_int;
    pub(crate) fn dist_reduce_scatter(
        group: *mut Group,
        output: Tensor,
        input: Tensor,
        op: c_int,
        out: *mut *mut Work,
    ) -> c_int;
    pub(crate) fn dist_all_gather(
        group: *mut Group,
        output: Tensor,
        input: Tensor,
        out: *mut *mut Work,
    ) -> c_int;
    pub(crate) fn dist_barrier(group: *mut Group, out: *mut *mut Work) -> c_int;
    pub(crate) fn dist_work_wait(work: *mut Work) -> c_int;
}
