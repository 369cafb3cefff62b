"""The reply to a request whose path or method no route takes.

Does not know which routes there are.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tierchat.errors import TierchatError
from tierchat.service.http.json_replies import error_response


class NoSuchRoute(TierchatError):
    http_status = 404
    code = "not_found"


class WrongMethod(TierchatError):
    http_status = 405
    code = "method_not_allowed"


async def no_such_route(request: Request, error: Exception) -> Response:
    """Answer a request that no route takes."""
    asked = f"{request.method} {request.url.path}"
    if isinstance(error, HTTPException) and error.status_code == 405:
        response = error_response(WrongMethod(f"{asked}: this path takes another method"))
        response.headers.update(error.headers or {})
        return response
    return error_response(
        NoSuchRoute(f"no such path: {asked}", "chat is at POST /v1/chat/completions")
    )
