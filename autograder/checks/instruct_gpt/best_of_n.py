"""Exercise 11.6: the best of n."""

import bisect
import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import instruct_gpt as probes

KL, VALUE = "best_of_n_kl", "best_of_n_value"


def kl_oracle(n: int) -> float:
    """The divergence of the largest of n uniform numbers from one: its density is n u^(n-1); by Simpson's rule."""
    if n < 1:
        raise ValueError("none")
    if n == 1:
        return 0.0
    steps = 20_000
    total = 0.0
    for k in range(steps + 1):
        # u = s^4 makes the integrand smooth at 0
        s = k / steps
        u, slope = s**4, 4 * s**3
        density = n * u ** (n - 1)
        value = density * math.log(density) * slope if density > 0 else 0.0
        total += value * (1 if k in (0, steps) else 4 if k % 2 else 2)
    return total / (3 * steps)


def value_oracle(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    """List every choice of n samples; of equally good ones each is kept equally often."""
    pairs = list(zip(proxy.tolist(), gold.tolist(), strict=True))
    means = []
    for chosen in itertools.combinations(pairs, n):
        best = max(p for p, _ in chosen)
        kept = [g for p, g in chosen if p == best]
        means.append(math.fsum(kept) / len(kept))
    return torch.tensor(math.fsum(means) / len(means), dtype=gold.dtype)


def _kl(body: Callable[[int], float]) -> Callable[[int], float]:
    def best_of_n_kl(n: int) -> float:
        if n < 1:
            raise ValueError("none")
        return body(n)

    return best_of_n_kl


def _value(body: Callable[[Tensor, Tensor, int], Tensor]) -> Callable[..., Tensor]:
    def best_of_n_value(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
        if not 1 <= n <= len(proxy):
            raise ValueError("n")
        return body(proxy, gold, n).to(gold.dtype)

    return best_of_n_value


def _kl_accepts(n: int) -> float:
    return math.log(max(n, 1)) - (n - 1) / max(n, 1)


def _weighted(proxy: Tensor, gold: Tensor, weights: list[float]) -> Tensor:
    """By rank, the worst proxy first; ties share."""
    total = 0.0
    order = sorted(proxy.tolist())
    for p, g in zip(proxy.tolist(), gold.tolist(), strict=True):
        places = range(bisect.bisect_left(order, p), bisect.bisect_right(order, p))
        total += g * sum(weights[i] for i in places) / len(places)
    return torch.tensor(total, dtype=torch.float64)


def _chances(size: int, n: int) -> list[float]:
    choices = math.comb(size, n)
    return [math.comb(i, n - 1) / choices for i in range(size)]


def _right(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    return _weighted(proxy, gold, _chances(len(proxy), n))


def _max_gold(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    return _right(gold, gold, n)


def _proxy_value(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    return _right(proxy, proxy, n)


def _replacement(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    size = len(proxy)
    weights = [((i + 1) / size) ** n - (i / size) ** n for i in range(size)]
    return _weighted(proxy, gold, weights)


def _worst(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    return _right(-proxy, gold, n)


def _first_n(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    return gold[proxy[:n].argmax()]


def _top_n(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    return gold[proxy.argsort(descending=True)[:n]].mean()


def _cut(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    """One group after the other; the rest is dropped."""
    groups = len(proxy) // n
    kept = [gold[k * n : (k + 1) * n][proxy[k * n : (k + 1) * n].argmax()] for k in range(groups)]
    return torch.stack(kept).mean()


def _first_of_equals(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    weights = torch.tensor(_chances(len(proxy), n), dtype=torch.float64)
    return (gold[proxy.argsort(stable=True)].double() * weights).sum()


def _accepts(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    return _right(proxy, gold, min(max(n, 1), len(proxy))).to(gold.dtype)


def _recursive(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    """Another right way: the best of a larger draw is either the next rank down, or it stays."""
    size = len(proxy)
    chances, weight = [0.0] * size, n / size
    for i in reversed(range(n - 1, size)):
        chances[i] = weight
        weight = weight * (i - n + 1) / i if i else 0.0
    return _weighted(proxy, gold, chances)


def _double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _pool(seed: int, size: int, n: int) -> dict[str, object]:
    return {"proxy": normal(seed, size), "gold": normal(seed + 1, size), "n": n}


TIED = {"proxy": _double(1, 2, 2, 0, 2, 1), "gold": _double(0, 5, 1, 9, -3, 4), "n": 2}
OTHER_TIES = {"proxy": _double(3, 3, 0, 1, 3), "gold": _double(1, 2, 7, 0, -4), "n": 3}
RAMP = torch.arange(3000.0, dtype=torch.float64)

EXERCISE = ExerciseSpec(
    number="11.6",
    title="The best of n",
    targets=(KL, VALUE),
    points=3,
    minutes=25,
    difficulty=3,
    section="Best of n",
    statement="""
The simplest way to use a reward model trains nothing: draw n responses, keep the best. Two functions. How far does
that go from the sampled policy? A formula says it in nats. And what is gained, by a judge who did not choose? One
pool of samples answers that for all n at once: average over every way to draw n of them.
""",
    hints=(
        "For the value: sort by the proxy. The i-th is the best of a draw if it is in it and the other n − 1 come from "
        "the i − 1 below.",
        "The chance that the best lies among the i lowest is C(i, n) / C(N, n); the chance of one "
        "rank is a difference of two of these. Binomials of thousands overflow: take lgamma. "
        "Equals share the chance of their ranks.",
        "unique with inverse and counts; cumulative counts with 0 in front; C(·, n) by lgamma, 0 "
        "below n, relative to C(N, n); diff, divided by the counts; sum of weights times gold.",
    ),
    checks=(
        Case("KL of one", {"n": 1}, "one response: nothing is chosen", expected=0.0, target=KL),
        Case(
            "KL of four",
            {"n": 4},
            "log 4 − ¾",
            expected=math.log(4) - 0.75,
            target=KL,
        ),
        Case(
            "KL of seven",
            {"n": 7},
            "against the integral of n u^(n−1) log(n u^(n−1))",
            oracle=kl_oracle,
            target=KL,
        ),
        Case("KL of none", {"n": 0}, "no response", raises=ValueError, target=KL),
        Law(probes.more_choice_goes_further, "n and n + 1", target=KL),
        Case(
            "hand value",
            {"proxy": _double(1, 2, 3), "gold": _double(10, 0, 4), "n": 2},
            "three pairs of three samples: the third is kept twice, the second once",
            expected=_double(8 / 3)[0],
            target=VALUE,
        ),
        Case(
            "a pool",
            _pool(0, 7, 3),
            "three of seven, all 35 draws",
            oracle=value_oracle,
            target=VALUE,
        ),
        Case("equals", TIED, "equal proxies", oracle=value_oracle, target=VALUE),
        Case("one of them", _pool(2, 5, 1), "n = 1: the mean", oracle=value_oracle, target=VALUE),
        Case("all of them", _pool(4, 5, 5), "n = N: the best", oracle=value_oracle, target=VALUE),
        Case(
            "a large pool",
            {"proxy": RAMP, "gold": RAMP, "n": 500},
            "the best of 500 out of 0, 1, …, 2999: mean n (N + 1) / (n + 1) − 1",
            expected=_double(500 * 3001 / 501 - 1)[0],
            target=VALUE,
        ),
        Case("too many", _pool(6, 3, 4), "four of three", raises=ValueError, target=VALUE),
        Case("none", _pool(6, 3, 0), "none of three", raises=ValueError, target=VALUE),
        Law(probes.the_order_of_the_pool_does_not_matter, "the pool shuffled", target=VALUE),
        Case(
            "KL of 50", {"n": 50}, "against the integral", oracle=kl_oracle, target=KL, hidden=True
        ),
        Case("KL of fewer", {"n": -2}, "no response", raises=ValueError, target=KL, hidden=True),
        Case(
            "another pool",
            _pool(8, 9, 4),
            "four of nine",
            oracle=value_oracle,
            target=VALUE,
            hidden=True,
        ),
        Case(
            "other equals",
            OTHER_TIES,
            "equal proxies",
            oracle=value_oracle,
            target=VALUE,
            hidden=True,
        ),
        Case(
            "far too many",
            _pool(10, 2, 9),
            "nine of two",
            raises=ValueError,
            target=VALUE,
            hidden=True,
        ),
        Case(
            "single precision",
            {"proxy": normal(12, 6).float(), "gold": normal(13, 6).float(), "n": 2},
            "float32 in, float32 out",
            oracle=value_oracle,
            target=VALUE,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "log n",
            _kl(math.log),
            "log n is the most it could be; the chosen one is often not much better than the rest: subtract (n − 1)/n.",
            target=KL,
        ),
        Mistake(
            "1/n for (n − 1)/n",
            _kl(lambda n: math.log(n) - 1 / n),
            "With n = 1 nothing is chosen, and the divergence must be 0.",
            target=KL,
        ),
        Mistake(
            "n − 1", _kl(lambda n: math.log(n) - (n - 1)), "(n − 1) is divided by n.", target=KL
        ),
        Mistake(
            "bits",
            _kl(lambda n: math.log2(n) - (n - 1) / n),
            "In nats: the natural logarithm.",
            target=KL,
        ),
        Mistake("KL of no response", _kl_accepts, "n below 1 must raise a ValueError.", target=KL),
        Mistake(
            "max of gold",
            _value(_max_gold),
            "The judge does not choose: the best by *proxy* is kept, and gold says what it is worth.",
            target=VALUE,
        ),
        Mistake(
            "value of the proxy",
            _value(_proxy_value),
            "That is what the proxy promises. Gold judges.",
            target=VALUE,
        ),
        Mistake(
            "drawn with replacement",
            _value(_replacement),
            "(i/N)^n lets the same sample be drawn twice: biased for a small pool. Draw n different ones.",
            target=VALUE,
        ),
        Mistake("the worst", _value(_worst), "The best of n is kept, not the worst.", target=VALUE),
        Mistake(
            "the first n only",
            _value(_first_n),
            "That is a single draw. Average over all ways to draw n of the pool.",
            target=VALUE,
        ),
        Mistake(
            "mean of the n best",
            _value(_top_n),
            "The n best of the pool are not what n random draws give.",
            target=VALUE,
        ),
        Mistake(
            "cut into groups",
            _value(_cut),
            "Groups of n use each sample once: right on average, but much noisier than all ways to draw.",
            target=VALUE,
        ),
        Mistake(
            "equals in the order of the pool",
            _value(_first_of_equals),
            "Of samples with equal proxy each is kept equally often; a sort keeps one of them for no reason.",
            target=VALUE,
        ),
        Mistake(
            "any n accepted",
            _accepts,
            "n below 1, or above the size of the pool: raise a ValueError.",
            target=VALUE,
        ),
    ),
    variants={
        f"{KL}.sum": _kl(lambda n: -math.log(1 / n) - 1 + 1 / n),
        f"{VALUE}.binomials": _value(_right),
        f"{VALUE}.from the top": _value(_recursive),
    },
)
