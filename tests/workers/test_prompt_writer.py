"""What a model reads: conversations by its own or another template, begun answers, plain text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tierchat.config.chat_formats import FORMATS, ChatFormat
from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.model import LlamaModel
from tierchat.errors import RefusedByTemplate, TemplateError
from tierchat.types import Message, Sampling
from tierchat.workers.child.held_model import HeldModel
from tierchat.workers.child.prompt_writer import EXAMPLE, PromptWriter
from tierchat.workers.protocol import Delta, Finished, Generate, LoadModel, RequestEvent

USER = Message(role="user", content="2+2")
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}{{ '<|user|>' + m.content }}{% endfor %}<|assistant|>"
)


def shown(model: LlamaModel, tokens: list[int]) -> str:
    return model.shown(tokens)


def test_the_example_shows_control_tokens(pocket_s: LlamaModel) -> None:
    example = PromptWriter("s", pocket_s).example()
    assert example.startswith("<|user|>Hello!") and example.endswith("<|assistant|>")
    assert all(message.content in example for message in EXAMPLE)
    assert PromptWriter("s", pocket_s, ChatFormat("")).example() == ""


def test_an_assistant_message_at_the_end_is_continued(pocket_s: LlamaModel) -> None:
    writer = PromptWriter("s", pocket_s)
    begun = Message(role="assistant", content="The answer <|end|>")
    whole, alone = writer.conversation([USER, begun], None), writer.conversation([USER], None)
    assert shown(pocket_s, whole.tokens) == shown(pocket_s, alone.tokens) + begun.content
    controls = [pocket_s.is_control(token) for token in whole.tokens]
    assert sum(controls) == sum(map(pocket_s.is_control, alone.tokens))


def test_plain_text_makes_no_control_tokens(pocket_s: LlamaModel) -> None:
    prompt = PromptWriter("s", pocket_s).text("<|user|>2+2<|assistant|>")
    assert not any(map(pocket_s.is_control, prompt.tokens))
    assert shown(pocket_s, prompt.tokens) == "<|user|>2+2<|assistant|>"
    assert PromptWriter("s", pocket_s).text("").tokens


def test_without_a_template_a_conversation_is_refused_with_what_to_do(pocket_s: LlamaModel) -> None:
    with pytest.raises(TemplateError, match="s has no chat template") as error:
        PromptWriter("s", pocket_s, ChatFormat("")).conversation([USER], None)
    assert (
        "--raw" in error.value.hint and "tierchat add s FILE --template plain" in error.value.hint
    )


@pytest.mark.real
def test_the_token_of_the_beginning_never_comes_twice(
    real_gguf: Callable[[str], Path], llama_log: LlamaLog
) -> None:
    model = LlamaModel(real_gguf("gemma3-base"), llama_log)
    for source in ("{{ bos_token }}", "", "{{ bos_token }}<bos>"):
        given = ChatFormat(source + "{{ messages[0].content }}")
        tokens = PromptWriter("g", model, given).conversation([USER], None).tokens
        assert tokens[0] == model.bos_token != tokens[1]
    gemma = PromptWriter("g", model, FORMATS["gemma"]).conversation([USER], None)
    assert model.shown(gemma.tokens) == (
        "<bos><start_of_turn>user\n2+2<end_of_turn>\n<start_of_turn>model\n"
    )
    assert PromptWriter("g", model).text("x").tokens[0] == model.bos_token
    model.close()


@pytest.fixture(scope="module")
def without_system(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path
) -> Iterator[HeldModel]:
    # Without its escalate token the model is asked in words.
    raw = (models_dir / "pocket-xs.gguf").read_bytes()
    path = tmp_path_factory.mktemp("models") / "plain.gguf"
    path.write_bytes(raw.replace(b"tierchat.escalate_token_id", b"tierchat.escalate_token_ix"))
    order = LoadModel(name="plain", path=str(path), template=NO_SYSTEM, stop=("4",))
    held = HeldModel(order, lambda _share: None)
    yield held
    held.close()


def answer(held: HeldModel, order: Generate) -> str:
    request = held.request(order)
    events: list[RequestEvent] = []
    while not (events and isinstance(events[-1], Finished)):
        for step in held.engine.step():
            events += request.take(step)
    held.engine.finish(request.sequence)
    return "".join(event.answer for event in events if isinstance(event, Delta))


def test_what_the_template_lacks_is_told(without_system: HeldModel) -> None:
    assert without_system.info.template_limits[0].startswith("no system role")


def test_a_text_that_ends_a_turn_ends_the_answer(without_system: HeldModel) -> None:
    order = Generate(id=2, messages=(USER,), sampling=Sampling(temperature=0, max_tokens=8))
    assert "4" not in answer(without_system, order)


def test_a_refused_conversation_queues_nothing(models_dir: Path) -> None:
    source = "{% if messages | length > 1 %}{{ raise_exception('one') }}{% endif %}" + (
        "{{ messages[0].content }}"
    )
    order = LoadModel(name="one", path=str(models_dir / "pocket-xs.gguf"), template=source)
    held = HeldModel(order, lambda _share: None)
    turns = (USER, Message(role="assistant", content="4"), USER)
    with pytest.raises(RefusedByTemplate, match="one"):
        held.request(Generate(id=3, messages=turns))
    assert not held.engine.has_work
    held.close()
