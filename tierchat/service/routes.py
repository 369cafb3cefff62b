"""The HTTP routes: what each one reads, whom it asks, and how errors become responses.

Does not know how prompts are answered, models held or connections accepted: `Answerer` and
`ModelKeeper` are the seams.
"""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tierchat.atomic_file import append_quietly
from tierchat.conversations.changes import LogChange
from tierchat.errors import (
    InvalidRequest,
    OtherHome,
    TierchatError,
    UnknownModel,
    did_you_mean,
)
from tierchat.service.admission import Admission
from tierchat.service.answers import Answers
from tierchat.service.anthropic.messages_reply import anthropic_error
from tierchat.service.anthropic.routes import ClaudeRoutes
from tierchat.service.daemon_controls import DaemonControls
from tierchat.service.http.event_stream import event_stream
from tierchat.service.http.json_replies import JSON_TYPE, error_response, json_response
from tierchat.service.http.limits import Limits
from tierchat.service.http.unknown_routes import no_such_route
from tierchat.service.messages import ModelsChange, RowsChanged
from tierchat.service.monitoring import prometheus
from tierchat.service.monitoring.health import Health
from tierchat.service.monitoring.measured import ROUTE
from tierchat.service.monitoring.running import without_clients
from tierchat.service.network.guard import REMOTE
from tierchat.service.network.order import ServeOrder
from tierchat.service.openai.chat_reply import chat_ask
from tierchat.service.openai.text_reply import text_ask
from tierchat.service.openai_format import HOME_HEADER, LIVE_HEADER, read_body
from tierchat.service.openai_replies import error_body, model_list, model_object
from tierchat.service.protocols import Answerer, ModelKeeper
from tierchat.service.replies import Ask, Reply
from tierchat.service.requests.body import body_of, reading
from tierchat.service.responses.routes import ResponseRoutes
from tierchat.service.texts.routes import TextRoutes

_Handler = Callable[[Request], Awaitable[Any]]


class Service:
    """The HTTP application of the daemon."""

    def __init__(
        self,
        answerer: Answerer,
        keeper: ModelKeeper,
        admission: Admission,
        controls: DaemonControls,
        limits: Limits,
    ) -> None:
        self._answers = Answers(answerer, admission, controls.running)
        self._keeper = keeper
        self._texts = TextRoutes(keeper.texts, admission)
        self._claude = ClaudeRoutes(keeper)
        self._responses = ResponseRoutes(keeper, controls.log)
        self._controls = controls
        self._health_of_models = Health(keeper, admission)
        self._limits = limits

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                self._route("POST", "/v1/chat/completions", self._chat),
                self._route("POST", "/v1/completions", self._complete),
                self._route("POST", "/v1/responses", self._respond),
                self._route("GET", "/v1/responses/{id}", self._response),
                self._route("DELETE", "/v1/responses/{id}", self._forget_response),
                self._route("POST", "/v1/messages", self._message, anthropic_error),
                self._route("POST", "/v1/messages/count_tokens", self._count, anthropic_error),
                self._route("POST", "/v1/embeddings", self._embed),
                self._route("POST", "/tokenize", self._tokenize),
                self._route("POST", "/detokenize", self._detokenize),
                self._route("GET", "/tokenizer_info", self._tokenizer),
                self._route("GET", "/v1/models", self._models),
                self._route("GET", "/v1/models/{id:path}", self._model),
                self._route("GET", "/openapi.json", self._describe),
                self._route("GET", "/healthz", self._health),
                self._route("GET", "/health", self._check_health),
                self._route("GET", "/metrics", self._show_metrics),
                self._route("GET", "/tierchat/status", self._show_status),
                self._route("POST", "/tierchat/load", self._load),
                self._route("POST", "/tierchat/unload", self._unload),
                self._route("POST", "/tierchat/reload", self._reload),
                self._route("POST", "/tierchat/log", self._change_log),
                self._route("POST", "/tierchat/serve", self._serve),
                self._route("POST", "/tierchat/unserve", self._unserve),
                self._route("POST", "/tierchat/shutdown", self._shut_down),
            ],
            exception_handlers={HTTPException: no_such_route},
        )

    def _route(
        self,
        method: str,
        path: str,
        handler: _Handler,
        refusal: Callable[[TierchatError], Any] = error_body,
    ) -> Route:
        """Turn every error of a handler into a response; only here and in Reply, all is caught."""

        async def guarded(request: Request) -> Any:
            request.scope[ROUTE] = path
            try:
                self._refuse_other_home(request)
                return await handler(request)
            except TierchatError as error:
                return error_response(error, refusal)
            except ClientDisconnect:
                return Response(status_code=499)
            except Exception:
                return error_response(self._report_bug(), refusal)

        return Route(path, guarded, methods=[method])

    def _refuse_other_home(self, request: Request) -> None:
        """Raise OtherHome for a command whose files are not those of this daemon."""
        asked = request.headers.get(HOME_HEADER, self._controls.paths.home_id)
        if asked != self._controls.paths.home_id:
            paths = self._controls.paths
            raise OtherHome(
                f"the daemon at {paths.socket} (PID {os.getpid()}) works for another home: its "
                f"conversations are in {paths.data_dir}, its settings in {paths.config_dir}",
                f"set TIERCHAT_HOME to tell homes apart, or end that daemon: kill {os.getpid()}",
            )

    def _report_bug(self) -> TierchatError:
        append_quietly(1, traceback.format_exc())
        log = self._controls.paths.daemon_log
        return TierchatError("a bug in tierchat", f"please report it; the traceback: {log}")

    async def _chat(self, request: Request) -> Any:
        return await self._answer(request, await self._read(request), chat_ask)

    async def _complete(self, request: Request) -> Any:
        return await self._answer(request, await self._read(request), text_ask)

    async def _respond(self, request: Request) -> Any:
        body = await self._read(request)
        earlier = await self._responses.before(body)
        return await self._answer(request, body, partial(self._responses.ask, earlier=earlier))

    async def _response(self, request: Request) -> Response:
        return json_response(await self._responses.find(request.path_params["id"]))

    async def _forget_response(self, request: Request) -> Response:
        return json_response(await self._responses.forget(request.path_params["id"]))

    async def _message(self, request: Request) -> Any:
        body = await self._read(request)
        return await self._answer(request, body, self._claude.ask, anthropic_error)

    async def _count(self, request: Request) -> Response:
        return await self._plain(request, self._claude.count)

    async def _answer(
        self,
        request: Request,
        body: bytes,
        read: Callable[[bytes, str], Ask],
        refusal: Callable[[TierchatError], Any] = error_body,
    ) -> Any:
        """Answer a request that `read` reads from its body and its client."""
        ask = await reading(lambda: read(body, _client_of(request)), len(body))
        prompts = ask.asked.prompts
        if REMOTE in request.scope and any(prompt.options.save for prompt in prompts):
            raise InvalidRequest(
                "conversations are saved for commands on the machine that serves alone",
                "leave out x_tierchat.save",
                param="x_tierchat.save",
            )
        events, num = self._answers.of(ask.asked), len(prompts)
        events = ask.passing(events) if ask.passing else events
        reply = Reply(events, ask.form, self._limits, self._report_bug, num, refusal)
        if not ask.is_stream:
            return await reply.whole(request)
        # Our own commands read the events of tiers as they come, and no status.
        is_ours = HOME_HEADER in request.headers or LIVE_HEADER in request.headers
        return reply.stream(is_live=is_ours)

    async def _embed(self, request: Request) -> Response:
        return await self._plain(request, self._texts.embed)

    async def _tokenize(self, request: Request) -> Response:
        return await self._plain(request, self._texts.tokenize)

    async def _detokenize(self, request: Request) -> Response:
        return await self._plain(request, self._texts.detokenize)

    async def _tokenizer(self, request: Request) -> Response:
        asked = request.query_params.get("model", "")
        return json_response(await self._texts.describe(asked))

    async def _plain(
        self, request: Request, handler: Callable[[bytes, str], Awaitable[Any]]
    ) -> Response:
        """Give a handler the body of a request and its client, and send the value it returns."""
        return json_response(await handler(await self._read(request), _client_of(request)))

    async def _read(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", JSON_TYPE)
        return await body_of(kind, request.stream(), self._limits)

    async def _models(self, _request: Request) -> Response:
        return json_response(model_list(self._keeper.served()))

    async def _model(self, request: Request) -> Response:
        name, served = request.path_params["id"], self._keeper.served()
        for model in served:
            if model.id == name:
                return json_response(model_object(model))
        known = [model.id for model in served]
        hint = did_you_mean(name, known, f"here are: {', '.join(known)}")
        raise UnknownModel(f"no model named {name!r} on this machine", hint)

    async def _describe(self, _request: Request) -> Response:
        # Making it takes 0.3 s, and few ask.
        from tierchat.service.description.openapi import description

        return json_response(await asyncio.to_thread(description))

    async def _health(self, _request: Request) -> Response:
        return json_response({"status": "ok"})

    async def _check_health(self, request: Request) -> Response:
        loads = request.query_params.get("load", "") not in ("", "0", "false")
        report = await self._health_of_models.check(loads=loads)
        return json_response(report, 200 if report.status in ("ok", "busy") else 503)

    async def _show_metrics(self, _request: Request) -> Response:
        metrics, status = self._controls.metrics, self._controls.status()
        # The first time, the library is imported.
        written = await asyncio.to_thread(prometheus.text, metrics, status)
        return Response(written, media_type=prometheus.CONTENT_TYPE)

    async def _show_status(self, request: Request) -> Response:
        status = self._controls.status()
        return json_response(without_clients(status) if REMOTE in request.scope else status)

    async def _change_log(self, request: Request) -> Response:
        change = read_body(await self._read(request), LogChange)
        return json_response(RowsChanged(changed=await self._controls.change_log(change)))

    async def _load(self, request: Request) -> Response:
        change = read_body(await self._read(request), ModelsChange)
        return json_response(await self._keeper.load(change.name))

    async def _unload(self, request: Request) -> Response:
        change = read_body(await self._read(request), ModelsChange)
        return json_response(await self._keeper.unload(change.name))

    async def _reload(self, _request: Request) -> Response:
        await self._keeper.reload()
        return json_response({"status": "reloaded"})

    async def _serve(self, request: Request) -> Any:
        order = read_body(await self._read(request), ServeOrder)
        if not order.is_lease:
            return json_response(await self._controls.serving.open(order))
        return event_stream(self._controls.serving.lease(order), self._limits, self._report_bug)

    async def _unserve(self, _request: Request) -> Response:
        return json_response({"was_serving": await self._controls.serving.close()})

    async def _shut_down(self, _request: Request) -> Response:
        self._controls.stop()
        return json_response({"status": "stopping"}, 202)


def _client_of(request: Request) -> str:
    # The listener and the guard name a client in place of its address; the port says nothing.
    return str((request.scope.get("client") or ("",))[0])
