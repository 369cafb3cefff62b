"""What stands in a text: addresses, numbers and dates to list, and records to write as JSON.

Does not know logs and diffs: see `logs.py` and `diffs.py`.
"""

from __future__ import annotations

import json
import random
import re

from tierchat.learning.mix.item import LINES, SENTENCE, STEPS, Item, Language, item, pick
from tierchat.learning.mix.words import CITIES, CITIES_RU, JOBS, JOBS_RU, PEOPLE, PEOPLE_RU, WORDS

_DOMAINS = ("example.com", "mail.example.org", "acme.test", "shop.example")
_FILLER = (
    "Please write to {0} before Friday, and send a copy to {1}. Thanks!",
    "Contacts: {0} (office); {1} (at night). The old address is gone.",
    "Hi, I am away this week. {0} can help, otherwise ask {1}.",
)
_FILLER_RU = (
    "Напишите на {0} до пятницы, копию отправьте на {1}. Спасибо!",
    "Контакты: {0} (днём) и {1} (ночью). Старый адрес не работает.",
)


def extract(rng: random.Random, language: Language) -> Item:
    """Find all of one kind in a text."""
    draw = rng.random()
    if draw < 0.35:
        return _found(rng, language, "email addresses", "адреса почты", _email)
    if draw < 0.55:
        return _found(rng, language, "phone numbers", "номера телефонов", _phone)
    if draw < 0.7:
        return _found(rng, language, "URLs", "ссылки (URL)", _url)
    return _field(rng, language)


def json_records(rng: random.Random, language: Language) -> Item:
    """Write what a text says as JSON with given keys."""
    draw = rng.random()
    if draw < 0.4:
        return _person(rng, language)
    if draw < 0.7:
        return _order(rng, language)
    return _converted(rng, language)


def _email(rng: random.Random) -> str:
    return (
        f"{rng.choice(WORDS)}{rng.choice(('', '.', '_'))}{rng.choice(WORDS)}@{rng.choice(_DOMAINS)}"
    )


def _phone(rng: random.Random) -> str:
    return (
        f"+{rng.choice((1, 7, 44, 49))}-555-{rng.randrange(100, 999)}-{rng.randrange(1000, 9999)}"
    )


def _url(rng: random.Random) -> str:
    return f"https://{rng.choice(_DOMAINS)}/{rng.choice(WORDS)}/{rng.randrange(100)}"


def _found(rng: random.Random, language: Language, name: str, russian: str, make: object) -> Item:
    assert callable(make)
    first, second = make(rng), make(rng)
    body = rng.choice(_FILLER_RU if language == "ru" else _FILLER).format(first, second)
    text = pick(
        rng,
        language,
        (
            "Extract the {} from this text, comma-separated:\n{}",
            "List all {} in the text below.\n\n{}",
        ),
        ("Выпиши из текста {} через запятую:\n{}",),
    ).format(russian if language == "ru" else name, body)
    right = f"{first}, {second}"
    return item(
        text, f"found {first}", right, [first, body], grader="set", answer=right, max_tokens=LINES
    )


def _field(rng: random.Random, language: Language) -> Item:
    """One field of a short record in prose."""
    person, other = rng.sample(PEOPLE_RU if language == "ru" else PEOPLE, 2)
    city, elsewhere = rng.sample(CITIES_RU if language == "ru" else CITIES, 2)
    amount, number = rng.randrange(20, 900), rng.randrange(1000, 9999)
    day, month = rng.randrange(1, 29), rng.randrange(1, 13)
    date = f"2024-{month:02}-{day:02}"
    if language == "ru":
        body = (
            f"Счёт № {number} от {date}: {person} ({city}) платит {amount} руб. "
            f"Получатель: {other}, {elsewhere}."
        )
        asked = {
            "сумма": str(amount),
            "номер счёта": str(number),
            "дата": date,
            "город получателя": elsewhere,
            "плательщик": person,
        }
    else:
        body = (
            f"Invoice {number}, dated {date}: {person} of {city} pays {amount} dollars "
            f"to {other}, {elsewhere}."
        )
        asked = {
            "amount": str(amount),
            "invoice number": str(number),
            "date": date,
            "city of the receiver": elsewhere,
            "payer": person,
        }
    key = rng.choice(list(asked))
    text = pick(
        rng,
        language,
        (
            "{1}\n\nWhat is the {0}? Only the value.",
            "From this text give me the {0}, nothing else: {1}",
        ),
        ("{1}\n\nЧто здесь {0}? Ответь только значением.",),
    ).format(key, body)
    right = asked[key]
    wrong = [value for name, value in asked.items() if name != key]
    others = "|".join(map(re.escape, wrong))
    answer = rf"(?s)^(?!.*(?:{others})).*(?<!\w){re.escape(right)}(?!\w)"
    return item(
        text, f"field {number}", right, [*wrong, body], grader="regex", answer=answer,
        max_tokens=SENTENCE,
    )  # fmt: skip


def _json_item(text: str, group: str, value: object, wrong: object) -> Item:
    right = json.dumps(value, ensure_ascii=False)
    return item(
        text, group, right, [json.dumps(wrong), str(value) + "!"], grader="json", answer=right,
        max_tokens=STEPS,
    )  # fmt: skip


def _person(rng: random.Random, language: Language) -> Item:
    is_ru = language == "ru"
    name = rng.choice(PEOPLE_RU if is_ru else PEOPLE)
    age, city = rng.randrange(19, 80), rng.choice(CITIES_RU if is_ru else CITIES)
    job = rng.choice(JOBS_RU if is_ru else JOBS)
    value = {"name": name, "age": age, "city": city, "job": job}
    keys = rng.sample(list(value), rng.choice((2, 3, 4)))
    text = pick(
        rng,
        language,
        (
            "{b}\n\nExtract {k} as a JSON object, age as a number. Only JSON.",
            "Turn this into JSON with the keys {k}: {b}",
        ),
        ("{b}\n\nВыпиши как объект JSON с ключами {k}; возраст числом. Только JSON.",),
    )
    body = pick(
        rng,
        language,
        ("{0} is {1} years old, lives in {2} and works as a {3}.", "Meet {0} ({1}), {3}, {2}."),
        ("{0}, возраст {1}, город {2}, профессия: {3}.",),
    ).format(name, age, city, job)
    text = text.format(b=body, k=", ".join(keys))
    wanted = {key: value[key] for key in keys}
    return _json_item(text, f"person {name} {age} {city}", wanted, {"name": "Nobody"})


def _order(rng: random.Random, language: Language) -> Item:
    goods = rng.sample(WORDS, rng.choice((2, 3)))
    lines = [(word, rng.randrange(1, 9)) for word in goods]
    body = ", ".join(f"{num} x {word}" for word, num in lines)
    text = pick(
        rng,
        language,
        (
            'Order: {}.\nWrite it as a JSON array of objects with "item" (text as given) and '
            '"count" (number), in this order.',
        ),
        (
            'Заказ: {}.\nЗапиши его как массив JSON из объектов с ключами "item" (текст как дан) и '
            '"count" (число), в том же порядке.',
        ),
    ).format(body)
    value = [{"item": word, "count": num} for word, num in lines]
    return _json_item(text, f"order {lines}", value, value[:1])


def _converted(rng: random.Random, language: Language) -> Item:
    """A few lines of CSV, INI or a query string as JSON."""
    keys = rng.sample(("id", "size", "level", "port", "retries", "width"), 3)
    values = [rng.randrange(1, 500) for _ in keys]
    value = dict(zip(keys, values, strict=True))
    form, given = rng.choice(
        (
            ("query string", "&".join(f"{k}={v}" for k, v in value.items())),
            ("INI", "\n".join(f"{k} = {v}" for k, v in value.items())),
            ("YAML", "\n".join(f"{k}: {v}" for k, v in value.items())),
            ("CSV with a header", f"{','.join(keys)}\n{','.join(map(str, values))}"),
        )
    )
    text = pick(
        rng,
        language,
        ("Convert this {} to one JSON object; numbers as numbers:\n{}",),
        ("Преобразуй в один объект JSON, числа — числами. Дано ({}):\n{}",),
    ).format(form, given)
    return _json_item(text, f"convert {value}", value, {keys[0]: values[0]})
