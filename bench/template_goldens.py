"""Records how llama.cpp renders conversations with each chat template of a folder.

    python bench/template_goldens.py LLAMA_SERVER MODEL.gguf FOLDER tests/engine/goldens.json.gz

starts llama-server once for each template (`--jinja`), asks `/apply-template`, and writes one
compressed JSON file. The file in `tests/` is of the folder `vendor/llama.cpp/models/templates` in
the source of llama-cpp-python, on SmolLM2-135M; `tests/engine/test_llama_templates.py` compares.
"""

from __future__ import annotations

import datetime
import gzip
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

S = {"role": "system", "content": "Answer in one word."}
U1 = {"role": "user", "content": "What is the capital of France?"}
A1 = {"role": "assistant", "content": "Paris."}
U2 = {"role": "user", "content": "And of Italy?"}
CONVERSATIONS: dict[str, list[dict[str, Any]]] = {
    "user": [U1],
    "system": [S, U1],
    "turns": [U1, A1, U2],
    "system and turns": [S, U1, A1, U2],
    "blanks": [{"role": "user", "content": "  \n Two words \n\n"}],
    "thought": [
        U1,
        {"role": "assistant", "content": "<think>\nIt is Paris.\n</think>\n\nParis."},
        U2,
    ],
    "code": [{"role": "user", "content": "print(\"<b>ж</b>\", {1: '\\n'}) # {{ x }} {% y %}"}],
    "two users": [U1, U2],
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Its name"}},
            "required": ["city"],
        },
    },
}
T1 = {"role": "user", "content": "Does it rain in Köln?"}
C1 = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {
            "id": "call12345",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Köln"}'},
        }
    ],
}
# llama-server passes on a name that comes with a result; we find it by the id of the call.
R1 = {"role": "tool", "tool_call_id": "call12345", "name": "weather", "content": "heavy rain"}
TOOL_CONVERSATIONS: dict[str, list[dict[str, Any]]] = {
    "tools": [T1],
    "tools and system": [S, T1],
    "call and result": [T1, C1, R1],
    "call, result and answer": [T1, C1, R1, {"role": "assistant", "content": "Yes."}, U2],
}


def main(server: str, model: str, folder: str, target: str) -> None:
    goldens: dict[str, Any] = {}
    for path in sorted(Path(folder).glob("*.jinja")):
        goldens[path.name] = recorded(server, model, path)
        refused = sum(text is None for text in goldens[path.name].values())
        print(f"{path.name}: {len(goldens[path.name])}, {refused} refused", flush=True)
    record = {"date": datetime.date.today().isoformat(), "templates": goldens}
    text = json.dumps(record, ensure_ascii=False, indent=1)
    Path(target).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def recorded(server: str, model: str, template: Path) -> dict[str, str | None]:
    """Return the prompts of all conversations; None where llama-server refuses."""
    # The tests import this module, too, and start no server.
    from llama_server import llama_server

    options = ("--jinja", "-c", "256", "-np", "1", "-t", "1", "--no-warmup")
    with llama_server(server, Path(model), *options, "--chat-template-file", str(template)) as peer:
        return {
            f"{name}, {'thinking' if think else 'no thinking'}": prompt(peer.url, messages, think)
            for name, messages in (CONVERSATIONS | TOOL_CONVERSATIONS).items()
            for think in (False, True)
        }


def prompt(url: str, messages: list[dict[str, Any]], think: bool) -> str | None:
    body: dict[str, Any] = {
        "messages": messages,
        "chat_template_kwargs": {"enable_thinking": think},
    }
    if messages in TOOL_CONVERSATIONS.values():
        body["tools"] = [WEATHER]
    request = urllib.request.Request(
        f"{url}/apply-template",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as reply:
            return str(json.load(reply)["prompt"])
    except urllib.error.HTTPError:
        return None


if __name__ == "__main__":
    main(*sys.argv[1:])
