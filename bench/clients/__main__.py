"""Calls of many clients, nothing special in them, and what each one got.

    pip install openai anthropic llm "lm-eval[api]" langchain-openai langchain-anthropic
    pip install instructor "pydantic-ai-slim[openai]" openai-agents
    python bench/clients --url http://127.0.0.1:8421 --model coder/M --key "$TIERCHAT_KEY"
    python bench/clients ... --against http://127.0.0.1:8080 --data DIR --out FILE.json

Every call checks the shape and the content of what comes, and can fail. With --against the same
calls go to another server, such as a llama-server on the same file (`--jinja --api-key K
--embeddings` or whatever it is to be judged with), and the table has both side by side. --data is
the folder with the public sets that the calls of lm-eval need. Packages that are not installed are
said to be skipped; a call that fails makes the exit code 1. litellm wants an older `openai`, so
that it is tried from a virtual environment of its own (`--only litellm`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import anthropic_messages
import commands
import frameworks
import openai_chat
import openai_responses
import openai_texts
import openai_tools
from calls import CALLS, Call, Place, Went, versions, went

# Importing a module registers its calls.
MODULES = (
    *(openai_chat, openai_tools, openai_texts, openai_responses),
    *(anthropic_messages, commands, frameworks),
)


def made(calls: Sequence[Call], place: Place, name: str) -> list[Went]:
    """Make calls at a place, one after the other, and tell how each went."""
    results = []
    for number, one in enumerate(calls, 1):
        result = went(one, place)
        results.append(result)
        told = f"{name} {number:3} {one.package}: {one.what}: {result.cell()}"
        print(f"{told} ({result.seconds:.1f} s)", file=sys.stderr, flush=True)
    return results


def table(calls: Sequence[Call], results: dict[str, list[Went]]) -> Iterator[str]:
    """Write a row for each call, the servers side by side."""
    names = list(results)
    yield f"| | client | call | {' | '.join(names)} |"
    yield f"|---|---|---|{'---|' * len(names)}"
    for number, one in enumerate(calls, 1):
        cells = [results[name][number - 1].cell() for name in names]
        if len(cells) > 1 and len(set(cells)) == 1:
            cells[1:] = ["the same"] * (len(cells) - 1)
        yield f"| {number} | {one.package} | {one.what} | {' | '.join(cells)} |"


def summary(calls: Sequence[Call], results: dict[str, list[Went]]) -> Iterator[str]:
    """Count the calls of every client that went well, the servers side by side."""
    names = list(results)
    yield f"| client | calls | {' | '.join(names)} |"
    yield f"|---|---|{'---|' * len(names)}"
    packages = list(dict.fromkeys(one.package for one in calls))
    for package in (*packages, "all"):
        own = [n for n, one in enumerate(calls) if package in ("all", one.package)]
        cells = []
        for name in names:
            hows = Counter(results[name][n].how for n in own)
            cells.append(
                f"{hows['ok']} ok" + (f", {hows['skipped']} skipped" * bool(hows["skipped"]))
            )
        yield f"| {package} | {len(own)} | {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--url", default="http://127.0.0.1:8421", help="address, without /v1")
    parser.add_argument("--model", default="tierchat")
    parser.add_argument("--key", default=os.environ.get("TIERCHAT_KEY", "none"))
    parser.add_argument("--against", help="address of another server, without /v1")
    parser.add_argument("--against-model", default="model")
    parser.add_argument("--against-key", default="none")
    parser.add_argument("--data", default="", help="folder with gsm8k.jsonl and bbh.jsonl")
    parser.add_argument("--only", default="", help="calls whose package or name match this")
    parser.add_argument("--out", type=Path, help="where results go, as JSON")
    given = parser.parse_args()
    wanted = re.compile(given.only, re.IGNORECASE)
    calls = [one for one in CALLS if wanted.search(f"{one.package}: {one.what}")]
    places = {"tierchat": Place(given.url.rstrip("/"), given.key, given.model, given.data)}
    if given.against:
        url = given.against.rstrip("/")
        places["other"] = Place(url, given.against_key, given.against_model, given.data)
    results = {name: made(calls, place, name) for name, place in places.items()}
    print(f"{len(calls)} calls; {', '.join(versions())}; Python {sys.version.split()[0]}\n")
    print("\n".join(table(calls, results)), end="\n\n")
    print("\n".join(summary(calls, results)))
    if given.out:
        rows = [
            {"package": one.package, "call": one.what}
            | {name: asdict(results[name][number]) for name in results}
            for number, one in enumerate(calls)
        ]
        given.out.write_text(json.dumps(rows, ensure_ascii=False, indent=1), "utf-8")
    return 1 if any(result.how == "fails" for result in results["tierchat"]) else 0


if __name__ == "__main__":
    sys.exit(main())
