"""Epilogue, the author's side: one file an exercise."""

from autograder.checks.preference_optimization import (
    dpo_loss,
    group_advantages,
    grpo_loss,
    verifier_reward,
)

EXERCISES = (
    group_advantages.EXERCISE,
    grpo_loss.EXERCISE,
    dpo_loss.EXERCISE,
    verifier_reward.EXERCISE,
)
