"""Greedy answers of tierchat beside llama-server's: same file, same template, same settings.

    python bench/parity.py --llama-server PATH [--raw] MODEL.gguf...

Fifty prompts of ten kinds, half of them Russian, at temperature 0, through a worker process of
tierchat and through llama-server (--jinja; same KV cache, batch size, threads and default flash
attention). Each answers them one at a time with every prompt read afresh, one at a time with what
is cached of earlier prompts, and eight at once. All are compared, as text, with llama-server one at
a time and afresh. Where two differ, the lead of llama-server's best token over its second, in nats,
tells whether it was a near tie: batches of another size go through other kernels, whose sums differ
in the last digits. `--raw` completes the prompts without a template.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_server import llama_server

from tierchat.types import Message, Sampling
from tierchat.workers.protocol import Delta, Generate, LoadModel
from tierchat.workers.worker import Worker

CONTEXT, BATCH = 2048, 512
NEAR_TIE = 0.1
KINDS: dict[str, tuple[str, ...]] = {
    "facts": (
        "What is the capital of Australia?",
        "Who wrote War and Peace?",
        "Назови столицу Канады.",
        "Какая планета самая большая в Солнечной системе?",
        "В каком году человек впервые полетел в космос?",
    ),
    "sums": (
        "What is 17*24?",
        "A shirt costs 40 dollars and is 15% off. What does it cost now?",
        "Сколько будет 125 + 378?",
        "У Маши было 12 яблок, она отдала треть. Сколько осталось?",
        "How many minutes are in 3.5 hours?",
    ),
    "code": (
        "Write a Python function that reverses a string.",
        "Write a SQL query that counts users per country.",
        "Напиши на Python функцию, которая проверяет, простое ли число.",
        "What does `git rebase -i HEAD~3` do?",
        "Как на bash посчитать строки во всех файлах .txt?",
    ),
    "text": (
        "Fix the spelling: I recieved teh letter yesterdey.",
        "Rewrite politely: Send me the report now.",
        "Исправь ошибки: Севодня хорошая пагода.",
        "Сократи до одного предложения: Вчера шёл дождь, поэтому мы остались дома и читали книги.",
        "Make this a title: the history of tea in england",
    ),
    "translation": (
        "Translate into French: Where is the station?",
        "Translate into German: I have two brothers.",
        "Переведи на английский: Я люблю читать по вечерам.",
        "Переведи на русский: The early bird catches the worm.",
        "How do you say thank you in Japanese?",
    ),
    "lists": (
        "Name three fruits.",
        "List five European rivers, one per line.",
        "Перечисли дни недели.",
        "Назови четыре домашних животных.",
        "Give me a shopping list for pancakes.",
    ),
    "classification": (
        "Is this review positive or negative? The food was cold and the waiter rude.",
        "Which is the odd one out: apple, banana, carrot, cherry?",
        "Это положительный или отрицательный отзыв? Отличный фильм, советую всем.",
        "К какой части речи относится слово «быстро»?",
        "Spam or not spam: You have won a free phone, click here!",
    ),
    "chat": (
        "Hello! How are you?",
        "Tell me a joke.",
        "Привет! Как тебя зовут?",
        "Посоветуй, чем заняться в дождливый день.",
        "What should I cook tonight?",
    ),
    "extraction": (
        "Extract the e-mail address: Write to anna@example.org before Friday.",
        'Give me JSON with name and age: "Tom is 31 years old."',
        "Выпиши все числа: В саду 3 яблони, 5 груш и 12 слив.",
        "Какая дата названа в тексте: Встреча перенесена на 4 марта 2025 года.",
        "What is the error in this log? 12:01 started 12:02 connection refused: port 5432",
    ),
    "stories": (
        "Write a haiku about autumn.",
        "Write two sentences about a lost key.",
        "Напиши короткое стихотворение о море.",
        "Придумай имя для кота и объясни его.",
        "Begin a detective story with one sentence.",
    ),
}


@dataclass(frozen=True)
class Way:
    """How prompts are asked: how many at once, and whether each is read afresh."""

    name: str
    at_once: int
    is_afresh: bool


WAYS = (
    Way("one at a time, afresh", 1, True),
    Way("one at a time, prompt cache", 1, False),
    Way("eight at once, prompt cache", 8, False),
)


@dataclass(frozen=True)
class Reference:
    """llama-server's answer: its tokens as text and, for each, how far the best led."""

    tokens: tuple[str, ...]
    leads: tuple[float, ...]

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    def lead_at(self, position: int) -> float:
        """Return the least lead among the tokens that make character `position` of the text."""
        end, least = 0, math.inf
        for token, lead in zip(self.tokens, self.leads, strict=True):
            end += len(token)
            least = min(least, lead)
            if end > position:
                break
            if token:
                least = math.inf
        return least


class Peer:
    """A llama-server that answers in one way."""

    def __init__(self, url: str, way: Way, *, is_raw: bool) -> None:
        self._url, self._way, self._is_raw = url, way, is_raw

    def answers(self, prompts: list[str], num_tokens: int) -> list[Reference]:
        with ThreadPoolExecutor(self._way.at_once) as pool:
            return list(pool.map(lambda prompt: self._answer(prompt, num_tokens), prompts))

    def _answer(self, prompt: str, num_tokens: int) -> Reference:
        body: dict[str, Any] = {"temperature": 0, "cache_prompt": not self._way.is_afresh}
        if self._is_raw:
            body |= {"prompt": prompt, "n_predict": num_tokens, "n_probs": 2}
            found = self._post("/completion", body)["completion_probabilities"]
        else:
            messages = [{"role": "user", "content": prompt}]
            body |= {"messages": messages, "max_tokens": num_tokens}
            body |= {"logprobs": True, "top_logprobs": 2}
            choice = self._post("/v1/chat/completions", body)["choices"][0]
            found = choice["logprobs"]["content"]
        tokens = [bytes(t["bytes"]) for t in found]
        return Reference(tuple(_as_text(tokens)), tuple(_lead(t["top_logprobs"]) for t in found))

    def _post(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self._url}{route}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        return dict(json.loads(urllib.request.urlopen(request).read()))


def _server_options(way: Way, options: argparse.Namespace) -> list[str]:
    size = ["-c", str(CONTEXT * way.at_once), "-b", str(BATCH), "-ub", str(BATCH)]
    slots = ["-np", str(way.at_once), "--kv-unified", "-t", str(options.threads)]
    # Checkpoints of models with a sliding window would cut the prompt into other batches.
    return ["--jinja", *size, *slots, "--ctx-checkpoints", "0"]


def _as_text(tokens: list[bytes]) -> list[str]:
    """Decode tokens that may split characters: what is not whole goes to the next token."""
    texts, rest = [], b""
    for token in tokens:
        rest += token
        whole = rest.decode("utf-8", errors="ignore")
        if whole.encode() == rest:
            texts.append(whole)
            rest = b""
        else:
            texts.append("")
    return texts


def _lead(top: list[dict[str, Any]]) -> float:
    return float(top[0]["logprob"] - top[1]["logprob"]) if len(top) > 1 else math.inf


async def tierchat_answers(
    model: Path, prompts: list[str], num_tokens: int, *, is_raw: bool, way: Way, threads: int
) -> list[str]:
    worker = await Worker.start(
        LoadModel(
            name="model",
            path=str(model),
            context=CONTEXT,
            batch_size=BATCH,
            max_sequences=way.at_once,
            num_threads=threads,
            kv_type="f16",
            template="" if is_raw else None,
        )
    )
    places = asyncio.Semaphore(way.at_once)

    async def ask(prompt: str) -> str:
        order = Generate(
            id=0,
            messages=(Message(role="user", content=prompt),),
            # With a seed nothing is reused of earlier prompts.
            sampling=Sampling(
                temperature=0, max_tokens=num_tokens, seed=0 if way.is_afresh else None
            ),
            is_raw=is_raw,
        )
        async with places:
            events = [event async for event in worker.generate(order)]
        return "".join(event.answer for event in events if isinstance(event, Delta))

    try:
        return list(await asyncio.gather(*(ask(prompt) for prompt in prompts)))
    finally:
        await worker.stop()


def first_difference(one: str, other: str) -> int:
    """Return the index of the first differing character; -1 if the shorter begins the longer."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), -1)


def compare(name: str, answers: list[str], references: list[Reference]) -> None:
    num_equal = num_near = 0
    others = []
    for answer, reference in zip(answers, references, strict=True):
        # A character cut at the last token is shown by neither, but a blank at the end may be.
        at = first_difference(answer.strip(), reference.text.strip())
        if at < 0 and abs(len(answer.strip()) - len(reference.text.strip())) <= 1:
            num_equal += 1
            continue
        skipped = len(reference.text) - len(reference.text.lstrip())
        lead = reference.lead_at(at + skipped)
        num_near += lead < NEAR_TIE
        others.append(f"    at character {at}, lead {lead:.3f} nats: {answer[at : at + 40]!r}")
    print(f"  {name}: {num_equal} of {len(answers)} equal, {num_near} differ at a near tie")
    for line in others:
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--llama-server", required=True)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--raw", action="store_true", help="complete without a template")
    options = parser.parse_args()
    prompts = [prompt for kind in KINDS.values() for prompt in kind]
    for model in options.models:
        print(model.name)
        found = []
        for way in WAYS:
            with llama_server(options.llama_server, model, *_server_options(way, options)) as peer:
                found.append(
                    Peer(peer.url, way, is_raw=options.raw).answers(prompts, options.tokens)
                )
        for way in WAYS:
            answers = asyncio.run(
                tierchat_answers(
                    model,
                    prompts,
                    options.tokens,
                    is_raw=options.raw,
                    way=way,
                    threads=options.threads,
                )
            )
            compare(f"tierchat, {way.name}", answers, found[0])
        for way, others in zip(WAYS[1:], found[1:], strict=True):
            compare(f"llama-server, {way.name}", [other.text for other in others], found[0])


if __name__ == "__main__":
    main()
