"""The tokens that tierchat draws beside those of llama-server: same file, prompt, seed and options.

    python bench/sampling.py MODEL.gguf LLAMA_SERVER

LLAMA_SERVER is the program, built from the sources that the installed llama-cpp-python brings. Both
get the same prompt as tokens and draw 40 tokens with each set of options and two seeds. Lists the
first token that differs.
"""

from __future__ import annotations

import argparse
import json
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
from llama_server import llama_server

from tierchat.engine.engine import Engine, EngineLimits
from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.sequence import Sequence
from tierchat.types import Sampling

_CONTEXT = 1024
_NUM_TOKENS = 40
_SEEDS = (1, 7)
_PROMPT = "Once upon a time there was a fox and a crow and a fox and a crow. The fox said"
_USUAL = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05}
_SETS: tuple[dict[str, Any], ...] = (
    {"temperature": 0},
    {"temperature": 0, "repeat_penalty": 1.3},
    {"temperature": 0, "dry_multiplier": 1.0},
    {},
    {"repeat_penalty": 1.3},
    {"repeat_penalty": 1.3, "repeat_last_n": 8},
    {"presence_penalty": 1.0, "frequency_penalty": 0.5},
    {"top_k": -1},
    {"top_k": 0, "top_p": 1, "min_p": 0},
    {"typical_p": 0.6},
    {"top_n_sigma": 1.0},
    {"xtc_probability": 0.7, "xtc_threshold": 0.1},
    {"dry_multiplier": 1.0},
    {"dry_multiplier": 1.0, "dry_allowed_length": 1, "dry_sequence_breakers": ["."]},
    {"mirostat": 1},
    {"mirostat": 2, "mirostat_tau": 3},
    {"dynatemp_range": 0.5, "dynatemp_exponent": 1.5},
    {"samplers": ["temperature", "top_p", "top_k"]},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("server", type=Path)
    given = parser.parse_args()
    model = LlamaModel(given.model, LlamaLog())
    prompt = model.tokenize(_PROMPT, parse_special=False)
    num_same = num_all = 0
    started = ("-c", str(_CONTEXT), "-np", "1", "-t", "1")
    with llama_server(given.server, given.model, *started) as server:
        for options in _SETS:
            for seed in _SEEDS:
                asked = {**_USUAL, **options, "seed": seed}
                ours = _drawn(model, prompt, asked)
                theirs = _completed(server.url, prompt, asked)[: len(ours)]
                num_all, num_same = num_all + 1, num_same + (ours == theirs)
                pairs = enumerate(zip(ours, theirs, strict=False))
                where = next((at for at, (mine, other) in pairs if mine != other), None)
                found = "same" if where is None else f"differ at token {where}"
                print(f"{found:<20} seed {seed} {options}", flush=True)
    print(f"{num_same} of {num_all} are the same")


def _drawn(model: LlamaModel, prompt: list[int], asked: dict[str, Any]) -> list[int]:
    # A new engine reads the whole prompt in one batch, as the server does: with some kernels a
    # prompt read in other pieces has other logits, by 0.2 at Q4_K.
    engine = Engine(model, EngineLimits(context=_CONTEXT, num_cells=_CONTEXT, num_threads=1))
    engine.add(Sequence(0, list(prompt), msgspec.convert(asked, Sampling), reads_signals=False))
    drawn: list[int] = []
    while len(drawn) < _NUM_TOKENS and not (drawn and model.is_end(drawn[-1])):
        drawn += [step.token for step in engine.step()]
    engine.close()
    return [token for token in drawn if not model.is_end(token)]


def _completed(url: str, prompt: list[int], asked: dict[str, Any]) -> list[int]:
    body = {
        **{"prompt": prompt, "n_predict": _NUM_TOKENS, "return_tokens": True},
        **{"cache_prompt": False, **asked},
    }
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/completion", json.dumps(body).encode(), head)
    with urllib.request.urlopen(request) as reply:
        found: list[int] = json.load(reply)["tokens"]
    return found


if __name__ == "__main__":
    main()
