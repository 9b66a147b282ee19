"""Exercise 4.2: values as means of returns."""

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import value_functions as probes

Episodes = tuple[tuple[Tensor, Tensor], ...]
Visit = tuple[int, int, float]
"""State, step and return."""


def returns(rewards: Tensor, gamma: float) -> list[float]:
    """The double sum."""
    steps = range(len(rewards))
    return [sum(gamma ** (k - t) * float(rewards[k]) for k in steps[t:]) for t in steps]


def visits(states: Tensor, rewards: Tensor, gamma: float) -> list[Visit]:
    found = zip(states.tolist(), range(len(states)), returns(rewards, gamma), strict=True)
    return list(found)


def kept(episode: list[Visit], which: str) -> list[Visit]:
    """The first, the last or every visit of each state."""
    steps: dict[int, list[int]] = {}
    for state, step, _ in episode:
        steps.setdefault(state, []).append(step)
    chosen = {"first": slice(1), "last": slice(-1, None), "every": slice(None)}[which]
    return [visit for visit in episode if visit[1] in steps[visit[0]][chosen]]


def means(found: list[Visit], num_states: int, like: Tensor) -> Tensor:
    values = []
    for state in range(num_states):
        seen = [value for at, _, value in found if at == state]
        values.append(sum(seen) / len(seen) if seen else 0.0)
    return torch.tensor(values, dtype=like.dtype)


def oracle(episodes: Episodes, num_states: int, gamma: float, first_visit: bool) -> Tensor:
    """A list of returns for each state."""
    which = "first" if first_visit else "every"
    found = [v for states, rewards in episodes for v in kept(visits(states, rewards, gamma), which)]
    return means(found, num_states, episodes[0][1])


def _shift(rewards: Tensor) -> Tensor:
    """The reward of a step credited to the state after it."""
    return torch.cat([rewards.new_zeros(1), rewards[:-1]])


def _shifted(episodes: Episodes, num_states: int, gamma: float, first_visit: bool) -> Tensor:
    changed = tuple((states, _shift(rewards)) for states, rewards in episodes)
    return oracle(changed, num_states, gamma, first_visit)


def _excluded(episodes: Episodes, num_states: int, gamma: float, first_visit: bool) -> Tensor:
    changed = tuple(
        (states, gamma * torch.cat([rewards[1:], rewards.new_zeros(1)]))
        for states, rewards in episodes
    )
    return oracle(changed, num_states, gamma, first_visit)


def _last_visit(episodes: Episodes, num_states: int, gamma: float, first_visit: bool) -> Tensor:
    which = "last" if first_visit else "every"
    found = [v for states, rewards in episodes for v in kept(visits(states, rewards, gamma), which)]
    return means(found, num_states, episodes[0][1])


def _forward(episodes: Episodes, num_states: int, gamma: float, first_visit: bool) -> Tensor:
    which = "first" if first_visit else "every"
    found = []
    for states, rewards in episodes:
        past = returns(rewards.flip(0), gamma)[::-1]
        steps = zip(states.tolist(), range(len(states)), past, strict=True)
        found += kept(list(steps), which)
    return means(found, num_states, episodes[0][1])


def _whole_return(episodes: Episodes, num_states: int, gamma: float, first_visit: bool) -> Tensor:
    which = "first" if first_visit else "every"
    found = []
    for states, rewards in episodes:
        start = returns(rewards, gamma)[0]
        found += [(s, t, start) for s, t, _ in kept(visits(states, rewards, gamma), which)]
    return means(found, num_states, episodes[0][1])


def _per_episode(episodes: Episodes, num_states: int, gamma: float, first_visit: bool) -> Tensor:
    which = "first" if first_visit else "every"
    totals = torch.zeros(num_states, dtype=episodes[0][1].dtype)
    for states, rewards in episodes:
        for state, _, value in kept(visits(states, rewards, gamma), which):
            totals[state] += value
    return totals / len(episodes)


def _not_a_number(episodes: Episodes, num_states: int, gamma: float, first_visit: bool) -> Tensor:
    visited = torch.cat([states for states, _ in episodes])
    unseen = ~torch.isin(torch.arange(num_states), visited)
    return oracle(episodes, num_states, gamma, first_visit).masked_fill(unseen, float("nan"))


def _running_mean(episodes: Episodes, num_states: int, gamma: float, first_visit: bool) -> Tensor:
    """Another right way: move each mean by 1/n of the difference."""
    values = torch.zeros(num_states, dtype=episodes[0][1].dtype)
    counts = [0] * num_states
    for states, rewards in episodes:
        for state, step, value in visits(states, rewards, gamma):
            if first_visit and state in states[:step].tolist():
                continue
            counts[state] += 1
            values[state] += (value - values[state]) / counts[state]
    return values


def _indexed(episodes: Episodes, num_states: int, gamma: float, first_visit: bool) -> Tensor:
    """Another right way: one matrix of discounts an episode, sums by index_add."""
    totals = torch.zeros(num_states, dtype=episodes[0][1].dtype)
    counts = torch.zeros_like(totals)
    for states, rewards in episodes:
        steps = torch.arange(len(states))
        ahead = steps[None] - steps[:, None]
        powers = (gamma ** ahead.clamp(min=0)).to(rewards.dtype) * (ahead >= 0)
        same = states[None] == states[:, None]
        first = ~(same & (ahead < 0)).any(dim=1)
        use = (first if first_visit else torch.ones_like(first)).to(rewards.dtype)
        totals.index_add_(0, states, use * (powers @ rewards))
        counts.index_add_(0, states, use)
    return totals / counts.clamp(min=1)


def _double(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _random(
    seed: int, lengths: tuple[int, ...], states: int, gamma: float, first: bool
) -> dict[str, object]:
    """Episodes that come back to their states; the last state is never visited."""
    episodes = tuple(
        (integers(seed + 2 * i, states - 1, length), normal(seed + 2 * i + 1, length))
        for i, length in enumerate(lengths)
    )
    return {"episodes": episodes, "num_states": states, "gamma": gamma, "first_visit": first}


# State 0 is visited twice; the returns are 1 + 2 + 4 = 7, 6 and 4.
TWICE = ((torch.tensor([0, 1, 0]), _double(1.0, 2.0, 4.0)),)
# Example 6.4 of Sutton and Barto: A is state 0, B is state 1.
PREDICTOR = (
    (torch.tensor([0, 1]), _double(0.0, 0.0)),
    *((torch.tensor([1]), _double(1.0)),) * 6,
    (torch.tensor([1]), _double(0.0)),
)


def _call(episodes: object, states: int, gamma: float, first: bool) -> dict[str, object]:
    return {"episodes": episodes, "num_states": states, "gamma": gamma, "first_visit": first}


EXERCISE = ExerciseSpec(
    number="4.2",
    title="Monte Carlo values",
    targets=("monte_carlo_values",),
    points=3,
    minutes=20,
    difficulty=2,
    section="Monte Carlo: wait and average",
    statement="""
The value of a state is a mean, so estimate it by one: average the returns that followed it. An episode may come back to
a state. Either every visit counts, or only the first one of each episode.
""",
    hints=(
        "Two questions for each step of each episode: what was earned from here to the end, and does this visit count? "
        "Then a sum and a count for each state.",
        "Walk an episode from its last step to its first: G = rewards[t] + γ·G. A visit is the first one if the state "
        "is not among states[:t], whatever the direction in which you walk.",
        "totals and visits of shape (S), zeros; for each episode, G = 0; for t in reversed(range(T)): update G; unless "
        "first_visit is set and states[t] occurs in states[:t], add G to totals[states[t]] and 1 to visits[states[t]]. "
        "Return totals / visits.clamp(min=1).",
    ),
    checks=(
        Case(
            "every visit",
            _call(TWICE, 2, 1.0, False),
            "states 0, 1, 0 with rewards 1, 2, 4: state 0 was followed by 7 and by 4",
            expected=_double(5.5, 6.0),
        ),
        Case(
            "first visit",
            _call(TWICE, 2, 1.0, True),
            "the same episode, first visits only",
            expected=_double(7.0, 6.0),
        ),
        Case(
            "discounted",
            _call(TWICE, 3, 0.5, False),
            "the same with γ = 0.5, every visit; state 2 was never seen",
            expected=_double(3.5, 4.0, 0.0),
        ),
        Case(
            "a list for each state, every visit",
            _random(0, (4, 6, 3), 5, 0.9, False),
            "three episodes among four of five states, compared with lists of returns",
            oracle=oracle,
        ),
        Case(
            "a list for each state, first visits",
            _random(10, (7, 2, 5), 4, 0.8, True),
            "three episodes among three of four states, first visits only",
            oracle=oracle,
        ),
        Law(probes.the_order_of_the_episodes_does_not_matter, "episodes are independent"),
        Law(probes.an_episode_seen_twice_changes_nothing, "means, not sums"),
        Case(
            "single precision",
            _call(((torch.tensor([1]), torch.tensor([3.0])),), 2, 1.0, True),
            "float32 in, float32 out: one episode of one step",
            expected=torch.tensor([0.0, 3.0]),
        ),
        Case(
            "eight episodes",
            _call(PREDICTOR, 2, 1.0, False),
            "eight episodes: A then B paying nothing; B alone paying 1 six times and 0 once",
            expected=_double(0.0, 0.75),
            hidden=True,
        ),
        Case(
            "more lists, every visit",
            _random(20, (9, 5), 4, 0.7, False),
            "two longer episodes, every visit",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "more lists, first visits",
            _random(30, (8, 1, 6, 4), 6, 0.95, True),
            "four episodes, first visits",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "always the same state",
            _call(((torch.tensor([2, 2, 2]), _double(1.0, 1.0, 1.0)),), 4, 1.0, True),
            "an episode that stays in one state",
            expected=_double(0.0, 0.0, 3.0, 0.0),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "every visit where the first was asked for",
            lambda episodes, num_states, gamma, first_visit: oracle(
                episodes, num_states, gamma, False
            ),
            "With first_visit a state counts once an episode. Is the flag read?",
        ),
        Mistake(
            "the first visit where every one was asked for",
            lambda episodes, num_states, gamma, first_visit: oracle(
                episodes, num_states, gamma, True
            ),
            "Without first_visit a state counts as often as it was visited. Is the flag read?",
        ),
        Mistake(
            "the last visit taken for the first",
            _last_visit,
            "If you walk backwards, the first visit you meet is the last of the episode. Look into states[:t].",
        ),
        Mistake(
            "reward shifted by one step",
            _shifted,
            "rewards[t] was paid on leaving states[t], so it belongs to the return of that very state.",
        ),
        Mistake(
            "the reward of the step is left out",
            _excluded,
            "The return of a state begins with the reward paid on leaving it.",
        ),
        Mistake(
            "the sum runs forward",
            _forward,
            "This is what had been earned up to the visit. A value is about what comes after it.",
        ),
        Mistake(
            "the whole return for every state",
            _whole_return,
            "What was earned before a visit is not its merit: each visit has a return of its own.",
        ),
        Mistake(
            "divided by the number of episodes",
            _per_episode,
            "Divide the sum of a state by its own number of visits, not by the number of episodes.",
        ),
        Mistake(
            "unvisited states are not a number",
            _not_a_number,
            "A state without a visit gives 0/0. Its value is 0 by agreement: clamp the counts.",
        ),
    ),
    variants={"running mean": _running_mean, "index_add": _indexed},
)
