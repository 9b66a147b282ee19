"""Chapter 6, the author's side: one file an exercise."""

from autograder.checks.actor_critic import (
    actor_critic_step,
    actor_loss,
    critic_loss,
    entropy,
    explained_variance,
    gae,
    td_errors,
)

EXERCISES = (
    td_errors.EXERCISE,
    gae.EXERCISE,
    actor_loss.EXERCISE,
    critic_loss.EXERCISE,
    entropy.EXERCISE,
    explained_variance.EXERCISE,
    actor_critic_step.EXERCISE,
)
