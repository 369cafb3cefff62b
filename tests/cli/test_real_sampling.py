"""A published model: sampled as its publisher says, the same again with a seed or greedily."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import UserHome

pytestmark = pytest.mark.real


def test_a_published_model_is_drawn_from_at_random_and_repeats_with_a_seed(
    home: UserHome, real_gguf: Callable[[str], Path]
) -> None:
    (home.directory / "config").mkdir()
    # Two threads add up the parts of a sum in another order than one.
    (home.directory / "config" / "config.toml").write_text("num_threads = 1\n")
    (home.directory / "config" / "models.toml").write_text(
        f'[models.smol]\nfile = "{real_gguf("smollm2")}"\n'
        '[[cascades.smol.tiers]]\nname = "S"\nmodel = "smol"\ngate = "none"\n'
    )

    def outcome(*options: str) -> dict[str, Any]:
        question = "Write a long story about a fox."
        found = home.run(
            "ask", "-m", "smol", "--json", "-o", "max_tokens", "24", *options, question
        )
        told: dict[str, Any] = json.loads(found.stdout)
        return told

    free = [outcome("-o", "temperature", "1.5") for _ in range(2)]
    assert free[0]["answer"] != free[1]["answer"]
    for options in (("--seed", "7", "-o", "temperature", "1.5"), ("-o", "temperature", "0")):
        again = [outcome(*options) for _ in range(3)]
        assert len({told["answer"] for told in again}) == 1, again
    told = outcome()["sampling"]
    assert told["temperature"] == {"value": 0.2, "from": "family smollm2"}
    assert told["top_k"] == {"value": 40, "from": "llama.cpp's default"}
    assert told["max_tokens"] == {"value": 24, "from": "request"}
