"""Worked-out arithmetic: the short mechanical steps that turn a hard sum into easy ones.

Does not know phrasings, families or models. Every public function returns (thought, answer).
"""

from __future__ import annotations


def _digits(number: int, width: int) -> list[int]:
    """List the decimal digits of a non-negative number from the right."""
    return [number // 10**place % 10 for place in range(width)]


def add_columns(a: int, b: int) -> tuple[str, str]:
    """Add two non-negative numbers by columns from the right: `7+6=13 4+8+1=13 3+5+1=9`."""
    width = max(len(str(a)), len(str(b)))
    steps, carry = [], 0
    for x, y in zip(_digits(a, width), _digits(b, width), strict=True):
        total = x + y + carry
        steps.append(f"{x}+{y}{'+1' if carry else ''}={total}")
        carry = total // 10
    return " ".join(steps), str(a + b)


def subtract_columns(a: int, b: int) -> tuple[str, str]:
    """Subtract by columns; a column that borrows is written with its ten: `13-7=6 9-6-1=2`.

    A negative result is worked out with the numbers swapped, which the thought says first.
    """
    if b > a:
        thought, answer = subtract_columns(b, a)
        return f"-({b}-{a}) {thought}", f"-{answer}"
    width = len(str(a))
    steps, borrow = [], 0
    for x, y in zip(_digits(a, width), _digits(b, width), strict=True):
        top = x if x - y - borrow >= 0 else x + 10
        steps.append(f"{top}-{y}{'-1' if borrow else ''}={top - y - borrow}")
        borrow = int(top != x)
    return " ".join(steps), str(a - b)


def multiply_parts(a: int, b: int) -> tuple[str, str]:
    """Multiply by the digits of `a`, highest first, adding up: `10*24=240 7*24=168 240+168=408`.

    Where `a` has three digits the sums are long, and are added by columns.
    """
    steps: list[str] = []
    total = 0
    for place in range(len(str(a)) - 1, -1, -1):
        part = a // 10**place % 10 * 10**place
        if not part:
            continue
        steps.append(f"{part}*{b}={part * b}")
        if total and a < 100:
            steps.append(f"{total}+{part * b}={total + part * b}")
        elif total:
            steps.append(f"{total}+{part * b} {add_columns(total, part * b)[0]}")
            if a % 10**place:
                steps.append(str(total + part * b))
        total += part * b
    return " ".join(steps), str(a * b)


def sum_leaving_out(n: int, k: int) -> tuple[str, str]:
    """Sum 1..n without every k-th: the whole sum minus k times the sum of 1..n/k.

    A count of two digits or more is found digit by digit: `11/9=1 25/9=2 115/9=12`.
    """
    whole, count = n * (n + 1) // 2, n // k
    left_out = count * (count + 1) // 2
    columns, answer = subtract_columns(whole, k * left_out)
    digits = f"{n // 10}/{k}={n // 10 // k} {n - count // 10 * 10 * k}/{k}={count % 10} "
    thought = (
        f"1..{n}={whole} {digits if count > 9 else ''}{n}/{k}={count} 1..{count}={left_out} "
        f"{k}*{left_out}={k * left_out} {whole}-{k * left_out} {columns}"
    )
    return thought, answer


def signed_sum(terms: list[int]) -> tuple[str, str]:
    """Add signed terms, those with a plus first: `85+46-91 85+46=131 131-91 1-1=0 13-9=4 1-1=0`."""
    plus = [term for term in terms if term >= 0] or [0]
    minus = [-term for term in terms if term < 0]
    steps = ["+".join(map(str, plus)) + "".join(f"-{term}" for term in minus)]
    totals = []
    for group in (plus, minus or [0]):
        totals.append(group[0])
        for term in group[1:]:
            steps.append(f"{totals[-1]}+{term}={totals[-1] + term}")
            totals[-1] += term
    if minus:
        steps.append(f"{totals[0]}-{totals[1]} {subtract_columns(*totals)[0]}")
    return " ".join(steps), str(sum(terms))


def euclid(a: int, b: int) -> tuple[str, str]:
    """Find the greatest common divisor by Euclid's steps: `84/36=2 2*36=72 84-72=12 36/12=3`.

    Three-digit numbers are subtracted by columns: `126-117 16-7=9 1-1=0 ...`.
    """
    a, b = max(a, b), min(a, b)
    steps = []
    while b:
        times = a // b
        part = times * b
        columns = f" {subtract_columns(a, part)[0]} {a % b}" if a > 99 else f"={a % b}"
        steps += [f"{a}/{b}={times}", f"{times}*{b}={part}", f"{a}-{part}{columns}"]
        a, b = b, a % b
    return " ".join(steps), str(a)


def common_multiple(a: int, b: int) -> tuple[str, str]:
    """Find the least common multiple through the divisor: `... 24/6=4 4*18=72`."""
    thought, divisor = euclid(a, b)
    small = min(a, b) // int(divisor)
    product, answer = multiply_parts(small, max(a, b))
    return f"{thought} {min(a, b)}/{divisor}={small} {product}", answer


def one_bits(number: int) -> tuple[str, str]:
    """Count the one bits by taking off powers of two, counting as it goes."""
    steps, count = [], 0
    while number:
        power = 1 << (number.bit_length() - 1)
        count += 1
        steps.append(f"{number}-{power}={number - power} {count}")
        number -= power
    return " ".join(steps), str(count)


def count_legs(animals: list[tuple[int, int]]) -> tuple[str, str]:
    """Add up count times legs of every animal, with the running total after each."""
    steps, total = [], 0
    for count, legs in animals:
        product = count * legs
        steps.append(f"{count}*{legs}={product}")
        if len(steps) > 1 and product:
            steps.append(f"{total}+{product}={total + product}")
        total += product
    return " ".join(steps), str(total)
