"""False alarms and runaways of the repetition detector.

    python bench/repetition.py MODEL.gguf... [--texts FOLDER...] [--tokens 1000]

- False alarms: real texts, cut into answers of --tokens tokens with the model's own tokenizer:
  Python's standard library, documents and data of installed packages, and what people ask models
  to write out (tables, lists, poems, drawings, logs; those whose prompt names a count with that
  count). Every alarm is printed.
- Runaways: greedy answers of the model to prompts that make small models ramble. An answer that
  does not end within --tokens tokens is a runaway; printed is after how many tokens it is stopped,
  and how many answers that end by themselves are stopped, too.

`docs/` and `*.md` of this repository are among the texts. Costs are microseconds for each token.
"""

from __future__ import annotations

import argparse
import codecs
import statistics
import subprocess
import sysconfig
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tierchat.engine.engine import Engine, EngineLimits
from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.repetition import RepetitionDetector, asked_in
from tierchat.engine.sequence import Sequence
from tierchat.engine.template import ChatTemplate
from tierchat.types import Message, Sampling

KINDS = {
    "standard library": ("*.py", 300),
    "documents": ("*.md *.rst *.txt", 300),
    "data": ("*.json *.csv *.toml *.xml *.sql *.jsonl", 200),
}
MAX_BYTES = 2_000_000
PROMPTS = (
    "Write a haiku about autumn.",
    "Write a long story about a dragon.",
    "Why is the sky blue?",
    "List 50 animals.",
    "What is a mutex?",
    "Explain quantum physics to a child.",
    "Write an essay about the history of Rome.",
    "Напиши рассказ о море.",
    "Перечисли 30 городов России.",
    "Write a Python class for a bank account with many methods.",
    "Write unit tests for a sort function.",
    "Give me a JSON array of 40 users with name and email.",
    "Write 30 SQL insert statements for a table of products.",
    "Tell me about yourself.",
    "Count from 1 to 100.",
    "Write a poem about the sea with ten stanzas.",
    "Make a markdown table of 30 countries and capitals.",
    "Write hello 50 times.",
    "Translate 'I love you' into 20 languages.",
    "Give 40 tips for better sleep.",
    "Write a shell script that backs up a folder.",
    "What should I do today?",
    "hi",
    "x",
)
REFRAIN = "Ring around the rosie, a pocket full of posies.\nAshes, ashes, we all fall down.\n\n"


@dataclass(frozen=True)
class Text:
    """One text, and the prompt that it answers."""

    name: str
    text: str
    prompt: str = ""


def written_out() -> Iterator[Text]:
    """Yield what people ask models to write out."""
    yield Text("1 to 500, lines", "\n".join(map(str, range(1, 501))))
    yield Text("1 to 500, commas", ", ".join(map(str, range(1, 501))))
    yield Text("numbered squares", "\n".join(f"{n}. {n * n}" for n in range(1, 200)))
    yield Text("Fibonacci", "\n".join(f"F({n}) = {fibonacci(n)}" for n in range(90)))
    tables = (f"{a} x {b} = {a * b}" for a in range(1, 13) for b in range(1, 13))
    yield Text("multiplication tables", "\n".join(tables))
    said = (f"{a} times {b} is {a * b}." for a in range(1, 8) for b in range(1, 11))
    yield Text("tables in words", "\n".join(said))
    grid = "\n".join(" | ".join(f"{a * b:3}" for b in range(1, 13)) for a in range(1, 13))
    yield Text("multiplication grid", grid)
    yield Text("zeros, 8 by 8", repr([[0] * 8 for _ in range(8)]).replace("], ", "],\n "))
    ones = [[int(a == b) for b in range(10)] for a in range(10)]
    yield Text("unit matrix", "\n".join(map(repr, ones)))
    yield Text("hello", "hello " * 50, "Write hello 50 times.")
    yield Text("zeros", "0" * 100, "Print 100 zeros")
    yield Text("zeros, spaced", "0 " * 100, "Print 100 zeros with spaces between them")
    lines = "I will not talk in class.\n" * 60
    yield Text("an imposition", lines, "Write 'I will not talk in class.' 60 times")
    numbered = "\n".join(f"{n}. I will not talk in class." for n in range(1, 101))
    yield Text("a numbered imposition", numbered, "Write it 100 times: I will not talk in class.")
    users = (f'{{"id": {n}, "name": "User {n}", "email": "user{n}@a.org"}},' for n in range(1, 51))
    yield Text("JSON users", "[\n" + "\n".join(users) + "\n]")
    rows = (f"INSERT INTO orders (id, price) VALUES ({n}, {n * 7 % 100}.99);" for n in range(1, 31))
    yield Text("SQL inserts", "\n".join(rows))
    log = (
        f"2025-01-{n % 28 + 1:02} 12:{n % 60:02}:07 INFO request {n} took {n * 37 % 900} ms"
        for n in range(1, 61)
    )
    yield Text("log lines", "\n".join(log))
    cases = (f"        case {n}: return {n * n};" for n in range(1, 61))
    yield Text("switch", "switch (n) {\n" + "\n".join(cases) + "\n}")
    asserts = (f"    assert square({n}) == {n * n}" for n in range(1, 41))
    yield Text("asserts", "def test_square():\n" + "\n".join(asserts))
    yield Text("bottles of beer", bottles(), "Sing me 99 bottles of beer")
    yield Text("a nursery rhyme, twice", REFRAIN * 2)
    yield Text("chess board", "\n".join((" #" * 4 if n % 2 else "# " * 4) for n in range(8)))
    yield Text("stars", "\n".join("* " * 10 for _ in range(10)), "Draw a 10x10 square of stars")
    yield Text("triangle", "\n".join("*" * n for n in range(1, 30)))
    yield Text("rule", "=" * 80 + "\nTitle\n" + "=" * 80)
    yield Text("box", "╔" + "═" * 60 + "╗\n║" + " " * 60 + "║\n╚" + "═" * 60 + "╝")
    yield Text("bars", "\n".join(f"{n:2} " + "█" * n for n in (3, 14, 15, 9, 26, 5, 35, 40)))
    yield Text("Mandelbrot", mandelbrot())
    yield Text("ls -l", listing())


def fibonacci(number: int) -> int:
    before, here = 1, 0
    for _ in range(number):
        before, here = here, before + here
    return here


def bottles() -> str:
    return "\n\n".join(
        f"{n} bottles of beer on the wall, {n} bottles of beer.\n"
        f"Take one down and pass it around, {n - 1} bottles of beer on the wall."
        for n in range(99, 1, -1)
    )


def mandelbrot() -> str:
    def sign(point: complex) -> str:
        value = 0j
        for step in range(30):
            value = value * value + point
            if abs(value) > 2:
                return " .:-=+*#%@"[step // 3]
        return "@"

    rows = ((complex(x / 20 - 2.2, y / 10 - 1.2) for x in range(64)) for y in range(25))
    return "\n".join("".join(map(sign, row)) for row in rows)


def listing() -> str:
    done = subprocess.run(["ls", "-l", "/usr/bin"], capture_output=True, text=True, check=False)
    return done.stdout


def real_texts(folders: Iterable[Path]) -> Iterator[tuple[str, Text]]:
    """Yield texts with their kind, evenly spread over the files that there are."""
    for kind, (patterns, num) in KINDS.items():
        files = [
            file
            for folder in folders
            for pattern in patterns.split()
            for file in sorted(folder.rglob(pattern))
            if file.is_file() and 500 < file.stat().st_size < MAX_BYTES
        ]
        for file in files[:: max(1, len(files) // num)]:
            try:
                yield kind, Text(str(file), file.read_text("utf-8"))
            except UnicodeDecodeError:
                continue


class Tokenizer:
    """Texts as the tokens and the pieces of text that a model would have written them in."""

    def __init__(self, model: LlamaModel) -> None:
        self._model = model

    def answers(self, text: str, num_tokens: int) -> Iterator[list[int]]:
        """Yield up to two answers out of one text: its beginning, and its middle."""
        part = text[: 20 * num_tokens]
        middle = text[len(text) // 2 :][: 20 * num_tokens] if len(text) > 40 * num_tokens else ""
        for each in (part, middle):
            if each:
                yield self._model.tokenize(each, parse_special=False)[:num_tokens]

    def texts(self, tokens: list[int]) -> list[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return [decoder.decode(self._model.piece(token)) for token in tokens]

    def stopped_after(self, tokens: list[int], prompt: str = "") -> int | None:
        """Return after how many tokens an answer is stopped, None if it is not."""
        detector = RepetitionDetector(asked_in(prompt))
        pairs = zip(tokens, self.texts(tokens), strict=True)
        return next((n for n, pair in enumerate(pairs, 1) if detector.is_repeating(*pair)), None)


def measure_false_alarms(model: LlamaModel, folders: list[Path], num_tokens: int) -> None:
    tokenizer, counts = Tokenizer(model), dict[str, list[int]]()
    texts = [("written out", text) for text in written_out()]
    for kind, text in [*texts, *real_texts(folders)]:
        for tokens in tokenizer.answers(text.text, num_tokens):
            found = tokenizer.stopped_after(tokens, text.prompt)
            num, alarms, total = counts.setdefault(kind, [0, 0, 0])
            counts[kind] = [num + 1, alarms + (found is not None), total + len(tokens)]
            if found is not None:
                tail = "".join(tokenizer.texts(tokens[:found]))[-160:]
                print(f"  alarm after {found} tokens of {text.name}: {tail!r}")
    for kind, (num, alarms, total) in counts.items():
        print(f"| {kind} | {num} answers | {total:,} tokens | {alarms} false alarms |")


def measure_runaways(model: LlamaModel, num_tokens: int) -> None:
    engine = Engine(model, EngineLimits(num_tokens + 256, 8 * (num_tokens + 256), max_sequences=8))
    source = model.metadata("tokenizer.chat_template")
    tokenizer, late, cost = Tokenizer(model), list[int | None](), list[float]()
    num_ended, num_stopped = 0, 0
    for number, prompt in enumerate(PROMPTS):
        tokens = (
            ChatTemplate(source).render([Message(role="user", content=prompt)], model).tokens
            if source
            else model.tokenize(f"{prompt}\n", parse_special=False)
        )
        engine.add(Sequence(number, tokens, Sampling(temperature=0), reads_signals=False))
    while engine.has_work:
        for step in engine.step():
            sequence = step.sequence
            is_full = sequence.num_generated >= num_tokens
            if not (step.is_end or step.is_control or is_full):
                continue
            engine.finish(sequence)
            written = sequence.tokens[sequence.num_prompt_tokens :]
            began_s = time.perf_counter()
            found = tokenizer.stopped_after(written, PROMPTS[sequence.id])
            cost.append((time.perf_counter() - began_s) / (found or len(written)))
            if is_full:
                late.append(found)
                print(f"  {PROMPTS[sequence.id]}: {found or 'not stopped'}")
            else:
                num_ended += 1
                num_stopped += found is not None
    engine.close()
    caught = [found for found in late if found]
    print(
        f"| runaways {len(late)} | stopped {len(caught)} | tokens until then: median "
        f"{statistics.median(caught) if caught else '-'}, most {max(caught, default=0)} | "
        f"ended by themselves {num_ended}, of these stopped {num_stopped} | "
        f"{1e6 * statistics.median(cost):.1f} µs a token, detokenizing included |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--texts", type=Path, nargs="*", default=[])
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--only", choices=("alarms", "runaways"))
    args = parser.parse_args()
    here = Path(__file__).parent.parent
    installed = sysconfig.get_paths()
    folders = [here, Path(installed["stdlib"]), Path(installed["purelib"]), *args.texts]
    for path in args.models:
        model = LlamaModel(path, LlamaLog())
        print(path.name)
        if args.only != "runaways":
            measure_false_alarms(model, folders, args.tokens)
        if args.only != "alarms":
            measure_runaways(model, args.tokens)
        model.close()


if __name__ == "__main__":
    main()
