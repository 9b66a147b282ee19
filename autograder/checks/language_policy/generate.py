"""Exercise 9.4: write responses, token by token."""

import torch
from torch import Tensor

from autograder.checks.language_policy import writers
from autograder.checks.language_policy.writers import writes
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers
from rlcourse.checks.probes import language_policy as probes


def certain(prompts: Tensor, seed: int, eos_id: int, new: int) -> dict[str, Tensor]:
    """Row by row with plain lists, and the whole text at each step; the likeliest token is all but certain."""
    longest = prompts.shape[1] + new
    last = 400.0 * probes.numbers(seed, longest, 5, 5)
    before = 400.0 * probes.numbers(seed + 1, 5, 5)
    rows, masks = [], []
    for row in prompts.tolist():
        mask = []
        while len(row) < longest:
            logits = last[len(row) - 1, row[-1]] + sum(
                (before[x] for x in row[:-1]), torch.zeros(5)
            )
            best, second = logits.sort(descending=True).values[:2].tolist()
            assert best - second > 25, "a draw of this case is not certain: take another seed"
            over = eos_id in row[prompts.shape[1] :]
            row.append(eos_id if over else int(logits.argmax()))
            mask.append(float(not over))
        rows.append(row)
        masks.append(mask)
    return {"tokens": torch.tensor(rows), "mask": torch.tensor(masks, dtype=torch.float64)}


def certain_in_training(prompts: Tensor, seed: int, new: int) -> dict[str, object]:
    tokens = certain(prompts, seed, 0, new)["tokens"]
    return {"tokens": tokens, "still in training mode": True}


SEEDS = (4, 3, 22, 7, 12, 8)
"""Of models that are certain enough, and whose rows end at different times."""
RIGHT = {
    "rescored at the temperature of the draw": True,
    "rescored at temperature 1": False,
    "0 behind the end": True,
    "end token behind the end": True,
    "carries a gradient": False,
}
ENDS = {
    "at most one end token counts in a row": True,
    "a row that stops early stops with it": True,
    "some rows stop early": True,
    "some go on to the limit": True,
}


def _certain(
    name: str, seed: int, rows: int, message: str, hidden: bool = False, eos: int = 0
) -> Case:
    prompts = integers(seed, 5, rows, 3)
    prompts[0, 0] = eos
    return Case(
        name,
        {"prompts": prompts, "seed": seed, "eos_id": eos, "new": 6},
        message,
        probe=probes.certain_tokens,
        oracle=certain,
        hidden=hidden,
    )


def _rescored(name: str, seed: int, temperature: float, message: str, hidden: bool = False) -> Case:
    return Case(
        name,
        {"prompts": integers(seed, 5, 12, 2), "seed": seed, "temperature": temperature},
        message,
        probe=probes.rescored,
        expected=RIGHT,
        hidden=hidden,
    )


def _weights(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


EXERCISE = ExerciseSpec(
    number="9.4",
    title="Writing a response",
    targets=("generate",),
    points=4,
    minutes=35,
    difficulty=4,
    section="Sampling a response",
    statement="""
This is the collector of chapter 2 for language models: the policy acts until it ends its episode, and what it did is
written down. Read the prompts, draw a token for each row, read these, draw again. The cache sees to it that each token
is read once. Return with the tokens how probable each was **when it was drawn**: chapters 11 and 12 divide by these
numbers. A row that has drawn the end token is over, while others go on.
""",
    hints=(
        "One loop over max_new_tokens. What must be remembered from step to step: the last tokens (they are what the "
        "model reads next), which rows still go on, and three columns for the result.",
        "model(prompts, cache=cache)[:, -1] are the logits of the first new token, (B, V). Divide by "
        "the temperature, "
        "log_softmax, draw from its exp, gather the log-probability of what was drawn. Rows that are "
        "over get eos_id, 0, 0. "
        "Look whether a row goes on before you let this token end it: the end token counts.",
        "Refuse; remember model.training, model.eval(), new_cache; with torch.no_grad(): for each "
        "step: logits of `last`, "
        "draw, torch.where with `going`, append three columns, update `going`; model.train(mode); "
        "torch.cat the columns; "
        "Generation(prompts and tokens, log_probs, mask).",
    ),
    checks=(
        _certain(
            "certain tokens",
            SEEDS[0],
            4,
            "a model that is all but certain of each token: what it writes",
        ),
        _certain(
            "all rows end early", SEEDS[4], 2, "rows that are over are filled in to the limit"
        ),
        Case(
            "a model in training mode",
            {"prompts": integers(SEEDS[1], 5, 3, 2), "seed": SEEDS[1], "new": 5},
            "dropout is off while sampling, and the model is given back as it came",
            probe=probes.in_training_mode,
            oracle=certain_in_training,
        ),
        Case(
            "a model in evaluation mode",
            {"prompts": integers(SEEDS[1], 5, 3, 2), "seed": SEEDS[1]},
            "a model that came in evaluation mode leaves in it",
            probe=probes.mode_afterwards,
            expected=False,
        ),
        _rescored(
            "rescored",
            3,
            0.6,
            "the log-probabilities are those of the draw, at a temperature of 0.6",
        ),
        _rescored("rescored, hot", 5, 1.7, "the same at a temperature of 1.7"),
        Case(
            "where rows end",
            {"prompts": integers(7, 4, 3, 2), "seed": 7},
            "120 responses: one end token at most, and it is the last that counts",
            probe=probes.rows_end_once,
            expected=ENDS,
        ),
        Case(
            "each token once",
            {"width": 4, "new": 6},
            "with the cache the model reads no token twice",
            probe=probes.each_token_is_read_once,
            expected=True,
        ),
        Case(
            "temperature 1",
            {"weights": _weights(1.0, 4.0), "temperature": 1.0},
            "weights 1 and 4: shares of 0.2 and 0.8, in tenths",
            probe=probes.shares_drawn,
            expected=(2, 8),
        ),
        Case(
            "temperature 2",
            {"weights": _weights(16.0, 1.0), "temperature": 2.0},
            "weights 16 and 1 at temperature 2 are like 4 and 1",
            probe=probes.shares_drawn,
            expected=(8, 2),
        ),
        Law(probes.the_same_seed_writes_the_same, "randomness comes from the generator alone"),
        Law(probes.rows_are_written_apart, "each row has its own draws"),
        Law(probes.prompts_are_kept, "the prompts stand in front, unchanged"),
        Case(
            "temperature 0",
            {"temperature": 0.0, "new": 3},
            "nothing can be divided by 0",
            probe=probes.with_settings,
            raises=ValueError,
        ),
        Case(
            "no token",
            {"temperature": 1.0, "new": 0},
            "a response has room for one token at least",
            probe=probes.with_settings,
            raises=ValueError,
        ),
        _certain("other certain tokens", SEEDS[2], 5, "another model", hidden=True, eos=3),
        _certain("other rows end early", SEEDS[5], 3, "filled in to the limit", hidden=True, eos=2),
        Case(
            "another model in training mode",
            {"prompts": integers(SEEDS[3], 5, 4, 3), "seed": SEEDS[3], "new": 4},
            "dropout is off while sampling",
            probe=probes.in_training_mode,
            oracle=certain_in_training,
            hidden=True,
        ),
        Case(
            "another model in evaluation mode",
            {"prompts": integers(SEEDS[3], 5, 3, 2), "seed": SEEDS[3]},
            "it stays in evaluation mode",
            probe=probes.mode_afterwards,
            expected=False,
            hidden=True,
        ),
        _rescored("rescored again", 11, 1.4, "a temperature of 1.4", hidden=True),
        Case(
            "where other rows end",
            {"prompts": integers(13, 4, 3, 3), "seed": 13},
            "120 responses",
            probe=probes.rows_end_once,
            expected=ENDS,
            hidden=True,
        ),
        Case(
            "each token once, again",
            {"width": 2, "new": 9},
            "no token is read twice",
            probe=probes.each_token_is_read_once,
            expected=True,
            hidden=True,
        ),
        Case(
            "temperature a half",
            {"weights": _weights(2.0, 1.0), "temperature": 0.5},
            "weights 2 and 1 at temperature ½ are like 4 and 1",
            probe=probes.shares_drawn,
            expected=(8, 2),
            hidden=True,
        ),
        Case(
            "a negative temperature",
            {"temperature": -1.0, "new": 3},
            "it would prefer the unlikely",
            probe=probes.with_settings,
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "less than no token",
            {"temperature": 1.0, "new": -2},
            "there is no such response",
            probe=probes.with_settings,
            raises=ValueError,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "log-probabilities at another temperature",
            writes(writers.OtherTemperature),
            "The tokens were drawn from logits divided by the temperature; their log-probabilities come from others.",
        ),
        Mistake(
            "the temperature is not used",
            writes(writers.NoTemperature),
            "Divide the logits by the temperature before drawing.",
        ),
        Mistake(
            "the temperature multiplies",
            writes(writers.Multiplies),
            "A high temperature makes the probabilities more alike: divide by it.",
        ),
        Mistake(
            "goes on after the end",
            writes(writers.GoesOn),
            "A row that has drawn the end token is over: fill in eos_id, log-probability 0 and mask 0.",
        ),
        Mistake(
            "the end token does not count",
            writes(writers.EndLeftOut),
            "Stopping is an action: the end token that was drawn has a log-probability and a 1 in the mask.",
        ),
        Mistake(
            "the first token lost",
            writes(writers.FirstLost),
            "The last logits of the prompt already speak about the first new token. Draw before you read on.",
        ),
        Mistake(
            "dropout on",
            writes(writers.Dropout),
            "The model is still in training mode while it writes. Call model.eval() first.",
        ),
        Mistake(
            "left in evaluation mode",
            writes(writers.StaysInEvaluation),
            "The model came in training mode, and later updates count on it. Remember model.training and restore it.",
        ),
        Mistake(
            "left in training mode",
            writes(writers.AlwaysTrains),
            "The model came in evaluation mode. Remember model.training and restore it.",
        ),
        Mistake(
            "only the last token is read",
            writes(writers.NoCache),
            "Without the cache the model knows neither what came before nor at which position it is. "
            "Pass cache=cache.",
        ),
        Mistake(
            "everything is read again at each step",
            writes(writers.ReadsAgain),
            "The result is right, but reading N times as much takes N times as long. Read the new "
            "token only, with the cache.",
        ),
        Mistake(
            "an end token in the prompt ends the row",
            writes(writers.PromptEnds),
            "Only an end token that was drawn ends a response; prompts may begin with one.",
        ),
        Mistake(
            "always the likeliest",
            writes(writers.Greedy),
            "A policy that explores draws its actions. draw_tokens takes probabilities.",
        ),
        Mistake(
            "drawn from the global generator",
            writes(writers.Global),
            "Pass the generator on to draw_tokens, or to torch.multinomial.",
        ),
        Mistake(
            "log-probabilities behind the end",
            writes(writers.ScoresOnPadding),
            "Nothing was drawn behind the end: the log-probability there is 0.",
        ),
        Mistake(
            "gradients recorded",
            writes(writers.KeepsTheGraph),
            "Writing is no training: without torch.no_grad() the graph of all steps is kept in memory.",
        ),
        Mistake(
            "bad settings accepted",
            writes(writers.Accepts),
            "A temperature that is not positive, and room for no token, must raise a ValueError.",
        ),
        Mistake(
            "stops for all when all are over",
            writes(writers.Stops),
            "The result always has max_new_tokens columns behind the prompt, filled in where nothing was drawn.",
        ),
    ),
    variants={
        "plain": writes(writers.Writer),
        "gumbel": writes(writers.Gumbel),
        "stops reading early": writes(writers.StopsEarly),
    },
)
