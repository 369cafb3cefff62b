"""Options of `-o`, `/set` and `--quality`: what is taken, and what a mistake is told."""

from __future__ import annotations

import pytest

from tests.conftest import UserHome
from tierchat.cli.ask.sampling_options import parse_quality, parse_sampling, parse_wait
from tierchat.errors import UsageError
from tierchat.types import Sampling


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["max_tokens=-1"], Sampling(max_tokens=-1)),
        (["max_tokens=0"], Sampling(max_tokens=0)),
        (["num_predict=50"], Sampling(max_tokens=50)),
        (["top_k=-1", "top_p=1"], Sampling(top_k=-1, top_p=1)),
        (["repetition_penalty=1.1"], Sampling(repeat_penalty=1.1)),
        (["temp=0"], Sampling(temperature=0)),
        (["seed=-1"], Sampling(seed=-1)),
        (["mirostat=2", "mirostat_tau=4.5"], Sampling(mirostat=2, mirostat_tau=4.5)),
        (["stop=a", "stop=b=c"], Sampling(stop=("a", "b=c"))),
        (
            ["samplers=top_k", "samplers=temperature"],
            Sampling(samplers=("top_k", "temperature")),
        ),
        (["dry_sequence_breakers=\n"], Sampling(dry_sequence_breakers=("\n",))),
    ],
)
def test_what_llama_cpp_and_its_clients_call_things_is_taken(
    pairs: list[str], expected: Sampling
) -> None:
    assert parse_sampling(pairs, None) == expected


def test_a_value_is_left_to_the_model_again() -> None:
    before = Sampling(temperature=0, stop=("x",), top_k=3)
    assert parse_sampling(["temperature=default", "stop=default"], None, before) == Sampling(
        top_k=3
    )


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("temperature=hot", "temperature = hot: must be a number from 0 to 10"),
        ("temperature=nan", "temperature = nan: must be a number from 0 to 10"),
        ("temperature=11", "temperature = 11: must be a number from 0 to 10"),
        ("top_k=1.5", "top_k = 1.5: must be a whole number from -1 to 2147483647"),
        ("max_tokens=-3", "max_tokens = -3: must be a whole number from -2"),
        ("mirostat=3", "mirostat = 3: must be a whole number from 0 to 2"),
        ("samplers=topk", "samplers[0] = topk: must be one of dry, min_p, penalties"),
        ("ignore_eos=maybe", "ignore_eos = maybe: must be true or false"),
        ("dry_sequence_breakers=", "must be a text of 1 to 40 characters"),
    ],
)
def test_a_wrong_value_is_told_what_it_may_be(pair: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_sampling([pair], None)
    assert said in caught.value.message and "null" not in caught.value.message


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("temprature", "`temperature`"), ("repeat_penalti", "`repeat_penalty`"), ("x", "known: ")],
)
def test_an_unknown_option_gets_the_nearest(typed: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_sampling([f"{typed}=1"], None)
    assert hint in caught.value.hint


def test_a_quality_is_a_name_or_a_number() -> None:
    assert [parse_quality(text) for text in ("best", "0", "0.5")] == ["best", 0.0, 0.5]
    for text, hint in (("bset", "`best`"), ("2", "from 0 to 1"), ("nan", "from 0 to 1")):
        with pytest.raises(UsageError) as caught:
            parse_quality(text)
        assert text in caught.value.message and hint in caught.value.hint


def test_a_wait_is_a_duration() -> None:
    typed = ("10s", "500ms", "1m", "1m30s", "0.5", " 2 ")
    assert [parse_wait(text) for text in typed] == [10, 0.5, 60, 90, 0.5, 2]
    for text in ("0", "-1", "soon", "10 s", "1d", "", "9999h", "nan"):
        with pytest.raises(UsageError) as caught:
            parse_wait(text)
        assert "no time to wait" in caught.value.message and "10s" in caught.value.hint


def test_the_command_says_so_and_ends_with_code_2(home: UserHome) -> None:
    for options, said in (
        (("-o", "temperature", "hot"), b"a number from 0 to 10"),
        (("--quality", "bset"), b"did you mean `best`?"),
    ):
        found = home.run("ask", *options, "2+2")
        assert found.returncode == 2 and said in found.stderr
