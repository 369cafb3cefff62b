"""What surrounds a prompt in real use: quotes, system texts, earlier turns, piped text.

Does not know which tier answers. The surroundings never change a prompt's answer.
"""

from __future__ import annotations

import random
from dataclasses import replace

from tierchat.pocket.recipe.dataset import Encoder, Example, ProblemSource
from tierchat.pocket.tasks import outside_words, smalltalk
from tierchat.pocket.tasks.problems import Problem, Wording

_SYSTEMS = (
    "You are a helpful assistant.",
    "Be brief.",
    "You answer questions.",
    "Answer shortly.",
    "Ты полезный помощник.",
    "Отвечай кратко.",
    "Reply in one line.",
    "You are a calculator.",
)
_INSTRUCTIONS = {
    "trained": (
        "Calculate",
        "calculate this",
        "Compute",
        "Solve",
        "solve it:",
        "Work it out.",
        "What is the answer?",
        "Answer this",
        "Answer the question",
        "answer:",
        "result?",
        "Give me the result.",
        "Please help",
        "Посчитай",
        "Вычисли:",
        "Реши",
        "Ответь",
        "Сколько будет?",
    ),
    "held_out": ("Compute this", "Evaluate:", "what is it", "Solve this for me", "Посчитай это"),
}
_MANNERS = ("Always", "Never", "Please", "Try to", "Where you can,", "Do not", "You may", "First")
_DEEDS = (
    "use short sentences",
    "explain each step",
    "repeat the question",
    "mention prices",
    "answer in the language of the user",
    "write lists",
    "ask for details",
    "give sources",
    "round numbers",
    "invent facts",
    "be formal",
    "check the result twice",
    "use metric units",
    "speak of yourself",
    "keep it under 50 words",
    "отвечай по-русски",
)


def quoted(problem: Problem, rng: random.Random) -> Problem:
    """Sometimes put a short system text or an instruction first, or blanks or quotes around."""
    prompt = problem.prompt
    if rng.random() < 0.05:
        prompt = piped(prompt, rng)
    if rng.random() < 0.04:
        prompt = f"{rng.choice(_SYSTEMS)}\n\n{prompt}"
    if rng.random() < 0.03:
        prompt = rng.choice((f"{prompt}\n", f" {prompt}", f'"{prompt}"', f"{prompt} "))
    return replace(problem, prompt=prompt)


def piped(prompt: str, rng: random.Random, wording: Wording = "trained") -> str:
    """Put an instruction before the prompt, as `echo PROMPT | tierchat ask INSTRUCTION` does."""
    return f"{rng.choice(_INSTRUCTIONS[wording])}\n\n{prompt}"


def system_text(rng: random.Random, num_sentences: int) -> str:
    """Make up rules like those of real system texts."""
    subjects = outside_words.topics(held_out=False)
    sentences = []
    for _ in range(num_sentences):
        if rng.random() < 0.6:
            sentences.append(f"{rng.choice(_MANNERS)} {rng.choice(_DEEDS)}.")
        elif rng.random() < 0.7:
            sentences.append(f"You know about {rng.choice(subjects)}.")
        else:
            sentences.append(rng.choice(_SYSTEMS))
    return " ".join(sentences)


def in_context(
    problem: Problem, escalate: bool, encoder: Encoder, source: ProblemSource, rng: random.Random
) -> Example:
    """Encode a problem as the last turn of a chat, or under a long system text."""
    if rng.random() < 0.5:
        rules = system_text(rng, rng.randint(1, 32))
        prompt = f"{rules}\n\n{problem.prompt}"
        return encoder.example(replace(problem, prompt=prompt), escalate)
    earlier = [
        smalltalk.draw(rng) if rng.random() < 0.2 else source.task(rng)
        for _ in range(rng.randint(1, 4))
    ]
    return encoder.chat(earlier, encoder.example(problem, escalate))
