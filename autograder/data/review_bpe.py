"""Make ``rlcourse/data/review_bpe.json``: ``python -m autograder.data.review_bpe``. Some seconds.

The vocabulary sees the training parts of all sources, never a test or validation snippet.
"""

import hashlib
import sys
from pathlib import Path

from rlcourse.support.ratings import SOURCES, Snippet, load_snippets, split_snippets
from rlcourse.support.tokenizer import VOCABULARY, train_tokenizer

TARGET = Path(__file__).resolve().parents[2] / "rlcourse" / "data" / VOCABULARY


def training_snippets() -> list[Snippet]:
    """The snippets of all sources that may be read in training."""
    parts = [split_snippets(load_snippets(source)) for source in SOURCES]
    return [snippet for part in parts for snippet in (*part.rm, *part.judge)]


def main() -> int:
    """Write the shipped file."""
    made = train_tokenizer(snippet.text for snippet in training_snippets()).to_str().encode()
    TARGET.write_bytes(made)
    print(f"{TARGET.name}: {len(made):,} bytes, SHA-256 {hashlib.sha256(made).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
