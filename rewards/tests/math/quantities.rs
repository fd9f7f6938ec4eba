//! Percentages, units and money.

use super::check;

#[test]
fn percentages_units_and_money() {
    check("25\\%", &["25%", "25", "0.25", "1/4", "25\\text{ percent}"], &["2500", "0.25\\%", "26%"]);
    check(
        "25",
        &[
            "25%",
            "25\\text{ cm}",
            "25 \\mathrm{~cm}^2",
            "\\$25",
            "25^\\circ",
            "25 cm",
            "25\\text{ red marbles}",
        ],
        &[
            "0.25",
            "25\\text{ million}",
            "25m",
            "25 and a half",
            "25\\text{ or so}",
            "25 \\text{ less than } x",
            "25\\text{ thousand}",
        ],
    );
    check(
        "5\\text{ cm}",
        &["5", "5 \\mathrm{cm}", "50\\text{ mm}", "0.05 \\text{ meters}"],
        &["5\\text{ m}", "5 \\text{ kg}", "5\\text{ cm}^2"],
    );
    check(
        "15\\mbox{ cm}^2",
        &["15", "15\\text{ square centimeters}", "15 \\text{ cm}^{2}"],
        &["15\\text{ cm}", "15\\text{ cm}^3"],
    );
    check(
        "\\$18.90",
        &["18.9", "\\$18.9", "18.90 \\text{ dollars}", "1890 \\text{ cents}"],
        &["1890", "18.9 \\text{ euros}", "\\$18.80"],
    );
    check(
        "30^\\circ",
        &["30", "30^{\\circ}", "30°", "30 \\text{ degrees}", "\\frac{\\pi}{6}"],
        &["30 \\text{ radians}", "60^\\circ", "30 \\pi"],
    );
    check("3000000", &["3 \\text{ million}"], &["3"]);
    check("3", &[], &["3 \\text{ million}", "3 \\text{ dozen}", "3\\text{ hundred}"]);
    check("20 \\text{ m/s}", &["20", "20 \\text{ meters per second}"], &["20 \\text{ km/s}"]);
}

#[test]
fn percentages_below_one_are_what_they_are_worth() {
    check("0.5", &["50\\%", "\\frac{1}{2}"], &["0.5\\%", "5\\%"]);
    check("\\frac{1}{2}", &["50\\%"], &["\\frac{1}{2}\\%"]);
    check("4.2\\%", &["4.2", "0.042"], &["42", "0.42"]);
}

#[test]
fn units_in_fractions_products_and_plain_letters() {
    check(
        "5 \\text{ m/s}",
        &[
            "5",
            "5 \\frac{\\text{m}}{\\text{s}}",
            "5 \\text{ m} \\cdot \\text{s}^{-1}",
            "5 \\text{ m s}^{-1}",
            "18 \\text{ km/h}",
            "18 km/h",
        ],
        &["5 \\text{ m}", "5 \\text{ km/h}", "5 \\text{ m s}"],
    );
    check(
        "864 \\mbox{ inches}^2",
        &["864 in^2", "864 sq in", "6 \\text{ ft}^2"],
        &["864 in", "864 \\text{ cm}^2"],
    );
    check(
        "300",
        &["300 \\mathrm{~K}", "300 \\text{ kJ}", "300 \\hspace{1mm} \\text{N}"],
        &["300 \\text{k}", "300K"],
    );
    check("2", &["2 \\text{ of the apples}"], &["2t", "2m^2 n", "2 c", "2k", "2 foo"]);
}

#[test]
fn words_that_are_no_units() {
    for hedge in [
        "\\text{ or }6",
        "\\text{ (or 6)}",
        "\\text{ of them or 6}",
        "\\text{ is wrong}",
        "\\text{ hundred}",
        "\\text{ nineteen}",
        "\\text{ squared}",
        "\\text{ red or blue marbles}",
        "\\text{ words that go on and on}",
        "\\text{ lorem ipsum dolor sit amet}",
        "\\text{ hours and }30\\text{ minutes}",
    ] {
        check("5", &["5 \\text{ marbles}", "5 \\text{ big red marbles}"], &[&format!("5 {hedge}")]);
    }
}

#[test]
fn plain_words_behind_a_number() {
    check(
        "5",
        &[
            "5 miles per hour",
            "5 km per hour",
            "5 cents per day",
            "5 sq cm",
            "5 ways to do it",
            "5 years old",
            "5 hours a day",
            "5 of them",
            "5 red balls",
        ],
        &[
            "5 miles per hour or 6",
            "5 ways to do it or six",
            "5 is wrong",
            "5 to 6",
            "5 a",
            "5\\text{ a}",
            "5 score",
            "5 \\text{ kilo}",
            "5 foo",
        ],
    );
    check("5 \\text{ miles per hour}", &["5 miles per hour", "5 mph", "5"], &["5 miles", "5 km per hour"]);
    check("12 \\text{ years}", &["12 years old"], &["12 months old"]);
}

#[test]
fn plain_letters_behind_a_number_that_was_asked_for() {
    check(
        "5",
        &[
            "5 USD",
            "USD 5",
            "5 EUR",
            "5 mol",
            "5 g/mol",
            "5 m/s",
            "5 m",
            "5 s",
            "5 J",
            "5 K",
            "5\\,\\mu\\mathrm{m}",
        ],
        &["5m", "5x", "5 x", "5 k", "5 c", "6 m/s"],
    );
    check("5m", &["5 m", "m \\cdot 5"], &["5"]);
}

#[test]
fn several_units() {
    check(
        "150 \\text{ minutes}",
        &["2 \\text{ hours } 30 \\text{ minutes}", "2 hours 30 minutes", "2.5 \\text{ hours}"],
        &["2 \\text{ hours } 31 \\text{ minutes}", "2 \\text{ hours } 30 \\text{ cm}"],
    );
    check(
        "5 \\text{ feet } 6 \\text{ inches}",
        &["66 \\text{ in}", "5.5 \\text{ ft}"],
        &["5", "5.6 \\text{ ft}"],
    );
}
