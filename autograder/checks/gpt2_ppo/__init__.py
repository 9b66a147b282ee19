"""Chapter 12, as its authors wrote it down."""

from autograder.checks.gpt2_ppo import (
    accumulate_gradients,
    bucket_by_length,
    decode_step,
    diagnose,
    load_gpt2_weights,
    throughput,
)
from autograder.checks.spec import ExerciseSpec

EXERCISES: tuple[ExerciseSpec, ...] = (
    load_gpt2_weights.EXERCISE,
    accumulate_gradients.EXERCISE,
    decode_step.EXERCISE,
    bucket_by_length.EXERCISE,
    throughput.EXERCISE,
    diagnose.EXERCISE,
)
