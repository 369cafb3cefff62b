"""The cascades of one home: what is named, and what changes when its files change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tierchat.config.settings import load_settings
from tierchat.errors import ConfigError, UnknownModel, UsageError
from tierchat.events import AnswerDelta, CascadeEvent
from tierchat.paths import Paths, find_paths
from tierchat.service.home.home_cascade import HomeCascade
from tierchat.service.openai_replies import error_body
from tierchat.types import Message, Prompt, TierOptions

OWN_CASCADE = """
[[cascades.mine.tiers]]
name = "ONLY"
model = "pocket-xs"
gate = "token"
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("TIERCHAT_HOME", str(tmp_path))
    found = find_paths(os.environ)
    found.config_dir.mkdir(parents=True)
    return found


def with_home(paths: Paths, use: Callable[[HomeCascade], Awaitable[None]]) -> None:
    async def main() -> None:
        home = HomeCascade(paths, load_settings(paths, os.environ))
        try:
            await use(home)
        finally:
            await home.close()

    asyncio.run(main())


def test_a_prompt_for_a_cascade_added_meanwhile_is_answered(paths: Paths) -> None:
    async def use(home: HomeCascade) -> None:
        paths.models_file.write_text(OWN_CASCADE)
        assert "mine" not in home.cascades()
        message = Message(role="user", content="2+2")
        prompt = Prompt(messages=(message,), options=TierOptions(cascade="mine"))
        events: list[CascadeEvent] = [event async for event in home.answer(prompt)]
        assert AnswerDelta(text="4", tier="ONLY", model="pocket-xs") in events
        assert home.cascades()["mine"] == ("ONLY",)
        tiers = {status.model: status.tiers for status in home.status_of_workers()}
        assert tiers["pocket-xs"] == ("XS", "mine:ONLY")

    with_home(paths, use)


def test_an_unknown_name_is_an_error_that_lists_what_there_is(paths: Paths) -> None:
    async def use(home: HomeCascade) -> None:
        with pytest.raises(UsageError, match="no model, cascade or tier named 'nope'") as caught:
            await home.load("nope")
        assert "tiers: XS, S, M; cascades: pocket" in caught.value.hint

    with_home(paths, use)


def test_a_mistake_in_a_file_leaves_the_cascades_as_they_were(paths: Paths) -> None:
    async def use(home: HomeCascade) -> None:
        before = home.cascades()
        paths.models_file.write_text("[cascades.broken")
        with pytest.raises(ConfigError):
            await home.reload()
        with pytest.raises(UsageError, match="nope"):
            await home.unload("nope")
        assert home.cascades() == before and home.default == "pocket"

    with_home(paths, use)


def test_only_a_cascade_that_knows_more_than_one_field_finds_titles(paths: Paths) -> None:
    async def use(home: HomeCascade) -> None:
        assert home.titler("pocket") is None
        assert home.titler("gone") is None
        assert home.titler("cpu") == home.cascades()["cpu"][0]

    with_home(paths, use)


def test_only_what_is_on_this_machine_is_served(paths: Paths, tmp_path: Path) -> None:
    here = tmp_path / "here.gguf"
    here.write_bytes(b"GGUF")
    os.utime(here, (7, 7))
    paths.models_file.write_text(
        f'[models.mine]\nfile = "{here}"\n[models.gone]\nfile = "{tmp_path / "gone.gguf"}"\n'
        '[[cascades.two.tiers]]\nname = "S"\nmodel = "gone"\n'
        '[[cascades.two.tiers]]\nname = "M"\nmodel = "mine"\n'
        '[[cascades.none.tiers]]\nname = "S"\nmodel = "gone"\n'
    )

    async def use(home: HomeCascade) -> None:
        served = {model.id: model.created for model in home.served()}
        tiers = ["", "/XS", "/S", "/M"]
        pocket = [f"{name}{tier}" for name in ("tierchat", "pocket") for tier in tiers]
        assert list(served)[:8] == pocket
        assert set(served) - set(pocket) == {"two", "two/M"}
        assert served["two"] == served["two/M"] == 7 < served["tierchat"]

    with_home(paths, use)


@pytest.mark.parametrize("options", [TierOptions(cascade="gpt-4o"), TierOptions(tier="XXL")])
def test_an_unknown_model_has_openais_code(paths: Paths, options: TierOptions) -> None:
    async def use(home: HomeCascade) -> None:
        prompt = Prompt(messages=(Message(role="user", content="2+2"),), options=options)
        with pytest.raises(UnknownModel) as caught:
            _ = [event async for event in home.answer(prompt)]
        error = error_body(caught.value)["error"]
        assert (error["code"], error["param"]) == ("model_not_found", "model")
        assert caught.value.http_status == 404 and caught.value.exit_code == 2

    with_home(paths, use)
