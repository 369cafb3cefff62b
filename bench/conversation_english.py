"""The English turns of `conversation_scripts.py`, as tables."""

from __future__ import annotations

from conversation_turns import Turn, brief, cased, code, exact, json_of, label, listed, number, word

_BAD, _GOOD = "negative", "positive"
# Each row is a conversation: a first turn, then what leans on it.
FACTS_EN = [
    [word(f"What is the capital of {a}?", b), word(f"And of {c}?", d)]
    for a, b, c, d in (
        ("Canada", "Ottawa", "Australia", "Canberra"),
        ("Turkey", "Ankara", "Kenya", "Nairobi"),
        ("Vietnam", "Hanoi", "Morocco", "Rabat"),
        ("Switzerland", "Bern", "New Zealand", "Wellington"),
    )
] + [
    [word(f"What is the chemical symbol for {a}?", b), word(f"And for {c}?", d)]
    for a, b, c, d in (
        ("gold", "Au", "silver", "Ag"),
        ("iron", "Fe", "sodium", "Na"),
        ("lead", "Pb", "tin", "Sn"),
    )
]
WORDS_EN = (
    [
        [word(f"What is the plural of '{a}'?", b), word(f"And of '{c}'?", d)]
        for a, b, c, d in (
            ("mouse", "mice", "goose", "geese"),
            ("child", "children", "ox", "oxen"),
            ("knife", "knives", "tooth", "teeth"),
        )
    ]
    + [
        [word(f"What is the past tense of '{a}'?", b), word(f"And of '{c}'?", d)]
        for a, b, c, d in (("go", "went", "bring", "brought"), ("swim", "swam", "teach", "taught"))
    ]
    + [
        [word(f"Translate '{a}' to German.", b), word(f"Now to {c}.", d)]
        for a, b, c, d in (
            ("the dog", "Hund", "French", "chien"),
            ("water", "Wasser", "Spanish", "agua"),
            ("thank you", "Danke", "Italian", "grazie"),
            ("the house", "Haus", "Spanish", "casa"),
            ("red", "rot", "French", "rouge"),
            ("milk", "Milch", "French", "lait"),
        )
    ]
)
UNITS_EN = [
    [number(f"How many {a} are {b} {c}?", b * f), number(f"And {d}?", d * f)]
    for a, c, f, b, d in (
        ("centimetres", "metres", 100, 3, 7.5),
        ("minutes", "hours", 60, 4, 6),
        ("grams", "kilograms", 1000, 2.5, 0.8),
        ("seconds", "minutes", 60, 3, 12),
        ("months", "years", 12, 5, 11),
        ("millimetres", "centimetres", 10, 14, 3.2),
    )
]
SUMS_EN = (
    [
        [
            number(f"What is {a}+{b}?", a + b),
            number(f"Now subtract {c} from that.", a + b - c),
            number("And double it.", 2 * (a + b - c)),
        ]
        for a, b, c in ((48, 57, 30), (126, 89, 15), (340, 275, 115), (67, 38, 55))
    ]
    + [
        [number(f"What is {a}*{b}?", a * b), number(f"And {a}*{c}?", a * c)]
        for a, b, c in ((17, 24, 25), (13, 8, 9), (32, 15, 16))
    ]
    + [
        [number(f"What is {a}% of {c}?", a * c / 100), number(f"And {b}%?", b * c / 100)]
        for a, b, c in ((20, 30, 150), (10, 25, 80), (5, 15, 640))
    ]
    + [
        [
            number("Tom has 12 apples and buys 9 more. How many does he have now?", 21),
            number("He gives 5 of them to Ann. How many are left?", 16),
            number("Then he eats half of the rest. How many are left now?", 8),
        ],
        [
            number("A train has 6 carriages with 40 seats each. How many seats does it have?", 240),
            number("Two carriages are taken off. How many seats are left?", 160),
        ],
        [
            number(
                "A book costs 8 dollars and a pen 3 dollars. What do 2 books and 1 pen cost?", 19
            ),
            number("And with one more pen?", 22),
        ],
        [
            number("I read 15 pages a day. How many pages do I read in a week?", 105),
            number("And if I skip Sunday?", 90),
        ],
    ]
)
LISTS_EN = [
    [
        listed("Sort these numbers, smallest first: 9, 4, 7, 1", "1, 4, 7, 9"),
        listed("Now the largest first.", "9, 7, 4, 1"),
    ],
    [
        listed("Sort these words alphabetically: pear, apple, fig", "apple, fig, pear"),
        listed("Now in reverse order.", "pear, fig, apple"),
    ],
    [
        listed("List the even numbers from this list: 3, 8, 5, 12, 6", "8, 12, 6"),
        listed("Now the odd ones.", "3, 5"),
    ],
    [
        cased("Write in capital letters: quick brown fox", "QUICK BROWN FOX"),
        cased("Now with hyphens instead of the spaces.", "QUICK-BROWN-FOX"),
    ],
    [
        exact("Correct the spelling: I recieved your leter", "I received your letter"),
        cased("Now write it in capital letters.", "I RECEIVED YOUR LETTER"),
    ],
    [
        exact("Put into the past tense: She walks to school.", "She walked to school"),
        exact("And with 'they' instead of 'she'.", "They walked to school"),
    ],
]
JSON_EN = [
    [
        json_of("As JSON with the keys name and age: Anna is 31 years old.", name="Anna", age=31),
        json_of("Add the key city: she lives in Rome.", name="Anna", age=31, city="Rome"),
    ],
    [
        json_of("As JSON, keys item and price: a lamp for 40 dollars.", item="lamp", price=40),
        json_of("The price is 45, not 40.", item="lamp", price=45),
    ],
    [
        json_of("As JSON, keys start and end: flight from Oslo to Lima", start="Oslo", end="Lima"),
        json_of("Now the way back.", start="Lima", end="Oslo"),
    ],
    [
        json_of("As JSON, keys day and hour: the meeting is on Monday at 9", day="Monday", hour=9),
        json_of("It was moved to Friday.", day="Friday", hour=9),
    ],
]  # fmt: skip
LABELS_EN = [
    [
        label(f'Is this review positive or negative? "{a}"', _BAD, _GOOD),
        label(f'And this one? "{b}"', _GOOD, _BAD),
    ]
    for a, b in (
        ("The soup was cold and the waiter rude.", "Lovely place, we will come back."),
        ("It broke after two days.", "Works like a charm, even after a year."),
        ("I fell asleep halfway through the film.", "The best ending I have ever seen."),
    )
]
CODE_EN = [
    [
        code("Write a Python function add(a, b) that returns the sum.", "assert add(2, 3) == 5"),
        code("Now the same for the product; call it mul.", "assert mul(4, 3) == 12"),
    ],
    [
        code(
            "Write a Python function count_vowels(s) that counts the vowels a, e, i, o, u in a "
            "lower-case string.",
            "assert count_vowels('education') == 5 and count_vowels('xyz') == 0",
        ),
        code(
            "Make it count upper-case vowels, too.",
            "assert count_vowels('EduCAtion') == 5 and count_vowels('XY') == 0",
        ),
    ],
    [
        code(
            "Write a Python function is_even(n).",
            "assert is_even(4) is True and is_even(7) is False",
        ),
        code("Now is_odd.", "assert is_odd(3) is True and is_odd(8) is False"),
    ],
    [
        code(
            "Write a Python function largest(xs) that returns the largest number of a list.",
            "assert largest([3, 9, 2]) == 9",
        ),
        code(
            "It should return None for an empty list.",
            "assert largest([]) is None and largest([3, 9, 2]) == 9",
        ),
    ],
    [
        code(
            "Write a Python function reverse_words(s) that reverses the order of the words.",
            "assert reverse_words('a b c') == 'c b a'",
        ),
        code(
            "Now also make all letters upper case.",
            "assert reverse_words('one two') == 'TWO ONE'",
        ),
    ],
    [
        code(
            "Write a Python function factorial(n).",
            "assert factorial(5) == 120 and factorial(0) == 1",
        ),
        code(
            "Raise a ValueError for negative numbers.",
            "assert factorial(4) == 24\ntry:\n    factorial(-1)\nexcept ValueError:\n    pass\n"
            "else:\n    raise AssertionError",
        ),
    ],
    [
        code(
            "Write a Python function unique(xs) that removes duplicates from a list and keeps the "
            "order.",
            "assert unique([3, 1, 3, 2, 1]) == [3, 1, 2]",
        ),
        code("Let it sort the result, too.", "assert unique([3, 1, 3, 2, 1]) == [1, 2, 3]"),
    ],
    [
        code(
            "Write a Python function to_fahrenheit(c) that converts degrees Celsius.",
            "assert abs(to_fahrenheit(100) - 212) < 1e-6",
        ),
        code("And the other way round: to_celsius(f).", "assert abs(to_celsius(32)) < 1e-6"),
    ],
    [
        code(
            "Write a Python function merge(a, b) that merges two sorted lists into one.",
            "assert merge([1, 4], [2, 3]) == [1, 2, 3, 4]",
        ),
        code(
            "Now for three lists: merge(a, b, c).",
            "assert merge([1, 4], [2], [0, 3]) == [0, 1, 2, 3, 4]",
        ),
        code("Let it sort in descending order.", "assert merge([1], [2], [0, 3]) == [3, 2, 1, 0]"),
    ],
    [
        code(
            "Write a Python function squares(n) that returns the list of the squares of 1 to n.",
            "assert squares(4) == [1, 4, 9, 16]",
        ),
        code("Only of the even numbers.", "assert squares(5) == [4, 16]"),
    ],
]
_SURE = "Are you sure? Say it again."
CORRECTIONS_EN = [
    [word(a, *b), word(_SURE, *b)]
    for a, b in (
        ("Which country is Budapest in?", ("Hungary",)),
        ("Who wrote Romeo and Juliet?", ("Shakespeare", "William Shakespeare")),
        ("What is the largest ocean?", ("Pacific", "The Pacific")),
        ("How many sides has a hexagon?", ("6", "six")),
        ("What is the capital of Australia?", ("Canberra",)),
    )
] + [
    [word(a, b), exact(f"{c}, please.", b)]
    for a, b, c in (
        ("Which planet of the solar system is the largest, and why?", "Jupiter", "One word only"),
        ("Which animal is called the king of the jungle, and why?", "lion", "Only one word"),
        ("What do bees make, and what from?", "honey", "One word only"),
    )
] + [
    [number(a, b), exact("Give only the number.", str(b))]
    for a, b in (
        ("How many legs do 7 spiders have? Explain.", 56),
        ("How many days are there in 3 weeks? Explain.", 21),
        ("What is 19+23? Show how you got it.", 42),
    )
] + [
    [brief(a, 60), brief(f"Shorter: at most {n} words.", n)]
    for a, n in (
        ("Why is the sky blue?", 8),
        ("What is a database?", 6),
        ("Why do leaves fall in autumn?", 8),
        ("What does a compiler do?", 6),
    )
] + [
    [number(f"What is {a}+{b}?", a + b), number(f"I meant {a}+{c}.", a + c)]
    for a, b, c in ((15, 27, 28), (230, 45, 54), (61, 19, 91))
] + [
    [word(f"What is the capital of {a}?", b), word(f"I meant {c}, not {a}.", d)]
    for a, b, c, d in (
        ("Australia", "Canberra", "Austria", "Vienna"),
        ("Niger", "Niamey", "Nigeria", "Abuja"),
        ("Slovakia", "Bratislava", "Slovenia", "Ljubljana"),
    )
]  # fmt: skip
# Questions that lean on nothing, and what may follow them.
TOPICS_EN: list[list[Turn]] = [
    [word("What is the capital of Japan?", "Tokyo"), word("And of Peru?", "Lima")],
    [word("Which gas do plants take from the air?", "carbon dioxide", "CO2", "CO₂")],
    [number("How many days are there in a leap year?", 366), number("And in a normal one?", 365)],
    [word("Who painted the Mona Lisa?", "Leonardo", "da Vinci")],
    [number("What is 9*7?", 63), number("And 9*8?", 72)],
    [word("Translate to French: 'good day'", "bonjour"), word("And 'thank you'?", "merci")],
    [word("Which planet is known as the red planet?", "Mars")],
    [number("How many centimetres are there in 2 metres?", 200), number("And in 6?", 600)],
    [word("What is the opposite of the word 'ancient'?", "modern", "new", "recent")],
    [word("Which metal is liquid at room temperature?", "mercury")],
    [number("Tickets cost 7 dollars each. What do 6 tickets cost?", 42)],
    [word("In which country is the Eiffel Tower?", "France"), word("And the Colosseum?", "Italy")],
    [exact('Correct the spelling: "the wether is nise"', "the weather is nice")],
    [word("What is the boiling point of water in degrees Celsius?", "100")],
    [
        code(
            "Write a Python function double(x) that returns twice its argument.",
            "assert double(4) == 8",
        )
    ],
    [word("Which language is mostly spoken in Brazil?", "Portuguese")],
    [number("What is 250 minus 75?", 175)],
    [word("Name the largest planet of the solar system.", "Jupiter")],
    [json_of('As JSON, keys name and city: "Bob lives in Paris"', name="Bob", city="Paris")],
    [label('Is this sentence positive or negative? "What a wonderful day!"', _GOOD, _BAD)],
    [word("Who was the first person to walk on the moon?", "Armstrong", "Neil Armstrong")],
    [number("How many seconds are there in 5 minutes?", 300)],
    [word("What is the chemical formula of table salt?", "NaCl")],
    [word("Which continent is Egypt in?", "Africa")],
]  # fmt: skip


FOLLOW_UPS_EN = [
    *FACTS_EN,
    *WORDS_EN,
    *UNITS_EN,
    *SUMS_EN,
    *LISTS_EN,
    *JSON_EN,
    *LABELS_EN,
    *CODE_EN,
]
