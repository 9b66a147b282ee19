"""What a policy of the finale writes behind held-out prompts, looked at from all sides."""

import math

import torch
from torch import Tensor

from rlcourse.recipes.fast_writing import FastWriter
from rlcourse.recipes.finale_texts import film_texts
from rlcourse.recipes.ppo_gpt2 import Finale
from rlcourse.recipes.review_writer import distinct_pairs
from rlcourse.recipes.rlhf_evaluation import Evaluation, Response, load_vader, ridge_judge
from rlcourse.support.fast_gpt2 import FastGPT2
from rlcourse.support.generation import Generation
from rlcourse.support.responses import ended
from rlcourse.support.seeding import make_generator
from rlcourse.support.transfer import to_device

SEED = 4321
"""Of the uniform numbers that decide responses: the same for every policy."""


@torch.no_grad()
def evaluate(finale: Finale, policy: FastGPT2, count: int = 128) -> Evaluation:
    """Let a policy write behind prompts that training never saw; scores are in deviations of the reference's.

    Args:
        finale: has the reference, the judges, and the vocabulary.
        policy: on the device of the finale.
        count: prompts at most.
    """
    words = finale.config.prompt_tokens
    prompts = finale.vocabulary.prompts(film_texts("val", words), words)[:count]
    uniforms = torch.rand(len(prompts), finale.config.room, generator=make_generator(SEED))
    there = [to_device(x, finale.device) for x in (prompts, uniforms)]
    found = FastWriter(policy, finale.vocabulary.end_id).write(*there)
    with finale.half_precision():
        [kls] = finale.or_halve(
            lambda: finale.in_parts(
                lambda tokens, new: (token_kls(policy, finale.reference, tokens, new),),
                found.tokens,
            )
        )
    texts = finale.vocabulary.texts(found.tokens)
    columns = finale.judges.scores(texts) | {"kl": (kls * found.mask).sum(dim=1)}
    columns["ridge"], vader = ridge_judge().score(texts), load_vader()
    columns["vader"] = vader(texts) if vader else torch.full((len(texts),), math.nan)
    here = Generation(found.tokens.cpu(), found.log_probs.cpu(), found.mask.cpu())
    return Evaluation(_responses(finale, here, columns), distinct_pairs(here, ends=False))


def token_kls(policy: FastGPT2, reference: FastGPT2, tokens: Tensor, new: int) -> Tensor:
    """(B, N) divergence of the policy from the reference at each of the last N of ``tokens``, in nats; exact."""
    logs = [
        model.logits(model.body(tokens)[:, -new - 1 : -1]).float().log_softmax(dim=-1)
        for model in (policy, reference)
    ]
    return (logs[0].exp() * (logs[0] - logs[1])).sum(dim=-1).clamp(min=0.0)


def _responses(
    finale: Finale, found: Generation, columns: dict[str, Tensor]
) -> tuple[Response, ...]:
    prompts = finale.vocabulary.texts(found.tokens[:, : found.prompt_length])
    texts = finale.vocabulary.texts(found.responses)
    over = ended(found, finale.vocabulary.end_id).tolist()
    lengths = found.mask.sum(dim=1).long().tolist()
    judged = {name: column.tolist() for name, column in columns.items()}
    return tuple(
        Response(
            prompt=prompts[i],
            text=texts[i],
            ended=over[i],
            length=lengths[i],
            **{name: column[i] for name, column in judged.items()},
        )
        for i in range(len(texts))
    )
