"""Small chat templates that use what templates in the wild use, and what each must render."""

from __future__ import annotations

import datetime

import pytest

from tests.engine.test_template import Characters, said
from tierchat.engine.control_tokens import ControlToken, ControlTokens
from tierchat.engine.template import ChatTemplate
from tierchat.engine.template_way import TemplateHost
from tierchat.errors import RefusedByTemplate, TemplateError

MESSAGE = "'[' + m.role + ']' + m.content + '[end]'"
TURNS = "{% for m in messages %}{{ " + MESSAGE + " }}{% endfor %}"
GEN = "{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}"
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}" + TURNS + GEN
)
ALTERNATING = (
    "{% set rest = messages[1:] if messages[0].role == 'system' else messages %}"
    "{% if messages[0].role == 'system' %}{{ '[system]' + messages[0].content + '[end]' }}"
    "{% endif %}{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{{ " + MESSAGE + " }}{% endfor %}" + GEN
)
DROPS_SYSTEM = (
    "{% for m in messages if m.role != 'system' %}{{ " + MESSAGE + " }}{% endfor %}" + GEN
)
LAST_ONLY = "{{ '[user]' + messages[-1].content + '[end]' }}" + GEN
ONLY_PARTS = (
    "{% for m in messages %}{{ '[' + m.role + ']' }}{% for p in m.content %}"
    "{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}{{ '[end]' }}{% endfor %}" + GEN
)
LOOKS_INTO = (
    "{% for m in messages %}{% set c = m.content | trim %}"
    "{% if m.role == 'assistant' and '</think>' in c %}"
    "{% set c = c.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{% if c.startswith('/no_think') %}{% set c = c[9:] %}{% endif %}"
    "{{ '[' + m.role + ']' + c + '[end]' }}{% endfor %}" + GEN
)
HOST = TemplateHost(
    {"bos_token": "[bos]", "eos_token": "[eos]", "unk_token": "[unk]", "pad_token": "[pad]"},
    ("<think>", "</think>"),
    lambda: datetime.datetime(2026, 7, 26),
)


def render(source: str, *messages: str, think: bool | None = None) -> str:
    return ChatTemplate(source, HOST).render(said(*messages), Characters(), think=think).text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "{{ bos_token }}{% for m in messages %}{{ m.content + eos_token }}{% endfor %}",
            "[bos]hi[eos]",
        ),
        ("{{ unk_token + pad_token + messages[0].content }}", "[unk][pad]hi"),
        (
            "{{ strftime_now('%d %b %Y') + ' ' + date_string + messages[0].content }}",
            "26 Jul 2026 26 Jul 2026hi",
        ),
        (
            "{% for m in messages %}{{ m.content }}{% if loop.first %}{% break %}{% endif %}"
            "{% endfor %}",
            "hi",
        ),
        (
            "{% for m in messages %}{% if not m.content %}{% continue %}{% endif %}{{ m.content }}"
            "{% endfor %}",
            "hi",
        ),
        ("{% generation %}{{ messages[0].content }}{% endgeneration %}!", "hi!"),
        ("{% set x = namespace(n=1) %}{% do [1] %}{{ messages[0].content }}{{ x.n }}", "hi1"),
        (
            "{% if tools is not none %}{{ tools | length }}{% endif %}{{ messages[0].content }}",
            "hi",
        ),
        ("{% if documents %}{{ documents[0] }}{% endif %}{{ messages[0].content }}", "hi"),
        ("{% for t in tools %}{{ t }}{% endfor %}{{ messages[0].content }}", "hi"),
        ("{{ 'Use: ' + functions }}{{ messages[0].content }}", "Use: hi"),
        (
            "{{ {'a': '<b>', 'ж': [1]} | tojson }}{{ messages[0].content }}",
            '{"a": "<b>", "ж": [1]}hi',
        ),
        (
            "{{ [1, {'ж': 2}] | tojson(ensure_ascii=true, separators=(',', ':')) }}"
            "{{ messages[0].content }}",
            '[1,{"\\u0436":2}]hi',
        ),
        ("{{ [1] | tojson(indent=2) }}{{ messages[0].content }}", "[\n  1\n]hi"),
        ("{{ '<'|safe + {'a': '<'} | tojson + messages[0].content }}", '<{"a": "<"}hi'),
        ("{{ '%s on day %02d' % (messages[0].content, 3) }}", "hi on day 03"),
        ("{{ '%5.1f' | format(1.25) }}{{ messages[0].content }}", "  1.2hi"),
        ("{{ messages[0].content }}{{ messages[0].get('tool_calls') or '' }}", "hi"),
        (
            "{% if messages[0].tool_calls is defined %}x{% endif %}{{ messages[0]['content'] }}",
            "hi",
        ),
        ("{{ messages[0].content | tojson }}", '"hi"'),
        (
            "{% macro say(x) %}{{ x.content | trim }}{% endmacro %}{{ say(messages[-1]) }}",
            "hi",
        ),
        ("  {%- set x = 1 %}\n{{ messages[0].content }}\n", "hi"),
    ],
)
def test_a_template_finds_what_other_runtimes_give_it(source: str, expected: str) -> None:
    assert render(source, "user: hi") == expected


def test_content_comes_as_a_list_of_parts_where_a_text_is_not_taken() -> None:
    both = ("user: a < b", "assistant: yes")
    assert render(ONLY_PARTS, *both, "user: c") == (
        "[user]a < b[end][assistant]yes[end][user]c[end][assistant]"
    )


def test_system_text_goes_before_the_first_user_turn_where_there_is_no_system_role() -> None:
    for source in (NO_SYSTEM, DROPS_SYSTEM):
        said_before = ("system: Be brief.", "user: hi", "assistant: ho", "user: who")
        assert render(source, *said_before) == (
            "[user]Be brief.\nhi[end][assistant]ho[end][user]who[end][assistant]"
        )
        assert "no system role" in ChatTemplate(source, HOST).limits[0]


def test_turns_of_one_role_are_joined_where_they_must_alternate() -> None:
    assert render(ALTERNATING, "user: a", "user: b", "assistant: c", "user: d") == (
        "[user]a\n\nb[end][assistant]c[end][user]d[end][assistant]"
    )
    assert render(TURNS, "user: a", "user: b") == "[user]a[end][user]b[end]"
    assert "must alternate" in ChatTemplate(ALTERNATING, HOST).limits[0]


def test_system_text_in_the_middle_goes_to_the_user_where_it_must() -> None:
    conversation = ("system: s", "user: a", "assistant: b", "system: now rhyme", "user: c")
    assert render(ALTERNATING, *conversation) == (
        "[system]s[end][user]a[end][assistant]b[end][user]now rhyme\nc[end][assistant]"
    )
    assert "[system]now rhyme[end]" in render(TURNS, *conversation)


def test_a_conversation_may_begin_with_the_assistant() -> None:
    assert render(ALTERNATING, "assistant: Welcome!", "user: hi") == (
        "[user][end][assistant]Welcome![end][user]hi[end][assistant]"
    )
    assert render(TURNS, "assistant: Welcome!", "user: hi").startswith("[assistant]")


def test_an_assistant_turn_at_the_end_is_continued() -> None:
    assert render(TURNS + GEN, "user: hi", "assistant: He") == "[user]hi[end][assistant]He"
    assert render(ALTERNATING, "user: hi", "assistant: He") == "[user]hi[end][assistant]He"
    thinks = TURNS + GEN + "{{ '<think>\n' }}"
    assert render(thinks, "user: hi", "assistant: He").endswith("<think>\n\n</think>\n\nHe")


def test_a_template_that_sees_only_the_last_turn_says_so() -> None:
    assert render(LAST_ONLY, "user: a", "assistant: b", "user: c") == "[user]c[end][assistant]"
    assert any("no conversations" in limit for limit in ChatTemplate(LAST_ONLY, HOST).limits)


@pytest.mark.parametrize("controls", [(), ("<halt>",), ("<think>", "</think>")])
def test_a_template_may_look_into_messages(controls: tuple[str, ...]) -> None:
    class Vocabulary(Characters):
        control_texts = ControlTokens([ControlToken(-1, text) for text in controls])

    template = ChatTemplate(LOOKS_INTO, HOST)
    turns = said("user:   hi \n", "assistant: <think>no</think>\n\nho", "user: x")
    assert template.render(turns, Vocabulary()).text == (
        "[user]hi[end][assistant]ho[end][user]x[end][assistant]"
    )
    forged = template.render(said("user: hi", "assistant: <think>no", "user: x"), Vocabulary())
    assert "<think>no" in forged.text and not any(token < 0 for token in forged.tokens)
    assert render(LOOKS_INTO, "user: /no_think 2+2") == "[user] 2+2[end][assistant]"


@pytest.mark.parametrize(
    "source",
    [
        LOOKS_INTO,
        "{% for m in messages %}{{ m.content | lower }}{% endfor %}",
        "{% for m in messages %}{{ m.content.replace('_', '') }}{% endfor %}",
        "{% for m in messages %}{{ '<' + m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content[1:] if m.content[0] == '/' else m.content }}"
        "{% endfor %}",
        "{% for m in messages %}{{ m.content.split('x') | join('') }}{% endfor %}",
        "{% for m in messages %}{{ m.content[::-1] if m.content[0] == '>' else m.content }}"
        "{% endfor %}",
        "{% for m in messages %}{{ m.content | tojson }}{% endfor %}",
    ],
)
@pytest.mark.parametrize(
    "text",
    ["<halt>", "<HALT>", "<ha_lt>", "halt>", "/no_think<halt>", "<xhalt>", ">tlah<", "/<halt>"],
)
def test_no_look_into_a_message_makes_a_control_token_of_it(source: str, text: str) -> None:
    rendered = ChatTemplate(source, HOST).render(said(f"user: {text}"), Characters())
    plain = ChatTemplate(source, HOST).render(said("user: 12345678901"), Characters())
    assert [t for t in rendered.tokens if t < 0] == [t for t in plain.tokens if t < 0]


def test_thought_marks_of_a_message_open_no_thought() -> None:
    template = ChatTemplate(TURNS + GEN, HOST)
    assert not template.render(said("user: <think>"), Characters()).opens_thought
    opening = ChatTemplate(TURNS + GEN + "<think>\n", HOST)
    assert opening.render(said("user: </think>"), Characters()).opens_thought


def test_a_request_that_a_template_refuses_names_its_messages() -> None:
    source = "{% if messages | length > 1 %}{{ raise_exception('one only') }}{% endif %}" + TURNS
    with pytest.raises(RefusedByTemplate, match="one only") as refused:
        render(source, "user: a", "assistant: b", "user: c")
    assert (refused.value.param, refused.value.http_status) == ("messages", 400)


def test_a_template_that_takes_no_question_is_an_error_of_the_model() -> None:
    with pytest.raises(TemplateError, match="no way") as error:
        ChatTemplate("{{ raise_exception('no way') }}")
    assert "--template" in error.value.hint


def test_the_notation_of_a_list_is_not_taken_for_its_text() -> None:
    with pytest.raises(TemplateError, match="drops a user message"):
        ChatTemplate("{% for m in messages %}{{ m.content[::-1] }}{% endfor %}")


def test_a_long_message_is_no_fault_of_the_template() -> None:
    text = "long " * 500_000
    assert len(render(TURNS, f"user: {text}")) > len(text)


NEEDS_SYSTEM = (
    "{% if messages[0].role != 'system' %}{{ raise_exception('where is the system?') }}{% endif %}"
    + TURNS
    + GEN
)
READS_THE_FIRST_TWO = "[system]{{ messages[0].content }}[user]{{ messages[1].content }}" + GEN


def test_a_template_that_needs_system_text_gets_an_empty_turn() -> None:
    assert render(NEEDS_SYSTEM, "user: hi") == "[system][end][user]hi[end][assistant]"
    assert render(NEEDS_SYSTEM, "system: s", "user: hi") == (
        "[system]s[end][user]hi[end][assistant]"
    )
    assert render(NEEDS_SYSTEM, "user: a", "assistant: b", "user: c").startswith(
        "[system][end][user]a[end]"
    )
    [limit] = ChatTemplate(NEEDS_SYSTEM, HOST).limits
    assert "must be system text" in limit
    assert render(READS_THE_FIRST_TWO, "user: hi") == "[system][user]hi[assistant]"
