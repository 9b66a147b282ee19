"""Chapter 8, the author's side: one file an exercise."""

from autograder.checks.ppo import (
    clipped_surrogate_loss,
    clipped_value_loss,
    diagnostics,
    minibatches,
    ppo_update,
    running_mean_std,
)

EXERCISES = (
    clipped_surrogate_loss.EXERCISE,
    diagnostics.EXERCISE,
    clipped_value_loss.EXERCISE,
    minibatches.EXERCISE,
    ppo_update.EXERCISE,
    running_mean_std.EXERCISE,
)
