"""How much longer a prompt waits that comes while the cascade teaches itself.

    python bench/lesson_wait.py [--num 50] [--real FOLDER]

Asks the same prompts of a fresh daemon, in turns without a lesson and in the middle of one, and
prints the seconds until the first piece of each answer. With --real the cascade is that of the
GGUFs in FOLDER, smallest first; otherwise it is the bundled one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tierchat.config.teach_choice import choose_teaching
from tierchat.events import AnswerDelta, Done, ThoughtDelta
from tierchat.gates.lesson_state import read_state
from tierchat.paths import Paths, find_paths, make_private
from tierchat.service.client import Client
from tierchat.types import Message, Prompt, Sampling, TierOptions

IDLE_S = 0.5
NAMES = ("XS", "S", "M", "L")


def make_cascade(paths: Paths, folder: Path | None) -> str:
    """Write models.toml of the real ladder; returns the cascade's name."""
    if folder is None:
        return "pocket"
    files = sorted(folder.glob("*.gguf"), key=lambda file: file.stat().st_size)[: len(NAMES)]
    names = NAMES[: len(files)]
    lines = [f'[models.{n}]\nfile = "{file}"' for n, file in zip(names, files, strict=True)]
    tiers = ", ".join(
        f'{{name = "{n}", model = "{n}", gate = "{"none" if n == names[-1] else "untaught"}"}}'
        for n in names
    )
    make_private(paths.config_dir)
    paths.models_file.write_text("\n".join([*lines, f"[cascades.ladder]\ntiers = [{tiers}]"]))
    return "ladder"


@contextlib.contextmanager
def fresh_home(folder: Path | None, idle_s: float) -> Iterator[tuple[Client, Paths, str]]:
    """Yield a home in which lessons may begin after `idle_s` seconds, and its cascade's name."""
    with tempfile.TemporaryDirectory(prefix="tc") as directory:
        os.environ |= {
            "TIERCHAT_HOME": directory,
            "TIERCHAT_TEACH_IDLE_S": str(idle_s),
            "TIERCHAT_TEACH_SHARE": "1",
        }
        paths = find_paths(os.environ)
        make_private(paths.data_dir)
        cascade, client = make_cascade(paths, folder), Client(paths)
        try:
            yield client, paths, cascade
        finally:
            client.stop()


def wait_of(client: Client, cascade: str, text: str, tier: str) -> float:
    """Return the seconds until the first piece of one tier's answer."""
    prompt = Prompt(
        messages=(Message(role="user", content=text),),
        sampling=Sampling(temperature=0, max_tokens=4),
        options=TierOptions(cascade=cascade, tier=tier),
    )
    began_s = time.monotonic()
    with closing(client.ask(prompt)) as events:
        for event in events:
            if isinstance(event, AnswerDelta | ThoughtDelta | Done):
                return time.monotonic() - began_s
    raise RuntimeError("no answer")


def until_teaching(client: Client) -> None:
    """Wait until the lesson runs and a worker is busy with it."""
    while True:
        status = client.status()
        is_on = status and status.teaching and not status.is_teaching_paused
        if status and is_on and any(worker.num_active for worker in status.workers):
            # Anywhere in a decode.
            time.sleep(random.uniform(0.05, 0.4))
            return
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num", type=int, default=50)
    parser.add_argument("--real", type=Path)
    parser.add_argument(
        "--tier", default="XS", help="the tier that is asked; the lowest if not given"
    )
    given = parser.parse_args()
    with fresh_home(given.real, IDLE_S) as (client, paths, cascade):
        measure(client, paths, cascade, given.num, given.tier)


def measure(client: Client, paths: Paths, cascade: str, num: int, tier: str) -> None:
    client.start()
    client.load(cascade)
    rng = random.Random(0)
    waits: dict[bool, list[float]] = {False: [], True: []}
    choose_teaching(paths, cascade, is_wanted=True)
    for index in range(num):
        for is_taught in (True, False):
            # Prompts of one length that share nothing but the template.
            text = f"What is {rng.randint(100, 999)} plus {rng.randint(100, 999)}?"
            if is_taught:
                until_teaching(client)
            # Straight after a prompt the lesson is paused.
            waits[is_taught].append(wait_of(client, cascade, text, tier))
        if index % 10 == 9:
            state = read_state(paths, cascade)
            print(f"{index + 1} pairs, {state.num_done if state else 0} answers of the lesson")
    print(f"| {tier} of {cascade} | median | 90 % | longest |\n|---|---|---|---|")
    for is_taught, name in ((False, "no lesson"), (True, "during a lesson")):
        found = sorted(waits[is_taught])
        print(
            f"| {name} | {1000 * statistics.median(found):.0f} ms "
            f"| {1000 * found[int(0.9 * len(found))]:.0f} ms | {1000 * found[-1]:.0f} ms |"
        )
    pairs = [a - b for a, b in zip(waits[True], waits[False], strict=True)]
    print(f"longer by (median of {len(pairs)}): {1000 * statistics.median(pairs):.0f} ms")


if __name__ == "__main__":
    main()
