"""Pieces of tokens become text that is safe to show."""

from __future__ import annotations

import random

from tierchat.engine.text import Detokenizer, StopStrings


def test_characters_split_over_tokens_come_out_whole() -> None:
    raw = "Ответ: 4 €🙂".encode()
    detokenizer = Detokenizer()
    parts = [detokenizer.add(bytes([byte])) for byte in raw]
    assert "".join(parts) == raw.decode()
    assert "\ufffd" not in "".join(parts)


def test_an_unfinished_character_is_forgotten() -> None:
    detokenizer = Detokenizer()
    assert detokenizer.add("я".encode()[:1]) == ""
    detokenizer.forget()
    assert detokenizer.add("я".encode()) == "я"


def test_a_stop_string_cuts_however_it_is_split() -> None:
    rng = random.Random(1)
    whole = "one two STOP three"
    for _ in range(200):
        stops = StopStrings(("STOP", "never"))
        at, shown = 0, ""
        while at < len(whole):
            size = rng.randint(1, 6)
            shown += stops.add(whole[at : at + size])
            assert "S" not in shown
            at += size
        assert shown + stops.flush() == "one two "
        assert stops.is_stopped


def test_text_that_only_began_like_a_stop_string_is_shown_in_the_end() -> None:
    stops = StopStrings(("STOP",))
    assert stops.add("a ST") == "a "
    assert stops.add("EP") == "STEP"
    assert stops.add("ST") == ""
    assert stops.flush() == "ST"
