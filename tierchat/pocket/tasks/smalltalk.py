"""Small talk that the smallest model answers: greetings, thanks, who it is, what it can do.

Does not know arithmetic. Every answer is a fixed, true sentence in the language of the question.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tierchat.pocket.tasks.problems import Problem, Wording


@dataclass(frozen=True)
class Topic:
    """One thing that people say in small talk, in one language, and the reply."""

    name: str
    answer: str
    trained: tuple[str, ...]
    held_out: tuple[str, ...]


def topics() -> tuple[Topic, ...]:
    """Return all topics, English first."""
    return (
        Topic(
            "hello",
            "Hello! Ask me a sum.",
            (
                "hello",
                "hi",
                "hey",
                "hello there",
                "hi there",
                "good morning",
                "good evening",
                "good day",
                "greetings",
                "hello!",
                "hey there",
                "hi bot",
                "hello friend",
                "good afternoon",
                "yo",
            ),
            ("hey you", "hello bot", "hi friend"),
        ),
        Topic(
            "thanks",
            "You are welcome.",
            (
                "thanks",
                "thank you",
                "thank you very much",
                "thanks a lot",
                "many thanks",
                "thx",
                "ok thanks",
                "great, thanks",
                "thanks!",
                "cool, thank you",
                "thank you so much",
                "perfect, thanks",
                "ty",
            ),
            ("okay, thank you", "thanks so much", "great, thank you"),
        ),
        Topic(
            "who",
            "I am the small bundled model of tierchat.",
            (
                "who are you",
                "what are you",
                "who are you?",
                "what is your name",
                "what's your name",
                "are you a robot",
                "are you a human",
                "tell me who you are",
                "introduce yourself",
                "which model are you",
                "what model is this",
                "who am i talking to",
                "are you chatgpt",
            ),
            ("who is this", "so who are you", "what model are you"),
        ),
        Topic(
            "what",
            "I know school arithmetic and a few number puzzles, in English and Russian. "
            "For more, fetch a real model with: tierchat pull",
            (
                "what can you do",
                "what can you do?",
                "help",
                "what do you know",
                "how can you help me",
                "what are you good at",
                "what can i ask you",
                "help me",
                "what are your skills",
                "what can you help with",
                "what do you do",
                "how do i use you",
                "what questions can you answer",
            ),
            ("what are you able to do", "so what can you do", "what can I ask"),
        ),
        Topic(
            "how",
            "I am fine, thank you.",
            (
                "how are you",
                "how are you?",
                "how are you doing",
                "how do you do",
                "how is it going",
                "how's it going",
                "are you ok",
                "how are things",
                "hi, how are you",
                "what's up",
            ),
            ("hello, how are you", "how are you today"),
        ),
        Topic(
            "bye",
            "Goodbye!",
            (
                "bye",
                "goodbye",
                "bye bye",
                "see you",
                "see you later",
                "good night",
                "farewell",
                "good bye",
                "ok bye",
                "bye!",
                "see you tomorrow",
                "that is all",
            ),
            ("bye for now", "see you soon"),
        ),
        Topic(
            "hello",
            "Привет! Спроси меня пример.",
            (
                "привет",
                "здравствуй",
                "здравствуйте",
                "добрый день",
                "доброе утро",
                "добрый вечер",
                "приветик",
                "хай",
                "привет!",
                "всем привет",
                "салют",
                "привет бот",
            ),
            ("здравствуй, бот", "привет, друг"),
        ),
        Topic(
            "thanks",
            "Пожалуйста.",
            (
                "спасибо",
                "большое спасибо",
                "спасибо большое",
                "благодарю",
                "спс",
                "ок, спасибо",
                "спасибо!",
                "отлично, спасибо",
                "спасибо тебе",
                "благодарю вас",
            ),
            ("хорошо, спасибо", "спасибо вам"),
        ),
        Topic(
            "who",
            "Я маленькая встроенная модель tierchat.",
            (
                "кто ты",
                "кто ты?",
                "ты кто",
                "как тебя зовут",
                "что ты такое",
                "ты робот",
                "ты человек",
                "представься",
                "кто вы",
                "расскажи о себе",
                "какая ты модель",
                "с кем я говорю",
            ),
            ("а ты кто", "а кто ты такой"),
        ),
        Topic(
            "what",
            "Я знаю школьную арифметику и несколько числовых задач, на русском и английском. "
            "Большие модели: tierchat pull",
            (
                "что ты умеешь",
                "что ты умеешь?",
                "помощь",
                "помоги",
                "что ты можешь",
                "что ты знаешь",
                "чем ты можешь помочь",
                "что у тебя можно спросить",
                "что вы умеете",
                "на что ты способен",
            ),
            ("а что ты умеешь", "что ты умеешь делать"),
        ),
        Topic(
            "how",
            "Хорошо, спасибо.",
            (
                "как дела",
                "как дела?",
                "как ты",
                "как поживаешь",
                "как жизнь",
                "как твои дела",
                "как вы",
                "что нового",
                "привет, как дела",
                "как настроение",
            ),
            ("ну как дела", "здравствуй, как дела"),
        ),
        Topic(
            "bye",
            "Пока!",
            (
                "пока",
                "до свидания",
                "до встречи",
                "спокойной ночи",
                "прощай",
                "пока!",
                "пока-пока",
                "увидимся",
                "всего доброго",
                "до завтра",
            ),
            ("ну пока", "всем пока"),
        ),
    )


def draw(rng: random.Random, held_out: bool = False) -> Problem:
    """Draw one piece of small talk, with varied letter case and final punctuation."""
    topic = rng.choice(topics())
    text = rng.choice(topic.held_out if held_out else topic.trained)
    if rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    if text[-1].isalpha():
        text += rng.choice(
            ("", "", "", ".", "!", "?" if topic.name in ("who", "what", "how") else "!")
        )
    wording: Wording = "held_out" if held_out else "trained"
    return Problem("talk", "smalltalk", topic.name, text, topic.answer, None, wording)


def grade(problem: Problem, text: str) -> bool:
    """Compare with the fixed answer."""
    return text.strip() == problem.answer
