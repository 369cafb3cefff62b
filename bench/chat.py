"""How soon the chat is there, and what a second turn of a long conversation costs.

    python bench/chat.py

A daemon is started in a temporary home. Start: from the command to the prompt, in a
pseudo-terminal, with a warm daemon. Turns: time to the first piece of an answer and tokens
computed per tier, first turn against second, as the ledger counts them. Medians of --rounds.
Needs pexpect.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

import pexpect

from tierchat.cli.chat.session import ChatSession, Turn
from tierchat.events import AnswerDelta, Done, ThoughtDelta
from tierchat.outcomes import Outcome
from tierchat.paths import find_paths
from tierchat.service.client import Client
from tierchat.types import Prompt

# The chat asks the terminal where its cursor is; pexpect does not answer.
QUIET = {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
LONG = "Sum the numbers from 1 to 50, skipping every 7th number. " * 12 + "Now: what is 17*24?"


def start_s(env: Mapping[str, str]) -> float:
    """Time one start of the chat until its prompt can be typed at."""
    began_s = time.perf_counter()
    child = pexpect.spawn(
        sys.executable, ["-m", "tierchat"], env={**env, **QUIET}, encoding="utf-8", timeout=20
    )
    child.expect(">\x08?\x1b\\[|> ")
    took_s = time.perf_counter() - began_s
    child.close(force=True)
    return took_s


def hello_s(env: Mapping[str, str]) -> float:
    """Time the same terminal around a Python that only prints."""
    began_s = time.perf_counter()
    child = pexpect.spawn(sys.executable, ["-c", "input('> ')"], env=dict(env), encoding="utf-8")
    child.expect("> ")
    took_s = time.perf_counter() - began_s
    child.close(force=True)
    return took_s


def ask(client: Client, prompt: Prompt) -> tuple[float, Outcome]:
    """Return the seconds to the first piece shown, and the outcome."""
    began_s, first_s = time.perf_counter(), 0.0
    for event in client.ask(prompt):
        if not first_s and isinstance(event, AnswerDelta | ThoughtDelta):
            first_s = time.perf_counter() - began_s
        if isinstance(event, Done):
            return first_s, event.outcome
    raise SystemExit("no outcome")


def turns(client: Client, number: int) -> tuple[tuple[float, Outcome], tuple[float, Outcome]]:
    """Ask a long first question and a short second one."""
    session = ChatSession("pocket", ("XS", "S", "M"))
    text = f"{number}. {LONG}"
    first = ask(client, session.ask(text))
    session.add(Turn("0", text, first[1].answer, first[1], first[1].tier))
    return first, ask(client, session.ask("And what is 23*12?"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=11)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tc") as home:
        env = {**os.environ, "TIERCHAT_HOME": home}
        client = Client(find_paths(env))
        subprocess.run([sys.executable, "-m", "tierchat", "daemon", "up"], env=env, check=True)
        try:
            ours, hello = [], []
            for _ in range(args.rounds):
                ours.append(start_s(env))
                hello.append(hello_s(env))
            print(f"chat ready after {1e3 * statistics.median(ours):.0f} ms, ", end="")
            print(f"bare Python after {1e3 * statistics.median(hello):.0f} ms")
            found = [turns(client, number) for number in range(args.rounds)]
            for name, index in (("first turn", 0), ("second turn", 1)):
                waits = [pair[index][0] for pair in found]
                outcome = found[-1][index][1]
                visits = ", ".join(
                    f"{v.tier} {v.prompt_tokens - v.cached_tokens} of {v.prompt_tokens}"
                    for v in outcome.path
                )
                print(
                    f"{name}: first piece after {1e3 * statistics.median(waits):.1f} ms; {visits}"
                )
        finally:
            client.stop()


if __name__ == "__main__":
    main()
