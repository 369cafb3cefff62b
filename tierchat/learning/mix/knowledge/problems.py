"""Word problems of our own, about shops, trips, disks and servers: short answers and worked out.

Does not know bare arithmetic: see `sums.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction

from tierchat.learning.mix.item import STEPS, WORD, Item, Language, number, pick

_NAMES = ("Mira", "Oleg", "Nadia", "Sven", "Priya", "Tomas", "Lena", "Kofi", "Yuki", "Ines")
_NAMES_RU = ("Мира", "Олег", "Надя", "Свен", "Инна", "Тимур", "Лена", "Павел", "Юля", "Инес")
_THINGS = (
    ("notebooks", "тетрадей"),
    ("cables", "кабелей"),
    ("apples", "яблок"),
    ("tickets", "билетов"),
    ("mugs", "кружек"),
    ("postcards", "открыток"),
)
_ONLY = {
    "en": ("\nAnswer with the number only.", "\nJust the number.", " Give only the number."),
    "ru": ("\nОтветь только числом.", " Только число."),
}
_WORKED = {
    "en": (
        "\nThink step by step, and end with the answer as a number.",
        "\nExplain your reasoning briefly, then give the result on the last line.",
    ),
    "ru": ("\nРассуждай по шагам и закончи ответом в виде числа.",),
}

Told = tuple[str, str, int | Fraction]
Template = Callable[[random.Random, Language, str], Told]


def short(rng: random.Random, language: Language) -> Item:
    """A problem whose result alone is asked for."""
    return _problem(rng, language, rng.choice(_ONLY[language]), WORD)


def worked(rng: random.Random, language: Language) -> Item:
    """A problem to be worked out."""
    return _problem(rng, language, rng.choice(_WORKED[language]), STEPS)


def _problem(rng: random.Random, language: Language, ending: str, max_tokens: int) -> Item:
    template = rng.choice(_TEMPLATES)
    name = rng.choice(_NAMES_RU if language == "ru" else _NAMES)
    text, parameters, value = template(rng, language, name)
    group = f"{template.__name__.strip('_')} {parameters}"
    written = str(value) if Fraction(value).denominator == 1 else f"{float(value):.10g}"
    return number(text + ending, group, written, max_tokens=max_tokens)


def _gives(rng: random.Random, language: Language, name: str) -> Told:
    have, given, got = rng.randrange(10, 40), rng.randrange(2, 9), rng.randrange(2, 20)
    things = rng.choice(_THINGS)[language == "ru"]
    text = pick(
        rng,
        language,
        (
            "{n} has {a} {t}, gives {b} away and then gets {c} more. "
            "How many {t} does {n} have now?",
        ),
        ("У {n}: {a} {t}. {b} отдали, потом получили ещё {c}. Сколько {t} теперь?",),
    )
    who = name if language == "en" else "друга"
    return (
        text.format(n=who, a=have, b=given, c=got, t=things),
        f"{have} {given} {got}",
        (have - given + got),
    )


def _shop(rng: random.Random, language: Language, name: str) -> Told:
    num, price, other = rng.randrange(2, 9), rng.randrange(3, 25), rng.randrange(2, 30)
    paid = 10 * ((num * price + other) // 10 + rng.randrange(1, 4))
    things = rng.choice(_THINGS)[language == "ru"]
    text = pick(
        rng,
        language,
        (
            "{n} buys {a} {t} at ${p} each and a bag for ${o}, and pays with ${m}. "
            "How many dollars of change does {n} get?",
        ),
        (
            "{n} покупает {a} {t} по {p} руб. и сумку за {o} руб., а даёт {m} руб. "
            "Сколько рублей сдачи?",
        ),
    ).format(n=name, a=num, t=things, p=price, o=other, m=paid)
    return text, f"{num} {price} {other} {paid}", paid - num * price - other


def _discount(rng: random.Random, language: Language, name: str) -> Told:
    price, share = 20 * rng.randrange(2, 30), rng.choice((5, 10, 15, 20, 25, 30, 40))
    num = rng.choice((1, 1, 2, 3))
    text = pick(
        rng,
        language,
        ("A chair costs ${p} and is {s}% off today. How many dollars is that for {k}?",),
        ("Стул стоит {p} руб., сегодня скидка {s}%. Сколько рублей выйдет за {k} шт.?",),
    ).format(p=price, s=share, k=num)
    return text, f"{price} {share} {num}", Fraction(num * price * (100 - share), 100)


def _trip(rng: random.Random, language: Language, name: str) -> Told:
    speed, hours, rest = rng.choice((40, 50, 60, 80, 90)), rng.randrange(2, 6), rng.choice((20, 35))
    slower = speed - 10 * rng.randrange(1, 3)
    text = pick(
        rng,
        language,
        (
            "{n} drives {h} hours at {s} km/h, rests {r} minutes, and drives 2 more hours at {w} "
            "km/h. How many kilometers is that in all?",
        ),
        (
            "{n} едет {h} ч со скоростью {s} км/ч, отдыхает {r} минут и едет ещё 2 часа со "
            "скоростью {w} км/ч. Сколько километров всего?",
        ),
    ).format(n=name, h=hours, s=speed, r=rest, w=slower)
    return text, f"{hours} {speed} {slower}", hours * speed + 2 * slower


def _download(rng: random.Random, language: Language, name: str) -> Told:
    speed, seconds = rng.choice((4, 5, 8, 10, 20, 25)), rng.choice((30, 45, 60, 120, 200, 300))
    size = speed * seconds
    text = pick(
        rng,
        language,
        ("A file of {z} MB is downloaded at {s} MB per second. How many seconds does it take?",),
        ("Файл размером {z} МБ скачивается со скоростью {s} МБ/с. Сколько секунд это займёт?",),
    ).format(z=size, s=speed)
    return text, f"{size} {speed}", seconds


def _disks(rng: random.Random, language: Language, name: str) -> Told:
    num, size, used = rng.randrange(3, 13), rng.choice((2, 4, 6, 8)), rng.choice((25, 50, 75))
    text = pick(
        rng,
        language,
        (
            "A server has {n} disks of {s} TB each, and {u}% of all space is used. "
            "How many TB are free?",
        ),
        ("На сервере {n} дисков по {s} ТБ, занято {u}% всего места. Сколько ТБ свободно?",),
    ).format(n=num, s=size, u=used)
    return text, f"{num} {size} {used}", Fraction(num * size * (100 - used), 100)


def _requests(rng: random.Random, language: Language, name: str) -> Told:
    rate, minutes, failed = (
        rng.choice((5, 12, 20, 30, 50)),
        rng.randrange(2, 10),
        rng.choice((1, 2, 5)),
    )
    all_of_them = rate * 60 * minutes
    text = pick(
        rng,
        language,
        (
            "A service gets {r} requests per second for {m} minutes, and {f}% of them fail. "
            "How many requests succeed?",
        ),
        (
            "Сервис получает {r} запросов в секунду в течение {m} минут, {f}% из них неудачны. "
            "Сколько запросов удачны?",
        ),
    ).format(r=rate, m=minutes, f=failed)
    return text, f"{rate} {minutes} {failed}", Fraction(all_of_them * (100 - failed), 100)


def _ages(rng: random.Random, language: Language, name: str) -> Told:
    age, more, times = rng.randrange(5, 14), rng.randrange(2, 6), rng.choice((2, 3))
    text = pick(
        rng,
        language,
        (
            "{n} is {a} years old. A sister is {m} years older than {n}, and the father is {k} "
            "times as old as the sister. How old will the father be in 5 years?",
        ),
        (
            "Ребёнку {a} лет. Сестра старше на {m} {y}, а отец старше сестры в {k} раза. "
            "Сколько лет будет отцу через 5 лет?",
        ),
    ).format(n=name, a=age, m=more, k=times, y="лет" if more > 4 else "года")
    return text, f"{age} {more} {times}", (age + more) * times + 5


def _boxes(rng: random.Random, language: Language, name: str) -> Told:
    size, full, rest = rng.randrange(4, 13), rng.randrange(3, 15), rng.randrange(1, 4)
    text = pick(
        rng,
        language,
        ("Eggs are packed {s} to a box. How many boxes are needed for {a} eggs?",),
        ("Яйца кладут по {s} в коробку. Сколько коробок нужно для {a} яиц?",),
    ).format(s=size, a=size * full + rest)
    return text, f"{size} {full} {rest}", full + 1


def _workers(rng: random.Random, language: Language, name: str) -> Told:
    num, days, fewer = rng.choice(
        ((6, 4, 3), (8, 3, 6), (4, 9, 6), (10, 6, 12), (5, 12, 6), (9, 8, 6))
    )
    scale = rng.randrange(1, 4)
    text = pick(
        rng,
        language,
        (
            "{n} workers need {d} days for a job. "
            "How many days do {f} workers need at the same pace?",
        ),
        ("{n} рабочих делают работу за {d} дней. За сколько дней её сделают {f} рабочих?",),
    ).format(n=num * scale, d=days, f=fewer * scale)
    return text, f"{num} {days} {fewer} {scale}", Fraction(num * days, fewer)


def _average(rng: random.Random, language: Language, name: str) -> Told:
    values = [rng.randrange(40, 100) for _ in range(3)]
    wanted = sum(values) // 3 + rng.randrange(1, 6)
    last = 4 * wanted - sum(values)
    text = pick(
        rng,
        language,
        (
            "{n} scored {a}, {b} and {c} in three tests. "
            "Which score in the fourth makes the average {w}?",
        ),
        (
            "Оценки за три теста: {a}, {b} и {c}. "
            "Сколько надо за четвёртый, чтобы среднее было {w}?",
        ),
    ).format(n=name, a=values[0], b=values[1], c=values[2], w=wanted)
    return text, f"{values} {wanted}", last


def _tank(rng: random.Random, language: Language, name: str) -> Told:
    fill, drain, minutes = rng.randrange(8, 20), rng.randrange(2, 7), rng.choice((10, 15, 20, 30))
    start = 5 * rng.randrange(0, 10)
    text = pick(
        rng,
        language,
        (
            "A tank holds {z} liters. A pump adds {a} liters a minute while {b} liters a minute "
            "leak out. How many liters are in it after {m} minutes?",
        ),
        (
            "В баке {z} л воды. Насос добавляет {a} л в минуту, а вытекает {b} л в минуту. "
            "Сколько литров будет через {m} минут?",
        ),
    ).format(z=start, a=fill, b=drain, m=minutes)
    return text, f"{start} {fill} {drain} {minutes}", start + minutes * (fill - drain)


def _shared(rng: random.Random, language: Language, name: str) -> Told:
    num, each, tip = rng.randrange(3, 7), rng.randrange(8, 30), rng.choice((10, 20))
    bill = num * each * 10
    text = pick(
        rng,
        language,
        (
            "{k} friends share a bill of ${b} and a tip of {t}% on top, equally. "
            "How many dollars does each pay?",
        ),
        (
            "{k} друзей делят поровну счёт {b} руб. и ещё {t}% чаевых. "
            "Сколько рублей платит каждый?",
        ),
    ).format(k=num, b=bill, t=tip)
    return text, f"{num} {each} {tip}", Fraction(bill * (100 + tip), 100 * num)


_TEMPLATES: tuple[Template, ...] = (
    *(_gives, _gives, _shop, _discount, _trip, _download, _disks, _requests, _ages, _boxes),
    *(_workers, _average, _tank, _shared),
)
