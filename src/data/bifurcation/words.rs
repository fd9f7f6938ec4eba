//! The words of the texts. Each is one piece of the words tokenizer, as it stands or with a blank behind it.

/// Branches of a fork.
pub(super) const BRANCHES: [&str; 8] = ["left", "right", "up", "down", "north", "south", "east", "west"];

/// Signs of a prompt.
pub(super) const SIGNS: [&str; 16] = [
    "amber", "cobalt", "crimson", "emerald", "indigo", "ivory", "jade", "lilac", "maroon", "ochre", "olive",
    "pearl", "ruby", "saffron", "teal", "violet",
];

/// What is met on the way.
pub(super) const DECOYS: [&str; 64] = [
    "owl", "fox", "bear", "wolf", "deer", "hare", "mole", "toad", "crow", "dove", "duck", "goat", "lamb",
    "lynx", "mouse", "otter", "tree", "rock", "lake", "pond", "hill", "cave", "barn", "mill", "well", "gate",
    "wall", "tower", "church", "house", "farm", "inn", "rose", "fern", "moss", "reed", "oak", "elm", "pine",
    "birch", "maple", "willow", "cloud", "storm", "snow", "rain", "wind", "fog", "sun", "moon", "star",
    "dawn", "cart", "boat", "bell", "drum", "harp", "lamp", "torch", "coin", "ring", "crown", "sword",
    "flag",
];

/// What is said in between, over and over.
pub(super) const FILLERS: [&str; 10] =
    ["go", "on", "past", "the", "old", "path", "and", "then", "walk", "further"];
