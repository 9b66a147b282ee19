"""Exercise 11.4: one step of PPO on a language model."""

from typing import Any

from autograder.checks.instruct_gpt import stepping
from autograder.checks.instruct_gpt.step_oracle import collected, trained
from autograder.checks.instruct_gpt.stepping import Step, collects, steps
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import instruct_gpt as probes

COLLECT, STEP = "collect_experience", "rlhf_step"


def _collected(
    name: str,
    seed: int,
    message: str,
    hidden: bool = False,
    shift: float = 0.4,
    training: bool = False,
    **settings: Any,
) -> Case:
    return Case(
        name,
        {"seed": seed, "settings": settings, "shift": shift, "training": training},
        message,
        probe=probes.collected,
        oracle=collected,
        target=COLLECT,
        hidden=hidden,
    )


def _trained(
    name: str,
    seed: int,
    message: str,
    hidden: bool = False,
    texts: bool = False,
    rate: float = 0.5,
    **settings: Any,
) -> Case:
    return Case(
        name,
        {"seed": seed, "settings": settings, "rate": rate, "shift": 0.3, "texts": texts},
        message,
        probe=probes.trained,
        oracle=trained,
        target=STEP,
        hidden=hidden,
    )


def _collecting(name: str, kind: type[Step], message: str) -> Mistake:
    return Mistake(name, collects(kind), message, target=COLLECT)


def _stepping(name: str, kind: type[Step], message: str) -> Mistake:
    return Mistake(name, steps(kind), message, target=STEP)


EXERCISE = ExerciseSpec(
    number="11.4",
    title="One step of PPO on a language model",
    targets=(COLLECT, STEP),
    points=4,
    minutes=60,
    difficulty=5,
    section="One step",
    statement="""
Everything comes together, and nothing new is needed: it is your PPO of chapter 8 with responses in the place of
trajectories. First `collect_experience`: let the policy answer, score, compare with the reference, ask the critic, turn
scores into rewards and rewards into advantages. Then `rlhf_step`: epochs of minibatches with the clipped losses, and
the pretraining texts if there are any.

Every helper that you need is imported at the top of the file or given in it. Your own functions of earlier chapters
and exercises are used; in grading they are replaced by right ones.
""",
    hints=(
        "Four models: the actor answers and is trained, the critic predicts and is trained, the reference and the "
        "reward model only read. Which of them reads what, and what must be remembered for all epochs?",
        "The critic's value before the t-th response token stands at the place of the token before it: of (B, P+T) "
        "columns take those from P − 1 to the last but one; the last token need not be read (read_before). For "
        "training: batch.rows(rows) has all columns of a minibatch; new log-probabilities by response_log_probs; "
        "the old ones are never computed again.",
        "collect: eval all; generate, without_empty_columns; reward_model, penalize_missing_end; "
        "reference; critic.values; 11.1; 11.2; Experience. step: collect; for epochs, for rows in "
        "minibatches: two losses, texts, zero_grad, backward, clip twice, step; log; "
        "numbers_about | kl_coef | mean_of(log).",
    ),
    checks=(
        _collected("collected", 0, "six responses: every column of the experience"),
        _collected(
            "collected at another temperature",
            1,
            "at temperature 1.6, with a discount and a penalty of ½",
            temperature=1.6,
            gamma=0.9,
            lam=0.7,
            missing_end_penalty=0.5,
        ),
        _collected(
            "models in training mode", 2, "all four models come in training mode", training=True
        ),
        _trained(
            "one minibatch",
            3,
            "one epoch, all responses at once: the weights of all four models, and the log",
            epochs=1,
            minibatch_size=8,
            max_grad_norm=100.0,
        ),
        _trained(
            "two epochs", 4, "two epochs of two minibatches, the second of them smaller", rate=2.0
        ),
        _trained(
            "with texts",
            5,
            "pretraining texts, coefficient ½",
            texts=True,
            ptx_coef=0.5,
            value_clip=0.05,
            value_coef=0.7,
            max_grad_norm=0.3,
            epochs=3,
            rate=3.0,
        ),
        Law(probes.at_first_there_is_no_divergence, "before anything has moved", target=STEP),
        Law(probes.reference_and_reward_model_stay, "who is trained and who is not", target=STEP),
        Law(probes.probe_constant_reward, "probe 1: constant reward", target=STEP),
        Law(probes.probe_reward_is_the_token, "probe 2: the reward is the token", target=STEP),
        Law(probes.probe_reward_depends_on_the_prompt, "probe 3: prompts differ", target=STEP),
        Law(probes.probe_only_the_price, "probe 4: only the price", target=STEP),
        _collected(
            "collected again",
            6,
            "another world",
            hidden=True,
            temperature=0.7,
            kl_coef=0.6,
            gamma=0.95,
            lam=0.5,
            training=True,
        ),
        _collected("collected once more", 8, "and another", hidden=True, missing_end_penalty=2.0),
        _trained(
            "three epochs",
            9,
            "three epochs, a long gradient",
            hidden=True,
            epochs=3,
            max_grad_norm=0.2,
            value_coef=0.5,
            value_clip=0.03,
            clip_range=0.05,
            rate=3.0,
        ),
        _trained(
            "with other texts",
            10,
            "pretraining texts, coefficient 2",
            hidden=True,
            texts=True,
            ptx_coef=2.0,
            max_grad_norm=100.0,
        ),
    ),
    mistakes=(
        _collecting(
            "reward model in training mode",
            stepping.RewardModelTrains,
            "Its dropout is on: the same response earns another score each time. Call eval() on all four models.",
        ),
        _collecting(
            "dropout on",
            stepping.AllTrain,
            "Nobody was put into evaluation mode: with dropout, the probabilities that PPO compares are dice.",
        ),
        _collecting(
            "critic in training mode", stepping.CriticTrains, "Call eval() on the critic, too."
        ),
        _collecting(
            "the reference is the policy",
            stepping.ReferenceIsActor,
            "The price compares the policy with itself and is always 0. The reference is a model of its own.",
        ),
        _collecting(
            "price against the old policy",
            stepping.AgainstOld,
            "The ratio to the old policy is PPO's business. The price is for leaving the *reference*.",
        ),
        _collecting(
            "values one token late",
            stepping.ValuesOneLate,
            "V(s_t) belongs to the prefix *before* the token: a value that has read the token is no baseline for it.",
        ),
        _collecting(
            "reward model reads padding",
            stepping.ReadsPadding,
            "The mask for the reward model ends with the response.",
        ),
        _collecting(
            "reward model does not see the prompt",
            stepping.ResponseOnly,
            "A response is good or bad as an answer: the prompt is 1 in the mask, too (with_prompts).",
        ),
        _collecting(
            "no penalty for a missing end",
            stepping.NoPenalty,
            "Responses that were cut off are penalized: penalize_missing_end.",
        ),
        _collecting(
            "penalty for the end",
            stepping.PenaltyInTheEnd,
            "Those that did *not* end are penalized.",
        ),
        _collecting(
            "reference at another temperature",
            stepping.OtherTemperature,
            "Both policies are compared at the temperature of the draw: response_log_probs takes it.",
        ),
        _stepping(
            "ratio always 1",
            stepping.RatioIsOne,
            "The old log-probabilities are those of the draw, in batch.log_probs. Computed again they follow "
            "the policy, and nothing is ever clipped.",
        ),
        _stepping(
            "prompt trained",
            stepping.PromptTrained,
            "The policy did not choose the prompt: only response tokens are actions.",
        ),
        _stepping(
            "padding trained",
            stepping.PadsTrained,
            "The losses are means over the tokens that count: pass the mask.",
        ),
        _stepping("no clip", stepping.NoClip, "The surrogate is clipped by config.clip_range."),
        _stepping(
            "the critic is not clipped",
            stepping.FreeCritic,
            "config.value_clip holds the critic near what it said before.",
        ),
        _stepping("value_coef forgotten", stepping.ValueCoefForgotten, "Weigh the critic's loss."),
        _stepping(
            "language loss on the policy's own responses",
            stepping.OnRollouts,
            "To imitate its own responses teaches the policy nothing about language. Use the pretraining texts.",
        ),
        _stepping(
            "all texts in each minibatch",
            stepping.SameTexts,
            "Each minibatch predicts the texts in its own rows: pretraining.rows(rows).",
        ),
        _stepping(
            "one gradient of both",
            stepping.ShortensTogether,
            "Shorten the actor's gradient and the critic's each by itself, or a critic in trouble stops the actor.",
        ),
        _stepping(
            "gradients not shortened", stepping.NeverShortens, "config.max_grad_norm is not used."
        ),
        _stepping(
            "gradients add up",
            stepping.GradientsAddUp,
            "Call optimizer.zero_grad() before backward.",
        ),
        _stepping(
            "one epoch only", stepping.OneEpoch, "Go through the responses config.epochs times."
        ),
        _stepping(
            "the same order in every epoch",
            stepping.SameOrder,
            "Call minibatches anew in each epoch.",
        ),
        _stepping(
            "the rest dropped",
            stepping.DropsTheRest,
            "The last minibatch may be smaller; it counts too.",
        ),
        _stepping(
            "dropout on while training",
            stepping.TrainsWithDropout,
            "The models stay in evaluation mode: with dropout the first ratios are not 1.",
        ),
        _stepping(
            "only the last minibatch is logged",
            stepping.LogsAfter,
            "The log holds means over all minibatches of the step.",
        ),
    ),
    variants={
        f"{COLLECT}.an object": collects(Step),
        f"{COLLECT}.rescored": collects(stepping.Rescored),
        f"{STEP}.an object": steps(Step),
        f"{STEP}.gradients in two parts": steps(stepping.TwoBackwards),
    },
    uses=(
        "kl_shaped_rewards",
        "response_advantages",
        "ppo_ptx_loss",
        "generate",
        "causal_lm_loss",
        "clipped_surrogate_loss",
        "clipped_value_loss",
        "approx_kl",
        "clip_fraction",
        "minibatches",
        "explained_variance",
    ),
)
