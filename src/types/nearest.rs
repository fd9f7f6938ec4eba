//! What was likely meant by a name that is not known.

/// Similarity (Jaro-Winkler, 0 to 1) from which a name is offered as the one that was meant.
const NEAR: f64 = 0.8;

/// The name of `valid` that `name` likely means.
#[must_use]
pub(crate) fn nearest<'a>(name: &str, valid: &[&'a str]) -> Option<&'a str> {
    // Similarity takes the product of the lengths, and no name of ours is that long.
    if name.len() > 64 {
        return None;
    }
    let similar = |other: &&str| strsim::jaro_winkler(name, other);
    let near = valid.iter().max_by(|a, b| similar(a).total_cmp(&similar(b)))?;
    (similar(near) >= NEAR).then_some(near)
}
