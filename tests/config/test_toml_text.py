"""Values are written as TOML reads them."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierchat.config.toml_text import toml_text

_SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (None, "none"), (0.5, "0.5"), ("a\nb", '"a\\nb"')],
)
def test_plain_values_look_as_in_toml(value: Any, text: str) -> None:
    assert toml_text(value) == text


@given(_VALUES)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert tomllib.loads(f"key = {toml_text(value)}")["key"] == value
