"""Chapter 5, the author's side: one file an exercise."""

from autograder.checks.q_learning import (
    double_q_target,
    linear_schedule,
    polyak_update,
    q_loss,
    q_target,
    replay_buffer,
)

EXERCISES = (
    replay_buffer.EXERCISE,
    q_target.EXERCISE,
    double_q_target.EXERCISE,
    q_loss.EXERCISE,
    polyak_update.EXERCISE,
    linear_schedule.EXERCISE,
)
