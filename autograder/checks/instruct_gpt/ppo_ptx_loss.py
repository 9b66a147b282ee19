"""Exercise 11.3: pretraining mixed in."""

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import instruct_gpt as probes


def oracle(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    """Minus InstructGPT's objective: minus its loss, plus the mean log-likelihood times the coefficient."""
    log_likelihood = -float(lm_loss)
    objective = -float(policy_loss) + ptx_coef * log_likelihood
    return torch.tensor(-objective, dtype=policy_loss.dtype)


def _refuse(ptx_coef: float) -> None:
    if ptx_coef < 0:
        raise ValueError("negative")


def _minus(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    _refuse(ptx_coef)
    return policy_loss - ptx_coef * lm_loss


def _share(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    _refuse(ptx_coef)
    return (1 - ptx_coef) * policy_loss + ptx_coef * lm_loss


def _wrong_one(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    _refuse(ptx_coef)
    return ptx_coef * policy_loss + lm_loss


def _forgotten(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    _refuse(ptx_coef)
    return policy_loss + lm_loss


def _constant(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    _refuse(ptx_coef)
    return policy_loss + ptx_coef * lm_loss.detach()


def _only_text(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    _refuse(ptx_coef)
    return policy_loss.detach() + ptx_coef * lm_loss


def _likelihood(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    _refuse(ptx_coef)
    return policy_loss - ptx_coef * (-lm_loss).exp()


def _accepts(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    return policy_loss + ptx_coef * lm_loss


def _stacked(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    _refuse(ptx_coef)
    weights = torch.tensor([1.0, ptx_coef], dtype=policy_loss.dtype)
    return torch.stack([policy_loss, lm_loss]) @ weights


def _objective(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    _refuse(ptx_coef)
    return -(-policy_loss + ptx_coef * -lm_loss)


def _inputs(policy: float, text: float, ptx_coef: float) -> dict[str, object]:
    return {
        "policy_loss": torch.tensor(policy, dtype=torch.float64),
        "lm_loss": torch.tensor(text, dtype=torch.float64),
        "ptx_coef": ptx_coef,
    }


BOTH = ("policy_loss", "lm_loss")

EXERCISE = ExerciseSpec(
    number="11.3",
    title="Pretraining mixed in",
    targets=("ppo_ptx_loss",),
    points=1,
    minutes=8,
    difficulty=1,
    section="What is forgotten, and how to keep it",
    statement="""
InstructGPT adds to PPO's objective $\\gamma$ times the log-likelihood of texts from pretraining, so that the policy
keeps what it knows. Its equation is *maximized*; your function gets two *losses*, which are minimized. One line, and a
sign to get right.
""",
    hints=(
        "Which of the two numbers that you get is already the negative of what the paper maximizes? Both.",
        "policy loss plus the coefficient times the language model's loss.",
        "Raise for a negative coefficient; return the weighted sum, with both gradients.",
    ),
    checks=(
        Case(
            "hand value",
            _inputs(-0.5, 4.0, 0.25),
            "policy loss −½, language loss 4, coefficient ¼",
            expected=torch.tensor(0.5, dtype=torch.float64),
        ),
        Case(
            "gradients",
            _inputs(0.3, 2.5, 27.8),
            "a large coefficient: both gradients",
            oracle=oracle,
            gradient_values={
                "policy_loss": torch.tensor(0.5, dtype=torch.float64),
                "lm_loss": torch.tensor(13.9, dtype=torch.float64),
            },
        ),
        Case("plain PPO", _inputs(0.3, 2.5, 0.0), "coefficient 0", oracle=oracle),
        Case(
            "a negative coefficient",
            _inputs(0.3, 2.5, -0.1),
            "forget on purpose?",
            raises=ValueError,
        ),
        Law(probes.likelier_texts_cost_less, "texts that become likelier"),
        Case(
            "other gradients",
            _inputs(-1.2, 0.7, 0.4),
            "both gradients",
            oracle=oracle,
            gradient_values={
                "policy_loss": torch.tensor(0.5, dtype=torch.float64),
                "lm_loss": torch.tensor(0.2, dtype=torch.float64),
            },
            hidden=True,
        ),
        Case(
            "another negative coefficient",
            _inputs(0.0, 1.0, -3.0),
            "refused",
            raises=ValueError,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "sign",
            _minus,
            "The paper adds a log-likelihood to what is maximized; you have a negative one, to be minimized.",
        ),
        Mistake(
            "shares of one",
            _share,
            "The coefficient weighs the texts only; PPO's loss keeps its weight of 1.",
        ),
        Mistake("coefficient on the wrong loss", _wrong_one, "ptx_coef weighs the language loss."),
        Mistake("coefficient forgotten", _forgotten, "Weigh the language loss with ptx_coef."),
        Mistake("language loss detached", _constant, "Without a gradient the texts teach nothing."),
        Mistake("policy loss detached", _only_text, "Without a gradient PPO teaches nothing."),
        Mistake(
            "likelihood for log-likelihood",
            _likelihood,
            "The loss is already a logarithm; use it as it is.",
        ),
        Mistake("a negative coefficient accepted", _accepts, "Raise a ValueError."),
    ),
    variants={"stacked": _stacked, "negated objective": _objective},
)
