"""Chapter 2, the author's side: one file an exercise."""

from autograder.checks.policy_gradient import (
    bandit_gradient,
    categorical_log_prob,
    collect_episodes,
    discounted_returns,
    exact_policy_gradient,
    policy_gradient_loss,
)

EXERCISES = (
    bandit_gradient.EXERCISE,
    categorical_log_prob.EXERCISE,
    discounted_returns.EXERCISE,
    policy_gradient_loss.EXERCISE,
    collect_episodes.EXERCISE,
    exact_policy_gradient.EXERCISE,
)
