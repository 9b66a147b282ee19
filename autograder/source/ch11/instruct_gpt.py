# Generated from the authors' solutions/instruct_gpt.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401, F841 (what the holes need is there already)
r"""Chapter 11: InstructGPT. Supervised fine-tuning, reward model, PPO, and what comes of it.

Shapes: B responses, T tokens of the longest response, P prompt tokens, N samples or prompts. Arrays (B, T) belong to
*response* tokens: column t is the token that was drawn t-th, not a place in the whole sequence. ``log_probs`` are those
of the policy, ``ref_log_probs`` those of the frozen model that it started from. ``scores`` come from the reward model,
``rewards`` are what PPO sees.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from rlcourse.actor_critic import explained_variance, gae
from rlcourse.baselines import standardize
from rlcourse.language_modeling import causal_lm_loss
from rlcourse.language_policy import generate
from rlcourse.ppo import (
    approx_kl,
    clip_fraction,
    clipped_surrogate_loss,
    clipped_value_loss,
    mean_of,
    minibatches,
)
from rlcourse.support.generation import CausalModel
from rlcourse.support.responses import (
    Critic,
    Experience,
    Policy,
    RewardFunction,
    Texts,
    ended,
    penalize_missing_end,
    read_before,
    response_logits,
    with_prompts,
    without_empty_columns,
)
from rlcourse.support.rlhf_config import RLHFConfig


def kl_shaped_rewards(
    scores: Tensor, log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor, kl_coef: float
) -> Tensor:
    r"""Rewards of the token view: a price at each token, the score at the last one (Ziegler et al., 2019, equation 2).

    .. math:: r_t = -\beta \bigl( \log \pi(a_t \mid s_t) - \log \pi_\text{ref}(a_t \mid s_t) \bigr)
              + \begin{cases} R & \text{at the last token of the response} \\ 0 & \text{otherwise} \end{cases}

    Their sum over a response is :math:`R - \beta \log \frac{\pi(y \mid x)}{\pi_\text{ref}(y \mid x)}`, whose
    expectation is what InstructGPT maximizes (Ouyang et al., 2022, equation 2, without its last term).

    Args:
        scores: (B) R, one for each response.
        log_probs: (B, T) of the response tokens under the policy that drew them.
        ref_log_probs: (B, T) of the same tokens under the reference.
        mask: (B, T) 1 on the tokens of a response, up to and with its last, 0 behind; there the others may hold
            anything, also NaN.
        kl_coef: :math:`\beta`.

    Returns:
        (B, T) constants: no gradient flows through a reward. 0 where the mask is 0.

    Raises:
        ValueError: if a response has no token: nothing could be paid for it.
    """
    # Exercise 11.1: your code here (7 lines in our solution).
    raise NotImplementedError("Exercise 11.1: write kl_shaped_rewards")


def response_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    r"""Advantages by ``gae``, whitened, and what the critic should have said.

    The response is an episode: after its last token nothing comes, so nothing is bootstrapped, whether the end token
    was drawn or the room was used up. Only advantages are whitened, by ``standardize``: to mean 0 and deviation 1 over
    all tokens of the batch that count.

    Args:
        rewards: (B, T) what followed each token.
        values: (B, T) of the critic *before* each token; constants.
        mask: (B, T) 1 on the tokens of a response, up to and with its last, 0 behind; there the others may hold
            anything, also NaN.
        gamma: discount.
        lam: as in ``gae``.

    Returns:
        advantages (B, T), whitened, and returns (B, T): advantages before they were whitened, plus values. Both
        constants, both 0 where the mask is 0.
    """
    # Exercise 11.2: your code here (6 lines in our solution).
    raise NotImplementedError("Exercise 11.2: write response_advantages")


def ppo_ptx_loss(policy_loss: Tensor, lm_loss: Tensor, ptx_coef: float) -> Tensor:
    r"""Mix pretraining into PPO, lest the policy forget its language (Ouyang et al., 2022, equation 2).

    The paper maximizes :math:`\text{objective} + \gamma\, \mathbb{E}_{x \sim D_\text{pretrain}}[\log \pi(x)]`; as a
    loss, with the negative log-likelihood of *pretraining* texts:

    .. math:: L = L_\text{policy} + \gamma\, L_\text{lm}

    Args:
        policy_loss: () of PPO, to be minimized.
        lm_loss: () negative log-likelihood of texts that the policy did not write, as ``causal_lm_loss`` returns it.
        ptx_coef: :math:`\gamma`, not negative; 0 for plain PPO.

    Returns:
        () to be minimized; gradients flow into both losses.

    Raises:
        ValueError: if the coefficient is negative.
    """
    # Exercise 11.3: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 11.3: write ppo_ptx_loss")


def response_log_probs(
    model: CausalModel, tokens: Tensor, mask: Tensor, temperature: float
) -> Tensor:
    """(B, T) log-probability of each response token, 0 behind the end; gradients flow into the model.

    Args:
        model: the policy, or the reference.
        tokens: (B, P+T) prompts and responses.
        mask: (B, T) 1 on the tokens of a response, up to and with its last, 0 behind.
        temperature: at which the responses were drawn.
    """
    counted, responses = mask > 0, tokens[:, -mask.shape[1] :]
    every = torch.log_softmax(response_logits(model, tokens, mask, temperature), dim=-1)
    chosen = every.gather(-1, responses[counted].unsqueeze(-1)).squeeze(-1)
    return chosen.new_zeros(mask.shape).masked_scatter(counted, chosen)


@torch.no_grad()
def collect_experience(
    actor: Policy,
    critic: Critic,
    reference: CausalModel,
    reward_model: RewardFunction,
    prompts: Tensor,
    config: RLHFConfig,
    eos_id: int,
    generator: torch.Generator,
) -> Experience:
    r"""Let the policy answer, and work out all that no epoch changes.

    All four models are in evaluation mode, here and in training: a dropout would change the probabilities that PPO
    compares. Responses come from ``generate``, less the columns that no response reaches
    (``without_empty_columns``). The reward model reads prompt and response (``with_prompts``). The critic needs only
    what stands before a response token (``read_before``): its value *before* the t-th one stands at the place of the
    token before it. A response that was cut off is penalized (``penalize_missing_end``).

    Args:
        actor: the policy.
        critic: values of prefixes.
        reference: frozen.
        reward_model: frozen.
        prompts: (B, P) int64, all of one length.
        config: room for a response, temperature, penalties, discount and lambda.
        eos_id: the end token.
        generator: the only source of randomness; advanced.

    Returns:
        responses with log-probabilities as ``generate`` returned them, those of the reference, values, advantages,
        returns, and scores after the penalty.
    """
    # Exercise 11.4: your code here (15 lines in our solution).
    raise NotImplementedError("Exercise 11.4: write collect_experience")


def rlhf_step(
    actor: Policy,
    critic: Critic,
    reference: CausalModel,
    reward_model: RewardFunction,
    prompts: Tensor,
    config: RLHFConfig,
    optimizer: torch.optim.Optimizer,
    eos_id: int,
    generator: torch.Generator,
    pretraining: Texts | None = None,
) -> dict[str, float]:
    r"""One step of PPO on a language model: answer the prompts, then train for some epochs of minibatches.

    .. math:: L = L_\text{clip} + \gamma_\text{ptx} L_\text{lm} + c_V L_\text{value}

    (Ouyang et al., 2022, section 3.5; Ziegler et al., 2019.) Minibatches of *responses*, by ``minibatches``, once an
    epoch; for each one step of the optimizer, with the gradient of the actor and that of the critic each shortened to
    ``config.max_grad_norm``. Losses are means over the response tokens of the minibatch. With pretraining texts, each
    minibatch also predicts the texts in its own rows (``causal_lm_loss``).

    Args:
        actor: the policy; changed in place.
        critic: values of prefixes; changed in place.
        reference: what the policy began as, an object of its own; not changed.
        reward_model: not changed.
        prompts: (B, P) int64, all of one length.
        config: all settings but the learning rate, which the optimizer has.
        optimizer: over all parameters of actor and critic; gradients that it still holds are forgotten first.
        eos_id: the end token.
        generator: draws the responses, then the minibatches; advanced.
        pretraining: B texts that nobody generated; None for plain PPO.

    Returns:
        numbers for the log. Of the batch before training: ``score``; ``kl``, the mean over the responses of
        :math:`\log \pi(y) - \log \pi_\text{ref}(y)`; ``kl_coef``; ``entropy``, minus the mean log-probability of a
        token when it was drawn; ``explained_variance``; ``response_length``; ``ended``, the share that came to an end.
        Means over all minibatches, each measured before its step: ``policy_loss`` (with pretraining, if any),
        ``value_loss``, ``approx_kl``, ``clip_fraction``.
    """
    # Exercise 11.4: your code here (32 lines in our solution).
    raise NotImplementedError("Exercise 11.4: write rlhf_step")


def numbers_about(batch: Experience, eos_id: int) -> dict[str, float]:
    """What a log should say of a batch before it is trained on; the names are those of ``rlhf_step``."""
    counted = batch.mask > 0
    ratios = torch.where(counted, batch.log_probs - batch.ref_log_probs, 0.0)
    ends = (batch.tokens[:, batch.prompt_length :] == eos_id) & counted
    explained = explained_variance(batch.values[counted], batch.returns[counted])
    return {
        "score": batch.scores.mean().item(),
        "kl": ratios.sum(dim=1).mean().item(),
        "entropy": -batch.log_probs[counted].mean().item(),
        "explained_variance": explained.item(),
        "response_length": batch.mask.sum(dim=1).mean().item(),
        "ended": ends.any(dim=1).double().mean().item(),
    }


def kl_regularized_optimum(ref_log_probs: Tensor, rewards: Tensor, kl_coef: float) -> Tensor:
    r"""The policy that maximizes expected reward minus the price of moving away (Korbak et al., 2022).

    .. math:: \pi^* = \operatorname*{argmax}_\pi\; \mathbb{E}_{y \sim \pi}[r(y)]
              - \beta\, \mathrm{KL}(\pi \| \pi_\text{ref}), \qquad
              \pi^*(y) = \frac{\pi_\text{ref}(y)\, e^{r(y) / \beta}}
                              {\sum_{y'} \pi_\text{ref}(y')\, e^{r(y') / \beta}}

    Args:
        ref_log_probs: (N) log-probability of each possible response under the reference; minus infinity where it
            never says so.
        rewards: (N) of the same responses, of any size.
        kl_coef: :math:`\beta`, positive.

    Returns:
        (N) log-probabilities; their exponentials sum to 1.

    Raises:
        ValueError: if the coefficient is not positive.
    """
    # Exercise 11.5: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 11.5: write kl_regularized_optimum")


def best_of_n_kl(n: int) -> float:
    r"""How far best-of-n is from the policy that it samples (Stiennon et al., 2020, appendix G.3).

    .. math:: \mathrm{KL} = \log n - \frac{n - 1}{n}

    Exact where no two responses have the same score; an upper bound where some have (Beirami et al., 2024).

    Args:
        n: how many responses are drawn, of which the best is kept.

    Returns:
        in nats.

    Raises:
        ValueError: if none is drawn.
    """
    # Exercise 11.6: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 11.6: write best_of_n_kl")


def best_of_n_value(proxy: Tensor, gold: Tensor, n: int) -> Tensor:
    r"""What the best of n is worth: chosen by the proxy, judged by gold, estimated from one pool of samples.

    The mean over *all* ways to draw n different ones of the N samples (Nakano et al., 2021, appendix I).
    Sorted by proxy, the i-th of N is the best of n with probability

    .. math:: \frac{\binom{i - 1}{n - 1}}{\binom{N}{n}} = \frac{\binom in - \binom{i - 1}n}{\binom Nn}

    Samples of equal proxy are as likely as each other to be kept.

    Args:
        proxy: (N) by which the best is chosen.
        gold: (N) by which it is judged, of the same samples.
        n: how many are drawn, from 1 to N.

    Returns:
        () mean gold of the kept one, of the type of ``gold``.

    Raises:
        ValueError: if n is below 1 or above N.
    """
    # Exercise 11.6: your code here (9 lines in our solution).
    raise NotImplementedError("Exercise 11.6: write best_of_n_value")


def win_rate(scores_a: Tensor, scores_b: Tensor, z: float = 1.96) -> tuple[float, float, float]:
    r"""How often A beats B on the same prompts, and how sure that is.

    With :math:`w_i` 1 where A wins prompt i, ½ for a tie, 0 where it loses, and :math:`s` their standard deviation
    (divisor N - 1), the interval is :math:`\bar w \pm z\, s / \sqrt N`, cut to [0, 1].

    Args:
        scores_a: (N) of A's responses.
        scores_b: (N) of B's responses to the same prompts, in the same order.
        z: half of the interval's width in standard errors; 1.96 for 95 %.

    Returns:
        the rate, the lower and the upper end.

    Raises:
        ValueError: if there are fewer than two prompts, or not equally many scores.
    """
    # Exercise 11.7: your code here (5 lines in our solution).
    raise NotImplementedError("Exercise 11.7: write win_rate")


def fit_overoptimization(kl: Tensor, gold: Tensor) -> tuple[float, float]:
    r"""Fit the law of over-optimization for best-of-n (Gao et al., 2023, equation 1), by least squares.

    .. math:: R(d) = d\, (\alpha - \beta d), \qquad d = \sqrt{\mathrm{KL}}

    No constant: at KL 0 nothing has been gained. The gain is largest at :math:`d = \alpha / 2\beta`.

    Args:
        kl: (N) nats from where optimization began; not negative.
        gold: (N) gain of the true reward there, over where it began.

    Returns:
        :math:`\alpha`, :math:`\beta`.

    Raises:
        ValueError: if a KL is negative, or fewer than two of them are different and positive: then no single pair fits
            best.
    """
    # Exercise 11.8: your code here (6 lines in our solution).
    raise NotImplementedError("Exercise 11.8: write fit_overoptimization")
