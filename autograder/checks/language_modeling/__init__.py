"""Chapter 1, the author's side: one file an exercise."""

from autograder.checks.language_modeling import (
    analogy,
    causal_lm_loss,
    corrupt_spans,
    mask_tokens,
    sample_tokens,
    skip_gram_loss,
)

EXERCISES = (
    skip_gram_loss.EXERCISE,
    analogy.EXERCISE,
    mask_tokens.EXERCISE,
    corrupt_spans.EXERCISE,
    causal_lm_loss.EXERCISE,
    sample_tokens.EXERCISE,
)
