"""Answers of a published small model: it answers alone, runs away, and is cut inside characters."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import UserHome

pytestmark = pytest.mark.real
GREEDY = ("-q", "-m", "smol", "-o", "temperature", "0")


@pytest.fixture(scope="module")
def smol(real_gguf: Callable[[str], Path]) -> Iterator[UserHome]:
    with tempfile.TemporaryDirectory(prefix="tc") as directory:
        home = UserHome(Path(directory))
        assert home.run("add", "smol", str(real_gguf("smollm2"))).returncode == 0
        yield home
        home.close()


def test_a_cascade_of_one_answers(smol: UserHome) -> None:
    asked = smol.run("ask", *GREEDY, "What is a mutex?")
    assert asked.returncode == 0 and b"synchronization" in asked.stdout


def test_a_loop_is_stopped_shown_and_fails(smol: UserHome) -> None:
    asked = smol.run("ask", *GREEDY, "--json", "Write a haiku about autumn.")
    found = json.loads(asked.stdout)
    assert asked.returncode == 1 and found["finish_reason"] == "length"
    assert found["answer"] and found["generated_tokens"] < 400
    assert found["notices"][-1] == "S was stopped: it repeated itself"
    assert found["path"][-1]["discarded_tokens"] == 0


@pytest.mark.parametrize("num_tokens", range(1, 13))
def test_an_answer_is_never_cut_inside_a_character(smol: UserHome, num_tokens: int) -> None:
    prompt = "Repeat this exactly: 🙂🎉🦊漢字🙂🎉🦊漢字"
    limit = ("-o", "max_tokens", str(num_tokens))
    for way in ((), ("--no-stream",)):
        asked = smol.run("ask", *GREEDY, *limit, *way, prompt)
        assert not asked.stdout.decode().rstrip("\n").endswith("\ufffd")
