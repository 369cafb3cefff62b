"""Labels for short texts: mood, spam, language, topic, kind of issue.

Does not know models; texts are written by hand, and some are composed of two halves.
"""

from __future__ import annotations

import random

from tierchat.learning.mix.item import WORD, Item, Language, item, pick

# Half sentences, to be joined to a name of a thing.
_GOOD = ("works perfectly and saves me hours", "is the best thing I bought this year",
         "made my whole family smile", "arrived early and looks gorgeous",
         "exceeded what I had hoped for")  # fmt: skip
_BAD = ("broke after two days", "is a complete waste of money", "never did what the box promised",
        "smells awful and leaks", "made me regret ordering it")  # fmt: skip
_PLAIN = ("weighs two kilograms and is black", "comes in a box with a manual",
          "was delivered on Tuesday", "has four buttons on the left side",
          "is sold in three sizes")  # fmt: skip
_TRICKY = (
    ("I was ready to hate the {}, but it won me over within a day.", "positive"),
    ("Great, another {} that needs an update before it turns on. Just what I wanted.", "negative"),
    ("The {} is not bad at all; I would buy it again.", "positive"),
    ("I wish I could say something nice about the {}.", "negative"),
    ("Nobody could call the {} a disappointment.", "positive"),
    ("Sure, the {} is fast, if you enjoy waiting.", "negative"),
)  # fmt: skip
_THINGS = ("kettle", "keyboard", "lamp", "backpack", "router", "blender", "headset", "chair")
_GOOD_RU = ("работает отлично и экономит мне время", "лучшая покупка за этот год",
            "порадовала всю семью", "выглядит прекрасно, и доставка быстрая")  # fmt: skip
_BAD_RU = ("сломалась через два дня", "пустая трата денег", "ужасно пахнет и протекает",
           "делает совсем не то, что обещали")  # fmt: skip
_PLAIN_RU = ("весит два килограмма, цвет чёрный", "продаётся в коробке с инструкцией",
             "доставлена во вторник", "имеет четыре кнопки слева")  # fmt: skip
_THINGS_RU = ("лампа", "клавиатура", "сумка", "мышка", "колонка", "куртка")
_SPAM = (
    "Congratulations!!! You have won ${}! Click the link to claim your prize now",
    "Earn ${} a week from home, no experience needed, reply YES today",
    "Your account will be closed. Send ${} in gift cards to keep it",
    "Cheap pills, {} % off, no prescription, order tonight",
)
_HAM = (
    "Hi, the meeting moved to room {}. See you there.",
    "Your parcel {} is at the post office until Friday.",
    "Can you review pull request {} when you have a minute?",
    "Mom called, dinner is at {} o'clock.",
)
_TONGUES = {
    "French": ("Où est la gare, s'il vous plaît ?", "Je voudrais un café et deux croissants.",
               "Il fait très froid ce matin.", "Nous avons perdu nos clés hier soir."),
    "German": ("Wo ist der Bahnhof, bitte?", "Ich hätte gern einen Kaffee und zwei Brötchen.",
               "Heute Morgen ist es sehr kalt.", "Gestern Abend haben wir die Schlüssel verloren."),
    "Spanish": ("¿Dónde está la estación, por favor?", "Quisiera un café y dos panes.",
                "Esta mañana hace mucho frío.", "Anoche perdimos las llaves."),
    "Italian": ("Dov'è la stazione, per favore?", "Vorrei un caffè e due cornetti.",
                "Stamattina fa molto freddo.", "Ieri sera abbiamo perso le chiavi."),
    "Polish": ("Gdzie jest dworzec, proszę?", "Dziś rano jest bardzo zimno.",
               "Wczoraj wieczorem zgubiliśmy klucze.", "Poproszę kawę i dwie bułki."),
    "Finnish": ("Missä on rautatieasema?", "Tänä aamuna on hyvin kylmä.",
                "Kadotimme avaimet eilen illalla.", "Ottaisin kahvin ja kaksi sämpylää."),
    "Dutch": ("Waar is het station, alstublieft?", "Vanmorgen is het erg koud.",
              "We hebben gisteravond de sleutels verloren.", "Ik wil graag een kop koffie."),
    "Turkish": ("İstasyon nerede, lütfen?", "Bu sabah hava çok soğuk.",
                "Dün akşam anahtarları kaybettik.", "Bir kahve ve iki simit istiyorum."),
}  # fmt: skip
_TONGUES_RU = {
    "French": "французский", "German": "немецкий", "Spanish": "испанский", "Italian": "итальянский",
    "Polish": "польский", "Finnish": "финский", "Dutch": "нидерландский", "Turkish": "турецкий",
}  # fmt: skip
_ISSUES = (
    ("bug", "The program crashes when I open an empty file of {} bytes"),
    ("bug", "After the update {} the search returns nothing, it worked before"),
    ("bug", "Exit code is 0 although {} tests fail"),
    ("feature", "Please add an option to show the newest {} entries first"),
    ("feature", "It would be nice if {} files could be opened at once"),
    ("feature", "Support for version {} of the protocol would help us a lot"),
    ("question", "How do I change the number of columns to {}?"),
    ("question", "Is there documentation on chapter {} of the guide?"),
    ("question", "What does the warning W{} mean, can I ignore it?"),
)


def classify(rng: random.Random, language: Language) -> Item:
    """One text and the labels to choose from."""
    kinds = (_mood, _mood, _spam, _tongue, _tongue, _issue)
    return rng.choice(kinds)(rng, language)


def _label(text: str, group: str, right: str, options: tuple[str, ...]) -> Item:
    wrong = [option for option in options if option != right]
    return item(
        text, group, right, [*wrong, " or ".join(options)], grader="label", answer=right,
        options=options, max_tokens=WORD,
    )  # fmt: skip


def _mood(rng: random.Random, language: Language) -> Item:
    moods = ("positive", "negative", "neutral")
    if language == "ru":
        place = rng.randrange(3)
        thing, half = rng.choice(_THINGS_RU), rng.choice((_GOOD_RU, _BAD_RU, _PLAIN_RU)[place])
        options = ("положительный", "отрицательный", "нейтральный")
        body = f"{thing.title()}: {half}."
        text = f"Какой это отзыв: {', '.join(options)}? Ответь одним словом.\n\n{body}"
        return _label(text, f"mood {half}", options[place], options)
    thing = rng.choice(_THINGS)
    if rng.random() < 0.4:
        half, right = rng.choice(_TRICKY)
        body = half.format(thing)
    else:
        place = rng.randrange(3)
        half, right = rng.choice((_GOOD, _BAD, _PLAIN)[place]), moods[place]
        body = f"The {thing} {half}."
    text = rng.choice(
        (
            "Is this review positive, negative or neutral? One word.\n\n{}",
            'Sentiment of "{}" (positive, negative, neutral)?',
            "{}\n\nClassify the sentiment as positive, negative or neutral.",
        )
    ).format(body)
    return _label(text, f"mood {half}", right, moods)


def _spam(rng: random.Random, language: Language) -> Item:
    is_spam = rng.random() < 0.5
    form = rng.choice(_SPAM if is_spam else _HAM)
    body = form.format(rng.randrange(2, 900))
    text = pick(
        rng,
        language,
        ("Is this message spam? Answer yes or no.\n\n{}", '"{}"\nSpam? yes/no'),
        ("Это спам? Ответь да или нет.\n\n{}",),
    ).format(body)
    options = ("да", "нет") if language == "ru" else ("yes", "no")
    return _label(text, f"spam {form}", options[not is_spam], options)


def _tongue(rng: random.Random, language: Language) -> Item:
    tongue = rng.choice(list(_TONGUES))
    body = rng.choice(_TONGUES[tongue])
    names = dict(_TONGUES_RU) if language == "ru" else {name: name for name in _TONGUES}
    text = pick(
        rng,
        language,
        ('Which language is this: "{}"? One word.', 'What language is "{}" written in?'),
        ("На каком языке написано: «{}»? Ответь одним словом.",),
    ).format(body)
    return _label(text, f"tongue {body}", names[tongue], tuple(names.values()))


def _issue(rng: random.Random, language: Language) -> Item:
    right, form = rng.choice(_ISSUES)
    body = form.format(rng.randrange(2, 200))
    text = pick(
        rng,
        language,
        ("Label this issue as bug, feature or question. One word only.\n\n{}",),
        ("Отметь сообщение одним словом: bug, feature или question.\n\n{}",),
    ).format(body)
    return _label(text, f"issue {form}", right, ("bug", "feature", "question"))
