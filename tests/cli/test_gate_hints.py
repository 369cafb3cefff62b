"""`tierchat gate import` of what is no gate says what to name instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import UserHome


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("README.md", "# tierchat", "name the FILE.json that"),
        ("gone.json", None, "name the FILE.json that"),
        ("gate.npz", "PK", "tierchat gate import"),
        ("gate.json", "{}", "gate.npz belongs beside gate.json"),
    ],
)
def test_the_hint_is_about_the_file_that_was_named(
    home: UserHome, tmp_path: Path, name: str, content: str | None, hint: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
    found = home.run("gate", "import", str(file))
    said = found.stderr.decode()
    assert found.returncode == 1 and hint in said
    assert "tierchat train" not in said and "gate rm" not in said
