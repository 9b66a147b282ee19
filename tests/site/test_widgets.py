"""The numbers that widgets show, read in the browser, against formulas computed another way."""

import re
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]

PAGE = """<!doctype html><html lang="en"><body>{element}{scripts}</body></html>"""
STAND_IN = "<table><tr><td>stand-in</td></tr></table>"


@pytest.fixture
def widget(open_page):
    """Open one widget alone: ``widget("rl-ppo-clip", eps=0.2)``; underscores become dashes."""

    def open_widget(name, scripts_run=True, **attributes):
        text = " ".join(f'{key.replace("_", "-")}="{value}"' for key, value in attributes.items())
        folder = ROOT / "book" / "_assets" / "_static" / "widgets"
        scripts = "".join(
            f"<script>{(folder / f'{each}.js').read_text()}</script>" for each in ("common", name)
        )
        page = open_page("about:blank", java_script_enabled=scripts_run)
        page.set_content(
            PAGE.format(element=f"<{name} {text}>{STAND_IN}</{name}>", scripts=scripts)
        )
        return page

    return open_widget


def said(page):
    """The numbers of the sentence below the picture."""
    text = page.locator(".rl-say").inner_text().replace("−", "-")
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def close(shown, expected):
    assert shown == pytest.approx([round(float(each), 2) for each in expected], abs=0.0101)


def compute(page, call):
    return page.evaluate(f"window.rlWidgets.math.{call}")


LOGITS, REWARDS = [0.5, 0.0, -0.5], [1.0, 0.0, 2.0]


def exact_gradient():
    theta = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    objective = theta.softmax(0) @ torch.tensor(REWARDS, dtype=torch.float64)
    return torch.autograd.grad(objective, theta)[0].tolist(), objective.item()


def test_policy_gradient_shows_policy_objective_and_gradient(widget):
    page = widget("rl-policy-gradient", logits="0.5 0 -0.5", rewards="1 0 2")
    gradient, objective = exact_gradient()
    policy = torch.tensor(LOGITS, dtype=torch.float64).softmax(0).tolist()
    close(said(page)[:7], [*policy, objective, *gradient])
    assert compute(page, f"exactGradient({LOGITS}, {REWARDS})") == pytest.approx(gradient)


def test_sampled_gradients_average_to_the_exact_one(widget):
    """By enumeration: the mean over all pairs of actions, weighted with their probability."""
    page = widget("rl-policy-gradient")
    policy = torch.tensor(LOGITS, dtype=torch.float64).softmax(0)
    mean = torch.zeros(3, dtype=torch.float64)
    for first in range(3):
        for second in range(3):
            sample = compute(page, f"sampledGradient({LOGITS}, {REWARDS}, [{first}, {second}])")
            mean += policy[first] * policy[second] * torch.tensor(sample, dtype=torch.float64)
    assert mean.tolist() == pytest.approx(exact_gradient()[0])


def test_many_actions_behind_each_arrow_bring_the_mean_to_the_exact_gradient(widget):
    page = widget("rl-policy-gradient", samples=64)
    numbers = said(page)
    assert numbers[-3:] == pytest.approx(numbers[4:7], abs=0.12)
    assert page.locator("path.sample").count() == 24


def test_the_buttons_sample_again_and_climb(widget):
    page = widget("rl-policy-gradient", samples=64)
    before = said(page)
    page.get_by_role("button", name="Sample again").press("Enter")
    again = said(page)
    assert again[:7] == before[:7] and again[-3:] != before[-3:]
    for _ in range(5):
        page.get_by_role("button", name="One step").press("Enter")
    assert said(page)[3] > before[3]


@pytest.mark.parametrize("baseline", [0.0, 3.0])
def test_baseline_variance_by_enumeration(widget, baseline):
    policy = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    rewards = torch.tensor([9.0, 10.0, 12.0], dtype=torch.float64)
    scores = torch.eye(3, dtype=torch.float64) - policy
    samples = (rewards - baseline)[:, None] * scores
    mean = policy @ samples
    variance = policy @ (samples - mean).square().sum(1)
    page = widget("rl-baseline-variance", baseline=baseline)
    close(said(page)[:2], [variance, baseline])


def test_no_baseline_beats_the_optimal_one(widget):
    page = widget("rl-baseline-variance")
    best = compute(page, "optimalBaseline([0.6, 0.3, 0.1], [9, 10, 12])")
    at = [
        compute(page, f"baselineVariance([0.6, 0.3, 0.1], [9, 10, 12], {best + d})")
        for d in (-0.01, 0, 0.01)
    ]
    assert at[1] < at[0] and at[1] < at[2]


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_gae_is_the_weighted_sum_of_td_errors(widget, lam):
    rewards, values, gamma = [0.0, 1.0, 0.5], [0.2, 0.4, 0.1, 0.3], 0.9
    deltas = [
        r + gamma * after - v for r, v, after in zip(rewards, values, values[1:], strict=False)
    ]
    expected = [sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, 3)) for t in range(3)]
    page = widget(
        "rl-gae-lambda", rewards="0 1 0.5", values="0.2 0.4 0.1 0.3", gamma=0.9, **{"lambda": lam}
    )
    weights = [(gamma * lam) ** k for k in range(3)]
    close(said(page), [*expected, *deltas, *weights])


def test_gae_at_lambda_one_is_the_return_minus_the_value(widget):
    page = widget("rl-gae-lambda")
    shown = compute(page, "gae([1, 2], [0.5, 0.25, 4], 0.5, 1)")
    assert shown == pytest.approx([1 + 0.5 * 2 + 0.25 * 4 - 0.5, 2 + 0.5 * 4 - 0.25])


@pytest.mark.parametrize("advantage", [1.5, -1.5])
@pytest.mark.parametrize("ratio", [0.5, 0.9, 1.1, 1.5])
def test_clipped_objective_and_its_slope(widget, ratio, advantage):
    page = widget("rl-ppo-clip", ratio=ratio, advantage=advantage, clip_eps=0.2)
    rho = torch.tensor(ratio, dtype=torch.float64, requires_grad=True)
    objective = torch.minimum(rho * advantage, rho.clamp(0.8, 1.2) * advantage)
    slope = torch.autograd.grad(objective, rho)[0]
    close(said(page)[:2], [objective.detach(), slope])
    assert ("no gradient" in page.locator(".rl-say").inner_text()) == (slope == 0)


def test_trust_region_shows_the_step_and_its_distance(widget):
    """The gradient step by autograd, the divergence by torch, the best policy by its formula."""
    advantages = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)
    theta = torch.tensor([0.0, 1.5, 0.0], dtype=torch.float64, requires_grad=True)
    gradient = torch.autograd.grad(theta.softmax(0) @ advantages, theta)[0]
    old, new = theta.detach().softmax(0), (theta.detach() + 3.0 * gradient).softmax(0)
    distance = torch.nn.functional.kl_div(new.log(), old, reduction="sum")
    page = widget("rl-trust-region", logits="0 1 0", sure=1.5, step=3, budget=0.05)
    numbers = said(page)
    close(numbers[:6], [*old, *new])
    assert numbers[6] == pytest.approx(float(distance), abs=0.001)
    assert "inside the region" in page.locator(".rl-say").inner_text()
    assert float(distance) < 0.05
    # The best policy within a KL(old || new) budget is old / (mu - advantage), up to a factor.
    found = compute(page, "bestWithin([0, 1.5, 0], [1, 0, -1], 0.05, 3600)")
    assert numbers[7:10] == pytest.approx(found, abs=0.02)
    tilted = [float(p) / b for p, b in zip(old, found, strict=True)]
    assert tilted[1] - tilted[0] == pytest.approx(tilted[2] - tilted[1], rel=0.02)


def test_every_policy_on_the_rim_is_a_budget_away(widget):
    page = widget("rl-trust-region")
    old = torch.tensor([0.5, 1.0, -2.0], dtype=torch.float64).softmax(0)
    for policy in compute(page, "klContour([0.5, 1, -2], 0.1, 12)"):
        new = torch.tensor(policy, dtype=torch.float64)
        assert float((old * (old / new).log()).sum()) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "name",
    [
        "rl-policy-gradient",
        "rl-baseline-variance",
        "rl-gae-lambda",
        "rl-ppo-clip",
        "rl-trust-region",
    ],
)
def test_the_keyboard_moves_every_slider(widget, name):
    page = widget(name)
    for slider in page.locator("input[type=range]").all():
        assert slider.evaluate("e => e.labels[0].textContent.trim()")
        before = page.locator("svg").inner_html() + page.locator(".rl-say").inner_text()
        for key in ("ArrowLeft", "ArrowLeft", "ArrowRight"):
            slider.press(key)
        slider.press("ArrowLeft")
        assert page.locator("svg").inner_html() + page.locator(".rl-say").inner_text() != before


@pytest.mark.parametrize("name", ["rl-policy-gradient", "rl-ppo-clip"])
def test_the_stand_in_shows_without_scripts_and_stays_with_them(widget, name):
    assert widget(name, scripts_run=False).get_by_text("stand-in").is_visible()
    page = widget(name)
    page.get_by_text("The same in numbers").click()
    assert page.get_by_text("stand-in").is_visible()


def test_n_step_learns_what_the_formula_says(widget):
    """Two walks of three states, once with n = 1 and once with n = 2, by hand."""
    page = widget("rl-n-step", n=2, step_size=0.5)
    walks = [[2, 3, 4], [2, 1, 2, 3, 4]]
    first = [0.5, 0.5, 0.75]  # only the last state learns: halfway from 0.5 to 1
    again = [0.5, 0.625, 0.875]  # 2 to 1, 1 to 2, 2 to 3, out on the right
    expected = (rms(first) + rms(again)) / 2
    assert compute(page, f"walkError({walks}, 3, 1, 0.5)") == pytest.approx(expected)
    first = [0.5, 0.75, 0.75]  # two steps on, both are out
    again = [0.625, 0.875, 0.875]  # 2 towards 0.75, 1 towards V(3), 2 and 3 towards 1
    expected = (rms(first) + rms(again)) / 2
    assert compute(page, f"walkError({walks}, 3, 2, 0.5)") == pytest.approx(expected)


def rms(values):
    truth = [0.25, 0.5, 0.75]
    return (sum((v - t) ** 2 for v, t in zip(values, truth, strict=True)) / 3) ** 0.5


def test_n_step_finds_the_valley_between_td_and_monte_carlo(widget):
    page = widget("rl-n-step", n=4, step_size=0.4)
    sentence = page.locator(".rl-say").inner_text()
    _, error, _, best, td = [float(number) for number in re.findall(r"\d+\.\d+", sentence)]
    assert 0.12 < best <= error < 0.15
    assert 0.16 < td < 0.19


def test_max_bias_is_what_sampling_says(widget):
    """Guesses drawn a million times: the largest of each row, and a second draw of its action."""
    page = widget("rl-max-bias", actions=5, noise=0.7, gap=2)
    values = torch.tensor([0.0, -0.5, -1.0, -1.5, -2.0])
    noise = 0.7 * torch.randn(1_000_000, 5, generator=torch.Generator().manual_seed(0))
    largest, chosen = (values + noise).max(dim=1)
    shown = said(page)
    assert shown[1:3] == pytest.approx(
        [largest.mean().item(), values[chosen].mean().item()], abs=0.01
    )
    assert compute(page, "largestGuess(Array(10).fill(0), 2).largest") == pytest.approx(
        2 * 1.53875, abs=1e-4
    )
    assert compute(page, "largestGuess([0], 1).largest") == pytest.approx(0.0, abs=1e-6)
