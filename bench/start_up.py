"""How long a command takes, from typing to prompt: `python bench/start_up.py`.

Whole-process wall times, side by side and interleaved, medians of --rounds: bare Python, a typer
hello, `tierchat --version` and `--help`, a warm `ask`, a cold start (no daemon: start it, load XS,
answer). Then memory of daemon and workers, and the time to the first token of an answer.

    python bench/start_up.py --beside OLD/bin/tierchat

compares every command with that of another installation, in the same rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tierchat.events import AnswerDelta, ThoughtDelta
from tierchat.paths import find_paths
from tierchat.service.client import Client
from tierchat.types import Message, Prompt

HELLO = """
import typer
def hello(name: str) -> None:
    print(f"hello {name}")
typer.run(hello)
"""
BESIDE = ", beside"
PROMPTS = {
    "answered at XS": "2+2",
    "escalated to S": "What is 17*24?",
    "escalated to S, longer": "Sum the numbers from 1 to 100, skipping every 7th number.",
}


def run(*command: str) -> float:
    """Run a command to its end; returns seconds."""
    began_s = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began_s


@dataclass(frozen=True)
class Installed:
    """One installation of tierchat, with a home of its own."""

    script: Path
    home: Path

    def run(self, *arguments: str) -> float:
        """Run a command of this installation; returns seconds."""
        os.environ["TIERCHAT_HOME"] = str(self.home)
        return run(str(self.script), *arguments)

    def cold(self) -> float:
        """Ask with no daemon running; returns seconds."""
        self.run("daemon", "down")
        return self.run("ask", "2+2")

    def cases(self, label: str) -> dict[str, Callable[[], float]]:
        return {
            f"tierchat --version{label}": lambda: self.run("--version"),
            f"tierchat --help{label}": lambda: self.run("--help"),
            f'tierchat ask "2+2", warm{label}': lambda: self.run("ask", "2+2"),
        }


def first_token(client: Client, text: str) -> float:
    """Time from sending a prompt to its first piece of thought or answer."""
    began_s = time.perf_counter()
    events = client.ask(Prompt(messages=(Message(role="user", content=text),)))
    for event in events:
        if isinstance(event, AnswerDelta | ThoughtDelta):
            break
    took_s = time.perf_counter() - began_s
    events.close()  # type: ignore[attr-defined]
    return took_s


def measure(cases: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run every case once a round, so that a noisy moment hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            times[name].append(case())
    return times


def print_table(times: dict[str, list[float]], base: str) -> None:
    middle = statistics.median(times[base])
    print(f"\n| case | median ms | min | max | over {base} |\n|---|---|---|---|---|")
    for name, values in times.items():
        median = statistics.median(values)
        numbers = " | ".join(f"{1000 * v:.1f}" for v in (median, min(values), max(values)))
        print(f"| {name} | {numbers} | {1000 * (median - middle):+.1f} |")


def print_ratios(times: dict[str, list[float]]) -> None:
    pairs = [(name, f"{name}{BESIDE}") for name in times if f"{name}{BESIDE}" in times]
    if pairs:
        print("\n| case | median, times that of the other |\n|---|---|")
    for ours, other in pairs:
        ratio = statistics.median(times[ours]) / statistics.median(times[other])
        print(f"| {ours} | {ratio:.3f} |")


def print_memory(installed: Installed) -> None:
    words = [str(installed.script), "ps", "--json"]
    os.environ["TIERCHAT_HOME"] = str(installed.home)
    found = json.loads(subprocess.run(words, capture_output=True).stdout)
    print("\n| process | resident MiB | proportional MiB |\n|---|---|---|")
    rows = [("daemon", found["pid"])] + [(w["model"], w["pid"]) for w in found["workers"]]
    for name, pid in rows:
        if pid:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kib = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
            print(f"| {name} | {kib['Rss:'] / 1024:.0f} | {kib['Pss:'] / 1024:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cold-rounds", type=int, default=7)
    parser.add_argument("--beside", type=Path, help="the tierchat of another installation")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tc") as homes:
        # Users have compiled bytecode.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        installed = {"": Installed(Path(sys.executable).with_name("tierchat"), Path(homes, "a"))}
        if args.beside:
            installed[BESIDE] = Installed(args.beside.absolute(), Path(homes, "b"))
        for each in installed.values():
            each.run("ask", "2+2")
        time.sleep(2)
        try:
            compare(installed, Path(homes), args.rounds, args.cold_rounds)
        finally:
            for each in installed.values():
                each.run("daemon", "down")


def compare(
    installed: dict[str, Installed], directory: Path, rounds: int, cold_rounds: int
) -> None:
    hello = directory / "hello.py"
    hello.write_text(HELLO)
    cases: dict[str, Callable[[], float]] = {
        "python -c pass": lambda: run(sys.executable, "-c", "pass"),
        "typer hello": lambda: run(sys.executable, str(hello), "you"),
    }
    for label, each in installed.items():
        cases |= each.cases(label)
    times = measure(cases, rounds)
    print_table(times, "typer hello")
    print_ratios(times)
    ours = installed[""]
    client = Client(find_paths({**os.environ, "TIERCHAT_HOME": str(ours.home)}))
    first = {n: (lambda text=t: first_token(client, text)) for n, t in PROMPTS.items()}
    print("\nTime to the first piece of thought or answer, client to client:")
    print_table(measure(first, rounds), "answered at XS")
    print_memory(ours)
    print("\nCold start to the answer:")
    times = measure({f"cold{label}": each.cold for label, each in installed.items()}, cold_rounds)
    print_table(times, "cold")
    print_ratios(times)


if __name__ == "__main__":
    main()
