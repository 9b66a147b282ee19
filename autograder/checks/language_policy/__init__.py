"""Chapter 9, the author's side: one file an exercise."""

from autograder.checks.language_policy import (
    generate,
    kl_estimate,
    kl_penalty_loss,
    masked_mean,
    response_mask,
    sft_loss,
    token_log_probs,
)

EXERCISES = (
    response_mask.EXERCISE,
    token_log_probs.EXERCISE,
    masked_mean.EXERCISE,
    generate.EXERCISE,
    sft_loss.EXERCISE,
    kl_estimate.EXERCISE,
    kl_penalty_loss.EXERCISE,
)
