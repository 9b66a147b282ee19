"""Chapter 4, the author's side: one file an exercise."""

from autograder.checks.value_functions import (
    control_target,
    epsilon_greedy,
    monte_carlo_values,
    n_step_returns,
    solve_values,
    td_update,
)

EXERCISES = (
    solve_values.EXERCISE,
    monte_carlo_values.EXERCISE,
    td_update.EXERCISE,
    n_step_returns.EXERCISE,
    control_target.EXERCISE,
    epsilon_greedy.EXERCISE,
)
