"""Which answers are not of the form that was asked for, and which only look so."""

from __future__ import annotations

import time

import pytest

from tierchat.gates.verification.answer_text import blocks
from tierchat.gates.verification.asked import form_of
from tierchat.gates.verification.fitness import is_empty, why_unfit
from tierchat.gates.verification.form import Form
from tierchat.types import Message

DIFF = """diff --git a/app/cart.py b/app/cart.py
index 83db48f..bf2a7c1 100644
--- a/app/cart.py
+++ b/app/cart.py
@@ -10,7 +10,7 @@ class Cart:
     def total(self) -> Decimal:
-        return sum(item.price for item in self.items)
+        return sum(item.price * item.count for item in self.items)
     def clear(self) -> None:
         self.items.clear()
"""
COMMIT = f"Write the commit message for this change, one line.\n\n{DIFF}"
WHY = f"Why does the total change?\n\n{DIFF}"
PYTHON = "Write a Python function that adds two numbers."
COLOURS = "Name the primary colours as JSON."
FIVE = "List 5 fruits."


def why(prompt: str, answer: str, *, is_whole: bool = True) -> str:
    return why_unfit(form_of([Message(role="user", content=prompt)]), answer, is_whole=is_whole)


@pytest.mark.parametrize(
    ("prompt", "answer", "reason"),
    [
        ("How many? Answer with the number only.", "I am not sure.", "no number"),
        ("How many? Only the number.", "To find this, we first add up all of the " * 2, "prose"),
        ("Сколько? Ответь только числом.", "Не знаю.", "no number"),
        ("In one word: capital of France?", "The capital is Paris.", "several words"),
        ("Столица Франции? Ответь одним словом.", "Столица Франции - Париж", "several words"),
        ("Is 91 prime? Answer yes or no.", "91 is divisible by 7.", "neither yes nor"),
        ("91 простое? Ответь да или нет.", "Оно делится на 7.", "neither yes nor"),
        ("A) car B) apple. Answer with the letter only.", "an apple", "no letter"),
        ("Answer with positive or negative: I love it", "The text is good.", "none of what"),
        ("Explain DNA in one line.", "DNA holds genes.\nIt is a helix.", "several lines"),
        ("Explain DNA in one sentence.", "DNA holds genes. It is a helix.", "several sentences"),
        ("Объясни ДНК одним предложением.", "Это молекула. Она в клетках.", "several sentences"),
        ("Describe the sea in at most 3 words.", "It is big and blue", "more words than asked: 5"),
        ("Title for a post, at most 10 characters.", "A day at the sea", "more characters"),
        ("Explain TCP in no more than 2 lines.", "a b\nc d\ne f", "more lines"),
        (FIVE, "\n".join(f"{n}. fruit" for n in range(1, 9)), "more items than asked: 8, not 5"),
        (FIVE, "- apple\n- pear", "fewer items than asked: 2, not 5"),
        (COLOURS, "red, yellow and blue", "no JSON"),
        (COLOURS, '```json\n{"colours": ["red", "yellow", "blue"\n```', "its JSON does not parse"),
        (COLOURS, "{'colours': ['red']}", "its JSON does not parse: line 1"),
        (PYTHON, "```python\ndef add(a, b)\n    return a + b\n```", "does not compile: line 1"),
        (PYTHON, "def add(a, b):\n    return (a + b", "does not compile: line 2"),
        ("What is DNA? Answer in Russian.", "DNA is a molecule.", "not in Russian"),
        ("Переведи на английский: доброе утро", "доброе утро", "not in English"),
        ("Translate to Chinese: good morning", "good morning", "not in Chinese"),
        ("A week after 2005-12-23? Answer as YYYY-MM-DD.", "December 30", "of the form YYYY-MM-DD"),
        (COMMIT, DIFF, "a diff where a commit message was asked"),
        (WHY, f"```\n{DIFF}```", "repeats what it was given"),
        (WHY, "The change is:\n\n" + DIFF, "repeats what it was given"),
        (
            "How do I list files? Only the command.",
            "```sh\nls -la\n```\nThis command lists all of the files with their sizes and owners.",
            "explains where only the code was asked",
        ),
    ],
)
def test_an_answer_that_is_not_as_asked(prompt: str, answer: str, reason: str) -> None:
    assert reason in why(prompt, answer)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("How many? Answer with the number only.", "18"),
        ("How many? Answer with the number only.", "The answer is eighteen."),
        ("How many? Answer with the number only.", "$1,234.50"),
        ("In one word: capital of India?", "New Delhi"),
        ("In one word: capital of France?", "**Answer:** Paris."),
        ("Is 91 prime? Answer yes or no.", "No, 91 = 7 * 13."),
        ("A) car B) apple. Answer with the letter only.", "(B) apple"),
        ("A) car B) apple. Answer with the letter only.", "b"),
        ("Answer with positive or negative: I love it", "It is Positive!"),
        ("Explain DNA in one line.", "```\nDNA holds genes.\n```"),
        ("Explain DNA in one sentence.", "DNA, e.g. that of Dr. Smith, holds approx. 3.2 Gb."),
        ("Describe the sea in at most 3 words.", '"Wide, deep - blue"'),
        (FIVE, "apple, pear, plum, fig, kiwi"),
        (FIVE, "\n".join(f"{n}. fruit\n   - sweet\n   - round" for n in range(1, 6))),
        (FIVE, "Here:\n\n- a\n- b\n- c\n- d\n- e\n\nEnjoy!"),
        (COLOURS, '{"colours": ["red", "yellow", "blue"]}'),
        (COLOURS, 'Here it is:\n```json\n["red"]\n```\nAnything else?'),
        (COLOURS, 'The colours are ["red", "blue"].'),
        (COLOURS, '{"a": "red"}\n{"a": "blue"}'),
        (COLOURS, "[" * 100_000),
        (COLOURS, "1" * 10_000),
        (PYTHON, "```python\ndef add(a, b):\n    return a + b\n```"),
        (PYTHON, "```python\n>>> add(1, 2)\n3\n```"),
        (PYTHON, "```python\nIn [1]: add(1, 2)\n```"),
        (PYTHON, "```python\n%timeit add(1, 2)\n```"),
        (PYTHON, "```python\nprint 'hello'\n```"),
        (PYTHON, "```python\ndef add(a, b):\n    # your code here\n```"),
        (PYTHON, "```python\ndef add(a, b):\n    ...\n```"),
        (PYTHON, "```python\n    def add(self, b):\n        return self.a + b\n```"),
        (PYTHON, "```python\ntype Number = int | float\n```"),
        (PYTHON, "```python\n" + "(" * 50_000 + "\n```"),
        (PYTHON, "```python\nx = " + "-" * 40_000 + "1\n```"),
        (PYTHON, "```python\nx = " + "a." * 20_000 + "b\n```"),
        (PYTHON, "```python\nx = (" + "\n" * 60_000 + "```"),
        (PYTHON, "```bash\nfor f in *; do echo $f; done\n```"),
        (PYTHON, "I cannot do that."),
        ("Write a function in Python 2.", "```\ndef f(x):\n  raise E, x\n```"),
        ("What is DNA? Answer in Russian.", "ДНК (DNA) это молекула."),
        ("What is 2+2? Answer in Russian.", "4"),
        ("What is DNA? Answer in Russian.", "```\nprint('hello world')\n```"),
        ("Translate to Japanese: good morning", "おはよう、東京"),
        ("A week after 2005-12-23? Answer as YYYY-MM-DD.", "It is 2005-12-30."),
        ("When does it end? Answer as HH:MM.", "06:55"),
        (COMMIT, "Count items in the total of a cart"),
        (WHY, "`self.items` is multiplied:\n" + DIFF.splitlines()[7] + "\nby its count."),
        (f"Print this once more\n\n{DIFF}", DIFF),
        (f"Fix this\n\n{DIFF}", DIFF),
        ("How do I list files? Only the command.", "ls -la"),
        ("Tell me a joke.", "one\ntwo\nthree"),
    ],
)
def test_an_answer_that_may_be_what_was_asked(prompt: str, answer: str) -> None:
    assert why(prompt, answer) == ""


def test_of_an_unfinished_answer_only_what_nothing_can_mend_is_told() -> None:
    assert why("Explain DNA in one line.", "DNA holds genes.\n", is_whole=False) == ""
    assert why("Explain DNA in one line.", "DNA holds genes.\nIt", is_whole=False)
    assert why("How many? Only the number.", "The", is_whole=False) == ""
    assert why(FIVE, "- apple\n- pear", is_whole=False) == ""
    assert why(PYTHON, "```python\ndef add(a", is_whole=False) == ""
    assert why(WHY, DIFF[:60], is_whole=False) == ""
    assert why(WHY, DIFF[:200], is_whole=False) == "repeats what it was given"


def test_an_answer_that_begins_by_reciting_the_instructions() -> None:
    rules = "You edit files.\n" + "\n".join(f"Rule {n}: return the whole file." for n in range(9))
    form = Form(rules=rules)
    recited = rules[rules.index("Rule 2") :]
    assert why_unfit(form, recited[:60], is_whole=False) == ""
    for is_whole in (False, True):
        assert why_unfit(form, recited[:200], is_whole=is_whole) == "recites its instructions"
    # Some of their lines may well stand in an answer.
    assert why_unfit(form, f"By these rules:\n{recited}\nadd() is mended.") == ""


@pytest.mark.parametrize(
    "shown",
    [
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    1 / 0',
        "{% for x in xs %}{{ x }}{% endfor %}",
        "function search(a, x):\n    low = 0, high = len(a) - 1\n    while low <= high do",
    ],
)
def test_what_is_shown_in_a_python_block_may_be_no_program(shown: str) -> None:
    assert why("Show me that in Python.", f"```python\n{shown}\n```") == ""


def test_a_row_of_fences_is_read_in_no_time() -> None:
    began = time.process_time()
    assert blocks("```" * 50_000) == []
    assert time.process_time() - began < 1.0


def test_marks_alone_are_an_empty_answer() -> None:
    assert all(map(is_empty, ("", " \n", "```\n```", "```python\n\n```", '""', "**", "« »")))
    assert not any(map(is_empty, ("0", "+", ":-)", "`x`", "```\nx\n```", "?")))
