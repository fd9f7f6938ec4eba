//! Which changes are told.

use super::{BASE, parse};
use crate::recipe::telling;

fn keys(before: &[&str], now: &[&str]) -> Vec<String> {
    let changes = parse(BASE, now).unwrap().changes(&parse(BASE, before).unwrap()).unwrap();
    telling(&changes).into_iter().map(|change| change.key.clone()).collect()
}

#[test]
fn defaults_that_come_along_are_not_told() {
    assert_eq!(keys(&[], &["credit=[{type=\"rhythm\"}]"]), ["credit.0.type"]);
    assert_eq!(keys(&["credit=[{type=\"rhythm\"}]"], &["credit=[]"]), ["credit.0.type"]);
    let told = keys(&[], &["credit=[{type=\"rhythm\", gain=2.0}]", "optim.lr=1e-7"]);
    assert_eq!(told, ["credit.0.gain", "credit.0.type", "optim.lr"]);
    assert_eq!(keys(&["optim.lr=1e-6"], &["optim.lr=1e-7"]), ["optim.lr"]);
}
