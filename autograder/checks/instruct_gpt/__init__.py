"""Chapter 11, the author's side: one file an exercise."""

from autograder.checks.instruct_gpt import (
    best_of_n,
    fit_overoptimization,
    kl_regularized_optimum,
    kl_shaped_rewards,
    ppo_ptx_loss,
    response_advantages,
    rlhf_step,
    win_rate,
)

EXERCISES = (
    kl_shaped_rewards.EXERCISE,
    response_advantages.EXERCISE,
    ppo_ptx_loss.EXERCISE,
    rlhf_step.EXERCISE,
    kl_regularized_optimum.EXERCISE,
    best_of_n.EXERCISE,
    win_rate.EXERCISE,
    fit_overoptimization.EXERCISE,
)
