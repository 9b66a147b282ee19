"""Chapter 10, the author's side: one file an exercise."""

from autograder.checks.reward_model import (
    end_of_response,
    measures,
    normalize_scores,
    plackett_luce_loss,
    preference_loss,
    ranking_loss,
    train_reward_model,
)

EXERCISES = (
    end_of_response.EXERCISE,
    preference_loss.EXERCISE,
    ranking_loss.EXERCISE,
    plackett_luce_loss.EXERCISE,
    measures.EXERCISE,
    normalize_scores.EXERCISE,
    train_reward_model.EXERCISE,
)
