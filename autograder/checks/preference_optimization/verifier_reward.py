"""Exercise 13.4: a reward that nobody had to learn."""

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from autograder.checks.spec import Case, ExerciseSpec, Mistake

NUMBER = re.compile(r"\s*([+-]?)([0-9]+)(?:\.([0-9]+))?\s*\.?\s*")


def oracle(text: str, answer: int) -> float:
    """Sign, whole part and digits behind the point, put together as a fraction."""
    if "=" not in text:
        return 0.0
    found = NUMBER.fullmatch(text.split("=")[-1])
    if found is None:
        return 0.0
    sign, whole, digits = found.groups(default="")
    value = Fraction(int(whole + digits), 10 ** len(digits))
    return float((-value if sign == "-" else value) == answer)


def _character_by_character(text: str, answer: int) -> float:
    """Another right way, without patterns."""
    parts = text.split("=")
    result = parts[-1].strip()
    result = (result[:-1] if result.endswith(".") else result).strip()
    digits = result[1:] if result[:1] in ("+", "-") else result
    pieces = digits.split(".")
    fine = all(piece.isascii() and piece.isdigit() for piece in pieces)
    if len(parts) < 2 or len(pieces) > 2 or not fine:
        return 0.0
    return 1.0 if Decimal(result) == answer else 0.0


def _substring(text: str, answer: int) -> float:
    return float(str(answer) in text)


def _numbers(text: str) -> list[str]:
    return re.findall(r"[+-]?[0-9]+(?:\.[0-9]+)?", text)


def _anywhere(text: str, answer: int) -> float:
    return float(any(Decimal(number) == answer for number in _numbers(text)))


def _last_number(text: str, answer: int) -> float:
    found = _numbers(text)
    return float(bool(found) and Decimal(found[-1]) == answer)


def _in_the_tail(text: str, answer: int) -> float:
    return float("=" in text and _anywhere(text.rpartition("=")[2], answer) > 0)


def _starts_with(text: str, answer: int) -> float:
    tail = text.rpartition("=")[2].strip()
    return float("=" in text and tail.startswith(str(answer)))


def _first_number(text: str, answer: int) -> float:
    found = re.match(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?)", text.rpartition("=")[2])
    return float("=" in text and found is not None and Decimal(found.group(1)) == answer)


def _spelling(text: str, answer: int) -> float:
    tail = text.rpartition("=")[2].strip().removesuffix(".").strip()
    return float("=" in text and tail == str(answer))


def _first_equals(text: str, answer: int) -> float:
    return oracle("=" + text.split("=")[1], answer) if "=" in text else 0.0


def _no_equals(text: str, answer: int) -> float:
    return oracle("=" + text.rpartition("=")[2], answer)


def _crash(text: str, answer: int) -> float:
    return float(Decimal(text.split("=")[1].strip().removesuffix(".")) == answer)


def _whole_numbers(text: str, answer: int) -> float:
    tail = text.rpartition("=")[2].strip().removesuffix(".").strip()
    whole = re.fullmatch(r"[+-]?[0-9]+", tail)
    return float("=" in text and whole is not None and int(tail) == answer)


def _float(text: str, answer: int) -> float:
    tail = text.rpartition("=")[2].strip().removesuffix(".").strip()
    found = re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", tail)
    return float("=" in text and found is not None and float(tail) == float(answer))


def _rounded(text: str, answer: int) -> float:
    found = NUMBER.fullmatch(text.rpartition("=")[2])
    if "=" not in text or found is None:
        return 0.0
    return float(int(found.group(1) + found.group(2)) == answer)


def _unsigned(text: str, answer: int) -> float:
    found = NUMBER.fullmatch(text.rpartition("=")[2])
    if "=" not in text or found is None:
        return 0.0
    return oracle("=" + found.group().replace("-", "").replace("+", ""), abs(answer))


def _no_stop(text: str, answer: int) -> float:
    if text.strip().endswith("."):
        return 0.0
    return oracle(text, answer)


def _all_stops(text: str, answer: int) -> float:
    return oracle(text.rstrip(" ."), answer)


def _whatever_decimal_reads(text: str, answer: int) -> float:
    tail = text.rpartition("=")[2].strip().removesuffix(".").strip()
    try:
        return float("=" in text and Decimal(tail) == answer)
    except InvalidOperation:
        return 0.0


def _blanks_removed(text: str, answer: int) -> float:
    return oracle(text.replace(" ", ""), answer)


def _partial(text: str, answer: int) -> float:
    if oracle(text, answer):
        return 1.0
    return 0.1 if "=" in text else 0.0


def _case(name: str, text: str, answer: int, message: str, hidden: bool = False) -> Case:
    return Case(name, {"text": text, "answer": answer}, message, oracle=oracle, hidden=hidden)


BIG = 2**53
VISIBLE = (
    ("right", "3+4=7", 7, "the plain case"),
    ("wrong", "3+4=8", 7, "a wrong result"),
    ("part of a longer number", "9+8=17", 7, "17 is not 7"),
    ("begin of a longer number", "3+4=71", 7, "71 is not 7"),
    ("in the question only", "7+0=9", 7, "the 7 of the question is no answer"),
    ("in a step only", "3+4=7, so 7+1=9", 7, "an intermediate result is not the result"),
    ("several steps", "3+4=7, so 7+1=8", 8, "the last = counts"),
    ("a list of guesses", "3+4=5 6 7", 7, "one number and nothing else"),
    ("first of many guesses", "3+4=7 8 9", 7, "one number and nothing else"),
    ("words behind", "3+4=7 or so", 7, "one number and nothing else"),
    ("no equals sign", "7", 7, "no result was stated"),
    ("empty", "", 0, "an empty text states nothing"),
    ("nothing behind", "3+4=", 7, "nothing was stated"),
    ("a word", "3+4=seven", 7, "not a decimal number"),
    ("not a number", "3+4=nan", 7, "not a decimal number"),
    ("blanks and a full stop", " 3 + 4 =  7 . ", 7, "blanks and one full stop are left out"),
    ("two full stops", "3+4=7..", 7, "only one full stop is left out"),
    ("blank inside", "3+4=1 7", 17, "two numbers, not one"),
    ("a plus and a zero", "3+4=+07", 7, "equal in value, not in spelling"),
    ("another spelling", "3+4=+07.0", 7, "equal in value, not in spelling"),
    ("another spelling and a stop", "3+4=7.00.", 7, "equal in value, not in spelling"),
    ("a fraction", "7:2=7.5", 7, "7.5 is not 7"),
    ("a sign", "3-10=-7", -7, "negative results count"),
    ("the sign forgotten", "3-10=7", -7, "7 is not −7"),
    ("large numbers", f"x={BIG + 1}", BIG, "these two differ by one, exactly"),
    ("another way to write", "10+0=1e1", 10, "sign, digits, a point: nothing else was asked for"),
)
HIDDEN = (
    ("right again", "6*7=42.", 42, "the plain case"),
    ("wrong again", "6*7=41.", 42, "a wrong result"),
    ("part again", "5*5=425", 42, "425 is not 42"),
    ("other part", "5*5=142", 42, "142 is not 42"),
    ("in the question again", "42-1=41", 42, "the question is no answer"),
    ("in a step again", "6*7=42=6*6", 42, "the last = counts"),
    ("several steps again", "2*3=6; 6*7=42", 42, "the last = counts"),
    ("guesses again", "6*7=40, 41, 42", 42, "one number and nothing else"),
    ("first guess again", "6*7=42 43", 42, "one number and nothing else"),
    ("no equals again", "42.", 42, "no result was stated"),
    ("only a stop", "6*7=.", 42, "nothing was stated"),
    ("empty again", "   ", 42, "nothing was stated"),
    ("a sign alone", "6*7=-", 42, "nothing was stated"),
    ("stop stop", "6*7=42. .", 42, "only one full stop is left out"),
    ("a blank inside again", "6*7=4 2", 42, "two numbers, not one"),
    ("spelling again", "6*7= 0042.000", 42, "equal in value"),
    ("plus", "6*7=+42", 42, "equal in value"),
    ("a fraction again", "6*7=42.01", 42, "not equal in value"),
    ("a sign again", "1-43=-42", -42, "negative results count"),
    ("a sign too many", "1+41=-42", 42, "the sign counts"),
    ("large again", f"x={10**20 + 1}", 10**20, "these two differ by one, exactly"),
    ("infinite", "6*7=inf", 42, "not a decimal number"),
    ("underscore", "6*7=4_2", 42, "sign, digits, a point: nothing else was asked for"),
)

EXERCISE = ExerciseSpec(
    number="13.4",
    title="A reward that nobody had to learn",
    targets=("verifier_reward",),
    points=3,
    minutes=25,
    difficulty=2,
    section="Rewards that are checked",
    statement="""
A sum can be checked. Pay 1 for a response whose stated result is right, and nothing for any other. A policy will try
everything that this function lets pass, so say exactly what counts: the text behind the last `=`, without blanks around
it and without one full stop at its end, must be one decimal number and equal the answer in value. `7`, `+7`, `07`,
`7.0` are all 7; `17`, `7 8`, `7e0` are not. Whatever the policy wrote, the function must not raise.
""",
    hints=(
        "Two questions, in turn: which piece of the text is the result, and is that piece exactly one number?",
        "str.rpartition('=') tells whether there was an equals sign; re.fullmatch, not re.search, says "
        "whether a text is one number. Large whole numbers are not exact as floats: the module imports Decimal.",
        "Split at the last =; strip, remove one full stop, strip; return 0.0 unless an = was there and the pattern of "
        "sign, digits, optional point and digits matches all of it; then compare as Decimal.",
    ),
    checks=(
        *(_case(*each) for each in VISIBLE),
        *(_case(*each, hidden=True) for each in HIDDEN),
    ),
    mistakes=(
        Mistake(
            "a substring",
            _substring,
            "The digits of the answer stand in many wrong texts: 7 is inside 17, and in the question.",
        ),
        Mistake(
            "the answer anywhere",
            _anywhere,
            "A policy that lists every number would always be paid. Only the stated result counts.",
        ),
        Mistake(
            "the last number",
            _last_number,
            "Without an = nothing was stated, and words or a second number may not stand beside the result.",
        ),
        Mistake(
            "anywhere behind the equals sign",
            _in_the_tail,
            "A list of guesses behind the = is no result.",
        ),
        Mistake(
            "begins with the answer",
            _starts_with,
            "71 begins with 7. The whole number must be equal.",
        ),
        Mistake(
            "the first number behind the equals sign",
            _first_number,
            "Nothing else may stand beside the result: see what follows it.",
        ),
        Mistake(
            "spelling for value", _spelling, "7.0, +7 and 07 equal 7: compare numbers, not texts."
        ),
        Mistake(
            "the first equals sign",
            _first_equals,
            "A response may show its steps: the last = counts.",
        ),
        Mistake("no equals sign needed", _no_equals, "A number alone states no result."),
        Mistake(
            "it raises",
            _crash,
            "Whatever the policy wrote, the function returns a number: think of an empty text.",
        ),
        Mistake("whole numbers only", _whole_numbers, "7.0 equals 7, too."),
        Mistake(
            "through a float",
            _float,
            "Large whole numbers that differ may be the same float. Compare exactly.",
        ),
        Mistake("cut off behind the point", _rounded, "7.5 is not 7."),
        Mistake("sign left out", _unsigned, "7 is not −7."),
        Mistake("no full stop allowed", _no_stop, "A full stop at the end is left out."),
        Mistake("any number of full stops", _all_stops, "One full stop is left out, not several."),
        Mistake(
            "whatever Decimal reads",
            _whatever_decimal_reads,
            "Decimal also reads 1e1 and 4_2; only sign, digits and a point were allowed.",
        ),
        Mistake(
            "blanks inside removed",
            _blanks_removed,
            "1 7 is two numbers. Blanks are left out around the result, not inside it.",
        ),
        Mistake(
            "something for trying",
            _partial,
            "A wrong result is worth nothing; what is paid for form alone will be delivered.",
        ),
    ),
    variants={"as a fraction": oracle, "character by character": _character_by_character},
)
