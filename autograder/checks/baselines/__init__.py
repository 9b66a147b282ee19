"""Chapter 3, the author's side: one file an exercise."""

from autograder.checks.baselines import (
    gradient_samples,
    gradient_variance,
    leave_one_out_baseline,
    mean_baseline,
    optimal_baseline,
    standardize,
)

EXERCISES = (
    gradient_samples.EXERCISE,
    gradient_variance.EXERCISE,
    mean_baseline.EXERCISE,
    leave_one_out_baseline.EXERCISE,
    optimal_baseline.EXERCISE,
    standardize.EXERCISE,
)
