"""Wordings of our own sums in English and Russian, for training and held out.

Does not know how a sum is worked out. `{e}` is the expression, `{a}` `{b}` `{n}` `{k}` numbers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wordings:
    """The wordings of one operation; the held-out ones are for evaluation only."""

    trained: tuple[str, ...]
    held_out: tuple[str, ...]


def expressions() -> Wordings:
    """Wordings that fit any expression with a sign, sums and products alike."""
    return Wordings(
        trained=(
            *("{e}",) * 4,
            *("{e}=",) * 2,
            *("{e}=?",) * 2,
            "{e}?",
            "{e} ?",
            "{e} = ?",
            "{e} =",
            "What is {e}?",
            "What is {e}?",
            "what is {e}",
            "What's {e}?",
            "whats {e}",
            "How much is {e}?",
            "how much is {e}",
            "Calculate {e}.",
            "calculate {e}",
            "Calculate: {e}",
            "Compute {e}",
            "compute {e}.",
            "Solve {e}",
            "Solve: {e}",
            "Evaluate {e}.",
            "Please calculate {e}.",
            "Can you calculate {e}?",
            "Tell me {e}",
            "What does {e} equal?",
            "what is the result of {e}?",
            "What is the answer to {e}?",
            "What do you get for {e}?",
            "Question: {e}",
            "{e} equals what?",
            "Please solve {e}",
            "{e} please",
            "Work out {e}.",
            "give me {e}",
            "How much does {e} make?",
            "My teacher asks: what is {e}?",
            "Quick question: {e}?",
            "I need the value of {e}.",
            "Сколько будет {e}?",
            "сколько будет {e}?",
            "сколько будет {e}",
            "Сколько {e}?",
            "Чему равно {e}?",
            "чему равно {e}",
            "Вычисли {e}",
            "вычисли {e}.",
            "Посчитай {e}",
            "посчитай {e}",
            "Реши: {e}",
            "Реши {e}",
            "Найди значение {e}",
            "{e} это сколько?",
            "Подскажи, сколько будет {e}?",
            "Пожалуйста, посчитай {e}.",
            "{e} сколько будет?",
            "Какой ответ у {e}?",
            "Скажи, чему равно {e}.",
            "Вычислите {e}.",
            "Посчитайте {e}.",
            "Сколько получится {e}?",
            "Вопрос: сколько будет {e}?",
        ),
        held_out=(
            "What would {e} be?",
            "Could you compute {e} for me?",
            "Find the value of {e}.",
            "the answer to {e} is?",
            "Hey, how much is {e}?",
            "Solve this: {e}",
            "А сколько будет {e}?",
            "Скажи, сколько будет {e}",
            "Найди, чему равно {e}.",
            "Реши пример: {e}",
        ),
    )


def additions() -> Wordings:
    """Wordings of a + b in words."""
    return Wordings(
        trained=(
            "What is {a} plus {b}?",
            "what is {a} plus {b}",
            "{a} plus {b}",
            "{a} plus {b}?",
            "Add {a} and {b}.",
            "add {a} and {b}",
            "add {b} to {a}",
            "What is the sum of {a} and {b}?",
            "the sum of {a} and {b}",
            "Sum {a} and {b}",
            "How much is {a} plus {b}?",
            "Calculate the sum of {a} and {b}.",
            "What is {a} added to {b}?",
            "Find the sum of {a} and {b}.",
            "Сколько будет {a} плюс {b}?",
            "сколько будет {a} плюс {b}",
            "{a} плюс {b}",
            "Сложи {a} и {b}",
            "сложи {a} и {b}.",
            "Прибавь {b} к {a}",
            "Чему равна сумма {a} и {b}?",
            "Найди сумму {a} и {b}.",
            "сумма {a} и {b}",
            "Сколько {a} плюс {b}?",
            "К {a} прибавить {b}",
        ),
        held_out=(
            "Please add {a} and {b}.",
            "What do {a} and {b} add up to?",
            "Tell me the sum of {a} and {b}.",
            "Посчитай сумму {a} и {b}",
            "Сколько получится, если сложить {a} и {b}?",
        ),
    )


def subtractions() -> Wordings:
    """Wordings of a - b in words."""
    return Wordings(
        trained=(
            "What is {a} minus {b}?",
            "what is {a} minus {b}",
            "{a} minus {b}",
            "{a} minus {b}?",
            "Subtract {b} from {a}.",
            "subtract {b} from {a}",
            "How much is {a} minus {b}?",
            "What is the difference of {a} and {b}?",
            "Take {b} away from {a}.",
            "Take {b} from {a}",
            "Calculate {a} minus {b}.",
            "the difference between {a} and {b}",
            "Сколько будет {a} минус {b}?",
            "сколько будет {a} минус {b}",
            "{a} минус {b}",
            "Вычти {b} из {a}",
            "вычти {b} из {a}.",
            "Отними {b} от {a}",
            "От {a} отнять {b}",
            "Чему равна разность {a} и {b}?",
            "Найди разность {a} и {b}.",
            "Сколько {a} минус {b}?",
        ),
        held_out=(
            "Please subtract {b} from {a}.",
            "What is left of {a} minus {b}?",
            "Compute {a} minus {b}",
            "Посчитай {a} минус {b}",
            "Сколько получится, если из {a} вычесть {b}?",
        ),
    )


def products() -> Wordings:
    """Wordings of a * b in words."""
    return Wordings(
        trained=(
            "What is {a} times {b}?",
            "what is {a} times {b}",
            "{a} times {b}",
            "{a} times {b}?",
            "Multiply {a} by {b}.",
            "multiply {a} by {b}",
            "Multiply {a} and {b}",
            "What is the product of {a} and {b}?",
            "the product of {a} and {b}",
            "How much is {a} times {b}?",
            "Calculate {a} times {b}.",
            "What is {a} multiplied by {b}?",
            "Find the product of {a} and {b}.",
            "Сколько будет {a} умножить на {b}?",
            "сколько будет {a} умножить на {b}",
            "{a} умножить на {b}",
            "Умножь {a} на {b}",
            "умножь {a} на {b}.",
            "Перемножь {a} и {b}",
            "Чему равно произведение {a} и {b}?",
            "Найди произведение {a} и {b}.",
            "произведение {a} и {b}",
            "Сколько {a} умножить на {b}?",
        ),
        held_out=(
            "Please multiply {a} by {b}.",
            "Compute {a} times {b}",
            "Tell me the product of {a} and {b}.",
            "Посчитай произведение {a} и {b}",
            "Сколько получится, если умножить {a} на {b}?",
        ),
    )


def leaving_out() -> Wordings:
    """Wordings of the sum of 1..n without every k-th; `{th}` is the English ordinal of k."""
    return Wordings(
        trained=(
            "Sum the numbers from 1 to {n}, skipping every {th} number.",
            "Sum the numbers from 1 to {n} skipping every {th} number.",
            "Sum the numbers from 1 to {n}, skipping every {th}.",
            "sum the numbers from 1 to {n}, skip every {th}",
            "Sum numbers 1 to {n} without every {th} number.",
            "Add the numbers from 1 to {n}, leaving out every {th} number.",
            "Add up the numbers from 1 to {n}, leaving out every {th}.",
            "What is the sum of the numbers from 1 to {n} without every {th} number?",
            "What is the sum of 1 to {n} without every {th}?",
            "Sum 1..{n} without every {th}",
            "sum of 1 to {n} skipping every {th} number",
            "Sum 1 to {n} except every {th} number.",
            "Calculate the sum of all numbers from 1 to {n}, omitting every {th} number.",
            "Add all numbers from 1 to {n} but skip every {th} one.",
            "Сложи числа от 1 до {n}, пропуская каждое {k}-е.",
            "Сложи числа от 1 до {n}, пропуская каждое {k}-е число.",
            "сложи числа от 1 до {n}, пропуская каждое {k}-е",
            "Сложи числа от 1 до {n} без каждого {k}-го.",
            "Найди сумму чисел от 1 до {n} без каждого {k}-го.",
            "Сумма чисел от 1 до {n} без каждого {k}-го числа",
            "Чему равна сумма чисел от 1 до {n}, если пропустить каждое {k}-е?",
            "Посчитай сумму чисел от 1 до {n}, пропуская каждое {k}-е число.",
            "Сложи все числа от 1 до {n}, кроме каждого {k}-го.",
            "Сумма от 1 до {n} без каждого {k}-го",
        ),
        held_out=(
            "Add the numbers from 1 to {n}, skipping every {th} one.",
            "Sum all numbers from 1 to {n}, leaving out every {th} number.",
            "What is the sum of numbers from 1 to {n}, omitting every {th}?",
            "Найди сумму чисел от 1 до {n}, пропуская каждое {k}-е.",
            "Посчитай сумму от 1 до {n} без каждого {k}-го числа.",
        ),
    )
