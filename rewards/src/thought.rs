//! Where a thought ends and the answer begins.
//!
//! A response thinks between `<think>` and `</think>`; what stands before its last `</think>` is no answer, and a thought that
//! does not end has none behind it. A prompt may have opened the thought: then the response begins within it.

/// Opens a thought.
pub(crate) const THINK: &str = "<think>";
/// Ends a thought.
pub(crate) const END_THINK: &str = "</think>";

/// What `response` says after its thought; none where the thought does not end. `in_thought` says whether the response begins
/// within one.
pub(crate) fn spoken(response: &str, in_thought: bool) -> Option<&str> {
    let (thought, spoken) = match response.rsplit_once(END_THINK) {
        Some((_, spoken)) => (false, spoken),
        None => (in_thought, response),
    };
    (!thought && !spoken.contains(THINK)).then_some(spoken)
}

/// Whether `prompt` leaves a thought open that the response goes on with: behind its last `<think>` there is no `</think>`, and
/// either nothing but blanks, or the beginning of the thought. That begins a line or follows a mark such as
/// `<|im_start|>`, and no other mark stands behind it: a prompt that speaks of the tags ("reason behind `<think>`, then ...")
/// opens no thought.
pub fn leaves_thought_open(prompt: &str) -> bool {
    let Some((before, behind)) = prompt.rsplit_once(THINK) else { return false };
    let begins = before.is_empty() || before.ends_with(['\n', '>', ']']);
    behind.trim().is_empty() || begins && !behind.contains('<')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thought_is_not_read() {
        for (text, alone, in_thought) in [
            ("a", Some("a"), None),
            ("a</think>b", Some("b"), Some("b")),
            ("a</think>b</think>c", Some("c"), Some("c")),
            ("<think>a</think>b", Some("b"), Some("b")),
            ("<think>a", None, None),
            ("a</think>b<think>c", None, None),
            ("</think>", Some(""), Some("")),
            ("", Some(""), None),
        ] {
            assert_eq!((spoken(text, false), spoken(text, true)), (alone, in_thought), "{text}");
        }
    }

    #[test]
    fn a_prompt_opens_a_thought_at_its_end() {
        for prompt in [
            "<think>",
            "1+1=<think>",
            "1+1=\n<think>\n",
            "Think in <think> </think>, answer in <answer> </answer>.\nAssistant: Let me solve this.\n<think>",
            "<think>a</think> 2\nnext <think> ",
            "<|im_start|>assistant\n<think>\nOkay, let me see.",
            "<｜Assistant｜><think>\nOkay",
            "[/INST]<think>So",
        ] {
            assert!(leaves_thought_open(prompt), "{prompt}");
        }
        for prompt in [
            "",
            "1+1=",
            "<think></think>",
            "<|im_start|>assistant\n<think>\n\n</think>\n\n",
            "Reason in <think> </think> tags.",
            "Reason behind <think>, then answer.",
            "Write `<think>` first. 1+1=",
            "Use\n<think> for thoughts\n<answer> for the answer",
            "<|im_start|>user\n<think><|im_end|>\n<|im_start|>assistant\n",
            "<thinking>",
        ] {
            assert!(!leaves_thought_open(prompt), "{prompt}");
        }
    }
}
