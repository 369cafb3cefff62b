"""Tool calls on real models: how many are read, fit their schema, and are the wanted ones.

    python bench/tool_calls.py --models DIR [--tiers XS S M] [--llama-server PATH] [--out FILE]

asks the forty requests of `bench/tool_call_cases.py` through the daemon of a home of its own, each
tier by itself, drawing the likeliest tokens, and counts by group. `parsed`: the answer has calls
and each is JSON, or none where none is needed; `valid`: they name tools of the request and their
arguments fit, too; `right`: they are the wanted ones. A call that the server left in the text, as
JSON, is no answer where none is needed. With --llama-server the same requests go to
llama.cpp's server, too, started with `--jinja` on the file of each tier.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from llama_server import llama_server
from real import CASCADE, LADDER, home_with
from tool_call_cases import CASES, Case

from tierchat.config.home import Home
from tierchat.gates.answer_schema import AnswerSchema
from tierchat.paths import find_paths

Json = dict[str, Any]
_TIMEOUT_S = 600.0
_MAX_TOKENS = 300
_CONTEXT = 8192
COUNTS = ("parsed", "valid", "right")


class _OverSocket(http.client.HTTPConnection):
    """A connection to the daemon's Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(str(self._path))


def asked(connection: http.client.HTTPConnection, model: str, case: Case) -> tuple[Json, float]:
    """Ask one case; return the message of the answer, and the seconds it took."""
    body = {
        "model": model,
        "messages": [*case.earlier, {"role": "user", "content": case.asked}],
        "tools": case.tools,
        "tool_choice": case.choice,
        "parallel_tool_calls": True,
        "temperature": 0,
        "max_tokens": _MAX_TOKENS,
        "stream": case.stream,
    }
    began_s = time.monotonic()
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"}
    )
    reply = connection.getresponse()
    raw = reply.read()
    if reply.status != 200:
        message: Json = {"error": raw.decode(errors="replace")[:300]}
    elif case.stream:
        message = joined(raw)
    else:
        message = json.loads(raw)["choices"][0]["message"]
    return message, time.monotonic() - began_s


def joined(raw: bytes) -> Json:
    """Put the message of a stream together."""
    content, calls = "", {}
    for line in raw.decode().splitlines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        chunk = json.loads(line[6:])
        if "error" in chunk:
            return {"error": json.dumps(chunk["error"])[:300]}
        for choice in chunk["choices"]:
            content += choice["delta"].get("content") or ""
            for piece in choice["delta"].get("tool_calls") or ():
                call = calls.setdefault(piece["index"], {"function": {"name": "", "arguments": ""}})
                function = piece.get("function", {})
                call["function"]["name"] += function.get("name") or ""
                call["function"]["arguments"] += function.get("arguments") or ""
    return {"content": content, "tool_calls": [calls[index] for index in sorted(calls)]}


def judged(case: Case, message: Json) -> dict[str, bool]:
    """Say what is right about an answer."""
    if "error" in message:
        return dict.fromkeys(COUNTS, False)
    calls = message.get("tool_calls") or []
    if not case.wanted:
        text = (message.get("content") or "").strip()
        is_text = not calls and bool(text) and not _is_unread_call(case, text)
        return dict.fromkeys(COUNTS, is_text)
    parsed = [(c["function"]["name"], _object(c["function"]["arguments"])) for c in calls]
    is_parsed = bool(parsed) and all(arguments is not None for _, arguments in parsed)
    is_valid = is_parsed and all(fits(case, name, arguments or {}) for name, arguments in parsed)
    is_right = is_valid and _are_wanted(case, [(n, a or {}) for n, a in parsed])
    return {"parsed": is_parsed, "valid": is_valid, "right": is_right}


def _is_unread_call(case: Case, text: str) -> bool:
    """Whether a text is a call that nobody read: JSON that names a tool, in whatever marks."""
    begins = text.find("{")
    if begins < 0:
        return False
    try:
        value, _ = json.JSONDecoder().raw_decode(text[begins:])
    except ValueError:
        return False
    return value.get("name") in {tool["function"]["name"] for tool in case.tools}


def _object(text: str) -> Json | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def fits(case: Case, name: str, arguments: Json) -> bool:
    for tool in case.tools:
        function = tool["function"]
        if function["name"] == name:
            schema = AnswerSchema.of_text(json.dumps(function["parameters"]))
            return schema.problem(json.dumps(arguments)) is None
    return False


def _are_wanted(case: Case, calls: list[tuple[str, Json]]) -> bool:
    """Whether exactly the wanted calls were made, in any order."""
    left = list(calls)
    for name, wanted in case.wanted:
        found = next((c for c in left if c[0] == name and _has(c[1], wanted)), None)
        if found is None:
            return False
        left.remove(found)
    return not left


def _has(arguments: Json, wanted: Json) -> bool:
    return all(_plain(arguments.get(name)) == _plain(value) for name, value in wanted.items())


def _plain(value: Any) -> Any:
    return value.strip().casefold() if isinstance(value, str) else value


def run(connect: Callable[[], http.client.HTTPConnection], model: str, tell: bool) -> list[Json]:
    """Ask all cases; return a row for each."""
    rows = []
    for number, case in enumerate(CASES):
        message, seconds = asked(connect(), model, case)
        verdict = judged(case, message)
        rows.append({"case": number, "group": case.group, "seconds": round(seconds, 2), **verdict})
        rows[-1]["message"] = message
        if tell:
            marks = "".join(name[0] if verdict[name] else "-" for name in COUNTS)
            said = message.get("error") or message.get("tool_calls") or message.get("content")
            print(f"{model} {number:2} {marks} {seconds:5.1f} s {case.asked[:40]!r} {said!r:.160}")
            sys.stdout.flush()
    return rows


def table(results: dict[str, list[Json]]) -> Iterator[str]:
    """Write the counts of every group, the servers side by side."""
    groups = list(dict.fromkeys(case.group for case in CASES))
    sizes = Counter(case.group for case in CASES)
    yield f"| group | cases | {' | '.join(results)} |"
    yield f"|---|---|{'---|' * len(results)}"
    for group in (*groups, "all"):
        num = len(CASES) if group == "all" else sizes[group]
        cells = []
        for rows in results.values():
            own = [row for row in rows if group in ("all", row["group"])]
            cells.append(" / ".join(str(sum(row[name] for row in own)) for name in COUNTS))
        yield f"| {group} | {num} | {' | '.join(cells)} |"


def ours(models: Path, tiers: list[str], tell: bool) -> Iterator[tuple[str, list[Json]]]:
    """Ask every tier through a daemon of a home of its own."""
    with tempfile.TemporaryDirectory(prefix="tc") as directory:
        home = home_with(models, Path(directory))
        env = {**os.environ, "TIERCHAT_HOME": directory}
        daemon = [sys.executable, "-m", "tierchat", "daemon"]
        subprocess.run([*daemon, "up"], env=env, check=True, stdout=subprocess.DEVNULL)
        try:
            for tier in tiers:
                rows = run(lambda: _OverSocket(home.paths.socket), f"{CASCADE}/{tier}", tell)
                yield f"tierchat {tier}", rows
        finally:
            subprocess.run([*daemon, "down"], env=env, check=False, stdout=subprocess.DEVNULL)


def theirs(
    binary: str, models: Path, tiers: list[str], tell: bool
) -> Iterator[tuple[str, list[Json]]]:
    """Ask llama-server on the file of every tier."""
    catalogue = Home(find_paths({"TIERCHAT_HOME": "/nowhere"}), {}).catalogue
    for tier in tiers:
        file = models / Path(catalogue.models[LADDER[tier]].file).name
        with llama_server(binary, file, "--jinja", "-c", str(_CONTEXT), "-np", "1") as server:

            def connect(port: int = server.port) -> http.client.HTTPConnection:
                return http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)

            yield f"llama-server {tier}", run(connect, tier, tell)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path, required=True, help="folder with the files")
    parser.add_argument("--tiers", nargs="*", default=list(LADDER))
    parser.add_argument("--llama-server", help="path of llama.cpp's server")
    parser.add_argument("--only-llama-server", action="store_true")
    parser.add_argument("--out", type=Path, help="where answers and verdicts go, as JSON")
    parser.add_argument("--tell", action="store_true", help="print every answer")
    given = parser.parse_args()
    results: dict[str, list[Json]] = {}
    if not given.only_llama_server:
        results |= ours(given.models, given.tiers, given.tell)
    if given.llama_server:
        results |= theirs(given.llama_server, given.models, given.tiers, given.tell)
    results = dict(sorted(results.items(), key=lambda each: each[0].split()[::-1]))
    print(f"\n{' / '.join(COUNTS)} by group:\n")
    print("\n".join(table(results)))
    if given.out:
        given.out.write_text(json.dumps(results, ensure_ascii=False, indent=1), "utf-8")


if __name__ == "__main__":
    main()
