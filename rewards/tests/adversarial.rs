//! Hostile responses: none panics, overflows the stack, takes long or earns what it must not.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use rewards::{Countdown, CountdownConfig, CountdownReward, Preset, Response, Reward, Status, Task};

const PRESETS: [Preset; 4] = [Preset::Exact, Preset::TinyZero, Preset::NanoAha, Preset::GrpoZero];
const LIMIT: Duration = Duration::from_millis(10);

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// Pieces of one kind of mischief until the text is about `bytes` long.
    fn text(&mut self, bytes: usize) -> String {
        let expression = ["2", "3", "4", "+", "-", "*", "/", "(", ")", " "];
        let tags = [
            "<answer>",
            "</answer>",
            "<think>",
            "</think>",
            "\n",
            "</think>\n<answer>",
            "2*(3+4)",
            "<answer",
            "</",
        ];
        let symbols =
            ["**", "//", "!", "=", ".", "×", "−", "٣", "🧮", "\u{202e}", "\0", "\r\n", "e", "0x", "00", "é"];
        let huge = ["9", "99999999999999999999999999", "4294967295", "4294967296", "*", "0", "/", "("];
        let nested = ["(", "((((((((", ")", "))))", "1", "+", "-"];
        let kinds: [&[&str]; 5] = [&expression, &tags, &symbols, &huge, &nested];
        let first = kinds[self.below(kinds.len())];
        let second = kinds[self.below(kinds.len())];
        let mut text = String::new();
        while text.len() < bytes {
            let kind = if self.below(4) == 0 { second } else { first };
            text.push_str(self.pick(kind));
        }
        text
    }

    /// Something close to an answer, now and then a right one.
    fn near_miss(&mut self) -> String {
        let numbers = ["2", "3", "4", "(3+4)", "(2", "4)", "0/0"];
        let operators = ["*", "+", "-", "/", " * ", "//"];
        let mut text = self.pick(&numbers).to_string();
        for _ in 0..1 + self.below(2) {
            text += self.pick(&operators);
            text += self.pick(&numbers);
        }
        text
    }

    fn response(&mut self) -> String {
        let bytes = match self.below(1000) {
            0..5 => 100_000,
            5..50 => 2_000,
            _ => self.below(60),
        };
        let text = self.text(bytes);
        match self.below(8) {
            0 => text,
            1 => format!("<answer>2*(3+4)</answer>{text}"),
            2 => format!("{text}</think>\n<answer>{}</answer>", self.near_miss()),
            3 => format!("{text}\n<answer>{}</answer>", self.text(12)),
            4 => text.repeat(3),
            _ => format!("a</think>\n<answer>{text}</answer>"),
        }
    }
}

/// Whether the last answer holds the numbers 2, 3, 4 as digits, and only symbols of the language: what a right answer
/// must at least do, seen without the grader's parser.
fn plausible(response: &str) -> bool {
    let answer = response.rsplit("</answer>").skip(1).find_map(|before| before.rsplit_once("<answer>"));
    let Some((_, answer)) = answer else {
        return false;
    };
    let mut digits: Vec<char> = answer.chars().filter(char::is_ascii_digit).collect();
    digits.sort_unstable();
    digits == ['2', '3', '4'] && answer.chars().all(|c| c.is_ascii_whitespace() || "234+-*/()".contains(c))
}

#[test]
fn a_hundred_thousand_hostile_responses() {
    let graders = PRESETS.map(|preset| CountdownReward::new(CountdownConfig { preset }));
    let task = Task::Countdown(Countdown { numbers: vec![2, 3, 4], target: 14 });
    let mut random = Random(1);
    let (mut slowest, mut right, mut read) = (Duration::ZERO, 0, 0);
    for _ in 0..100_000 {
        let response = random.response();
        let verdicts = graders.each_ref().map(|grader| {
            let timed = || {
                let start = Instant::now();
                let verdict = grader.score(&task, &Response::new(&response));
                (start.elapsed(), verdict)
            };
            // A pause of the machine is not the grader's: what is slow counts by the best of five.
            let (mut time, verdict) = timed();
            for _ in 0..4 {
                if time > LIMIT / 10 {
                    time = time.min(timed().0);
                }
            }
            slowest = slowest.max(time);
            verdict
        });
        let [exact, tinyzero, nano_aha, grpo_zero] = &verdicts;
        assert!(verdicts.iter().all(|verdict| verdict.correct() == exact.correct()));
        assert!(!exact.correct() || plausible(&response), "{response:?}");
        assert_eq!(exact.value, exact.parts["correct"]);
        assert!([0.0, 0.1, 1.0].contains(&tinyzero.value));
        assert!([0.0, 0.5, 1.0, 1.5, 2.0].contains(&nano_aha.value));
        assert!((0.0..=1.1).contains(&grpo_zero.value));
        right += usize::from(exact.correct());
        read += usize::from(exact.status == Status::Ok);
    }
    println!("slowest {slowest:?}, {read} answers read, {right} right");
    assert!(slowest <= LIMIT, "slowest: {slowest:?}");
    // The mischief reaches behind the parser, not only up to it.
    assert!(right > 1000 && read > right + 1000, "{read} answers read, {right} right");
}

#[test]
fn the_largest_expressions_fit_a_small_stack() {
    std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(|| {
            let ones = |n| Countdown { numbers: vec![1; n], target: n as u32 };
            let long = vec!["1"; 512].join("+");
            assert_eq!(ones(512).judge(&long), (true, Status::Ok));
            let deep = "(1+".repeat(64) + "1" + &")".repeat(64);
            assert_eq!(ones(65).judge(&deep), (true, Status::Ok));
            let deeper = "(".repeat(100_000);
            assert_eq!(ones(1).judge(&deeper), (false, Status::Unparsable));
        })
        .unwrap()
        .join()
        .unwrap();
}
