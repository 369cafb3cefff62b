"""What tiers can be asked about themselves.

Words only; does not know how a question is put.
"""

from __future__ import annotations

from typing import Literal

# "is-right" shows a tier its own answer; "unsure" asks for a word in the system turn, before
# the tier answers.
Topic = Literal["is-right", "unsure"]
