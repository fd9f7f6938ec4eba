//! Commands below the long help of each verb: what it is used for first, and that can be pasted where the recipes are.

/// Verb, and its commands with what each is for; the program's own under "".
pub(super) const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "",
        &[
            ("doctor", "is this machine ready?"),
            ("recipes copy countdown_quick", "a recipe to begin with, into a file of your own"),
            ("train countdown_quick.toml", "trains as it says"),
        ],
    ),
    (
        "train",
        &[
            ("train countdown_quick.toml", "a run, into runs/countdown_quick"),
            ("train runs/countdown_quick --resume", "on from its newest checkpoint"),
            (
                "train --from runs/countdown_quick@40 --name fork --set optim.lr=1e-4",
                "another run, from there on",
            ),
        ],
    ),
    (
        "eval",
        &[
            ("eval runs/countdown_quick", "on the problems of its own recipe"),
            ("eval runs/countdown_quick runs/faster -n 8 --out compared", "side by side, all responses kept"),
            (
                "eval hub:Qwen/Qwen3-0.6B --data math500=math500.jsonl --limit 100",
                "on files of problems, the first rows of each",
            ),
        ],
    ),
    (
        "compare",
        &[
            ("compare countdown_quick.toml --credit uniform,rhythm --seeds 3", "two arms of three seeds"),
            ("compare countdown_quick.toml --vary optim.lr=5e-5,1e-4 --dry-run", "says what it would run"),
            ("compare --of runs/countdown_quick runs/faster", "runs that are there, without training"),
        ],
    ),
    (
        "sample",
        &[
            ("sample runs/countdown_quick $'Make 45 from 3, 7, 12.\\n' -n 4", "four answers"),
            ("sample runs/countdown_quick@40 --item 3", "an earlier policy on a held-out problem, judged"),
            ("sample hub:Qwen/Qwen3-0.6B - --temperature 0 < prompt.txt", "the likeliest answer"),
        ],
    ),
    (
        "report",
        &[
            ("report runs/countdown_quick", "how it went, as runs/countdown_quick/report.html"),
            ("report runs/countdown_quick runs/faster --html both.html", "two runs side by side"),
        ],
    ),
    (
        "inspect",
        &[
            ("inspect --run runs/countdown_quick --step 10 --limit 3", "what it sampled in a step"),
            ("inspect --run runs/countdown_quick --step 10 --html page.html", "as a page"),
            (
                "inspect hub:Qwen/Qwen3-0.6B --input responses.jsonl --strategy rhythm",
                "responses of yours, - for standard input",
            ),
        ],
    ),
    (
        "audit",
        &[
            ("audit countdown_quick.toml --budget 10m", "every strategy, in ten minutes"),
            ("audit runs/countdown_quick --credit rhythm,shuffled_rhythm", "a run's newest policy"),
        ],
    ),
    (
        "circuit",
        &[
            (
                "circuit runs/countdown_quick --pairs countdown --html circuit.html",
                "pairs made of its problems",
            ),
            ("circuit runs/countdown_quick --pairs pairs.jsonl --out circuit.json", "pairs of a file, kept"),
            ("circuit runs/countdown_quick --checkpoints all --pairs countdown", "how its heads emerge"),
        ],
    ),
    (
        "export",
        &[
            ("export runs/countdown_quick model", "its newest policy, as a folder that any tool loads"),
            (
                "export runs/countdown_quick@best model --dtype bf16",
                "the most accurate one, in half the room",
            ),
        ],
    ),
    (
        "replay",
        &[
            ("replay runs/countdown_quick --step 41", "are its numbers the run's own?"),
            (
                "replay runs/countdown_quick --step 41 --loss gspo --html page.html",
                "what another loss would have done",
            ),
        ],
    ),
    (
        "grade",
        &[
            ("grade answers.jsonl", "by the grader `math`"),
            (
                "grade answers.jsonl --reward '{type=\"countdown\", preset=\"tinyzero\"}'",
                "another, with its settings",
            ),
            ("grade - --reward countdown < answers.jsonl", "lines from standard input"),
        ],
    ),
    (
        "check",
        &[
            ("check countdown_quick.toml", "everything that is wrong with it"),
            ("check countdown_quick.toml --set optim.lr=2e-4 --resolved", "every key with its value"),
        ],
    ),
    (
        "verify",
        &[
            ("verify countdown_quick.toml", "does it resume to the last bit here?"),
            ("verify countdown_quick.toml --set sampling.max_new_tokens=256 --json", "for a script"),
        ],
    ),
    (
        "plan",
        &[
            ("plan countdown_quick.toml", "memory and time on this machine"),
            ("plan gsm8k.toml --gpu h100 --ranks 8", "on others"),
        ],
    ),
    (
        "recipes",
        &[
            ("recipes", "those that there are, and what each needs"),
            ("recipes copy countdown_quick", "one into a file of yours"),
            ("recipes --explain optim.lr", "what a key is and may be"),
        ],
    ),
    (
        "recipes copy",
        &[
            ("recipes copy countdown_quick", "into countdown_quick.toml"),
            ("recipes copy countdown_rhythm mine.toml", "into another file, its base beside it"),
        ],
    ),
    (
        "data",
        &[
            ("data countdown_quick.toml", "a recipe's problems as its model will see them"),
            ("data problems.jsonl", "the columns of a file"),
            ("data problems.jsonl --preset gsm8k --model hub:Qwen/Qwen3-0.6B", "as that model would see it"),
        ],
    ),
    (
        "bench",
        &[
            ("bench", "the Countdown preset on this machine"),
            ("bench --model runs/countdown_quick --steps 5 --json", "your model, for a script"),
        ],
    ),
    (
        "doctor",
        &[
            ("doctor", "all checks, in a minute"),
            ("doctor --skip-test --json", "without the run, for a script"),
        ],
    ),
    (
        "completions",
        &[
            ("completions bash > ~/.rlcredit.bash", "for bash, with `. ~/.rlcredit.bash` in ~/.bashrc"),
            ("completions zsh > ~/.zfunc/_rlcredit", "for zsh, with ~/.zfunc in fpath"),
            ("completions fish > ~/.config/fish/completions/rlcredit.fish", "for fish"),
        ],
    ),
    (
        "man",
        &[
            ("man > rlcredit.1", "the page of the program"),
            ("man --out share/man/man1", "one page a verb, into a folder"),
        ],
    ),
];

/// The commands of `verb`, as they are shown below its help; `program` is how the program is started.
pub(super) fn examples(verb: &str, program: &str) -> Option<String> {
    let (_, commands) = EXAMPLES.iter().find(|(own, _)| *own == verb)?;
    let shown = commands.iter().map(|(command, what)| format!("  # {what}\n  {program} {command}"));
    Some(format!("Examples:\n{}", shown.collect::<Vec<_>>().join("\n")))
}
