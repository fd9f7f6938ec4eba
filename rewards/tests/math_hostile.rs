//! Hostile answers to mathematics: none panics, takes long or earns what it must not.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rewards::{MathConfig, MathReward, Question, Response, Reward, Status, Task, math};

const LIMIT: Duration = Duration::from_millis(200);

/// Pieces of the language.
#[rustfmt::skip]
const GARBAGE: &[&str] = &[
    "\\frac", "{", "}", "(", ")", "[", "]", "\\{", "\\}", "\\sqrt", "^", "_", "!", "%", "^\\circ", "|",
    ",", "1", "0", "9", "x", "e", "i", "\\pi", "+", "-", "\\pm", "\\mp", "*", "/", "=", "<", "\\le",
    "\\in", "\\cup", "\\setminus", "\\infty", "\\emptyset", "\\mathbb{R}", "\\text{ cm}", "\\text{", "or",
    "\\begin{pmatrix}", "\\end{pmatrix}", "&", "\\\\", "\\sin", "\\log_", "\\lfloor", "\\rfloor", "1e9",
    "e99", ".", "..", "½", "²", "√", "°", "\\boxed{", "\\overline{3}", "'", "f(x)", ":", "\\gcd(",
    "\\binom", "800!", "\\left", "\\right.", "$", "\\$", "~", " ", "\n", "\u{202e}", "\0", "word", "−",
    "∪", "\\over", "2147483648", "99999999999999999999", "^{-1}", "^{1/2}",
    "\\pmod", "\\equiv", "mod", "\\foo", "\\hspace{", "U", "**", "\"", "\\mathbb", "t(", "\\{x|", "\\text{m}", "km/h", "\\!",
];

/// What is repeated to fill an answer.
#[rustfmt::skip]
const REPEATED: &[&str] = &[
    "1", "(", "{", "[", "|", "\\{", "-", "!", "'", "9^", "1+", "1,", "1,000,", "x,", "\\sqrt2,", "\\pm 1,",
    "\\pm\\pm1,", "a=", "x<", "(0,1)\\cup", "\\frac", "\\frac1", "\\sqrt{", "\\sqrt{2}+", "\\sin",
    "\\lfloor", "\\text{", "\\text{a}", "f(", "f(x)", "x_", "1:", "1{,}000", "1\\,", "800!+", "800!*",
    "1/800!+", "(800!)^{1/2}", "1e700+", "1e-700*", "\\binom{800}{400}+", "\\gcd(1,", "\\begin{pmatrix}",
    "1&", "x \\in", "1 1/2 ", "i^", "(x+y+z)*", "e^", "\\boxed{", "\\ln(", "\\{\\pm1,", "\\text{\\text{",
    "\\hspace{", "\\mathbb", "x\\equiv", "1\\pmod", "\\{x|", "t(0,", "n2^", "3!7!", "1\\frac{\\text{m}}",
    "\\text{m}*", "-\\begin{pmatrix}", "answer", "answer is not\n", "$x$ or ", "\\boxed{1}", "\\lfloor n/",
    "\\foo", "5 cm/", "**", "\"",
];

/// Pieces of the language in any order.
fn garbage() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(GARBAGE), 0..40).prop_map(|pieces| pieces.concat())
}

/// The verdict, and how long it took: what is slow counts by its best try, since a pause of the machine is not ours.
fn timed<T>(judge: impl Fn() -> T) -> (T, Duration) {
    let once = || {
        let start = Instant::now();
        (judge(), start.elapsed())
    };
    let (verdict, mut time) = once();
    for _ in 0..20 {
        if time > LIMIT / 4 {
            time = time.min(once().1);
        }
    }
    (verdict, time)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_ends_fast_and_is_worth_nothing(
        garbage in garbage(),
        gold in prop::sample::select(vec!["37", "\\sqrt{7}", "(2, 7)", "x^3+y", "\\{3, \\pi\\}"]),
    ) {
        let reward = MathReward::new(MathConfig {});
        let task = Task::Question(Question::new(gold));
        let response = format!("\\boxed{{{garbage}}}");
        let (verdict, time) = timed(|| reward.score(&task, &Response::new(&response)));
        prop_assert!(time <= LIMIT, "{:?}: {}", time, garbage);
        prop_assert!(!verdict.correct(), "{}", garbage);
        let (_, time) = timed(|| math::judge(&garbage, &format!(" {garbage} + 0")));
        prop_assert!(time <= LIMIT, "{:?}: {}", time, garbage);
    }
}

#[test]
fn degenerate_answers_end_fast() {
    let repeated = |piece: &str, bytes: usize| piece.repeat(bytes / piece.len());
    let nested = |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
    let mut answers: Vec<String> =
        ["", "9^{9^{9^9}}", "100000!", "(((10^{100})^{10})^{5})^{9}", "1e2000", "\\binom{800}{400}"]
            .map(String::from)
            .into();
    for piece in REPEATED {
        for bytes in [3000, 4090, 100_000] {
            answers.push(repeated(piece, bytes));
            answers.push(repeated(piece, bytes - 100) + "1");
        }
    }
    for (open, close) in [
        ("(", ")"),
        ("{", "}"),
        ("\\sqrt{", "}"),
        ("\\{", "\\}"),
        ("(1,", ")"),
        ("\\sin(", ")"),
        ("2^{", "}"),
        ("|", "|"),
    ] {
        for depth in [20, 40, 100, 10_000] {
            answers.push(nested(open, close, depth));
        }
    }
    let reward = MathReward::new(MathConfig {});
    let mut slowest = (Duration::ZERO, String::new());
    for answer in &answers {
        for gold in
            ["37", "x^2 + \\sqrt{x}", "\\{1, 2, \\sqrt{2}\\}", "(0,1) \\cup (1,2)", "y = 2x + 1", answer]
        {
            // The blank and sign keep the answer from being spelled like the gold.
            let judged = format!("+ {answer}");
            let (verdict, time) = timed(|| math::judge(gold, &judged));
            assert!(gold == answer || !verdict.0, "{gold} and {}", &answer[..answer.len().min(60)]);
            slowest = slowest.max((time, answer.chars().take(60).collect()));
        }
        let response = format!("{answer} \\boxed{{{answer}}} The answer is {answer}");
        let task = Task::Question(Question::new("37"));
        let (verdict, time) = timed(|| reward.score(&task, &Response::new(&response)));
        assert!(!verdict.correct());
        slowest = slowest.max((time, answer.chars().take(60).collect()));
    }
    println!("slowest: {slowest:?}");
    assert!(slowest.0 <= LIMIT, "{slowest:?}");
}

#[test]
fn the_deepest_answers_fit_a_small_stack() {
    let judge_deep = || {
        for (open, close) in [
            ("(", ")"),
            ("\\sqrt{", "}"),
            ("|", "|"),
            ("\\{", "\\}"),
            ("\\sin(", ")"),
            ("2^{", "}"),
            ("(1,", ")"),
        ] {
            for depth in (10..60).chain([100_000]) {
                let text = open.repeat(depth) + "x" + &close.repeat(depth);
                math::judge("x^2", &text);
                math::judge(&text, &format!("+{text}"));
            }
        }
    };
    std::thread::Builder::new().stack_size(512 * 1024).spawn(judge_deep).unwrap().join().unwrap();
}

#[test]
fn a_response_is_judged_by_its_one_answer() {
    let reward = MathReward::new(MathConfig {});
    let task = Task::Question(Question::new("72"));
    for (response, correct, status) in [
        ("So it is \\boxed{72}.", true, Status::Ok),
        ("\\boxed{71} or \\boxed{72}", false, Status::Ok),
        ("\\boxed{72} and \\boxed{73}", false, Status::Ok),
        ("\\boxed{72}. No: \\boxed{71}", false, Status::Ok),
        ("\\boxed{72 \\text{ or } 73}", false, Status::Ok),
        ("\\boxed{1, 2, 3, 72}", false, Status::Ok),
        ("\\boxed{\\text{the number of clips, which is 72}}", false, Status::Ok),
        ("The answer is 72 or 73.", false, Status::Ok),
        ("The answer is 72.", true, Status::Ok),
        ("\\boxed{72}</think>I do not know.\nSorry.", false, Status::Unparsable),
        ("<think>\\boxed{72}", false, Status::Unparsable),
        ("\\boxed{71}</think>\\boxed{72}", true, Status::Ok),
        ("72 ".repeat(1000).as_str(), false, Status::Unparsable),
        ("", false, Status::Unparsable),
    ] {
        let verdict = reward.score(&task, &Response::new(response));
        assert_eq!((verdict.correct(), verdict.status), (correct, status), "{response}");
        assert_eq!(verdict.value, f64::from(u8::from(correct)));
    }
}
