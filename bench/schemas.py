"""Whether answers keep to their JSON schemas, and what that costs.

    PYTHONPATH=. python bench/schemas.py MODEL.gguf [--num 500] [--max-tokens 200] [--threads 1]
    PYTHONPATH=. python bench/schemas.py MODEL.gguf --converters

The first asks a model for JSON by random schemas, 32 at a time, and counts how the answers end;
then it measures tokens/s with and without a schema, taking turns. The second walks with random
tokens through grammars of the usual and of random schemas, made by llama-cpp-python's converter
and by ours, each in a process of its own, because a grammar may end it.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.schema_cases import CHECKED, USABLE, random_schema, walk
from tierchat.engine.engine import Engine, EngineLimits
from tierchat.engine.grammar import GrammarCompiler
from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.sequence import Sequence
from tierchat.engine.template import ChatTemplate
from tierchat.errors import SchemaRefused
from tierchat.gates.answer_schema import AnswerSchema
from tierchat.types import Message, Sampling
from tierchat.workers.child.schema_grammar import grammar_for

BATCH = 32
QUESTION = "Invent an example and write it as JSON."
PERSON = {"type": "object", "properties": {"story": {"type": "string", "minLength": 3000}}}


class Asked:
    """One answer by a schema: the sequence, and how it ended."""

    def __init__(self, seed: int, prompt: list[int], compiler: GrammarCompiler) -> None:
        self.text = json.dumps(random_schema(Random(seed)), ensure_ascii=False)
        self.end = ""
        self.notices: tuple[str, ...] = ()
        began_s = time.perf_counter()
        try:
            self.schema = AnswerSchema.of_text(self.text)
            grammar, self.notices = grammar_for(self.schema.schema, compiler)
        except SchemaRefused as refused:
            self.end = "refused"
            self.sequence = None
            if "#" not in refused.message:
                self.end = f"refused without a place: {refused.message}"
        else:
            sampling = Sampling(temperature=0.7, seed=seed)
            self.sequence = Sequence(
                seed, list(prompt), sampling, grammar=grammar, reads_signals=False
            )
        self.prepared_s = time.perf_counter() - began_s

    def finish(self, model: LlamaModel, problem: str, is_whole: bool) -> None:
        assert self.sequence
        tokens = self.sequence.tokens[self.sequence.num_prompt_tokens :]
        answer = b"".join(model.piece(token) for token in tokens).decode(errors="replace")
        misfit = self.schema.problem(answer) if is_whole else None
        named = " (part named before)" if self.notices else ""
        if problem:
            self.end = "grammar gave up"
        elif not is_whole:
            self.end = "cut"
        else:
            self.end = f"misfit{named}" if misfit else "fits"
        if misfit and not self.notices:
            print(f"misfit: {misfit}\n  schema {self.text}\n  answer {answer}", file=sys.stderr)


def ask_all(model: LlamaModel, num: int, max_tokens: int, threads: int) -> None:
    """Ask by `num` random schemas and print how the answers ended."""
    template = ChatTemplate(model.metadata("tokenizer.chat_template") or "")
    prompt = template.render([Message(role="user", content=QUESTION)], model).tokens
    limits = EngineLimits(
        context=1024, num_cells=1024 * BATCH, max_sequences=BATCH, num_threads=threads
    )
    engine, compiler = Engine(model, limits), GrammarCompiler(model)
    waiting = (Asked(seed, prompt, compiler) for seed in range(num))
    running: dict[int, Asked] = {}
    ends: Counter[str] = Counter()
    prepared: list[float] = []

    def refill() -> None:
        while len(running) < BATCH and (asked := next(waiting, None)):
            prepared.append(asked.prepared_s)
            if asked.sequence is None:
                ends[asked.end] += 1
            else:
                running[asked.sequence.id] = asked
                engine.add(asked.sequence)

    refill()
    told_s = time.perf_counter()
    while running:
        for step in engine.step():
            is_whole = (step.is_end or step.is_complete) and not step.problem
            if is_whole or step.problem or step.sequence.num_generated >= max_tokens:
                asked = running.pop(step.sequence.id)
                asked.finish(model, step.problem, is_whole)
                ends[asked.end] += 1
                engine.finish(step.sequence)
        refill()
        if time.perf_counter() - told_s > 60:
            told_s = time.perf_counter()
            print(f"{sum(ends.values())} of {num}: {dict(ends)}", file=sys.stderr, flush=True)
    engine.close()
    for end, count in ends.most_common():
        print(f"{count:5}  {end}")
    print(f"to prepare one: median {statistics.median(prepared) * 1e3:.1f} ms, ", end="")
    print(f"most {max(prepared) * 1e3:.0f} ms (the first reads the vocabulary)")


def speed(model: LlamaModel, threads: int, rounds: int = 5, num_tokens: int = 60) -> None:
    """Print tokens/s with and without a schema, taking turns."""
    engine = Engine(
        model, EngineLimits(context=512, num_cells=512, max_sequences=1, num_threads=threads)
    )
    compiler = GrammarCompiler(model)
    schema = {**PERSON, "required": ["story"]}
    compiler.compile(schema)
    ratios: dict[str, list[float]] = {}
    prompt = model.tokenize("Once upon a time", parse_special=False)
    for _ in range(rounds):
        for name in ("free", "schema"):
            grammar = compiler.compile(schema) if name == "schema" else None
            sampling = Sampling(temperature=0.7, top_k=40, seed=1, ignore_eos=True)
            sequence = Sequence(1, list(prompt), sampling, grammar=grammar, reads_signals=False)
            engine.add(sequence)
            engine.step()
            began_s = time.perf_counter()
            for _ in range(num_tokens):
                engine.step()
            ratios.setdefault(name, []).append(num_tokens / (time.perf_counter() - began_s))
            engine.finish(sequence)
    engine.close()
    free, kept = (statistics.median(ratios[name]) for name in ("free", "schema"))
    print(f"tokens/s: {free:.1f} free, {kept:.1f} by a schema ({kept / free:.3f})")


def old_walk(model: LlamaModel, text: str, rng: Random, max_tokens: int = 300) -> str | None:
    """Walk as `walk` does, through a grammar of llama-cpp-python's converter."""
    import llama_cpp as lib
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    rules = json_schema_to_gbnf(text)
    link = lib.llama_sampler_init_grammar(model.vocab, rules.encode(), b"root")
    if not link:
        raise ValueError("llama.cpp refuses the rules")
    data = np.zeros(model.vocabulary_size, [("id", "i4"), ("logit", "f4"), ("p", "f4")])
    closing = {token for token in range(model.vocabulary_size) if model.piece(token) in b'"}]'}
    written = b""
    for _ in range(max_tokens):
        data["id"], data["logit"] = np.arange(len(data)), 0
        array = lib.llama_token_data_array(
            data=ctypes.cast(data.ctypes.data, ctypes.POINTER(lib.llama_token_data)),
            size=len(data),
            selected=-1,
            sorted=False,
        )
        lib.llama_sampler_apply(link, ctypes.byref(array))
        allowed = np.flatnonzero(np.isfinite(data["logit"])).tolist()
        near = [token for token in allowed if token in closing or model.is_end(token)]
        token = rng.choice(near if near and rng.random() < 0.6 else allowed)
        if model.is_end(token):
            return written.decode()
        lib.llama_sampler_accept(link, token)
        written += model.piece(token)
    return None


def our_walk(model: LlamaModel, text: str, rng: Random) -> str | None:
    """Walk through a grammar of ours."""
    grammar, _ = grammar_for(AnswerSchema.of_text(text).schema, GrammarCompiler(model))
    return walk(grammar, model, rng)


def end_of(walk_one: Callable[..., str | None], model: LlamaModel, text: str, seed: int) -> str:
    """Walk in a child process; returns how it ended."""

    def run(pipe: Connection) -> None:
        try:
            answer = walk_one(model, text, Random(seed))
        except Exception:
            pipe.send("refused")
            return
        misfit = answer is not None and AnswerSchema.of_text(text).problem(answer)
        pipe.send("not ended" if answer is None else "misfit" if misfit else "fits")

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=run, args=(sender,))
    child.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(20) else "hung"
    except EOFError:
        return "ended the process"
    finally:
        child.kill()
        child.join()


def compare(model: LlamaModel, num: int) -> None:
    """Print how walks through grammars of both converters end."""

    def schemas() -> Iterator[tuple[str, Any]]:
        yield from (("usual", each) for each in [*USABLE.values(), *CHECKED.values()])
        yield from (("random", random_schema(Random(seed))) for seed in range(num))

    found: dict[tuple[str, str], Counter[str]] = {}
    for seed, (kind, schema) in enumerate(schemas()):
        for name, walk_one in (("llama-cpp-python", old_walk), ("llguidance", our_walk)):
            end = end_of(walk_one, model, json.dumps(schema), seed)
            found.setdefault((kind, name), Counter())[end] += 1
    for (kind, name), ends in sorted(found.items()):
        print(f"{kind:7} {name:17}", ", ".join(f"{n} {end}" for end, n in ends.most_common()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--num", type=int, default=500)
    parser.add_argument("--max-tokens", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--converters", action="store_true")
    options = parser.parse_args()
    model = LlamaModel(options.model, LlamaLog(), gpu_layers=0, use_extra_buffer_types=False)
    if options.converters:
        compare(model, options.num)
    else:
        ask_all(model, options.num, options.max_tokens, options.threads)
        speed(model, options.threads)
    model.close()


if __name__ == "__main__":
    main()
