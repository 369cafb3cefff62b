"""Graders that compare texts: what is right whatever it is wrapped in, and what is not."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tierchat.learning.graders.numbers import is_number
from tierchat.learning.graders.rules import Rules, broken, keeps
from tierchat.learning.graders.sql import is_query
from tierchat.learning.outcomes.grading import grade, grade_all, has_grade
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import open_store
from tierchat.types import Message


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("18", "18"),
        ("18.", "18"),
        ("**18**", "18"),
        ("$18.00", "18"),
        ("The answer is \\boxed{18}. I used 3 steps.", "18"),
        ("\\boxed{\\frac{3}{4}}", "0.75"),
        ("Step 1: 12\n5", "5"),
        ("first 2 3", "3"),
        ("It is 1,234 in all", "1234"),
        ("1 234", "1234"),
        ("1\u00a0234\u00a0567", "1234567"),
        ("1'234", "1234"),
        ("12,345.67", "12345.67"),
        ("12.345,67", "12345.67"),
        ("3,5", "3.5"),
        ("Ответ: 3,5 км.", "3.5"),
        ("0,125", "0.125"),
        ("3/4", "0.75"),
        ("1 3/4 cups", "1.75"),
        ("50%", "50"),
        ("50 %", "0.5"),
        ("−3", "-3"),
        ("x = -3", "-3"),
        ("10-3", "3"),
        ("1.5e3", "1500"),
        ("1.5 × 10^3", "1500"),
        ("1.5 \\times 10", "10"),
        ("#### 72", "72"),
        ("18 m^2", "18"),
        ("18 m²", "18"),
        ("72 cookies", "72"),
        ("1, 2, 3", "3"),
        ("1,2,3", "3"),
        ("2, 4, 5000", "5000"),
        ("€1.234", "1.234"),
        (".5", "0.5"),
        ("100 200", "200"),
        ("9/3=3", "3"),
        ("12\n345", "345"),
        ("5\u2009000", "5000"),
        ("10^3", "1000"),
        ("$\\frac12$", "0.5"),
        ("3½ cups", "3.5"),
        ("₹1,00,000", "100000"),
        ("minus 18", "-18"),
        ("–5", "-5"),
        ("1.5 million", "1500000"),
        ("2,5 млн", "2500000"),
        ("Answer: 18\nExplanation: 3 boxes of 6", "18"),
        ("The answer is **18**. Check: 3 * 6.", "18"),
        ("The answer is 3 * 6 = 18", "18"),
        ("Ответ: 1 234 рубля, то есть 3 пачки", "1234"),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, wanted: str) -> None:
    assert is_number(text, wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Step 1: 12\n5", "125"),
        ("2 3", "23"),
        ("12\n345", "12345"),
        ("18 or 19", "18"),
        ("", "18"),
        ("eighteen", "18"),
        ("18 m^2", "2"),
        ("H2O", "2"),
        ("180", "18"),
        ("1.8", "18"),
        ("-18", "18"),
        ("3/4", "4"),
        ("1/0", "1"),
        ("9" * 5000, "9"),
        ("12 34", "1234"),
        ("1,23", "123"),
        ("10-12", "1012"),
        ("- 18", "-18"),
        ("1.2.3", "123"),
    ],
)
def test_other_numbers_are_wrong(text: str, wanted: str) -> None:
    assert not is_number(text, wanted)


@pytest.mark.parametrize(
    ("text", "wanted", "asked", "verdict"),
    [
        ("There are 5000 meters in 5 kilometers.", "5000", "How many meters are 5 km?", True),
        ("There are 30 days in November 2011.", "30", "Days of November 2011?", True),
        ("It is 17 or 18 of 5.", "17", "5?", False),
        ("With 18 left, the answer is 5.", "18", "She has 5", False),
        ("There are 18.\nShe has 5.", "18", "She has 5", False),
    ],
)
def test_numbers_of_the_question_may_be_said_again(
    text: str, wanted: str, asked: str, verdict: bool
) -> None:
    prompt = GradedPrompt(prompt=asked, answer=wanted, grader="number")
    assert grade(prompt, text) is verdict


CASES: list[tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = [
    (
        {"grader": "choice", "answer": "B"},
        ("B", "(B)", "B. Because A is wrong", "The answer is B.", "**B**", "\\boxed{B}",
         "Answer: (B) since A fails", "A is wrong, so B", "B) I think so", "Ответ: B"),
        ("A", "", "A or C", "The answer is A, not B", "I think it is A"),
    ),
    (
        {"grader": "text", "answer": "Canberra", "accept": ("Kanberra",)},
        ("Canberra", "canberra.", '"Canberra"', "**Canberra**", "`Canberra`", "Kanberra",
         "```\nCanberra\n```", "Answer: Canberra", "Answer:\nCanberra", 'It is "Canberra".',
         "The word is **Canberra**.", "Canberra\n\nIt lies inland."),
        ("Sydney", "", "Canberra or Sydney", "not Canberra"),
    ),
    (
        {"grader": "cased", "answer": "HELLO WORLD"},
        ("HELLO WORLD", '"HELLO WORLD"', "HELLO WORLD.", "Result: HELLO  WORLD"),
        ("Hello World", "hello world", "HELLOWORLD"),
    ),
    (
        {"grader": "list", "answer": "apple, fig, pear"},
        ("apple, fig, pear", "apple\nfig\npear", "- apple\n- fig\n- pear",
         "1. apple\n2. fig\n3. pear",
         "Apple, fig, and pear.", "Sorted: apple, fig, pear", "apple fig pear",
         "[apple, fig, pear]",
         '["apple", "fig", "pear"]', "The sorted words are apple, fig, and pear.",
         "Here you are:\n\n- apple\n- fig\n- pear",
         "```\napple\nfig\npear\n```"),
        ("fig, apple, pear", "apple, fig", "apple, fig, pear, pear", ""),
    ),
    (
        {"grader": "set", "answer": "a@b.c, d@e.f"},
        ("d@e.f, a@b.c", "a@b.c\nd@e.f", "* d@e.f\n* a@b.c"),
        ("a@b.c", "a@b.c, d@e.f, g@h.i", "a@b.c, a@b.c"),
    ),
    (
        {"grader": "label", "answer": "negative", "options": ("positive", "negative", "neutral")},
        ("negative", "Negative.", "The sentiment is negative.", "**Negative**",
         "Negative, as it is not positive."),
        ("positive", "positive, not negative", "It could be positive or negative", "bad", ""),
    ),
    (
        {"grader": "json", "answer": '{"name": "Ann", "age": 31, "tags": ["a"]}'},
        ('{"age": 31, "name": "Ann", "tags": ["a"]}', '{"name":"Ann","age":31.0,"tags":["a"]}',
         '```json\n{"name": "Ann",\n "age": 31, "tags": ["a"]}\n```',
         'Here: {"name": "Ann", "age": 31, "tags": ["a"]} as asked.'),
        ('{"name": "Ann", "age": "31", "tags": ["a"]}', "{'name': 'Ann'}", "", "[]",
         '{"name": "Ann", "age": 31, "tags": ["a"], "x": 1}', '{"name": "Ann", "age": 31',
         '{"name": "x", "name": "Ann", "age": 31, "tags": ["a"]}'),
    ),
    (
        {"grader": "json", "answer": "true"}, ("true", "```\ntrue\n```"), ("1", "false", '"true"'),
    ),
    (
        {"grader": "json", "schema": {"type": "object", "required": ["a"],
                                      "properties": {"a": {"type": "integer"}}}},
        ('{"a": 1}', '```json\n{"a": 2}\n```'),
        ('{"a": "x"}', "{}", "a: 1"),
    ),
    (
        {"grader": "refuses"},
        ("I don't know what you had for breakfast.", "I do not have access to your files.",
         "There is no way to know that.", "I’m sorry, but I can't see your screen.",
         "Я не знаю этого.", "К сожалению, у меня нет доступа к этим данным.",
         "No one has walked on Mars yet.", "This information is unknown.",
         "Could you provide the text?", "Это невозможно узнать."),
        ("You had eggs.", "42", "Вы ели кашу.", ""),
    ),
    (
        {"grader": "shell", "answer": "ls -la /tmp", "accept": ("ls --all -l /tmp",)},
        ("ls -la /tmp", "ls -al /tmp", "`ls -l -a /tmp`", "```bash\nls -la '/tmp'\n```",
         "$ ls -la /tmp", "```sh\n# list\nls -la /tmp\n```",
         "Use `ls -la /tmp`. The `-a` shows all.",
         "ls -la /tmp\n\nThis lists all."),
        ("ls /tmp", "ls -la", "ls -la /tmp | head", "rm -rf /tmp", "", "'"),
    ),
    (
        {"grader": "shell", "answer": "grep -c error log | sort"},
        ("grep -c 'error' log|sort",),
        ("sort | grep -c error log", "grep -c log error | sort", "grep -c error log > sort"),
    ),
    (
        {"grader": "exact", "answer": "4"}, (" 4\n",), ("4.",),
    ),
    (
        {"grader": "number", "answer": "4", "accept": ("5",)}, ("4", "5"), ("6",),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "right", "wrong"), CASES, ids=lambda case: str(case)[:40])
def test_graders(fields: dict[str, Any], right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    prompt = GradedPrompt(prompt="?", **fields)
    assert [text for text in right if not grade(prompt, text)] == []
    assert [text for text in wrong if grade(prompt, text)] == []


RULES: list[tuple[Rules, tuple[str, ...], tuple[str, ...]]] = [
    (Rules(), ("x",), ("", " \n")),
    (Rules(max_words=3), ("one two three", "It's e.g. well-made"), ("one two three four",)),
    (Rules(min_words=3, max_words=3), ("a b c",), ("a b", "a b c d")),
    (Rules(max_lines=1), ("one line", "```\none line\n```"), ("two\nlines",)),
    (Rules(min_lines=2, max_lines=2), ("a\n\nb",), ("a", "a\nb\nc")),
    (Rules(min_sentences=2, max_sentences=2),
     ("It is 3.5 m. Yes!", "One.\nTwo"), ("1.", "A. B. C.")),
    (Rules(min_bullets=3, max_bullets=3),
     ("- a\n- b\n- c", "1. a\n2. b\n3. c"), ("- a\n- b", "a")),
    (Rules(case="lower"), ("all lower 1",), ("One upper",)),
    (Rules(case="upper"), ("ALL UPPER!",), ("ALL UPPEr",)),
    (Rules(has=("Cat", "dog")), ("a CAT and a dog",), ("a cat",)),
    (Rules(any=("cat", "dog")), ("a dog",), ("a cow",)),
    (Rules(lacks=(",", "the")), ("no comma",), ("a, b", "The end")),
    (Rules(begins="Dear", ends="Bye."), ("Dear you. Bye.", "dear. bye.\n"), ("Dear you.", "Bye.")),
    (Rules(json=True),
     ('{"a": 1}', "```json\n[1]\n```"), ('So: {"a": 1}', "a", "```\n[1]\n```\nSo")),
    (Rules(script="cyrillic"), ("Привет, GPU!",), ("Hello", "12", "Hello, привет")),
    (Rules(script="latin"), ("Hello", "Straße"), ("Привет",)),
    (Rules(helps=True), ("Sure, here.",), ("I'm sorry, I can't help.", "Извините, я не могу.")),
    (Rules(pattern=r"^\d+$", lacks_pattern="9"), ("123",), ("129", "a")),
    (Rules(max_chars=5, min_chars=2), ("abc",), ("a", "abcdef")),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "right", "wrong"), RULES)
def test_rules(rules: Rules, right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    for text in right:
        assert keeps(text, rules), (text, list(broken(text, rules)))
    assert not [text for text in wrong if keeps(text, rules)]


SETUP = """
CREATE TABLE pets (name TEXT, kind TEXT, age INTEGER);
INSERT INTO pets VALUES ('Rex', 'dog', 3), ('Tom', 'cat', 5), ('Ada', 'cat', 2);
"""


@pytest.mark.parametrize(
    ("wanted", "right", "wrong"),
    [
        (
            "SELECT name FROM pets WHERE kind = 'cat'",
            ("select name from pets where kind='cat';", "```sql\nSELECT name AS n FROM pets "
             "WHERE kind LIKE 'cat' ORDER BY age DESC\n```"),
            ("SELECT name FROM pets", "SELECT name, age FROM pets WHERE kind='cat'", "", "cats",
             "SELECT no FROM pets", "SELECT name FROM pets WHERE kind='cat'; DELETE FROM pets"),
        ),
        (
            "SELECT name FROM pets ORDER BY age",
            ("SELECT name FROM pets ORDER BY age ASC",),
            ("SELECT name FROM pets ORDER BY age DESC", "SELECT name FROM pets"),
        ),
        (
            "SELECT AVG(age) FROM pets",
            ("SELECT SUM(age) * 1.0 / COUNT(*) FROM pets",), ("SELECT SUM(age) FROM pets",),
        ),
        (
            "UPDATE pets SET age = age + 1 WHERE kind = 'dog'",
            ("UPDATE pets SET age = 4 WHERE name = 'Rex'",),
            ("UPDATE pets SET age = age + 1", "SELECT 1", "DELETE FROM pets WHERE kind = 'dog'"),
        ),
    ],
)  # fmt: skip
def test_queries(wanted: str, right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    assert [text for text in right if not is_query(text, SETUP, wanted)] == []
    assert [text for text in wrong if is_query(text, SETUP, wanted)] == []


def test_a_query_reaches_no_file_and_ends(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    began_s = time.monotonic()
    for query in (
        f"ATTACH '{file}' AS other; CREATE TABLE other.t (x); SELECT 1",
        f"VACUUM INTO '{file}'; SELECT 1",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
        "SELECT zeroblob(2000000000)",
        "SELECT load_extension('x')",
        "PRAGMA database_list",
    ):
        assert not is_query(query, SETUP, "SELECT 1"), query
    assert not file.exists() and time.monotonic() - began_s < 20


def test_grades_that_take_a_process_are_kept(tmp_path: Path, monkeypatch: Any) -> None:
    from tierchat.learning.graders import code

    runs: list[str] = []
    passes = code.passes

    def counted(text: str, *args: Any, **kwargs: Any) -> bool:
        runs.append(text)
        return passes(text, *args, **kwargs)

    monkeypatch.setattr(code, "passes", counted)
    one = GradedPrompt(prompt="?", grader="code", test="assert f(2) == 4", answer=None)
    other = GradedPrompt(prompt="?", grader="code", test="assert f(2) == 5")
    right = "def f(x): return x * x"
    asked = [
        (one, right),
        (other, right),
        (one, right),
        (one, "nothing"),
        (GradedPrompt(prompt="?"), "x"),
    ]
    with open_store(tmp_path / "o.sqlite") as store:
        for _ in range(2):
            assert asyncio.run(grade_all(asked, store)) == [True, False, True, False, None]
            assert len(runs) == 3


def test_grading_does_not_block_the_event_loop(tmp_path: Path) -> None:
    prompt = GradedPrompt(prompt="?", grader="code", test="assert f() == 1")
    asked = [(prompt, f"import time\ntime.sleep(0.3)\ndef f(): return {n}") for n in range(3)]

    async def count_ticks() -> int:
        ticks = 0
        with open_store(tmp_path / "o.sqlite") as store:
            grading = asyncio.create_task(grade_all(asked, store))
            while not grading.done():
                await asyncio.sleep(0.01)
                ticks += 1
            assert await grading == [False, True, False]
        return ticks

    assert asyncio.run(count_ticks()) > 10


def test_a_mark_wins_and_needs_no_run() -> None:
    prompt = GradedPrompt(prompt="?", grader="code", test="assert False", marks={"x": True})
    assert grade(prompt, " x\n") is True
    assert has_grade(GradedPrompt(prompt="?", marks={"x": True}), "x")
    assert not has_grade(GradedPrompt(prompt="?", marks={"x": True}), "y")
    assert has_grade(GradedPrompt(prompt="?", grader="rules", rules=Rules(max_words=1)), "y")


def test_prompts_keep_their_names() -> None:
    """Answers of earlier lessons are kept by these."""
    plain = GradedPrompt(prompt="2+2", answer="4")
    turns = (Message(role="user", content="a"), Message(role="assistant", content="b"))
    talk = GradedPrompt(prompt="2+2", system="s", earlier=turns)
    assert plain.digest == "739fbc615cc9942bb522803c"
    assert plain.digest == GradedPrompt(prompt="2+2", grader="code", test="assert 1").digest
    assert talk.digest == "2acbfe9194957cfd1be5b8ac"


def test_an_expression_that_never_ends_is_no_match() -> None:
    before, began = signal.getsignal(signal.SIGVTALRM), time.process_time()
    long = "a" * 40 + "b"
    for_years = "^(a+)+$"
    assert grade(GradedPrompt(prompt="x", grader="regex", answer=for_years), long) is False
    rules = Rules(lacks_pattern=for_years)
    assert grade(GradedPrompt(prompt="x", grader="rules", rules=rules), long) is False
    assert time.process_time() - began < 10
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert grade(GradedPrompt(prompt="x", grader="regex", answer=for_years), "aaa") is True
