"""Grader over Hugging Face's math-verify, for `[[reward]] type = "command"`.

A JSON request per line comes in, a JSON reply per line goes out; README.md beside this file says which. The gold answer
is read as LaTeX or as an expression; where it is neither, so that nothing can be compared, the status is "error".
"""

import argparse
import json
import sys

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
from math_verify.errors import TimeoutException

ANSWERS = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())


def read(text, seconds):
    return parse(text, extraction_config=ANSWERS, parsing_timeout=seconds, raise_on_error=True)


def read_gold(text, seconds):
    """A gold answer stands as it is; LaTeX is only read between signs of mathematics."""
    return read(f"\\boxed{{{text}}}", seconds) or read(text, seconds)


def grade(request, seconds):
    gold = read_gold(request["task"]["answer"], seconds)
    if not gold:
        return {"value": 0.0, "correct": False, "status": "error"}
    _, end, response = request["response"].rpartition("</think>")
    # A thought that the prompt or the response has opened and that does not end holds no answer.
    if "<think>" in response or request.get("in_thought") and not end:
        return {"value": 0.0, "correct": False, "status": "unparsable"}
    answer = read_gold(response, seconds) if request.get("is_answer") else read(response, seconds)
    if not answer:
        return {"value": 0.0, "correct": False, "status": "unparsable"}
    correct = bool(verify(gold, answer, timeout_seconds=seconds, raise_on_error=True))
    # The last entry is the text that was read, where there is one.
    reply = {"value": float(correct), "correct": correct, "status": "ok"}
    return reply | ({"answer": answer[-1]} if isinstance(answer[-1], str) else {})


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=int, default=5, help="for each reading and for the comparison (5)")
    seconds = arguments.parse_args().seconds
    # What a library prints must not be taken for a reply.
    replies, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = grade(request, seconds)
        except TimeoutException:
            reply = {"value": 0.0, "correct": False, "status": "timeout"}
        except Exception as error:
            print(f"request {request.get('id')}: {error!r}", file=sys.stderr)
            reply = {"value": 0.0, "correct": False, "status": "error"}
        print(json.dumps({"id": request["id"]} | reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
