//! What of settings is not what it was.

use serde_json::Value;

/// The first key in which two documents of settings differ, by its path.
#[must_use]
pub(crate) fn difference(known: &Value, wanted: &Value) -> String {
    let (mut known, mut wanted, mut path) = (known, wanted, Vec::new());
    while let (Value::Object(there), Value::Object(now)) = (known, wanted) {
        let mut keys = now.keys().chain(there.keys());
        let Some(key) = keys.find(|key| there.get(*key) != now.get(*key)) else { break };
        path.push(key.as_str());
        (known, wanted) = (there.get(key).unwrap_or(&Value::Null), now.get(key).unwrap_or(&Value::Null));
    }
    if path.is_empty() {
        return "its first line does not read".to_owned();
    }
    let said = |value: &Value| if value.is_null() { "not there".to_owned() } else { value.to_string() };
    format!("`{}` was {} and is {} now", path.join("."), said(known), said(wanted))
}
