"""SQL to write for three small schemas. Knows the rows that a query is tried on, not how."""

from __future__ import annotations

import random

from tierchat.learning.mix.item import LINES, Item, Language, item, pick
from tierchat.learning.mix.tables import blocks

_SHOP = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, city TEXT);\n"
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, amount REAL,\n"
    "  ordered_on TEXT);",
    """
INSERT INTO customers VALUES (1,'Ann','Oslo'),(2,'Ben','Lyon'),(3,'Cleo','Oslo'),
(4,'Dan','Turin'),(5,'Eva',NULL);
INSERT INTO orders VALUES (1,1,120.5,'2024-01-05'),(2,1,80,'2024-02-11'),(3,2,40,'2024-02-28'),
(4,3,300,'2023-12-30'),(5,3,15,'2024-03-02'),(6,2,200,'2024-03-02'),(7,1,20,'2024-03-15');""",
)
_STAFF = (
    "CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT, team TEXT, salary INTEGER,\n"
    "  boss_id INTEGER);",
    """
INSERT INTO staff VALUES (1,'Ida','ops',5200,NULL),(2,'Jon','ops',4100,1),(3,'Kim','web',4400,1),
(4,'Lou','web',3900,3),(5,'Max','web',4300,3),(6,'Nia','data',6100,1),(7,'Ole','data',3600,6);""",
)
_FILES = (
    "CREATE TABLE files (path TEXT, size INTEGER, kind TEXT, changed_on TEXT);",
    """
INSERT INTO files VALUES ('/a/x.log',900,'log','2024-05-01'),('/a/y.log',1500,'log','2024-05-03'),
('/b/z.txt',20,'text','2024-04-30'),('/b/w.txt',70,'text','2024-05-03'),('/c/v.png',3000,'image','2023-11-11');""",
)
_SCHEMAS = {"shop": _SHOP, "staff": _STAFF, "files": _FILES}
_TEXTS = {"shop": ("Oslo", "Lyon"), "staff": ("web", "ops", "data"), "files": ("log", "text")}
_ENGLISH = (
    "{schema}\n\nWrite one SQL query (SQLite) that returns {what}. Only SQL.",
    "Given these tables:\n\n{schema}\n\nWhich SQL query gives {what}?",
    "SQL for {what}:\n{schema}",
)
_RUSSIAN = (
    "{schema}\n\nНапиши один запрос SQL (SQLite), который возвращает {what}. Только SQL.",
    "Есть таблицы:\n\n{schema}\n\nКаким запросом SQL получить {what}?",
)


def queries(rng: random.Random, language: Language) -> Item:
    """One query to write; it is run on rows that the question does not show."""
    name, english, russian, solution, wrong = rng.choice(blocks("sql"))
    schema = _SCHEMAS[name]
    values = {"n": rng.choice((1, 2, 3, 4)), "s": rng.choice(_TEXTS[name])}
    what = (russian if language == "ru" else english).format(**values)
    text = pick(rng, language, _ENGLISH, _RUSSIAN).format(schema=schema[0], what=what)
    right = solution.format(**values)
    return item(
        text, f"query/{english}", f"```sql\n{right};\n```", [wrong.format(**values), "SELECT 1"],
        grader="sql", answer=right, setup=schema[0] + schema[1], max_tokens=LINES,
    )  # fmt: skip
