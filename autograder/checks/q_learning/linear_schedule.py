"""Exercise 5.6: exploring less and less."""

from typing import Any

import torch

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import q_learning as probes


def oracle(step: int, start: float, end: float, duration: int) -> float:
    """A mean of both ends, weighted with the steps that lie behind and ahead."""
    ahead = max(duration - step, 0)
    return (ahead * start + (duration - ahead) * end) / duration


def _inputs(step: int, start: float, end: float, duration: int) -> dict[str, Any]:
    return {"step": step, "start": start, "end": end, "duration": duration}


def _unclamped(step: int, start: float, end: float, duration: int) -> float:
    return start + step / duration * (end - start)


def _tensors(step: int, start: float, end: float, duration: int) -> float:
    share = torch.tensor(step / duration, dtype=torch.float64).clamp(0, 1)
    first, last = torch.tensor([start, end], dtype=torch.float64)
    return float(torch.lerp(first, last, share))


def _branches(step: int, start: float, end: float, duration: int) -> float:
    if step >= duration:
        return end
    return start + (end - start) * step / duration


EXERCISE = ExerciseSpec(
    number="5.6",
    title="A linear schedule",
    targets=("linear_schedule",),
    points=1,
    minutes=8,
    difficulty=1,
    section="Exploring less and less",
    statement="""
At first every action is worth a try, later most of them are known to be bad. Let a number go from `start` to `end` in a
straight line over `duration` steps, and stay there. It may fall (ε) or rise.
""",
    hints=(
        "Which share of the way lies behind us? It never becomes more than all of it.",
        "share = step / duration, at most 1. The value lies that share of the way from start to end.",
        "share = min(…, 1.0); return start + share * (…).",
    ),
    checks=(
        Case(
            "a quarter of the way",
            _inputs(25, 1.0, 0.2, 100),
            "from 1 to 0.2 in 100 steps, at step 25",
            expected=0.8,
        ),
        Case("at the start", _inputs(0, 0.9, 0.1, 7), "step 0", expected=0.9),
        Case("at the end", _inputs(7, 0.9, 0.1, 7), "the last step of the way", oracle=oracle),
        Case("long after", _inputs(900, 0.9, 0.1, 7), "it stays where it arrived", oracle=oracle),
        Case("rising", _inputs(3, 0.1, 0.7, 9), "a schedule may rise", oracle=oracle),
        Case("risen", _inputs(30, 0.1, 0.7, 9), "it stays where it arrived", oracle=oracle),
        Law(probes.schedule_is_half_way_at_half_time, "half the time, half the way"),
        Law(probes.schedule_stays_where_it_ends, "arrived is arrived"),
        Case(
            "falling, hidden",
            _inputs(11, 1.0, 0.05, 40),
            "part of the way",
            oracle=oracle,
            hidden=True,
        ),
        Case("after, hidden", _inputs(41, 1.0, 0.05, 40), "just after", oracle=oracle, hidden=True),
        Case("rising, hidden", _inputs(70, -2.0, 3.0, 50), "risen", oracle=oracle, hidden=True),
    ),
    mistakes=(
        Mistake(
            "not clamped",
            _unclamped,
            "It runs past the end: an ε below 0 soon. The share of the way is at most 1.",
        ),
        Mistake(
            "clamped for falling schedules only",
            lambda step, start, end, duration: max(_unclamped(step, start, end, duration), end),
            "max(…, end) holds a falling schedule, and never lets a rising one start. Clamp the share, not the value.",
        ),
        Mistake(
            "start and end swapped",
            lambda step, start, end, duration: oracle(step, end, start, duration),
            "At step 0 the value is start.",
        ),
        Mistake(
            "whole steps only",
            lambda step, start, end, duration: start + min(step // duration, 1) * (end - start),
            "// throws the fraction away: it jumps from start to end. Use /.",
        ),
        Mistake(
            "a geometric schedule",
            lambda step, start, end, duration: float(
                start * abs(end / start) ** min(step / duration, 1.0)
            ),
            "Equal factors make a curve; equal differences make a straight line.",
        ),
        Mistake(
            "the end is a distance",
            lambda step, start, end, duration: start - min(step / duration, 1.0) * end,
            "end is where it arrives, not how far it goes: the way is end − start.",
        ),
    ),
    variants={"tensors": _tensors, "branches": _branches, "weighted mean": oracle},
)
