//! What stands at each place of a response.

/// Most places of a response.
pub(super) const MAX_PLACES: usize = 256;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `F`: a fork, at which one of the branches is taken.
    Fork,
    /// `s`: the sign of the fork with this number, as the prompt names it.
    Sign(usize),
    /// `E`: the branch of the fork with this number, once more.
    Echo(usize),
    /// `d`: one of the decoys.
    Decoy,
    /// `e`: the decoy with this number, once more.
    Repeat(usize),
    /// `.`: a filler.
    Filler,
}

/// The places that `layout` writes; none for another character.
pub(super) fn places(layout: &str) -> Option<Vec<Place>> {
    let (mut signs, mut echoes, mut repeats) = (0.., 0.., 0..);
    let place = |character| match character {
        'F' => Some(Place::Fork),
        's' => signs.next().map(Place::Sign),
        'E' => echoes.next().map(Place::Echo),
        'd' => Some(Place::Decoy),
        'e' => repeats.next().map(Place::Repeat),
        '.' => Some(Place::Filler),
        _ => None,
    };
    layout.chars().map(place).collect()
}

/// How many times `original` stands in `layout`, if each of its `repeats` has one before it that is its own.
pub(super) fn repeated(layout: &str, original: char, repeat: char) -> Option<usize> {
    let mut counts = (0usize, 0usize);
    for character in layout.chars() {
        counts.0 += usize::from(character == original);
        counts.1 += usize::from(character == repeat);
        if counts.1 > counts.0 {
            return None;
        }
    }
    Some(counts.0)
}
