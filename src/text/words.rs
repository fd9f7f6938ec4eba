//! The pieces of the words tokenizer: words with the mark and the blank or line end behind them, so that a whole word is one
//! token, and a number that follows is one too.
//!
//! Whoever writes texts of whole words tests that all of their words are here.

/// The pieces, each once; of those that fit the longest is taken.
#[rustfmt::skip]
pub(super) const WORDS: &[&str] = &[
    // Terse Countdown texts.
    "Make ", " from ", ", ", ".\n", " yes\n", " no\n", "<answer>", "</answer>",
    // Spoken Countdown texts.
    ". ", "a ", "afterwards ", "again ", "again, ", "ah, ", "alas, ", "already.\n", "alright, ", "also, ",
    "anyhow.\n", "anyway, ", "attempt ", "basta, ", "begin ", "big ", "big.\n", "bingo, ", "boldly.\n",
    "bravely.\n", "bravo, ", "calmly.\n", "can ", "check ", "choose ", "clearly ", "clumsy ", "consider ",
    "correct.\n", "could ", "curious ", "directly ", "end ", "enough, ", "exact.\n", "explore ", "failure.\n",
    "feels ", "few.\n", "finally ", "finally, ", "fine, ", "fine.\n", "finish ", "first ", "freely.\n",
    "funny ", "gently.\n", "go ", "good, ", "good.\n", "great, ", "great.\n", "guess ", "ha, ", "happily.\n",
    "hello, ", "here.\n", "high.\n", "hmm, ", "hooray, ", "i ", "indeed, ", "initially ", "is ", "it ",
    "just ", "large.\n", "lastly ", "later ", "leave ", "like ", "little.\n", "look, ", "looks ", "low.\n",
    "may ", "maybe, ", "mere ", "mess.\n", "might ", "minus, ", "minus: ", "mistake.\n", "much.\n", "must ",
    "nasty ", "next ", "next, ", "nice, ", "no, ", "nope, ", "now, ", "now.\n", "oh, ", "okay, ", "one ",
    "ouch, ", "over, ", "over: ", "pause ", "perfect, ", "perfect.\n", "perhaps, ", "pick ", "pity.\n",
    "plain ", "plainly ", "play ", "plus, ", "plus: ", "prefer ", "pretty ", "proceed ", "puzzle.\n",
    "quickly.\n", "quietly.\n", "quit ", "quite ", "rather ", "real ", "really ", "reason ", "rest ",
    "riddle.\n", "right, ", "right.\n", "sad ", "sadly, ", "search ", "seems ", "shame.\n", "short.\n",
    "should ", "silly ", "simple ", "simply ", "slowly.\n", "small ", "small.\n", "so, ", "solved.\n",
    "sorry, ", "sounds ", "start ", "still ", "stop ", "straight ", "strange ", "such ", "super, ", "surely ",
    "surprise.\n", "surrender ", "take ", "test ", "that ", "then ", "then, ", "there.\n", "think ", "this ",
    "times, ", "times: ", "tiny.\n", "today.\n", "too ", "trap.\n", "true.\n", "try ", "use ", "vast.\n",
    "wander ", "want ", "waste.\n", "we ", "well, ", "what ", "will ", "wisely.\n", "would ", "yes, ",
    // Prompts of bifurcations.
    "Map ", ": ", "amber", "cobalt", "crimson", "emerald", "indigo", "ivory", "jade", "lilac", "maroon",
    "ochre", "olive", "pearl", "ruby", "saffron", "teal", "violet",
    // Responses to them.
    "amber ", "cobalt ", "crimson ", "emerald ", "indigo ", "ivory ", "jade ", "lilac ",
    "maroon ", "ochre ", "olive ", "pearl ", "ruby ", "saffron ", "teal ", "violet ",
    "left ", "right ", "up ", "down ", "north ", "south ", "east ", "west ", "owl ", "fox ", "bear ", "wolf ",
    "deer ", "hare ", "mole ", "toad ", "crow ", "dove ", "duck ", "goat ", "lamb ", "lynx ", "mouse ",
    "otter ", "tree ", "rock ", "lake ", "pond ", "hill ", "cave ", "barn ", "mill ", "well ", "gate ",
    "wall ", "tower ", "church ", "house ", "farm ", "inn ", "rose ", "fern ", "moss ", "reed ", "oak ",
    "elm ", "pine ", "birch ", "maple ", "willow ", "cloud ", "storm ", "snow ", "rain ", "wind ", "fog ",
    "sun ", "moon ", "star ", "dawn ", "cart ", "boat ", "bell ", "drum ", "harp ", "lamp ", "torch ",
    "coin ", "ring ", "crown ", "sword ", "flag ", "on ", "past ", "the ", "old ", "path ", "and ", "walk ",
    "further ",
];
