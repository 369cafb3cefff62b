"""Labelled prompts for `follow_up`: what was said, the next prompt, whether it leans on that.

The first half was looked at while the rule was written, the second half was not.
"""

from __future__ import annotations

MERGE = (
    "Write a Python function that merges two sorted lists.",
    "def merge(a, b):\n    result = []\n    while a and b:\n"
    "        result.append((a if a[0] <= b[0] else b).pop(0))\n    return result + a + b",
)
CAPITAL = ("What is the capital of France?", "The capital of France is Paris.")
SUM = ("What is 17*24?", "17*24 = 408")
MAIL = (
    "Write a short email to my landlord about the broken heating.",
    "Dear Mr Smith, the heating in my flat has been broken since Monday. Could you please send "
    "someone to repair it? Kind regards",
)
BORSCH = (
    "Как сварить борщ?",
    "Сварите бульон из говядины, добавьте свёклу, капусту, картофель и томатную пасту. "
    "Варите 40 минут.",
)
MOON = (
    "Сколько километров от Земли до Луны?",
    "Среднее расстояние от Земли до Луны — 384 400 километров.",
)
SQL = (
    "Напиши SQL-запрос: все клиенты без заказов.",
    "SELECT c.* FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE o.id IS NULL;",
)
LOG = (
    "What does this log line mean?\nERROR pool: connection refused (111) to db:5432",
    "The program could not connect to the database server db on port 5432, because nothing "
    "listens there.",
)

SEEN = (
    (MERGE, "Now in Go.", True),
    (MERGE, "shorter", True),
    (MERGE, "Are you sure?", True),
    (MERGE, "Add type hints and a docstring.", True),
    (MERGE, "Does it work for empty lists?", True),
    (MERGE, "What is the time complexity?", True),
    (MERGE, "Write a test for it", True),
    (MERGE, "why do you use pop(0)?", True),
    (MERGE, "Use recursion instead", True),
    (MERGE, "No, that's wrong: it fails for lists of strings.", True),
    (CAPITAL, "And Germany?", True),
    (CAPITAL, "What about Spain?", True),
    (CAPITAL, "How many people live there?", True),
    (CAPITAL, "What is the population of France?", True),
    (CAPITAL, "In German, please.", True),
    (SUM, "Plus 5?", True),
    (SUM, "double that", True),
    (SUM, "Explain step by step.", True),
    (MAIL, "make it more polite", True),
    (MAIL, "Translate to German.", True),
    (MAIL, "Mention that my baby is ill.", True),
    (BORSCH, "А без мяса?", True),
    (BORSCH, "Почему?", True),
    (BORSCH, "Сколько это займёт времени?", True),
    (BORSCH, "Напиши список покупок.", True),
    (MOON, "А до Солнца?", True),
    (MOON, "Ты уверен?", True),
    (MOON, "Переведи в мили.", True),
    (SQL, "Теперь только за 2023 год.", True),
    (SQL, "Перепиши через NOT EXISTS.", True),
    (SQL, "Что здесь делает LEFT JOIN?", True),
    (LOG, "How do I fix it?", True),
    (LOG, "Which port is it?", True),
    (MERGE, "What is the capital of Australia?", False),
    (MERGE, "How many legs does a spider have?", False),
    (MERGE, "Thanks! Who wrote War and Peace?", False),
    (MERGE, "Сколько будет 15% от 240?", False),
    (
        CAPITAL,
        "Write a Python function that checks whether a number is prime and returns it.",
        False,
    ),
    (CAPITAL, "What is 17*24?", False),
    (CAPITAL, "New topic. What do bees eat?", False),
    (SUM, "Which planet is closest to the sun?", False),
    (SUM, "2+2", False),
    (MAIL, "Write a regular expression that matches dates like 2024-01-31.", False),
    (MAIL, "Translate to French: 'Where is the station?'", False),
    (BORSCH, "В каком году началась Первая мировая война?", False),
    (BORSCH, "Напиши функцию на Python, которая считает гласные в строке.", False),
    (BORSCH, "Другой вопрос: сколько байт в килобайте?", False),
    (MOON, "Кто написал роман «Преступление и наказание»?", False),
    (MOON, "Convert 5 miles to kilometres and round the number to one digit.", False),
    (SQL, "Какая самая длинная река в Африке?", False),
    (LOG, "What is the boiling point of water in Fahrenheit?", False),
    (LOG, "Name three primary colours of light used in a television screen.", False),
)

UNSEEN = (
    (MERGE, "Can you do the same for three lists?", True),
    (MERGE, "rename the function to combine", True),
    (MERGE, "What happens with duplicates?", True),
    (MERGE, "I get IndexError: pop from empty list", True),
    (MERGE, "без pop", True),
    (MERGE, "in Rust", True),
    (MERGE, "Without while loops please", True),
    (CAPITAL, "Is that also the largest city?", True),
    (CAPITAL, "When was it founded?", True),
    (CAPITAL, "Name a museum in Paris.", True),
    (CAPITAL, "one more fact", True),
    (CAPITAL, "Really?", True),
    (SUM, "How did you get 408?", True),
    (SUM, "divide the result by 8", True),
    (SUM, "408/8", True),
    (SUM, "Wrong, try harder", True),
    (MAIL, "The landlord is a woman called Jones.", True),
    (MAIL, "Two sentences at most.", True),
    (MAIL, "sign it with Anna", True),
    (MAIL, "less formal", True),
    (BORSCH, "Какую свёклу лучше взять?", True),
    (BORSCH, "Сколько порций получится?", True),
    (BORSCH, "Нет, короче", True),
    (BORSCH, "Чем заменить говядину?", True),
    (MOON, "Сколько времени туда лететь на самолёте?", True),
    (MOON, "Округли до тысяч.", True),
    (MOON, "Точно?", True),
    (SQL, "Добавь сортировку по имени.", True),
    (SQL, "Объясни, как он работает.", True),
    (SQL, "А если заказы в другой таблице?", True),
    (LOG, "Who should I call?", True),
    (LOG, "Could a firewall be the cause?", True),
    (LOG, "What does 111 stand for?", True),
    (MERGE, "Who painted the Mona Lisa?", False),
    (MERGE, "What year did the Berlin Wall fall?", False),
    (MERGE, "Как по-французски «доброе утро»?", False),
    (CAPITAL, "Extract the email address as JSON: contact Bob at bob@example.org today", False),
    (CAPITAL, "How much is 12% of 350?", False),
    (CAPITAL, "Write a bash one-liner that counts lines in all .txt files.", False),
    (SUM, "What gas do plants absorb from the atmosphere?", False),
    (SUM, "Correct the spelling: 'I recieved teh pakage'", False),
    (MAIL, "How many minutes are there in a week?", False),
    (MAIL, "ok thanks. Is 91 a prime number?", False),
    (MAIL, 'Is this review positive or negative? "The food was cold and the waiter rude."', False),
    (BORSCH, "Столица Канады?", False),
    (BORSCH, "Сколько секунд в одном часе с четвертью?", False),
    (MOON, "Исправь ошибки: «превет как дила»", False),
    (MOON, "Напиши регулярное выражение для российского номера телефона.", False),
    (SQL, "What is the chemical symbol for gold?", False),
    (SQL, "Новая тема: столица Японии?", False),
    (LOG, "Give me a synonym for the word happy.", False),
    (LOG, "Переведи на английский: «Где находится вокзал?»", False),
)
