"""The student's functions behind the boundary behave as they do within one process."""

import copy
import math
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from autograder.sandbox.errors import OutOfMemory, StudentError
from autograder.sandbox.proxy import RemoteObject
from rlcourse.support.rollouts import Rollout
from tests.sandbox.helpers import Student

VALUES: list[Any] = [
    None, True, 0, -7, 2**53, -(2**200), 0.1, -0.0, math.inf, "ä\x00π", b"\x00\xff", [1, [2.5]],
    (1, (2,)), {"a": 1, 2: (3,)}, {1, 2}, frozenset({3}), torch.float16, torch.Size([2, 3]),
    range(1, 9, 2), 1 + 2j, np.float32(0.1), np.int64(5), np.bool_(True), torch.device("cpu"),
]  # fmt: skip
TENSORS = [
    torch.zeros(0, 3), torch.tensor(1.5), torch.arange(6).reshape(2, 3).T, torch.tensor([True, False]),
    torch.randn(3, dtype=torch.bfloat16), torch.randn(2, dtype=torch.complex64).conj(),
    torch.ones(2, 2).to(torch.float8_e4m3fn), torch.tensor([math.nan, -math.inf, -0.0]),
    torch.ones(1).expand(4), torch.tensor([2**62, -1]), torch.tensor([255], dtype=torch.uint8),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_went(student: Student, value: Any) -> None:
    back = student.define("f = lambda x: x")(value)
    assert type(back) is type(value)
    assert back == value
    assert repr(back) == repr(value)


def test_nan_comes_back(student: Student) -> None:
    assert math.isnan(student.define("f = lambda x: x")(math.nan))


@pytest.mark.parametrize("index", range(len(TENSORS)))
def test_tensors_arrive_and_return_bit_by_bit(student: Student, index: int) -> None:
    tensor = TENSORS[index]
    back = student.define("f = lambda x: x.clone()")(tensor)
    assert (back.dtype, back.shape) == (tensor.dtype, tensor.shape)
    raw = [x.contiguous().reshape(-1).resolve_conj().view(torch.uint8) for x in (back, tensor)]
    assert torch.equal(*raw)


def test_an_input_returned_is_the_same_object(student: Student) -> None:
    x = torch.ones(2)
    assert student.define("f = lambda x: x")(x) is x


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float32", "complex128"])
def test_arrays_come_back(student: Student, dtype: str) -> None:
    array = np.arange(4).astype(dtype).reshape(2, 2)
    back = student.define("f = lambda x: x.copy()")(array)
    assert back.dtype == array.dtype and np.array_equal(back, array)


def test_records_of_support_cross_by_field(student: Student) -> None:
    ones, ends = torch.ones(1, 2), torch.tensor([[False, True]])
    rollout = Rollout(torch.zeros(1, 3, 4), torch.zeros(1, 2).long(), ones, ends, ends, ones)
    source = "import dataclasses\nf = lambda r: dataclasses.replace(r, rewards=r.rewards * 3)"
    back = student.define(source)(rollout)
    assert type(back) is Rollout
    assert torch.equal(back.rewards, 3 * ones) and torch.equal(back.ends, ends)


def test_a_class_of_the_same_name_is_no_record(student: Student) -> None:
    source = "class Rollout:\n    def __eq__(self, other): return True\nf = Rollout"
    fake = student.define(source)()
    assert type(fake) is RemoteObject
    assert fake != 1 and not isinstance(fake, Rollout)
    with pytest.raises(TypeError):
        bool(fake)


# Gradients.


def test_gradients_flow_back(student: Student) -> None:
    x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, dtype=torch.float64, requires_grad=True)
    unused = torch.ones(2, requires_grad=True)
    y = student.define("f = lambda x, w, u: ((x * w).sin(), x.detach())")(x * 2, w, unused)
    assert not y[1].requires_grad
    found = torch.autograd.grad(y[0].sum(), [x, w, unused], allow_unused=True)
    right = torch.autograd.grad((2 * x * w).sin().sum(), [x, w])
    torch.testing.assert_close(found[:2], right)
    assert found[2] is None


def test_backward_fills_grad(student: Student) -> None:
    x = torch.ones(2, requires_grad=True)
    student.define("f = lambda x: (x ** 3).sum()")(x).backward()
    assert torch.equal(x.grad, torch.full((2,), 3.0))


def test_no_grad_holds_on_both_sides(student: Student) -> None:
    x = torch.ones(2, requires_grad=True)
    f = student.define("f = lambda x: (2 * x, torch.is_grad_enabled())")
    with torch.no_grad():
        y, enabled = f(x)
    assert not y.requires_grad and enabled is False
    assert f(x)[0].requires_grad


def test_gradients_reach_what_a_callback_closes_over(student: Student) -> None:
    theta = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, dtype=torch.float64, requires_grad=True)
    f = student.define("f = lambda policy, x: (policy(x * 2).tanh() * x.sum()).sum()")

    def policy(seen: torch.Tensor) -> torch.Tensor:
        return seen @ theta

    found = torch.autograd.grad(f(policy, x), [theta, x])
    right = torch.autograd.grad((policy(x * 2).tanh() * x.sum()).sum(), [theta, x])
    torch.testing.assert_close(found, right)


def test_the_student_differentiates_through_a_callback(student: Student) -> None:
    source = """
def f(policy, x):
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(policy(x).sum(), x)[0]
"""
    x = torch.randn(3, dtype=torch.float64)
    torch.testing.assert_close(student.define(source)(torch.exp, x), x.exp())


def test_the_student_sees_what_an_argument_was_computed_from(student: Student) -> None:
    """Also where the argument comes before its source, and lends gradients on its way."""
    theta = torch.tensor([2.0, 3.0], requires_grad=True)
    middle = theta * theta
    late = middle.sum() * theta[0]
    source = """
def f(late, theta, middle):
    found = torch.autograd.grad(late * theta[1] + middle.sum(), [theta, middle], retain_graph=True)
    return *found, torch.autograd.grad(late, theta)[0]
"""
    names: dict[str, Any] = {"torch": torch}
    exec(source, names)
    found = student.define(source)(late, theta, middle)
    torch.testing.assert_close(found, names["f"](late, theta, middle))


def test_the_student_differentiates_what_a_callback_computed_from_its_parameters(
    student: Student,
) -> None:
    """A callback without arguments, one that gives an earlier result back, one that adds them up."""
    theta = torch.tensor([2.0, 3.0], requires_grad=True)
    source = """
def f(theta, weights, keep, total):
    keep(theta ** 3)
    keep(theta.sum() * 5)
    loss = (weights() * theta).sum() + total()
    return torch.autograd.grad(loss, theta)[0]
"""

    def run(function: Any) -> Any:
        kept: list[torch.Tensor] = []
        return function(
            theta, lambda: theta.exp(), kept.append, lambda: kept[0].sum() * kept[1] * theta[0]
        )

    names: dict[str, Any] = {"torch": torch}
    exec(source, names)
    torch.testing.assert_close(run(student.define(source)), run(names["f"]))


def test_a_students_tensor_handed_back_keeps_its_graph(student: Student) -> None:
    source = "x = torch.ones(2, requires_grad=True)\nf = lambda: 3 * x\n"
    source += "def g(y):\n    return torch.autograd.grad((y * y).sum(), x)[0]"
    y = student.define(source)()
    assert student.define("", "g")(y).tolist() == [18.0, 18.0]


# Changes in place.


def test_a_changed_input_shows(student: Student) -> None:
    x, array = torch.zeros(2), np.zeros(2)
    student.define("def f(x, a): x += 1; a += 2")(x, array)
    assert x.tolist() == [1, 1] and array.tolist() == [2, 2]


def test_an_input_of_an_earlier_call_cannot_be_changed(student: Student) -> None:
    source = "kept = []\ndef f(x): kept.append(x)\ndef g():\n    kept[0].zero_()"
    x = torch.ones(2)
    student.define(source)(x)
    student.define("", "g")()
    assert x.tolist() == [1, 1]


def test_aliasing_shows(student: Student) -> None:
    source = "kept = []\ndef f(x): kept.append(x)\ndef g(): return [k.sum().item() for k in kept]"
    x, array = torch.ones(2), np.ones(2)
    f, g = student.define(source), student.define("", "g")
    f(x)
    f(array)
    x += 10
    array += 20
    assert g() == [22.0, 42.0]


@pytest.mark.parametrize(
    "change",
    ["x += 1", "x.data = torch.tensor([[9.0, 8.0], [7.0, 6.0]])", "x.t_()", "x.numpy()[0, 1] = 5",
     "x.resize_(4)", "x.data = x.data.T", "x.untyped_storage()[0] = 3"],
)  # fmt: skip
def test_every_change_of_what_was_lent_arrives(student: Student, change: str) -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    f = student.define("kept = []\ndef f(x): kept.append(x)")
    f(x)
    exec(change, {"x": x, "torch": torch})
    back = student.define("f = lambda: kept[0].clone()")()
    assert torch.equal(back, x)


def test_a_gradient_filled_later_arrives(student: Student) -> None:
    x = torch.ones(2, requires_grad=True)
    student.define("kept = []\ndef f(x): kept.append(x)")(x)
    grad = student.define("f = lambda: kept[0].grad")
    for factor in (2.0, 3.0):
        x.grad = None
        (factor * x).sum().backward()
        assert grad().tolist() == [factor, factor]


def test_a_generator_advances_here_and_there(student: Student) -> None:
    mine, twin = (torch.Generator().manual_seed(3) for _ in range(2))
    f = student.define(
        "f = lambda g, again: (torch.rand(2, generator=g), again(g), torch.rand(1, generator=g))"
    )

    def again(generator: torch.Generator) -> torch.Tensor:
        return torch.rand(2, generator=generator)

    first, second, third = f(mine, again)
    right = [torch.rand(n, generator=twin) for n in (2, 2, 1)]
    assert all(torch.equal(a, b) for a, b in zip((first, second, third), right, strict=True))
    assert torch.equal(mine.get_state(), twin.get_state())


# Objects by handle.


def test_student_objects_are_used_by_handle(student: Student) -> None:
    source = """
class f:
    def __init__(self, size): self.size, self.items = size, []
    def add(self, x): self.items.append(x)
    def __len__(self): return len(self.items)
    def __getitem__(self, i): return self.items[i]
    def __iter__(self): return iter(self.items)
"""
    buffer = student.define(source)(5)
    buffer.add(torch.ones(1))
    buffer.add(2)
    buffer.size = 6
    assert len(buffer) == 2 and buffer.size == 6 and buffer[1] == 2
    assert list(buffer)[1] == 2


def test_generators_of_the_student_are_bounded(student: Student) -> None:
    assert list(student.define("def f(n):\n    yield from range(n)")(4)) == [0, 1, 2, 3]


def test_environments_are_used_by_handle(student: Student) -> None:
    env = gymnasium.make("CartPole-v1")
    source = """
def f(env):
    first, _ = env.reset(seed=1)
    step = env.step(int(env.action_space.n) - 1)
    return first, step
"""
    first, step = student.define(source)(env)
    right = gymnasium.make("CartPole-v1")
    assert np.array_equal(first, right.reset(seed=1)[0])
    assert np.array_equal(step[0], right.step(1)[0])


@pytest.mark.parametrize(
    "name", ["__class__", "spec", "_np_random", "expected", "__init__.__globals__"]
)
def test_only_listed_names_are_within_reach(student: Student, name: str) -> None:
    env = gymnasium.make("CartPole-v1")
    source = f"def f(env, raw): return raw(env, {name!r})"
    source += "\ndef raw(env, name):\n    peer, number, *_ = env.__dict__['_home']\n"
    source += "    return peer.request('get', [number, name])"
    with pytest.raises(AttributeError):
        student.define("import autograder.sandbox.guest\n" + source, "raw")(env, name)


def test_modules_train_on_the_other_side(student: Student) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    twin = copy.deepcopy(model)
    x, y = torch.randn(8, 2), torch.randn(8, 1)
    source = """
def f(model, optimizer, x, y):
    for _ in range(3):
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()
"""
    loss = student.define(source)(model, torch.optim.Adam(model.parameters(), 0.1), x, y)
    names: dict[str, Any] = {}
    exec(source, names)
    assert loss == pytest.approx(names["f"](twin, torch.optim.Adam(twin.parameters(), 0.1), x, y))
    for mine, right in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, right)


def test_a_target_network_is_updated_in_place(student: Student) -> None:
    target, online = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    right = [
        0.9 * t.detach() + 0.1 * o.detach()
        for t, o in zip(target.parameters(), online.parameters(), strict=True)
    ]
    source = """
def f(target, online, tau):
    with torch.no_grad():
        for t, o in zip(target.parameters(), online.parameters()):
            t.lerp_(o, tau)
"""
    student.define(source)(target, online, 0.1)
    for parameter, expected in zip(target.parameters(), right, strict=True):
        torch.testing.assert_close(parameter.detach(), expected)


def test_a_copy_of_a_module_is_its_own(student: Student) -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    source = """
import copy
def f(model, x):
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.weight.fill_(5.0)
    return twin(x), model(x)
"""
    twins, own = student.define(source)(model, torch.ones(1, 1))
    assert twins.item() == 5.0 and torch.equal(own, model(torch.ones(1, 1)))


# Errors.


def test_errors_keep_their_class_and_text(student: Student) -> None:
    f = student.define("def f(): raise NotImplementedError('Exercise 2.3: not yet')")
    with pytest.raises(NotImplementedError, match=r"^Exercise 2.3: not yet$") as caught:
        f()
    assert isinstance(caught.value, StudentError)
    assert type(caught.value).__name__ == "NotImplementedError"


def test_an_assertion_of_the_student_is_not_one_of_ours(student: Student) -> None:
    with pytest.raises(StudentError) as caught:
        student.define("def f(): assert False, 'mine'")()
    assert not isinstance(caught.value, AssertionError)


@pytest.mark.parametrize("what", ["SystemExit(0)", "KeyboardInterrupt()", "GeneratorExit()"])
def test_leaving_is_an_error(student: Student, what: str) -> None:
    with pytest.raises(StudentError):
        student.define(f"def f(): raise {what}")()


def test_out_of_memory_is_no_ordinary_error(student: Student) -> None:
    with pytest.raises(OutOfMemory):
        student.define("def f(): raise MemoryError")()


def test_errors_of_our_callbacks_are_seen_there(student: Student) -> None:
    source = """
def f(callback):
    try:
        callback()
    except ValueError as error:
        return str(error)
"""

    def callback() -> None:
        raise ValueError("from here")

    assert student.define(source)(callback) == "from here"


@pytest.mark.parametrize(
    "source",
    ["x = []\nfor _ in range(100): x = [x]\nf = lambda: x", "x = []\nx.append(x)\nf = lambda: x",
     "f = lambda: torch.zeros(2).to_sparse()"],
)  # fmt: skip
def test_what_has_no_plain_form_is_an_error(student: Student, source: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        student.define(source)()
    assert isinstance(caught.value, StudentError)


def test_a_stand_in_function_is_used_while_it_is_replaced(student: Student) -> None:
    import sys
    import types

    source = "import sys, types, rlcourse\nm = types.ModuleType('rlcourse.tiny')\n"
    source += "exec('def helper(): return 1\\ndef outer(): return helper()', m.__dict__)\n"
    source += "sys.modules['rlcourse.tiny'] = m"
    student.host.request("cell", source)
    from autograder.sandbox.proxy import RemoteSubject

    subject = RemoteSubject(lambda: student.host, "tiny")
    with subject.replace("helper", lambda: 41):
        assert subject.function("outer")() == 41
    assert subject.function("outer")() == 1
    assert sys.modules.get("rlcourse.tiny") is None and types


def test_the_global_generators_of_the_student_are_watched(student: Student) -> None:
    from autograder.sandbox.proxy import RemoteSubject

    student.host.request(
        "cell", "import sys, types\nsys.modules['rlcourse.t'] = types.ModuleType('t')"
    )
    subject = RemoteSubject(lambda: student.host, "t")
    before = subject.global_rng_state()
    assert subject.global_rng_state() == before
    for draw in ("torch.rand(1)", "random.random()", "np.random.rand()"):
        student.define(f"import random, numpy as np\ndef f(): {draw}")()
        after = subject.global_rng_state()
        assert after != before, draw
        before = after


def test_a_network_with_named_parts_crosses_and_is_trained(student):
    """Its parts have names that the network itself answers to."""
    from rlcourse.support.networks import ActorCritic

    agent = ActorCritic(3, 2, torch.Generator().manual_seed(0), hidden=(4,))
    before = [p.detach().clone() for p in agent.critic.parameters()]
    f = student.define("""
def f(agent, optimizer, x):
    optimizer.zero_grad()
    (agent.values(x).square().sum() + agent.logits(x).exp().sum()).backward()
    optimizer.step()
""")
    f(agent, torch.optim.SGD(agent.parameters(), lr=0.1), torch.ones(2, 3))
    assert not all(map(torch.equal, before, agent.critic.parameters()))
