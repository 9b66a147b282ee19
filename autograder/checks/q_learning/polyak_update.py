"""Exercise 5.5: the target network follows."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import q_learning as probes

Update = Callable[[nn.Module, nn.Module, float], None]


def oracle(seed: int, tau: float, updates: int) -> dict[str, Tensor]:
    """The closed form: after each update a share of 1 − tau is left of what was there."""
    first = probes.small_network(seed).state_dict()
    other = probes.small_network(seed + 50)
    online = {name: values.clone() for name, values in other.state_dict().items()}
    learned = {name for name, _ in other.named_parameters()}
    found = {f"target {name}": values for name, values in first.items()}
    moved = 0.0
    for update in range(updates):
        moved += 0.1 * update
        for name, values in online.items():
            if name in learned:
                here = found[f"target {name}"]
                found[f"target {name}"] = here + tau * (values + moved - here)
            else:
                found[f"target {name}"] = values
    for name, values in online.items():
        found[f"online {name}"] = values + moved if name in learned else values
    return found


def _both(target: nn.Module, online: nn.Module) -> list[tuple[Tensor, Tensor]]:
    return list(zip(target.parameters(), online.parameters(), strict=True))


def _copy_buffers(target: nn.Module, online: nn.Module) -> None:
    for old, new in zip(target.buffers(), online.buffers(), strict=True):
        old.copy_(new)


def _update(move: Callable[[Tensor, Tensor, float], Any], buffers: Any = _copy_buffers) -> Update:
    @torch.no_grad()
    def polyak_update(target: nn.Module, online: nn.Module, tau: float) -> None:
        pairs = _both(target, online)
        buffers(target, online)
        for old, new in pairs:
            move(old, new, tau)

    return polyak_update


def _no_buffers(target: nn.Module, online: nn.Module) -> None:
    list(zip(target.buffers(), online.buffers(), strict=True))


def _mean_of_buffers(target: nn.Module, online: nn.Module) -> None:
    for old, new in zip(target.buffers(), online.buffers(), strict=True):
        old.copy_((0.5 * old + 0.5 * new).to(old.dtype))


def _share_memory(old: Tensor, new: Tensor, tau: float) -> None:
    old.data = new.data


def _state_dicts(target: nn.Module, online: nn.Module, tau: float) -> None:
    """Another right way: through the state, strictly."""
    new = online.state_dict()
    if len(new) != len(target.state_dict()):
        raise ValueError("other parameters or buffers")
    learned = {name for name, _ in online.named_parameters()}
    for name, old in target.state_dict().items():
        old.copy_(tau * new[name] + (1 - tau) * old if name in learned else new[name])


def _lenient(target: nn.Module, online: nn.Module, tau: float) -> None:
    with torch.no_grad():
        for old, new in zip(target.parameters(), online.parameters(), strict=False):
            old.lerp_(new, tau)
        for kept, fresh in zip(target.buffers(), online.buffers(), strict=False):
            kept.copy_(fresh)


def _inputs(seed: int, tau: float, updates: int) -> dict[str, Any]:
    return {"seed": seed, "tau": tau, "updates": updates}


EXERCISE = ExerciseSpec(
    number="5.5",
    title="Moving the target network",
    targets=("polyak_update",),
    points=2,
    minutes=15,
    difficulty=3,
    section="A target that stands still",
    statement="""
Move every parameter of the target network a share `tau` of the way to that of the online network, in place. Buffers
(running statistics, counters) are not learned; copy them. The online network stays as it is, and the two must not come
to share memory. Networks that do not match are an error.
""",
    hints=(
        "Go through the parameters of both networks in step. What is left of the old one is 1 − tau.",
        "In place and without gradients: inside torch.no_grad() use methods that end in an underscore. "
        "network.buffers() gives what is no parameter.",
        "with torch.no_grad(): for old, new in zip(target.parameters(), …, strict=True): old.lerp_(…); then the same "
        "walk over the buffers with copy_.",
    ),
    checks=(
        Case(
            "a small step",
            _inputs(0, 0.1, 1),
            "tau = 0.1: parameters and buffers of both networks after one update",
            probe=probes.networks_after,
            oracle=oracle,
        ),
        Case(
            "a copy",
            _inputs(10, 1.0, 1),
            "tau = 1: the target network is a copy",
            probe=probes.networks_after,
            oracle=oracle,
        ),
        Case(
            "three steps",
            _inputs(20, 0.25, 3),
            "three updates with tau = 0.25; between them the online network moves",
            probe=probes.networks_after,
            oracle=oracle,
        ),
        Case(
            "another network",
            {"where": "parameters"},
            "the online network has a layer more: ValueError",
            probe=probes.different_networks,
            raises=ValueError,
        ),
        Law(probes.the_networks_stay_apart, "two networks, two memories"),
        Law(probes.equal_networks_stay_equal, "nothing to do"),
        Case(
            "four steps, hidden",
            _inputs(30, 0.6, 4),
            "four updates",
            probe=probes.networks_after,
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "no step, hidden",
            _inputs(40, 0.0, 1),
            "tau = 0",
            probe=probes.networks_after,
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "another network, hidden",
            {"where": "buffers"},
            "the online network has a buffer more: ValueError",
            probe=probes.different_networks,
            raises=ValueError,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "tau on the wrong side",
            _update(lambda old, new, tau: old.lerp_(new, 1.0 - tau)),
            "tau is the share of the *new*: a small tau moves the target network a little.",
        ),
        Mistake(
            "buffers forgotten",
            _update(lambda old, new, tau: old.lerp_(new, tau), _no_buffers),
            "parameters() does not hold running statistics and counters. Copy the buffers too.",
        ),
        Mistake(
            "buffers averaged",
            _update(lambda old, new, tau: old.lerp_(new, tau), _mean_of_buffers),
            "Half a counter is no counter. Buffers are copied, whatever tau is.",
        ),
        Mistake(
            "the networks share memory",
            _update(_share_memory),
            "After the update the target is the online network, whatever tau is. A copy is right for tau = 1 only; "
            "and if both hold the very same tensors, they move together for ever. Write into the old tensors.",
        ),
        Mistake(
            "nothing moves",
            _update(lambda old, new, tau: torch.lerp(old, new, tau)),
            "A new tensor was computed and given a name; the network still has its old one. Work in place.",
        ),
        Mistake(
            "the online network moves",
            _update(lambda old, new, tau: new.lerp_(old, tau)),
            "The arrow points the other way: the target network follows, the online one stays.",
        ),
        Mistake(
            "tau is added",
            _update(lambda old, new, tau: old.add_(tau * new)),
            "The old parameters keep a share of 1 − tau; here they keep all.",
        ),
        Mistake(
            "networks that do not match pass",
            _lenient,
            "zip stops at the shorter one without a word. strict=True makes it an error.",
        ),
    ),
    variants={
        "state dicts": _state_dicts,
        "data": _update(lambda old, new, tau: old.data.mul_(1 - tau).add_(tau * new.data)),
    },
)
