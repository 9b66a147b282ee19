"""The table of chapters: the one place that says which chapter is which.

Book, tools, checks and nbgrader read it; nothing else repeats a chapter's number, module or title.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chapter:
    """One chapter: a narrative page, a module with holes, an nbgrader assignment."""

    number: int
    """Position in the course; exercises are numbered ``number.1``, ``number.2`` and so on."""
    module: str
    """Name of the module in ``rlcourse`` and in ``solutions``."""
    title: str
    """Title of the narrative page."""
    prerequisites: tuple[str, ...] = ()
    """Modules of the earlier chapters that this one builds on."""
    label: str = ""
    """What it is called instead of "Chapter 13"; empty for a chapter that goes by its number."""

    @property
    def name(self) -> str:
        """How to call it in a heading or a link: ``Chapter 2``, or its label."""
        return self.label or f"Chapter {self.number}"

    @property
    def assignment(self) -> str:
        """Name of the nbgrader assignment, such as ``ch02``."""
        return f"ch{self.number:02d}"

    @property
    def page(self) -> str:
        """Name of the narrative page without its ending, such as ``02_policy_gradient``."""
        return f"{self.number:02d}_{self.module}"


CHAPTERS: tuple[Chapter, ...] = (
    Chapter(1, "language_modeling", "Why language models need reinforcement learning"),
    Chapter(2, "policy_gradient", "Policy gradient"),
    Chapter(3, "baselines", "Variance and baselines", ("policy_gradient",)),
    Chapter(
        4,
        "value_functions",
        "Value functions: Monte Carlo and temporal difference",
        ("policy_gradient",),
    ),
    Chapter(5, "q_learning", "DQN and Double DQN", ("value_functions",)),
    Chapter(
        6,
        "actor_critic",
        "Advantage and actor–critic",
        ("policy_gradient", "value_functions"),
    ),
    Chapter(
        7,
        "off_policy",
        "Off-policy learning, importance sampling, KL",
        ("policy_gradient", "actor_critic"),
    ),
    Chapter(8, "ppo", "Proximal policy optimization", ("actor_critic", "off_policy")),
    Chapter(
        9,
        "language_policy",
        "A language model as a policy; supervised fine-tuning",
        ("language_modeling", "policy_gradient"),
    ),
    Chapter(10, "reward_model", "Reward models from human preferences", ("language_policy",)),
    Chapter(11, "instruct_gpt", "InstructGPT", ("ppo", "language_policy", "reward_model")),
    Chapter(
        12,
        "gpt2_ppo",
        "Finale: PPO fine-tune of a small GPT-2 on a GPU",
        ("ppo", "language_policy", "reward_model", "instruct_gpt"),
    ),
    Chapter(
        13,
        "preference_optimization",
        "What came after",
        ("ppo", "reward_model", "instruct_gpt"),
        label="Epilogue",
    ),
)


def find_chapter(text: str) -> Chapter:
    """Find a chapter by number (``2``), assignment (``ch02``), module, page or exercise (``2.3``).

    Raises:
        ValueError: if no chapter goes by that name; the message lists those that exist.
    """
    key = text.strip().lower()
    for chapter in CHAPTERS:
        names = {str(chapter.number), chapter.assignment, chapter.module, chapter.page}
        if key in names or key.split(".")[0] == str(chapter.number):
            return chapter
    known = ", ".join(f"{chapter.assignment} ({chapter.module})" for chapter in CHAPTERS)
    raise ValueError(f"no chapter is called {text!r}; there are {known}")
