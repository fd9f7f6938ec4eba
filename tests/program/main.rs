//! The built program as a person meets it: verbs, files, exit codes, signals, bad input.
#![expect(clippy::unwrap_used, reason = "tests")]

mod audit;
mod backend;
mod bad_input;
mod causes;
mod circuit;
mod compare;
mod data;
mod engine;
mod eval;
mod flags;
mod foreign;
mod fork;
mod history;
mod hub;
mod identity;
mod inspect;
mod inspect_run;
mod interventions;
mod learning;
mod lora;
mod metrics;
mod models;
mod not_finite;
mod place;
mod plan;
mod ranks;
mod release;
mod replay;
mod report;
mod resume;
mod saving;
mod secrets;
mod verbs;
mod verify;
mod watching;
