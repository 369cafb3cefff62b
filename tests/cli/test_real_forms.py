"""A published small model that was asked for a line and prints what it was given."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import UserHome

pytestmark = pytest.mark.real
DIFF = b"""diff --git a/app/cart.py b/app/cart.py
index 83db48f..bf2a7c1 100644
--- a/app/cart.py
+++ b/app/cart.py
@@ -10,7 +10,7 @@ class Cart:
     def total(self) -> Decimal:
-        return sum(item.price for item in self.items)
+        return sum(item.price * item.count for item in self.items)

     def clear(self) -> None:
         self.items.clear()
"""
ASKED = "Write the commit message for this change, one line."
WHY = "a diff where a commit message was asked"


@pytest.fixture(scope="module")
def twice(real_gguf: Callable[[str], Path]) -> Iterator[UserHome]:
    """A cascade of two tiers that are one model: what one of them cannot, the other cannot."""
    with tempfile.TemporaryDirectory(prefix="tc") as directory:
        home = UserHome(Path(directory))
        catalogue = home.paths.config_dir / "models.toml"
        catalogue.parent.mkdir(parents=True, exist_ok=True)
        tiers = [f'[[cascades.twice.tiers]]\nname = "{name}"\nmodel = "smol"\n' for name in "AB"]
        model = f"[models.smol]\nfile = {json.dumps(str(real_gguf('smollm2')))}\n"
        catalogue.write_text(model + "[cascades.twice]\n" + "".join(tiers))
        yield home
        home.close()


def test_a_diff_is_no_commit_message(twice: UserHome) -> None:
    options = ("-m", "twice", "-o", "temperature=0", "-o", "max_tokens=80", "--json")
    asked = twice.run("ask", *options, ASKED, stdin=DIFF)
    found = json.loads(asked.stdout)
    first, _ = found["path"]
    assert (first["tier"], first["reason"]) == ("A", WHY)
    # It was stopped at the first line, and the top tier's answer is shown all the same.
    assert first["generated_tokens"] == first["discarded_tokens"] < 20
    assert found["tier"] == "B" and found["answer"].startswith("diff --git")
    assert f"the answer of B is not as asked: {WHY}" in found["notices"]
