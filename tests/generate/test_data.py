"""The scripts that make shipped data."""

import io
import lzma
import tarfile

import pytest

from autograder.data import human_ratings


def archive(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def sdist(texts="1\t2.0\tGood &amp; cheap\n", ratings="1\t2.0\t0.5\t[2, -4, 4]\n"):
    """A source distribution in which every source has one snippet."""
    inner = {}
    for name in human_ratings.SOURCES.values():
        inner[f"hutto_ICWSM_2014/{name}_GroundTruth.txt"] = texts.encode()
        inner[f"hutto_ICWSM_2014/{name}_anonDataRatings.txt"] = b"\xef\xbb\xbf" + ratings.encode()
    return archive({human_ratings.INNER: archive(inner)})


@pytest.fixture
def trusted(monkeypatch):
    """Let a made-up distribution pass for the real one."""

    def trust(packed):
        digest = human_ratings.hashlib.sha256(packed).hexdigest()
        monkeypatch.setattr(human_ratings, "SDIST_SHA256", digest)
        return packed

    return trust


def test_a_line_a_snippet(trusted):
    lines = lzma.decompress(human_ratings.compact(trusted(sdist()))).decode().splitlines()
    assert lines[0] == "film\t1\t608\tGood & cheap"
    assert [line.split("\t")[0] for line in lines] == ["film", "product", "news", "tweet"]


def test_the_same_source_gives_the_same_bytes(trusted):
    packed = trusted(sdist())
    assert human_ratings.compact(packed) == human_ratings.compact(packed)


def test_another_file_is_refused():
    with pytest.raises(ValueError, match="not vaderSentiment"):
        human_ratings.compact(b"something else")


def test_a_row_with_a_column_too_few_is_refused(trusted):
    with pytest.raises(ValueError, match="has not 3 columns"):
        human_ratings.compact(trusted(sdist(texts="1\tGood\n")))
