"""Chapter 7, the author's side: one file an exercise."""

from autograder.checks.off_policy import (
    adapt_kl_coef,
    categorical_kl,
    effective_sample_size,
    importance_estimate,
    importance_variance,
    per_decision_weights,
    surrogate_loss,
)

EXERCISES = (
    importance_estimate.EXERCISE,
    effective_sample_size.EXERCISE,
    importance_variance.EXERCISE,
    per_decision_weights.EXERCISE,
    surrogate_loss.EXERCISE,
    categorical_kl.EXERCISE,
    adapt_kl_coef.EXERCISE,
)
