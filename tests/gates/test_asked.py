"""Which form a prompt asks for, in English and Russian, and what is no such request."""

from __future__ import annotations

import pytest

from tierchat.gates.verification.asked import form_of
from tierchat.gates.verification.form import Bound, Form
from tierchat.types import Message


def asked(prompt: str, system: str = "") -> Form:
    messages = [Message(role="system", content=system)] if system else []
    return form_of([*messages, Message(role="user", content=prompt)])


@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        ("number", "What is 17*24? Answer with the number only."),
        ("number", "How many legs have 3 cats? Just the number."),
        ("number", "How many days are in March? Reply with a single integer"),
        ("number", "Сколько будет 17*24? Ответь только числом."),
        ("number", "Сколько дней в марте? Только число."),
        ("word", "In one word, what is the capital of France?"),
        ("word", "What is the capital of France? One word."),
        ("word", "Answer in one word: what do bees make?"),
        ("word", "Ответь одним словом: столица Франции?"),
        ("word", "Какая столица у Франции, одним словом?"),
        ("word", "Столица Франции? Одним словом."),
        ("word", "Столица Франции (одним словом)?"),
        ("yes_no", "Is 91 prime? Answer yes or no."),
        ("yes_no", "Is 91 prime, yes or no?"),
        ("yes_no", "Is 91 prime? (yes/no)"),
        ("yes_no", "Tell me if 91 is prime, yes or no."),
        ("yes_no", "91 простое? Ответь да или нет."),
        ("yes_no", "91 простое число, да или нет?"),
        ("letter", "Which is a fruit? A) car B) apple. Answer with the letter only."),
        ("letter", "Which is right?\n(A) 1\n(B) 2\nAnswer with the letter of the right option."),
        ("letter", "Что верно? А) 1 Б) 2. Ответь только буквой."),
        ("json", "Give me the three primary colours as JSON."),
        ("json", "Extract name and age, return only JSON: Ann is 5"),
        ("json", "Ann is 5. Output valid JSON with the keys name and age."),
        ("json", "Извлеки имя и возраст в формате JSON: Анне 5 лет."),
        ("json", "Назови цвета радуги. Только JSON."),
        ("python", "Write a Python function that adds two numbers."),
        ("python", "Write a function in Python that returns only the number of vowels."),
        ("python", "Complete this Python function.\n\n```python\ndef f():\n```"),
        ("python", "Напиши функцию на Python, которая складывает два числа."),
        ("choice", "Is the review positive? Answer with positive, negative or neutral."),
        ("choice", "not True and False is\nAnswer True or False."),
        ("choice", "I love it!\n\nClassify the sentiment as positive, negative or neutral."),
        ("word", "Odd one out: Paris, Rust, Java. Only that word."),
        ("word", "Что здесь лишнее: Go, Rust, Париж? Одно слово."),
        ("json", "Преобразуй в один объект JSON, числа числами:\nport=4&id=257"),
        ("json", "Convert this query string to one JSON object:\nport=4&id=257"),
        ("date", "What date is 7 days after 2005-12-23? Answer as YYYY-MM-DD."),
        ("date", "Какая дата через 14 дней после 2008-06-19? Ответь в виде ГГГГ-ММ-ДД."),
        ("python", "Complete this function.\n\n```python\ndef add(a, b):\n```"),
        ("python", "Нужна функция add(a, b) на Python."),
    ],
)
def test_what_the_answer_must_hold(content: str, prompt: str) -> None:
    assert asked(prompt).content == content


@pytest.mark.parametrize(
    ("bound", "prompt"),
    [
        (Bound("lines", 1), "Write the commit message for this change, one line."),
        (Bound("lines", 1), "Summarise this in one line."),
        (Bound("lines", 1), "Write a one-line commit message for this diff"),
        (Bound("lines", 1), "Опиши это изменение одной строкой."),
        (Bound("lines", 1), "Напиши сообщение коммита, одна строка."),
        (Bound("sentences", 1), "Explain recursion in one sentence."),
        (Bound("sentences", 1), "What is DNA? One sentence, please."),
        (Bound("sentences", 1), "Explain in one short sentence what a mutex is."),
        (Bound("sentences", 1), "Объясни рекурсию одним предложением."),
        (Bound("sentences", 1), "Что такое ДНК? Ответь в одном предложении."),
        (Bound("sentences", 2), "Summarise the plot in two sentences."),
        (Bound("sentences", 2), "Why should I write tests? Two sentences."),
        (Bound("sentences", 2), "What is recursion, in one or two sentences?"),
        (Bound("sentences", 1), "Write one sentence about tea, all in lower case."),
        (Bound("sentences", 2), "Напиши два предложения без запятых, тема: кофе."),
        (Bound("words", 10), "Напиши не больше 10 слов, тема: сон."),
        (Bound("words", 3, is_exact=True), "Write a title about parks of exactly 3 words."),
        (Bound("words", 10), "Describe the sea in at most 10 words."),
        (Bound("words", 20), "Explain gravity, no more than 20 words."),
        (Bound("words", 15), "What is a kernel? 15 words or less."),
        (Bound("words", 5), "Describe the sea in five words."),
        (Bound("words", 5, is_exact=True), "Describe the sea in exactly five words."),
        (Bound("words", 10), "Опиши море, не более 10 слов."),
        (Bound("words", 10), "Объясни гравитацию максимум в 10 словах, максимум 10 слов."),
        (Bound("characters", 50), "Write a title for this post, at most 50 characters."),
        (Bound("characters", 72), "Write the commit subject. Keep it under 72 characters."),
        (Bound("lines", 3), "Explain TCP in no more than 3 lines."),
        (Bound("items", 5, is_exact=True), "List 5 fruits."),
        (Bound("items", 3, is_exact=True), "Give me three reasons to learn Rust."),
        (Bound("items", 3, is_exact=True), "Summarise this in 3 bullet points."),
        (Bound("items", 5, is_exact=True), "Назови 5 городов России."),
    ],
)
def test_how_long_it_may_be(bound: Bound, prompt: str) -> None:
    assert bound in asked(prompt).bounds


@pytest.mark.parametrize(
    ("language", "prompt"),
    [
        ("Russian", "What is DNA? Answer in Russian."),
        ("Russian", "Explain in Russian what a monad is."),
        ("Russian", "Translate to Russian: good morning"),
        ("Russian", "What is DNA? Ответь по-русски."),
        ("English", "Переведи на английский: доброе утро"),
        ("English", "Что такое ДНК? Ответь на английском языке."),
        ("Chinese", "Translate 'good morning' into Chinese."),
    ],
)
def test_which_language_it_is_in(language: str, prompt: str) -> None:
    assert asked(prompt).language == language


@pytest.mark.parametrize(
    "prompt",
    [
        "What is one line in a poem called?",
        "How do I delete one line in vim?",
        "Why is JSON so popular?",
        "How do I parse JSON in Python?",
        "Convert this JSON file to CSV: {}",
        "What is the longest novel written in Russian?",
        "What is the word for 'cat' in German slang?",
        "Tell me about the number only known as Graham's number",
        "Is it true that no answer is an answer?",
        "Write a story of 100 words.",
        "Write a poem about yes and no.",
        "List the planets.",
        "Tell me a joke.",
        "2+2",
        "Сколько будет 2+2?",
        "Одним словом, я устал. Что делать?",
        "Расскажи про русский язык.",
        "Think of a number between 1 and 10.",
        "Choose a word with at most 5 letters that rhymes with cat.",
        "Fix the spelling: answer in one word only",
        'What does "please answer in one word only" mean?',
        "If I ask for code, answer in JSON. Hello!",
        "Answer the question or say that you don't know: who was Ann?",
        "Please reply to this mail or tell me how to.",
        "Count to ten in French and German.",
        "Give me 2 kg of bread, please: a recipe.",
        "Give me 3 tips for learning Spanish and 2 for French.",
        "Two sentences about cats follow. Which is better?",
        "Here are two sentences. Compare them.",
        "Name the 4 seasons and 2 holidays of each.",
    ],
)
def test_what_asks_for_no_form(prompt: str) -> None:
    assert asked(prompt) == Form()


@pytest.mark.parametrize(
    "prompt",
    [
        "Write a Python function that prints the list in one line.",
        "Write a bash script that prints at most 10 words of each file.",
        "Write a function that returns only the number.",
        "regex for a date written as YYYY-MM-DD",
        "Write a SQL query, in 3 lines, that returns JSON.",
        "Напиши функцию, которая печатает список в одну строку.",
    ],
)
def test_the_form_of_what_a_program_prints_is_not_the_answers(prompt: str) -> None:
    found = asked(prompt)
    assert found.bounds == () and found.content in ("", "python")


@pytest.mark.parametrize(
    "prompt",
    [
        "How many? Answer with a number.\nThink step by step first.",
        "Is 91 prime? Answer yes or no, and explain why.",
        "In one word, what is it? Then explain your choice.",
        "Сколько? Ответь числом. Рассуждай по шагам.",
    ],
)
def test_whoever_has_to_give_reasons_may_write_more(prompt: str) -> None:
    found = asked(prompt)
    assert not found.is_only and not found.bounds


def test_only_the_words_beside_long_material_ask() -> None:
    log = "\n".join(f"{n} answer in one word, as JSON, in Russian" for n in range(30))
    assert asked(f"Why did it fail?\n\n{log}\n\n{log}").content == ""
    assert asked(f"Why did it fail? Answer in one word.\n\n{log}").content == "word"
    assert asked(f"{log}\n\nAnswer in one word.").content == "word"
    fenced = "Explain this:\n```\nanswer in one word\n```"
    assert asked(fenced).content == ""


def test_a_system_text_may_ask_for_a_form() -> None:
    assert asked("What is DNA?", "Answer in Russian.").language == "Russian"
    assert asked("colours of the rainbow", "You always return valid JSON.").content == "json"
    assert asked("What is DNA?", "If you are unsure, answer in one word.") == Form()


def test_what_an_answer_has_no_reason_to_repeat() -> None:
    diff = "diff --git a/x b/x\n" + "\n".join(f"+line {n}" for n in range(10))
    assert asked(f"Write the commit message for this change, one line.\n\n{diff}").given
    assert asked(f"Why does this fail?\n\n{diff}").given
    for task in ("Translate this to French:", "Print this again", "Fix the bugs", "Which lines?"):
        assert not asked(f"{task}\n\n{diff}").given
    assert not asked("Why does this fail?\n\nx").given


def test_instructions_are_not_recited_unless_they_may_hold_the_answer() -> None:
    rules = "You edit files.\n" + "\n".join(f"Rule {n}: return the whole file." for n in range(9))
    for task in ("add() subtracts. Fix the bug in add().", "Исправь add()", "Hello!"):
        assert asked(task, rules).rules == rules
    for task in ("What does rule 3 say?", "Repeat your rules.", "Покажи правила", "rule 3?"):
        assert not asked(task, rules).rules
    assert not asked("Fix add().", "You edit files.").rules


def test_only_code() -> None:
    assert asked("How do I list files by size? Only the command.").is_bare_code
    assert asked("just the command to list open ports on linux").is_bare_code
    assert asked("Как посмотреть файлы? Только команду.").is_bare_code
    assert not asked("How do I list files by size?").is_bare_code


def test_a_prompt_of_many_letters_is_read_in_no_time() -> None:
    for text in ("answer " * 20_000, "```\n" * 20_000, "in one " * 20_000, '"' * 100_000):
        asked(text)
