"""Tool calls on real models: how many are read, fit their schema, and are the wanted ones.

    python bench/tool_calls.py --models DIR [--tiers XS S M] [--llama-server URL --as M] [--out F]

asks the forty requests of `bench/tool_call_cases.py` through the daemon of a home of its own, each
tier by itself, drawing the likeliest tokens, and counts by group. `parsed`: the answer has calls
and each is JSON, or none where none is needed; `valid`: they name tools of the request and their
arguments fit, too; `right`: they are the wanted ones. With --llama-server the same requests go to
a llama-server that was started with `--jinja` on the file of the tier `--as`; figures then stand
side by side.
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
from urllib.parse import urlsplit

from real import CASCADE, LADDER, home_with
from tool_call_cases import CASES, Case

from tierchat.gates.answer_schema import AnswerSchema

Json = dict[str, Any]
_TIMEOUT_S = 600.0
_MAX_TOKENS = 300
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
        is_text = not calls and bool((message.get("content") or "").strip())
        return dict.fromkeys(COUNTS, is_text)
    parsed = [(c["function"]["name"], _object(c["function"]["arguments"])) for c in calls]
    is_parsed = bool(parsed) and all(arguments is not None for _, arguments in parsed)
    is_valid = is_parsed and all(fits(case, name, arguments or {}) for name, arguments in parsed)
    is_right = is_valid and _are_wanted(case, [(n, a or {}) for n, a in parsed])
    return {"parsed": is_parsed, "valid": is_valid, "right": is_right}


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path, help="folder with the three published files")
    parser.add_argument("--tiers", nargs="*", default=list(LADDER))
    parser.add_argument("--llama-server", help="base URL of a llama-server --jinja")
    parser.add_argument("--as", dest="tier", default="M", help="the tier whose file it serves")
    parser.add_argument("--out", type=Path, help="where answers and verdicts go, as JSON")
    parser.add_argument("--tell", action="store_true", help="print every answer")
    given = parser.parse_args()
    results: dict[str, list[Json]] = {}
    if given.models:
        with tempfile.TemporaryDirectory(prefix="tc") as directory:
            home = home_with(given.models, Path(directory))
            env = {**os.environ, "TIERCHAT_HOME": directory}
            daemon = [sys.executable, "-m", "tierchat", "daemon"]
            subprocess.run([*daemon, "up"], env=env, check=True, stdout=subprocess.DEVNULL)
            try:
                for tier in given.tiers:
                    results[f"tierchat {tier}"] = run(
                        lambda: _OverSocket(home.paths.socket), f"{CASCADE}/{tier}", given.tell
                    )
            finally:
                subprocess.run([*daemon, "down"], env=env, check=False, stdout=subprocess.DEVNULL)
    if given.llama_server:
        place = urlsplit(given.llama_server)
        results[f"llama-server {given.tier}"] = run(
            lambda: http.client.HTTPConnection(
                place.hostname or "127.0.0.1", place.port, timeout=_TIMEOUT_S
            ),
            given.tier,
            given.tell,
        )
    print(f"\n{' / '.join(COUNTS)} by group:\n")
    print("\n".join(table(results)))
    if given.out:
        given.out.write_text(json.dumps(results, ensure_ascii=False, indent=1), "utf-8")


if __name__ == "__main__":
    main()
