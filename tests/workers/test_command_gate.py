"""A model that was never taught an escalate token is asked in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tierchat.config.catalogue import CascadeSpec, TierSpec
from tierchat.gates.lookup import GateLookup
from tierchat.gates.order import GateOrder
from tierchat.models.verified_files import VerifiedFiles
from tierchat.types import Message, Sampling
from tierchat.workers.child.gating import UNSURE_SENTENCE, with_unsure_sentence
from tierchat.workers.child.held_model import HeldModel
from tierchat.workers.protocol import Finished, Generate, LoadModel, RequestEvent

QUESTION = (Message(role="user", content="2+2"),)


@pytest.fixture(scope="module")
def untaught(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[HeldModel]:
    # Another key of the same length: the model no longer says which token it would escalate with.
    raw = (models_dir / "pocket-xs.gguf").read_bytes()
    path = tmp_path_factory.mktemp("models") / "untaught.gguf"
    path.write_bytes(raw.replace(b"tierchat.escalate_token_id", b"tierchat.escalate_token_ix"))
    held = HeldModel(LoadModel(name="untaught", path=str(path)), lambda _share: None)
    yield held
    held.close()


def finish(held: HeldModel, order: Generate) -> tuple[Finished | None, int]:
    request = held.request(order)
    last: RequestEvent | None = None
    while not isinstance(last, Finished) and held.engine.has_work:
        for step in held.engine.step():
            for event in request.take(step):
                last = event
            if last is not None and not isinstance(last, Finished):
                continue
    held.engine.finish(request.sequence)
    return last if isinstance(last, Finished) else None, request.sequence.num_prompt_tokens


def order(kind: str, *, may: bool) -> Generate:
    gate = GateOrder(kind=kind, may_escalate=may, escalate_threshold=1.0)  # type: ignore[arg-type]
    return Generate(
        id=1, messages=QUESTION, sampling=Sampling(temperature=0, max_tokens=4), gate=gate
    )


def test_the_command_stands_in_the_system_turn() -> None:
    added, question = with_unsure_sentence(QUESTION)
    assert (added.role, added.content) == ("system", UNSURE_SENTENCE) and question == QUESTION[0]
    joined, _ = with_unsure_sentence((Message(role="system", content="Be brief."), *QUESTION))
    assert joined.content == f"Be brief.\n\n{UNSURE_SENTENCE}"


def test_it_is_told_only_where_it_may_pass_the_prompt_on(untaught: HeldModel) -> None:
    told, num_told = finish(untaught, order("command", may=True))
    plain, num_plain = finish(untaught, order("command", may=False))
    assert num_told > num_plain + 10
    assert told is not None and told.verdict is not None
    assert 0 <= told.verdict.estimates["escalate_probability"] <= 1
    assert plain is not None


def test_a_model_with_a_token_of_its_own_is_not_asked_in_words(models_dir: Path) -> None:
    held = HeldModel(LoadModel(name="xs", path=str(models_dir / "pocket-xs.gguf")), lambda _: None)
    _, num_command = finish(held, order("command", may=True))
    _, num_token = finish(held, order("token", may=True))
    held.close()
    assert num_command == num_token


def test_that_it_could_be_taught_is_said_once(tmp_path: Path) -> None:
    tiers = (TierSpec(name="S", model="a"), TierSpec(name="L", model="b"))
    spec = CascadeSpec(tiers=tiers)
    for number in range(2):
        lookup = GateLookup(tmp_path / "gates", VerifiedFiles(tmp_path / "verified.json"))
        words = [lookup.teaching_hint("mine", spec) for _ in range(2)]
        assert words[1] == "" and ("tierchat train -m mine" in words[0]) is (number == 0)


def test_cascades_with_trained_tokens_have_nothing_to_be_told(tmp_path: Path) -> None:
    tiers = (TierSpec(name="S", model="a", gate="token"), TierSpec(name="L", model="b"))
    lookup = GateLookup(tmp_path, VerifiedFiles(tmp_path / "verified.json"))
    assert lookup.teaching_hint("mine", CascadeSpec(tiers=tiers)) == ""
