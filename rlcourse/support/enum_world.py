"""A language so small that every response can be listed, so every expectation is exact.

Four tokens, three steps, two prompts: 64 responses a prompt. A law about a language model's policy
(an unbiased gradient, a variance, a KL) is checked here as a sum over 64 terms instead of by
sampling.
"""

import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class EnumWorld:
    """Autoregressive policies over all responses of ``T`` tokens, for ``P`` prompts.

    The policy is a table ``theta`` (P, T, V+1, V): the logits of the next token, given the prompt,
    the position and the token before it (``V`` stands for "none" at the first position).
    ``R = V**T`` counts the responses. Prompts are equally probable. All methods are differentiable
    in ``theta``.

    Raises:
        ValueError: if a size is not positive, or there are more than 100,000 responses.
    """

    prompts: int = 2
    """P."""
    vocabulary: int = 4
    """V."""
    steps: int = 3
    """T."""
    responses: Tensor = field(init=False)
    """(R, T) int64, all responses in lexicographic order."""

    def __post_init__(self) -> None:
        if min(self.prompts, self.vocabulary, self.steps) < 1:
            raise ValueError("prompts, vocabulary and steps must be at least 1")
        if self.vocabulary**self.steps > 100_000:
            raise ValueError(f"{self.vocabulary}**{self.steps} responses are too many to list")
        every = itertools.product(range(self.vocabulary), repeat=self.steps)
        object.__setattr__(self, "responses", torch.tensor(list(every)))

    @property
    def theta_shape(self) -> tuple[int, int, int, int]:
        """(P, T, V+1, V)."""
        return (self.prompts, self.steps, self.vocabulary + 1, self.vocabulary)

    def random_theta(self, generator: torch.Generator, scale: float = 1.0) -> Tensor:
        """(P, T, V+1, V) float64 normal logits."""
        shape = self.theta_shape
        return scale * torch.randn(shape, generator=generator, dtype=torch.float64)

    def logits(self, theta: Tensor) -> Tensor:
        """(P, R, T, V) logits of the next token at each position of each response."""
        if tuple(theta.shape) != self.theta_shape:
            raise ValueError(f"theta must be {self.theta_shape}, got {tuple(theta.shape)}")
        none = torch.full((len(self.responses), 1), self.vocabulary)
        before = torch.cat([none, self.responses[:, :-1]], dim=1)
        return theta[:, torch.arange(self.steps), before]

    def token_log_probs(self, theta: Tensor) -> Tensor:
        """(P, R, T) log-probability of each token of each response."""
        chosen = torch.nn.functional.one_hot(self.responses, self.vocabulary)
        return (self.logits(theta).log_softmax(dim=-1) * chosen).sum(dim=-1)

    def log_probs(self, theta: Tensor) -> Tensor:
        """(P, R) log-probability of each whole response given its prompt."""
        return self.token_log_probs(theta).sum(dim=-1)

    def expectation(self, theta: Tensor, values: Tensor) -> Tensor:
        """(...) mean of ``values`` (P, R, ...) over prompts and the policy's responses."""
        return self._per_prompt(theta, values).mean(dim=0)

    def objective(
        self, theta: Tensor, rewards: Tensor, reference: Tensor, kl_coef: float
    ) -> Tensor:
        """() expected reward minus ``kl_coef`` times KL(policy || reference).

        Args:
            theta: (P, T, V+1, V) the policy.
            rewards: (P, R) one for each whole response.
            reference: (P, T, V+1, V) the policy to stay near to.
            kl_coef: price of a nat.
        """
        return self.expectation(theta, rewards) - kl_coef * self.kl(theta, reference).mean()

    def kl(self, theta: Tensor, reference: Tensor) -> Tensor:
        """(P,) KL(policy || reference) of whole responses in nats; samples come from ``theta``."""
        return self._per_prompt(theta, self.log_probs(theta) - self.log_probs(reference))

    def prefix_expectation(self, theta: Tensor, values: Tensor) -> Tensor:
        """(P, R, T) expectation of ``values`` (P, R) given the prompt and the tokens before t.

        Column 0 knows the prompt only. It is the value function of a reward paid at the end.
        """
        weights = self.log_probs(theta).exp()
        columns = []
        for t in range(self.steps):
            shape = (self.prompts, self.vocabulary**t, -1)  # responses that share t tokens adjoin
            total = weights.reshape(shape).sum(dim=-1)
            mean = (weights * values).reshape(shape).sum(dim=-1) / total
            columns.append(mean.repeat_interleave(self.vocabulary ** (self.steps - t), dim=1))
        return torch.stack(columns, dim=-1)

    def gradient_moments(self, theta: Tensor, losses: Tensor) -> tuple[Tensor, Tensor]:
        """Exact mean and total variance of the gradient that one sampled response gives.

        Args:
            theta: (P, T, V+1, V), requires grad.
            losses: (P, R) the loss that each response would give, as a function of ``theta``.

        Returns:
            The mean gradient (P, T, V+1, V), and () the trace of its covariance, where both the
            prompt and the response are sampled.
        """
        count = losses.numel()
        (gradients,) = torch.autograd.grad(
            losses.flatten(),
            theta,
            torch.eye(count, dtype=losses.dtype),
            retain_graph=True,
            is_grads_batched=True,
        )
        weights = self.log_probs(theta.detach()).exp().flatten() / self.prompts
        flat = gradients.reshape(count, -1)
        mean = weights @ flat
        variance = weights @ (flat - mean).square().sum(dim=1)
        return mean.reshape(theta.shape), variance

    def sample(self, theta: Tensor, prompts: Tensor, generator: torch.Generator) -> Tensor:
        """(B,) numbers of responses (rows of ``responses``) sampled for ``prompts`` (B,) int64."""
        probabilities = self.log_probs(theta.detach()).exp()[prompts]
        return torch.multinomial(probabilities, 1, generator=generator).squeeze(1)

    def _per_prompt(self, theta: Tensor, values: Tensor) -> Tensor:
        """(P, ...) mean of ``values`` (P, R, ...) over the policy's responses to each prompt."""
        weights = self.log_probs(theta).exp()
        if values.shape[:2] != weights.shape:
            raise ValueError(
                f"values must start with (P, R) = {tuple(weights.shape)}, got {tuple(values.shape)}"
            )
        return torch.einsum("pr,pr...->p...", weights, values)
