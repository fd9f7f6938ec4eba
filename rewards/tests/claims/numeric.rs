//! Numbers that a reply claims, denies, or writes in another way than with digits alone.

use super::check;

#[rustfmt::skip]
#[test]
fn a_number_goes_on_as_far_as_it_is_read() {
    check(
        "numeric",
        "5",
        &[
            "The answer is +5.", "#### +5", "The answer must be 5. That took 2 steps.",
            "The answer equals 5. That took 2 steps.", "The answer was 5. 2 steps.",
            "The answer would be 5. 2 steps.", "The answer should be 5. 2 steps",
            "The answer comes out to 5. 2 steps", "The answer is therefore 5. 2 steps",
            "The answer to this problem is 5. 2 steps.", "5 is the answer. It took 2 steps.",
            "5 is the final answer. It took 2 steps", "The final answer: 5. It took 2 steps.",
            "The answer comes to 5. In 2 steps.", "5 must be the answer. It took 2.", "5%", "5 dollars",
            "$5", "5.", "5.0", "5kg", "5 km", "5 apples", "#### 5 a day", "Answer: 5 o'clock", "5th",
            "The answer is 5!", "+５", "５", "## Final Answer\n5", "(5)", "5 miles/hour", "10/2",
            "The answer turns out to be 5. 2 steps", "After 2 hours, 5 is the answer.",
        ],
        &[
            "\\boxed{5 \\text{ is wrong}}", "Answer: 5 is wrong", "The answer is not 5",
            "The answer is 3, not 5.", "#### 3 (not 5)", "#### 5 is ruled out", "The answer cannot be 5.",
            "Answer: 5 can't be right", "5 is not the answer.", "So 5 is wrong.", "5 isn't the answer",
            "It is 3 rather than 5.", "The answer is 5, which is wrong.", "The answer is 5. That is wrong.",
            "It is not \\boxed{5}", "\\boxed{5} is incorrect", "\\boxed{3}, not \\boxed{5}",
            "The answer is 5 (this is wrong)", "5 is the wrong answer", "The answer is 5 or 3",
            "The answer is 5 (or 3)", "The answer is 5; or 3", "The answer is 5 - no, 3",
            "The answer is 5, no wait, 3", "Answer: all but 5", "Answer: 5 is not it",
            "The wrong answer is 5.", "The answer is 5 — actually 3", "The answer is not going to be 5.",
            "Answer: 3 instead of 5", "Answer: 3, whereas 5 is too many", "The answer is 3 and not 5",
            "5 is impossible.", "Answer: 5 is eliminated, 3 is right", "The answer is minus 5.",
            "The answer is negative 5.", "The answer is -5", "The answer is –5.", "The answer is \u{2212}5.",
            "#### \u{2011}5", "The answer is 5½.", "The answer is 5 ½", "#### 5 1/2", "#### 5e", "#### 5x",
            "#### 5 x", "#### 5π", "#### 5 \\pi", "#### 5²", "#### 5^2", "#### 5_8", "#### 5 million",
            "#### 5 dozen", "#### 5 hundred", "#### 5 thousand", "#### 5k", "#### $5k", "#### $5M",
            "#### $5m", "#### 5 tenths", "#### 5-6", "#### 5-5", "#### 5 - 5", "#### 5:05", "#### 5,5",
            "#### 5/5", "#### 5 / 5", "#### 5 times 5", "#### 5 plus 5", "#### 5 x 5", "#### 5 × 5",
            "#### ±5", "#### \\pm 5", "#### √5", "It is \\sqrt{5}", "It is 5\\sqrt{2}", "#### twice 5",
            "#### half of 5", "#### -(5)", "#### = - 5", "x = - 5", "#### 5.5.5", "#### 5.3...",
            "#### \\frac{5}{x}", "#### 5/x", "#### 5‰", "#### two hundred and 5", "#### 5+", "#### 5٣",
            "#### 5(5)", "#### x-5", "#### 0x5", "#### 5 and a half", "#### 5 and a third", "#### 5i",
            "#### 5 cubed", "#### 10^5", "#### 5e5", "#### 5 or more than 6", "#### 5 lakh",
            "#### 5\\frac12", "#### 5\u{2044}2", "#### 5 more than 3", "#### minus $5", "#### minus 5",
            "#### 5\u{305}", "#### 5 · 5", "#### 5 over 5", "#### 5 billionths", "It is 5π", "It is 5x",
            "It is 5½", "So it is minus 5",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn what_is_denied_explains() {
    check(
        "numeric",
        "3",
        &[
            "The answer is 3, not 5.", "#### 3 (not 5)", "It is 3 rather than 5.",
            "\\boxed{3}, not \\boxed{5}", "\\boxed{3 \\text{ (not 5)}}", "Answer: 3 instead of 5",
            "Answer: 3, whereas 5 is too many", "The answer is 3 and not 5",
            "Answer: 5 is eliminated, 3 is right", "Answer: not 5 but 3", "The answer is 3; 5 is wrong",
            "The answer is 3 — 5 is too many.", "The answer is 3 - not 5.",
            "**The answer is 3.** It took 2 steps.", "*The answer is 3.* It took 2 steps",
            "__The answer is 3.__ It took 2 steps", "The answer is **3.** It took 2 steps",
            "The answer is **3** apples.", "The answer is `3`. It took 2.",
            "The answer is 3 apples (not 5).", "The answer is 3 because 8 - 5 is 3",
            "The answer is 3 since 2 is too few.", "The answer is 3 (5 is too many).",
            "The answer is 3 (= 1 + 2)", "She has 3 apples, not 5.", "It isn't 5, it is 3.",
            "The answer is not 5. The answer is 3.", "The answer is 3. The answer is not 5.",
            "3 is the answer, not 5.", "The answer isn't 5 but 3.", "<answer>3 (not 5)</answer>",
            "Answer: 3, as 5 is too many", "The answer is 3 as opposed to 5.", "The answer is 3, but not 5.",
            "Answer: 3 apples who did not fall", "The answer is 3 (out of 8 apples)", "#### 3 rather than 5",
            "The answer is 3. 5 is wrong.",
        ],
        &[
            "The answer is 3, 5", "#### 3 or 5", "The answer is 3 and 5",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn a_sign_belongs_to_its_number() {
    check(
        "numeric",
        "-5",
        &[
            "The answer is minus 5.", "The answer is negative 5.", "The answer is –5.",
            "The answer is \u{2212}5.", "#### minus $5", "#### -$5", "#### $-5", "#### \u{2011}5",
            "So it is minus 5", "#### Negative 5 dollars", "It is \u{2212}5",
        ],
        &[
            "#### - -5", "#### --5",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn a_fraction_belongs_to_its_number() {
    check(
        "numeric",
        "5.5",
        &[
            "5½", "5 ½", "5 1/2", "5\\frac12", "5\\frac{1}{2}", "5 \\frac{1}{2}", "5 and a half", "11/2",
            "11\u{2044}2", "5.50", "#### 5½ cups", "\\boxed{5\\tfrac12}",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn a_fraction_may_stand_alone() {
    check(
        "numeric",
        "0.5",
        &[
            "½", "1/2", "\\frac12", "\\frac{1}{2}", ".5", "0.5", "1\u{2044}2",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn a_dozen_scales() {
    check(
        "numeric",
        "24",
        &[
            "The answer is 2 dozen", "24", "#### 2 dozen eggs",
        ],
        &[
            "2", "She has 2 dozen eggs", "#### 2 dozens and 3",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn millions_scale() {
    check(
        "numeric",
        "5000000",
        &[
            "5 million", "5,000,000", "5e6", "5\u{202f}000\u{202f}000", "5.0 million", "5million", "50 lakh",
        ],
        &[
            "5", "5 000",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn thousands_are_parted() {
    check(
        "numeric",
        "1000",
        &[
            "1,000", "1\u{202f}000", "1\u{a0}000", "1e3", "1 thousand", "10 hundred",
        ],
        &[
            "1.000", "1 000.5",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn the_claim_is_one_number() {
    check(
        "numeric",
        "7",
        &[
            "The answer is 7 [not 8].", "Answer: 8 is too many, so 7",
            "The answer is 7 – 8 would be too many.", "The answer is 7 (8 was ruled out)",
            "The answer is 7, 8 is wrong", "The answer is 7, and 8 is wrong.", "#### **7** (not 8)",
            "The answer is *7*, not *8*.", "Answer: **7**, not **8**", "Answer: `7`; not `8`",
            "The answer is $7$ — not $8$.", "\\boxed{7\\text{, not }8}", "Answer: 8 cannot be, hence 7",
            "Answer: neither 8 nor 9 but 7", "Not 8. The answer is 7",
            "I thought 8, but that is wrong. The answer is 7.", "So 7 remains, not 8.",
            "The answer is 7 (7.0)", "The answer is 3 + 4 = 7, not 8",
        ],
        &[
            "I don't think the answer is 7", "Answer: 7 won't do", "Answer: 7? No, 8",
            "The answer is 7, I mean 8", "Answer: 7/8", "Answer: 7 to 8", "Answer: between 7 and 8",
            "The answer isn't necessarily 7", "The answer is anything other than 7", "#### except 7",
            "7 has been ruled out.", "7 cannot be right.", "So it can't be 7.", "The result 7 is incorrect.",
            "I got 7 but that is wrong.", "Answer: 7 is false", "Answer: 7, which can't be right",
            "7 doesn't work.", "7? No.", "#### 7\nNo, that's wrong.", "The answer is 7 and a half.",
            "The answer is 7 and 1/2", "#### 7.5.", "#### 7,5", "#### 7:30", "#### 7 1/2", "#### 7-8",
            "#### 7 + 0i", "#### 7 · 10^3", "#### 7*10", "#### 7(10)", "#### 7√2", "#### 7\\cdot 2",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn a_dozen_is_counted_in_prose() {
    check(
        "numeric",
        "2",
        &[
            "So she needs 2 dozen eggs.",
        ],
        &[
            "#### 2 dozen",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn denials_in_other_words() {
    check(
        "numeric",
        "9",
        &[
            "The answer is 9 - the others fail.", "The answer is 9 [8 is wrong]", "9, not 8",
            "She has 9 (not 8) apples.", "The answer is 9, whereas 8 would be too few",
            "The answer is 9; 8 is out.", "The answer is therefore 9, as 8 is ruled out.",
            "The answer is 9 (we rule out 8)", "Answer: 8 is ruled out, so it is 9", "Answer: 8 is wrong; 9",
            "The answer is $9$, rather than $8$", "_The answer is 9._ It took 3 steps.",
            "**Final answer: 9.** Done in 3 steps.", "(The answer is 9.) It took 3 steps.",
            "\"The answer is 9.\" It took 3 steps.", "The final answer must be 9 apples. That took 2.",
        ],
        &[
            "The answer is 9, but that's wrong", "9 was wrong.", "It is certainly not 9.",
            "\\boxed{9} is ruled out", "\\boxed{9}, which is wrong", "\\boxed{9}. This is incorrect.",
            "The answer is 9. This can't be right.", "Answer: 9 seems wrong", "Answer: 9 must be wrong",
            "Answer: 9 isn't", "Answer: 9, wrong", "Answer: 9 (incorrect)", "Answer: 9: wrong",
            "Answer: 8 or 9 is wrong", "Answer: 8 and 9 are wrong", "#### 9 not", "#### 9 no",
            "The answer is definitely not 9", "The answer is hardly 9", "So 9 is excluded.",
            "So 9 cannot be.", "The answer can't possibly be 9", "The answer is 9 or so, or 8",
            "The answer is 9 vs 8", "Negative answer: -9", "The answer is 9e", "9 - 9",
            "9 * 9 is the answer", "#### 9x9", "#### 9th root of 2", "#### 9 factorial", "#### 9 mod 2",
            "#### 9 choose 2", "#### 9C2", "#### log 9", "#### sin(9)", "#### f(9)", "#### 9 under 0",
            "#### zero point 9", "#### point 9", "#### 0 . 9", "#### 9 point 5", "#### 9 hundredths",
            "#### 9 thousandths", "#### 1/9", "#### a ninth of 9", "#### 9/", "#### 9^", "#### 9**2",
            "#### 9e-1", "#### 9E2", "#### 9′5", "#### 9'5\"", "#### 9,000", "#### 9 000", "#### 9.000.000",
            "#### 9_000", "#### 9'000", "#### 9½", "#### ⁹", "#### ₉", "#### ⑨", "#### IX 9 8", "#### -9",
            "#### ‒9", "#### ―9", "#### ➖9", "#### minus\u{a0}9", "#### (\u{2212}9)", "#### \u{2212}(9)",
            "#### - 9", "#### negative (9)", "#### minus nine", "#### neg 9", "#### -$9", "#### –$9",
            "#### 9 bn", "#### 9bn", "#### 9K", "#### 9m dollars 8", "#### $9 mil", "#### 9 mill",
            "#### 9 gazillion", "#### 9 dozens", "#### 9 pairs of 9 8", "#### 9i", "#### 9j", "#### 9n",
            "#### 9 n", "#### 9θ", "#### 9∞", "#### ∞9", "#### 9 \\times 10^2", "#### 9 x 10^2",
            "#### 9 × 10²", "#### 9·10²", "#### 9×10⁵", "#### 9\\cdot10^2", "#### 9.\\overline{3}",
            "#### 9.3…", "#### 9.(3)", "#### 0x9", "#### 0b9", "#### #9 8", "#### 9#8", "#### 9≠8",
            "#### ~9 or 8", "#### >9", "#### <9", "#### ≥9", "#### 9≤", "#### 9+", "#### 9 or more",
            "#### at most 9", "#### 9 at least",
        ],
    );
}

#[rustfmt::skip]
#[test]
fn minus_signs_are_one() {
    check(
        "numeric",
        "-9",
        &[
            "#### \u{2212}9", "#### -9", "#### –9", "#### (\u{2212}9)", "#### minus\u{a0}9",
            "#### minus 9 degrees", "The answer must be negative 9. It took 2 steps.", "#### negative $9",
            "#### -$9",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn mixed_numbers_are_one() {
    check(
        "numeric",
        "12.5",
        &[
            "12½", "12 ½", "12 1/2", "25/2", "12.50", "#### $12.50", "12\\frac12", "12 and a half",
        ],
        &[],
    );
}

#[rustfmt::skip]
#[test]
fn groups_of_digits_are_one() {
    check(
        "numeric",
        "1234567",
        &[
            "1,234,567", "1\u{202f}234\u{202f}567", "1{,}234{,}567", "$1,234,567.00",
        ],
        &[],
    );
}
