"""What only a GPU can show: recorded steps, 16 bits, and that the host never waits inside the loops."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import rlcourse

ROOT = Path(__file__).resolve().parents[2]
rlcourse.overlay(ROOT / "solutions")

from rlcourse.recipes.fast_writing import FastWriter, write_fast  # noqa: E402
from rlcourse.recipes.finale_batch import FinaleConfig  # noqa: E402
from rlcourse.recipes.finale_models import fast_copy  # noqa: E402
from rlcourse.recipes.finale_report import as_html, make_report  # noqa: E402
from rlcourse.recipes.finale_run import run_finale  # noqa: E402
from rlcourse.recipes.ppo_gpt2 import Finale  # noqa: E402
from rlcourse.recipes.review_writer import film_part, film_prompts, load_base  # noqa: E402
from rlcourse.support.processes import Processes  # noqa: E402
from rlcourse.support.seeding import make_generator  # noqa: E402
from rlcourse.support.transfer import Stopwatch, to_device, to_host  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]
SMALL = FinaleConfig(steps=2, batch=16, minibatch=8, room=12)


@pytest.fixture(scope="module")
def prompts():
    return film_prompts(film_part("val"), 16)


@pytest.fixture(scope="module")
def uniforms():
    return torch.rand(16, 12, generator=make_generator(1))


@pytest.fixture(scope="module")
def finale():
    return Finale(SMALL, "cuda")


@pytest.fixture
def no_waiting():
    """From ``with no_waiting():`` on, whatever makes the host wait for the GPU is an error."""

    class Guard:
        def __enter__(self):
            torch.cuda.synchronize()
            torch.cuda.set_sync_debug_mode("error")

        def __exit__(self, *_):
            torch.cuda.set_sync_debug_mode("default")

    return Guard


def test_the_guard_notices_a_host_that_waits(no_waiting):
    with pytest.raises(RuntimeError, match="synchroniz"), no_waiting():
        torch.ones(1, device="cuda").item()


def test_a_recorded_step_writes_what_a_plain_one_does(prompts, uniforms):
    model = fast_copy(load_base())
    plain = write_fast(model, prompts, uniforms, eos_id=0)
    writer = FastWriter(fast_copy(load_base()).cuda(), 0)
    for _ in range(2):  # recorded, then replayed for another batch
        found = writer.write(prompts.cuda(), uniforms.cuda())
        assert (found.tokens.cpu() == plain.tokens).float().mean() > 0.98
        same = (found.tokens.cpu() == plain.tokens).all(dim=1)
        torch.testing.assert_close(
            found.log_probs.cpu()[same], plain.log_probs[same], atol=1e-3, rtol=1e-3
        )
    assert writer.sizes == 1


def test_a_recorded_step_sees_weights_that_changed(prompts, uniforms):
    model = fast_copy(load_base()).cuda()
    writer = FastWriter(model, 0)
    writer.write(prompts.cuda(), uniforms.cuda())
    with torch.no_grad():
        model.wte.weight.mul_(1.2)
    found = writer.write(prompts.cuda(), uniforms.cuda())
    fresh = write_fast(model, prompts.cuda(), uniforms.cuda(), 0)
    assert torch.equal(found.tokens, fresh.tokens)


def test_nobody_waits_while_responses_are_written(finale, prompts, uniforms, no_waiting):
    device = finale.device
    finale.writer.write(to_device(prompts, device), to_device(uniforms, device))
    with no_waiting():
        finale.writer.write(to_device(prompts, device), to_device(uniforms, device))


def test_nobody_waits_between_updates(finale, no_waiting):
    batch = finale.collect(0)
    finale.updates.begin(0)
    finale.seen = []
    finale.update(batch, torch.arange(8))
    with no_waiting():
        finale.update(batch, torch.arange(8, 16))
        finale.renew_writer()


def test_16_bits_are_near_to_32(finale):
    batch = finale.collect(0)
    on_host = Finale(SMALL, "cpu")
    on_host.trained.load_state_dict(finale.trained.state_dict())
    with torch.no_grad():
        exact, _ = on_host.trained(batch.tokens.cpu(), SMALL.room)
    gap = ((exact - batch.old_log_probs.cpu()) * batch.mask.cpu()).abs()
    assert gap.max() < 0.3 and gap.mean() < 0.03
    assert finale.writer.model.wte.weight.dtype == torch.bfloat16


def test_the_writer_follows_the_policy(finale):
    before = finale.writer.model.wte.weight.clone()
    finale.step(0)
    after = finale.writer.model.wte.weight
    assert not torch.equal(before, after)
    assert torch.equal(after, finale.trained.actor.wte.weight.to(torch.bfloat16))


def test_what_is_not_finite_changes_nothing():
    finale = Finale(replace(SMALL, batch=8), "cuda")
    finale.trained.actor.wte.weight.register_hook(lambda gradient: gradient * torch.nan)
    before = finale.trained.critic.head.weight.clone()
    with pytest.raises(FloatingPointError, match="gradient is not finite"):
        finale.step(0)
    assert torch.equal(before, finale.trained.critic.head.weight)


def test_a_run_ends_with_a_report_of_its_device(tmp_path):
    finale, rows = run_finale(SMALL, tmp_path / "run", device="cuda", quiet=True)
    report = make_report(finale, rows)
    assert torch.cuda.get_device_name() in as_html(report)
    assert 0 < report.speed["decode"] < 1.5 and 0 < report.speed["mfu"] < 1
    assert rows[0]["kl"] == pytest.approx(0, abs=0.5)


def test_a_run_goes_on_where_it_was_cut(tmp_path, monkeypatch):
    _, straight = run_finale(SMALL, device="cuda", quiet=True)
    stops = iter([True, False])
    monkeypatch.setattr(Processes, "any_of", lambda *_: next(stops))
    run_finale(SMALL, tmp_path / "run", device="cuda", quiet=True)
    _, both = run_finale(SMALL, tmp_path / "run", resume=True, device="cuda", quiet=True)
    assert len(both) == len(straight) == 2
    for name in ("score", "kl", "loss", "length"):  # sums of gradients have no fixed order there
        assert both[1][name] == pytest.approx(straight[1][name], rel=0.2, abs=0.2), name


def test_copies_and_clocks():
    device = torch.device("cuda")
    there = to_device(torch.arange(5), device)
    wait = to_host(there * 2)
    assert wait()[0].tolist() == [0, 2, 4, 6, 8]
    clock, square = Stopwatch(device), torch.ones(2048, 2048, device=device)
    with clock("product"):
        square = square @ square
    assert 0 < clock.read()["product"] < 10 and clock.read() == {}
