"""The Model Context Protocol on standard input and output: what a client asks, the nest does.

Does not know what the tools do. The only file that imports `mcp`, an optional extra.
"""

from __future__ import annotations

import functools
import itertools
import threading
import time
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
from mcp import types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server

from tierchat import __version__
from tierchat.cli.actions.mcp.tools import TOOLS, Call, Nest, Result

# Signs of life come many times a second; a client shows one line of them.
_NEWS_EVERY_S = 1.0
_INSTRUCTIONS = (
    "tierchat answers prompts with models on the user's own hardware, each with the smallest "
    "model that can. Use `ask` for small self-contained work. If an answer is not good enough, "
    "ask again with `min_tier` set to a higher tier; `models` lists the tiers."
)


def serve(nest: Nest) -> None:
    """Answer one client until it closes standard input; only the protocol goes to stdout."""
    anyio.run(_serve, _Endpoint(nest))


async def _serve(endpoint: _Endpoint) -> None:
    server: Server[Any] = Server(
        "tierchat",
        version=__version__,
        title="tierchat",
        instructions=_INSTRUCTIONS,
        on_list_tools=endpoint.tools,
        on_call_tool=endpoint.call,
    )
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


class _Endpoint:
    """Answers the requests of one client; calls run beside each other, in threads."""

    def __init__(self, nest: Nest) -> None:
        self._nest = nest

    async def tools(self, _context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=tool.name,
                    title=tool.title,
                    description=tool.description,
                    input_schema=tool.schema,
                    annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
                )
                for tool in TOOLS
            ]
        )

    async def call(
        self, context: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        is_cancelled, news = threading.Event(), _News(context)
        run = functools.partial(
            self._nest.run,
            params.name,
            params.arguments or {},
            Call(on_news=news.tell, is_cancelled=is_cancelled.is_set),
        )
        try:
            return _written(await anyio.to_thread.run_sync(run, abandon_on_cancel=True))
        finally:
            # The thread of a cancelled call closes its stream at the next sign of life.
            is_cancelled.set()


class _News:
    """Passes signs of life from the thread of a call to its client, as progress."""

    def __init__(self, context: ServerRequestContext[Any, Any]) -> None:
        self._report = context.session.report_progress
        self._numbers = itertools.count(1)
        self._next_s = 0.0

    def tell(self, text: str) -> None:
        if (now_s := time.monotonic()) >= self._next_s:
            self._next_s = now_s + _NEWS_EVERY_S
            anyio.from_thread.run(self._report, next(self._numbers), None, text)


def _written(result: Result) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text) for text in result.texts],
        structured_content=result.facts,
        is_error=result.is_error,
    )
