"""The loop of calls, with a client that answers from a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tierchat.cascade.ledger import Ledger
from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    Notice,
    ThoughtDelta,
    ToolCallDelta,
    ToolRan,
)
from tierchat.outcomes import Outcome, Usage
from tierchat.terminal.tier_line import tier_line
from tierchat.tools.failure import ToolFailed
from tierchat.tools.limits import ToolLimits
from tierchat.tools.loop import ToolLoop
from tierchat.tools.toolbox import Toolbox
from tierchat.types import Message, Prompt, SaveOptions, TierOptions

QUESTION = Prompt(messages=(Message(role="user", content="how much?"),))


class Script:
    """Answers turn after turn: a text, or calls such as "add 1"; takes the last for ever."""

    def __init__(self, *turns: str, tier: str = "S") -> None:
        self._turns, self._tier = list(turns), tier
        self.prompts: list[Prompt] = []

    def ask(self, prompt: Prompt) -> Iterator[CascadeEvent]:
        self.prompts.append(prompt)
        turn = self._turns.pop(0) if len(self._turns) > 1 else self._turns[0]
        tier = prompt.options.min_tier or self._tier
        calls = [part.split() for part in turn.split(";")] if turn.startswith("add") else []
        text = "I add. " if calls else turn
        yield AnswerDelta(text=text, tier=tier)
        for index, (name, number) in enumerate(calls):
            arguments = f'{{"number": {number}}}'
            id_ = f"call_{len(self.prompts)}_{index}"
            yield ToolCallDelta(index=index, tier=tier, id=id_, name=name, arguments=arguments[:5])
            yield ToolCallDelta(index=index, tier=tier, arguments=arguments[5:])
        ledger = Ledger(lambda name: {"S": 1.0, "M": 4.0}[name], "M")
        usage = Usage(prompt_tokens=100, cached_tokens=40, generated_tokens=10, seconds=1.0)
        ledger.add(tier, "m", "stop", usage, is_answer=True)
        yield Done(outcome=ledger.close(text, "", "tool_calls" if calls else "stop", 1.0))


def box(**limits: int) -> Toolbox:
    def add(number: int) -> str:
        """Add one."""
        if number < 0:
            raise ToolFailed("negative")
        return str(number + 1)

    made = Toolbox(ToolLimits(**limits))
    made.add(add)
    return made


def asked(
    script: Script,
    toolbox: Toolbox,
    prompt: Prompt = QUESTION,
    tiers: Sequence[str] = ("S", "M"),
    *,
    is_held: bool = False,
) -> tuple[list[CascadeEvent], Outcome]:
    events = list(ToolLoop(script, toolbox, tiers, is_held=is_held).ask(prompt))
    last = events[-1]
    assert isinstance(last, Done)
    return events, last.outcome


def results(prompt: Prompt) -> list[str]:
    return [message.content for message in prompt.messages if message.role == "tool"]


def test_calls_are_run_and_their_results_go_back() -> None:
    script = Script("add 1;add 2", "3 and so on")
    events, outcome = asked(script, box())
    runs = [event.run for event in events if isinstance(event, ToolRan)]
    assert [run.result for run in runs] == ["2", "3"] == results(script.prompts[1])
    call_turn = script.prompts[1].messages[1]
    assert call_turn.content == "I add. " and len(call_turn.tool_calls) == 2
    assert script.prompts[1].messages[2].tool_call_id == call_turn.tool_calls[0].id
    assert outcome.answer == "3 and so on" and outcome.tool_runs == tuple(runs)


def test_an_answer_without_calls_costs_nothing_more() -> None:
    events, outcome = asked(Script("hello"), box())
    assert outcome.answer == "hello" and not outcome.tool_runs and len(outcome.path) == 1
    assert [type(event) for event in events] == [AnswerDelta, Done]


def test_the_bill_adds_up_all_turns() -> None:
    _, outcome = asked(Script("add 1", "two"), box())
    assert [visit.reason for visit in outcome.path] == ["tool_calls", "stop"]
    assert outcome.compute == 2 * 70 and outcome.top_compute == 2 * 280
    assert outcome.relative_compute == 0.25 and outcome.seconds >= 2
    line = tier_line(outcome)
    assert "1 tool call cost 60 prompt + 10 generated tokens" in line and "→" not in line


def test_text_before_a_call_is_no_part_of_an_answer_that_comes_whole() -> None:
    events, _ = asked(Script("add 1", "two"), box(), is_held=True)
    assert [type(event) for event in events] == [ThoughtDelta, ToolRan, AnswerDelta, Done]


def test_a_call_that_comes_again_is_not_run_again_and_ends_the_calls() -> None:
    count: list[int] = []

    def add(number: int) -> str:
        """Add one."""
        count.append(number)
        return "2"

    toolbox = Toolbox()
    toolbox.add(add)
    script = Script("add 1", "add 1", "two")
    events, outcome = asked(script, toolbox)
    assert count == [1] and outcome.answer == "two" and len(outcome.tool_runs) == 2
    last = script.prompts[2]
    assert not last.tools.tools and not results(last)
    assert last.question.endswith('What tools have found for this:\nadd {"number": 1}: 2')
    assert any("called twice" in e.text for e in events if isinstance(e, Notice))


def test_a_tool_that_finds_the_same_again_and_again_ends_the_calls() -> None:
    def add(number: int) -> str:
        """Add one."""
        return "nothing"

    toolbox = Toolbox()
    toolbox.add(add)
    script = Script(*(f"add {number}" for number in range(5)), "none")
    _, outcome = asked(script, toolbox)
    assert len(outcome.tool_runs) == 3 and "found the same 3 times" in outcome.notices[0]


def test_calls_are_bounded_and_what_comes_then_is_the_answer() -> None:
    script = Script(*(f"add {number}" for number in range(20)))
    _, outcome = asked(script, box(max_calls=3))
    assert len(script.prompts) == 4 and not script.prompts[-1].tools.tools
    assert outcome.notices[0] == "3 calls of tools were made; the answer is given without another"
    many = Script(";".join(f"add {number}" for number in range(20)), "done")
    _, outcome = asked(many, box(max_calls=3))
    assert [run.is_failed for run in outcome.tool_runs] == [False] * 3 + [True] * 17


def test_a_call_that_is_written_as_text_is_no_answer() -> None:
    written = '{{"name": "add", "arguments": {"number": 1}}}'
    script = Script("add 1", written, "two")
    events, outcome = asked(script, box())
    assert outcome.answer == "two" and len(script.prompts) == 3
    assert not script.prompts[2].tools.tools and "add" in script.prompts[2].question
    assert not any(isinstance(e, AnswerDelta) and "{" in e.text for e in events)
    # Without a call before, and with another name, it may be what was asked for.
    for answer in (written, '{"name": "Ann", "arguments": 1}'):
        first = "add 1" if "Ann" in answer else answer
        _, outcome = asked(Script(first, answer), box())
        assert outcome.answer == answer


def test_two_failed_calls_in_a_row_go_up_a_tier() -> None:
    script = Script("add -1", "add -2", "add -3", "done")
    _, outcome = asked(script, box())
    assert [p.options.min_tier for p in script.prompts] == [None, None, "M", "M"]
    assert [visit.tier for visit in outcome.path] == ["S", "S", "M", "M"]
    pinned = Prompt(messages=QUESTION.messages, options=TierOptions(tier="S"))
    script = Script("add -1", "add -2", "done")
    asked(script, box(), pinned)
    assert [p.options.min_tier for p in script.prompts] == [None] * 3
    script = Script("add -1", "add 2", "add -3", "done")
    asked(script, box())
    assert [p.options.min_tier for p in script.prompts] == [None] * 4


def test_the_turns_behind_the_first_belong_to_the_same_saved_exchange() -> None:
    save = SaveOptions(conversation="a" * 12, exchange="b" * 12)
    script = Script("add 1", "two")
    asked(script, box(), Prompt(messages=QUESTION.messages, options=TierOptions(save=save)))
    saved = [prompt.options.save for prompt in script.prompts]
    assert [each and (each.exchange, each.goes_on) for each in saved] == [
        ("b" * 12, False),
        ("b" * 12, True),
    ]
