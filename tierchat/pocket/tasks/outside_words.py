"""The words of prompts that no tier of the bundled cascade can answer.

Does not know how they are combined. The trained and the held-out lists share no entry.
"""

from __future__ import annotations


def topics(held_out: bool) -> tuple[str, ...]:
    """Return English subjects of essays, questions and requests."""
    if held_out:
        return tuple(
            [
                "volcanoes",
                "the peoples of the north",
                "chess openings",
                "the French revolution",
                "honey bees",
                "jazz music",
                "electric cars",
                "the moon landing",
                "sourdough bread",
                "medieval castles",
                "black holes",
                "graph databases",
                "sleep hygiene",
                "the stock market",
                "penguins",
                "tax law",
                "the Silk Road",
                "quantum computers",
                "street art",
                "gardening",
            ]
        )
    return tuple(
        [
            "the sea",
            "my cat",
            "the Roman empire",
            "climate change",
            "love",
            "football",
            "the internet",
            "Python",
            "dogs",
            "history of tea",
            "mountains",
            "the human heart",
            "Shakespeare",
            "space travel",
            "photosynthesis",
            "democracy",
            "the Great Wall",
            "cooking pasta",
            "a lonely robot",
            "winter",
            "the economy of Japan",
            "ancient Egypt",
            "rivers of Africa",
            "machine learning",
            "databases",
            "birds",
            "friendship",
            "the Second World War",
            "vaccines",
            "coffee",
            "the theory of relativity",
            "money",
            "education",
            "dinosaurs",
            "trains",
            "Mozart",
            "the Amazon forest",
            "small business",
            "programming",
            "a weekend in Paris",
            "healthy food",
            "ice cream",
            "railways",
            "the periodic table",
            "insects",
            "number theory",
            "the number seven",
            "mathematics in art",
            "sums of money",
            "the product of our company",
            "bitcoin",
            "poetry",
            "war and peace",
            "religion",
            "the weather in London",
            "robots",
            "animals",
            "leap years",
            "calendars in ancient Rome",
            "fractions in music",
            "the legs of a table",
            "bits and bytes",
        ]
    )


def frames(held_out: bool) -> tuple[str, ...]:
    """Return English requests with `{t}` for a subject."""
    if held_out:
        return (
            "Write an essay about {t}",
            "Give me an outline on {t}",
            "Draft a speech about {t}.",
            "Is {t} overrated?",
            "Why do people care about {t}?",
            "Recommend three books about {t}",
            "Make a quiz on {t}",
            "Translate 'I like {t}' into German",
            "What happened to {t} in 2019?",
            "Explain {t} like I'm five",
            "How would you describe {t} to a child?",
            "List 10 facts about {t}",
            "Who invented {t}?",
        )
    return (
        "Write an essay about {t}.",
        "write a short essay on {t}",
        "Write a poem about {t}",
        "Tell me about {t}",
        "tell me a story about {t}",
        "What is {t}?",
        "Who discovered {t}?",
        "Explain {t}.",
        "explain {t} in simple words",
        "Summarize {t}",
        "Write 5 sentences about {t}.",
        "Describe {t}",
        "What do you think about {t}?",
        "How does {t} work?",
        "When did {t} begin?",
        "Where can I learn about {t}?",
        "Write a song about {t}",
        "Give me 3 ideas for {t}",
        "Compare {t} and the sun",
        "What are the advantages of {t}?",
        "Write a letter about {t}",
        "In which year did {t} start?",
        "How many people like {t}?",
        "Translate '{t}' to French",
        "define {t}",
        "Write a blog post of 200 words on {t}",
        "How old is {t}?",
        "What is the best book about {t}?",
        "do you like {t}?",
        "Can you tell me something about {t}?",
        "Please write a report about {t}.",
        "a joke about {t}",
        "{t}",
        "How much does {t} cost?",
        "Write a haiku on {t}.",
        "Calculate the influence of {t}",
        "Sum up {t} in two lines",
        "I have a question about {t}",
        "What is the capital of {t}?",
        "Solve the problem of {t}",
        "Find {t}",
    )


def russian_topics(held_out: bool) -> tuple[str, ...]:
    """Return Russian subjects."""
    if held_out:
        return tuple(
            [
                "народах севера",
                "вулканах",
                "шахматах",
                "пингвинах",
                "хлебе",
                "космонавтах",
                "Петербурге",
                "музеях",
            ]
        )
    return tuple(
        [
            "море",
            "кошке",
            "Москве",
            "истории России",
            "любви",
            "футболе",
            "интернете",
            "собаках",
            "горах",
            "Пушкине",
            "космосе",
            "зиме",
            "экономике",
            "древнем Риме",
            "реках",
            "дружбе",
            "войне и мире",
            "деньгах",
            "школе",
            "поездах",
            "музыке",
            "лесе",
            "погоде",
            "роботах",
            "числах",
        ]
    )


def russian_frames(held_out: bool) -> tuple[str, ...]:
    """Return Russian requests with `{t}` for a subject in the prepositional case."""
    if held_out:
        return (
            "Напиши сочинение о {t}",
            "Составь план доклада о {t}",
            "Что пишут о {t}?",
            "Посоветуй фильм о {t}",
        )
    return (
        "Напиши эссе о {t}",
        "напиши стих о {t}",
        "Расскажи о {t}",
        "расскажи сказку о {t}",
        "Что ты знаешь о {t}?",
        "Напиши рассказ о {t}.",
        "Напиши пять предложений о {t}",
        "Что ты думаешь о {t}?",
        "Найди статью о {t}",
        "Объясни просто о {t}",
        "песня о {t}",
        "Сколько книг написано о {t}?",
        "В каком году узнали о {t}?",
        "Переведи текст о {t} на английский",
        "Кто писал о {t}?",
        "Напиши письмо о {t}",
        "анекдот о {t}",
        "Сложи стих о {t}",
        "Реши вопрос о {t}",
        "Посчитай слова в рассказе о {t}",
    )
