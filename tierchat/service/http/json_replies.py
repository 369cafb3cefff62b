"""Values and errors as HTTP responses in one piece.

Does not know what is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from tierchat.errors import Overloaded, TierchatError
from tierchat.service.openai_replies import as_json, error_body

JSON_TYPE = "application/json"
_IN_HEADERS = " !#$&'()*+,-./:;<=>?@[]^_`{|}~"


def json_response(value: Any, status: int = 200) -> Response:
    return Response(as_json(value), status, media_type=JSON_TYPE)


def error_response(
    error: TierchatError, refusal: Callable[[TierchatError], Any] = error_body
) -> Response:
    """Return an error with its own status, in OpenAI's shape unless another is given."""
    response = json_response(refusal(error), error.http_status)
    if isinstance(error, Overloaded):
        response.headers["retry-after"] = str(error.retry_after_s)
    return response


def header_text(text: str) -> str:
    """Return text, such as the name of a tier, in the form that headers have: ASCII."""
    return quote(text, safe=_IN_HEADERS)
