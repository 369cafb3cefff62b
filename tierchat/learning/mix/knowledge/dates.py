"""Questions about the calendar and the clock, computed with the proleptic Gregorian calendar.

Knows no today: every question names its dates.
"""

from __future__ import annotations

import calendar
import datetime
import random

from tierchat.learning.mix.item import SENTENCE, Item, Language, item, number, pick, saying

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAYS_RU = ("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье")
_MONTHS = tuple(calendar.month_name[n] for n in range(1, 13))
_MONTHS_RU = (
    *("января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа"),
    *("сентября", "октября", "ноября", "декабря"),
)
_MONTHS_NAMED_RU = (
    *("январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август"),
    *("сентябрь", "октябрь", "ноябрь", "декабрь"),
)


def dates(rng: random.Random, language: Language) -> Item:
    """One question about days, months or hours."""
    kinds = (_later, _week_day_after, _week_day_of, _between, _leap, _month, _clock, _duration)
    return rng.choice(kinds)(rng, language)


def _some_day(rng: random.Random) -> datetime.date:
    return datetime.date(rng.randrange(1990, 2030), rng.randrange(1, 13), rng.randrange(1, 29))


def _written(day: datetime.date, language: Language) -> str:
    if language == "ru":
        return f"{day.day} {_MONTHS_RU[day.month - 1]} {day.year} года"
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"


def _later(rng: random.Random, language: Language) -> Item:
    day, num = _some_day(rng), rng.choice((3, 5, 7, 10, 14, 30, 45, 60, 100))
    then = day + datetime.timedelta(days=num)
    text = pick(
        rng,
        language,
        ("What date is {1} days after {0}? Answer as YYYY-MM-DD.",),
        ("Какая дата наступит через {1} дн. после {0}? Ответь в виде ГГГГ-ММ-ДД.",),
    ).format(day if rng.random() < 0.5 else _written(day, language), num)
    wrong = [str(then + datetime.timedelta(days=1)), str(day)]
    return saying(text, f"later {day} {num}", [str(then)], wrong)


def _week_day_after(rng: random.Random, language: Language) -> Item:
    start, num = rng.randrange(7), rng.choice((1, 2, 3, 5, 9, 10, 15, 30, 100))
    then = (start + num) % 7
    if language == "ru":
        text = f"Сегодня {_DAYS_RU[start]}. Какой день недели будет через {num} дн.?"
    else:
        text = f"Today is {_DAYS[start]}. What day of the week is it in {num} days?"
    return _week_day(text, f"after {start} {num}", then)


def _week_day_of(rng: random.Random, language: Language) -> Item:
    day = _some_day(rng)
    text = pick(
        rng,
        language,
        ("What day of the week was {}?", "Which weekday is {}?"),
        ("Какой день недели — {}?",),
    ).format(_written(day, language))
    return _week_day(text, f"weekday {day}", day.weekday())


def _week_day(text: str, group: str, number_of_day: int) -> Item:
    english, russian = _DAYS[number_of_day], _DAYS_RU[number_of_day]
    cases = [russian]
    if russian.endswith("а"):
        cases += [russian[:-1] + "у", russian[:-1] + "ы"]
    wrong = [_DAYS[(number_of_day + 1) % 7], _DAYS_RU[(number_of_day + 6) % 7]]
    only = "|".join((english, *cases))
    others = "|".join(name for name in (*_DAYS, *_DAYS_RU) if name not in (english, russian))
    # The last day that the answer names is its answer: it may begin with the day of the question.
    answer = rf"(?is)\b(?:{only})\b(?!.*\b(?:{others})\b)"
    return item(text, group, english, wrong, grader="regex", answer=answer, max_tokens=SENTENCE)


def _between(rng: random.Random, language: Language) -> Item:
    day = _some_day(rng)
    then = day + datetime.timedelta(days=rng.choice((4, 9, 12, 20, 31, 40, 75, 120, 200)))
    text = pick(
        rng,
        language,
        ("How many days are there from {} to {}?", "Number of days between {} and {}?"),
        ("Сколько дней от {} до {}?",),
    )
    if language == "ru" or rng.random() < 0.5:
        text = text.format(day, then)
    else:
        text = text.format(_written(day, language), _written(then, language))
    return number(text, f"between {day} {then}", (then - day).days, max_tokens=SENTENCE)


def _leap(rng: random.Random, language: Language) -> Item:
    year = rng.choice((1900, 2000, 2100, 2400, *range(1980, 2032)))
    is_leap = calendar.isleap(year)
    text = pick(
        rng,
        language,
        ("Was or will {} be a leap year? Answer yes or no.", "Is {} a leap year? yes/no"),
        ("{} год — високосный? Ответь да или нет.",),
    ).format(year)
    options = ("yes", "no") if language == "en" else ("да", "нет")
    right, wrong = options if is_leap else options[::-1]
    return item(text, f"leap {year}", right, [wrong], grader="label", answer=right, options=options)


def _month(rng: random.Random, language: Language) -> Item:
    month, year = rng.randrange(12), rng.randrange(2001, 2031)
    if rng.random() < 0.5:
        num = calendar.monthrange(year, month + 1)[1]
        text = pick(
            rng, language, ("How many days does {} {} have?",), ("Сколько дней в месяце: {} {}?",)
        ).format((_MONTHS_NAMED_RU if language == "ru" else _MONTHS)[month], year)
        return number(text, f"month {month} {year}", num, max_tokens=SENTENCE)
    num = rng.choice((1, 2, 4, 5, 7, 10, 14))
    then = (month + num) % 12
    text = pick(
        rng,
        language,
        ("Which month comes {1} months after {0}? Only its name.",),
        ("Какой месяц наступит через {1} мес. после месяца {0}? Только название.",),
    ).format((_MONTHS_NAMED_RU if language == "ru" else _MONTHS)[month], num)
    names = [_MONTHS[then], _MONTHS_NAMED_RU[then]]
    wrong = [_MONTHS[(then + 1) % 12], _MONTHS_NAMED_RU[(then + 11) % 12]]
    return saying(text, f"months {month} {num}", names, wrong)


def _clock(rng: random.Random, language: Language) -> Item:
    hour, minute = rng.randrange(24), 5 * rng.randrange(12)
    num = rng.choice((20, 35, 45, 50, 75, 90, 100, 150, 200))
    then = (60 * hour + minute + num) % 1440
    text = pick(
        rng,
        language,
        (
            "A job starts at {} and takes {} minutes. When does it end? Answer as HH:MM (24 h).",
            "It is {}. What time is it in {} minutes? HH:MM, 24-hour clock.",
        ),
        (
            "Задача началась в {} и длится {} мин. Когда она закончится? Ответь в виде ЧЧ:ММ.",
            "Сейчас {}. Сколько времени будет через {} мин.? Ответь в виде ЧЧ:ММ.",
        ),
    ).format(f"{hour:02}:{minute:02}", num)
    return _time_item(text, f"clock {hour} {minute} {num}", then)


def _time_item(text: str, group: str, minutes: int) -> Item:
    hour, minute = divmod(minutes, 60)
    answer = rf"(?<![0-9:])0?{hour}:{minute:02}(?![0-9])(?!.*[0-9]:[0-9])"
    off = (minutes + 60) % 1440
    wrong = [f"{off // 60:02}:{off % 60:02}", "noon"]
    right = f"{hour:02}:{minute:02}"
    return item(text, group, right, wrong, grader="regex", answer=answer, max_tokens=SENTENCE)


def _duration(rng: random.Random, language: Language) -> Item:
    start = rng.randrange(0, 1200, 5)
    num = rng.choice((25, 40, 55, 80, 95, 125, 185, 230))
    first, last = (f"{m // 60:02}:{m % 60:02}" for m in (start, start + num))
    text = pick(
        rng,
        language,
        ("How many minutes are there from {} to {}?", "minutes between {} and {}?"),
        ("Сколько минут от {} до {}?",),
    ).format(first, last)
    return number(text, f"duration {start} {num}", num, max_tokens=SENTENCE)
