"""Links, anchors and resources of the built site, without a browser."""

import pytest

from autograder.site.links import broken_links

PAGE = """
<a href="other.html#there">good</a> <a href="#here" id="here">good</a> <a href="http://x.org">out</a>
<img src="data:image/png;base64,x"> <link rel="canonical" href="https://x.org/">
{}
"""
OTHER = '<p id="there"></p>'


@pytest.mark.slow
def test_the_site_has_no_broken_link_and_asks_no_other_server(site):
    assert list(broken_links(site)) == []


@pytest.mark.parametrize(
    ("planted", "problem"),
    [
        ("", None),
        ('<a href="nowhere.html">x</a>', "missing"),
        ('<a href="other.html#nowhere">x</a>', "no such anchor"),
        ('<a href="#nowhere">x</a>', "no such anchor"),
        ('<a href="/absent/index.html">x</a>', "missing"),
        ('<img src="gone.png">', "missing"),
        ('<script src="https://cdn.x.org/a.js"></script>', "asked from another server"),
        ('<link rel="stylesheet" href="//fonts.x.org/a.css">', "asked from another server"),
    ],
)
def test_each_fault_is_found(tmp_path, planted, problem):
    (tmp_path / "page.html").write_text(PAGE.format(planted))
    (tmp_path / "other.html").write_text(OTHER)
    found = list(broken_links(tmp_path))
    assert [problem in each for each in found] == ([True] if problem else [])
