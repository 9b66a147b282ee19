"""Every page, in both themes, on a desk and on a phone."""

from pathlib import Path

import pytest

from autograder.site.toc import table_of_contents

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ROOT = Path(__file__).resolve().parents[2]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = [1280, 360]
NOT_IN_CONTENTS = ["search", "genindex", "404", "_modules/index"]


def all_pages():
    """Every page of the public site, by name."""
    import yaml

    toc = yaml.safe_load(table_of_contents(ROOT / "book"))
    names = [toc["root"]]
    for part in toc["parts"]:
        for chapter in part["chapters"]:
            names += [chapter["file"], *(each["file"] for each in chapter.get("sections", []))]
    return names + NOT_IN_CONTENTS


UNSET_FORMULAS = """
[...document.querySelectorAll(".math")].filter(each => !each.querySelector("mjx-container")).length
"""
GENERATED = ("reference/", "genindex")
"""Lists that one template wrote; axe needs minutes for all of one, and sees each kind of entry at its start."""
KEEP_THE_START = """
document.querySelectorAll(".bd-article > section > section:nth-of-type(n + 5)")
    .forEach(each => each.remove());
document.querySelectorAll(".genindextable > tbody > tr > td > ul > li:nth-of-type(n + 6)")
    .forEach(each => each.remove());
"""
ONE_OF_A_KIND = """
const seen = {};
const known = (each, around) => {
    const kind = [each, each.parentElement, each.closest(around)].map(e => e?.className).join("|");
    seen[kind] = (seen[kind] ?? 0) + 1;
    return seen[kind] > 3;
};
document.querySelectorAll(".highlight pre span").forEach(each => {
    if (known(each, "div[class*=cell], div[class*=highlight-]")) each.replaceWith(...each.childNodes);
});
document.querySelectorAll("mjx-container > mjx-math").forEach(each => {
    if (known(each.parentElement, "p, td, th, li, h2, h3, summary, .admonition")) each.replaceChildren();
});
"""
"""Words of code have the colour of their kind: axe, slow with colours, sees three of each kind.

The glyphs of a formula are no text to axe; to look for it there takes as long.
"""
FAULTS = """
<img src="http://127.0.0.1:9/picture.png" width="9" height="9">
<p style="color:#ccc">pale</p><div style="width:2000px">wide</div>
"""


@pytest.fixture(scope="session")
def axe():
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")


def settle(page):
    """Wait until the mathematics stands."""
    if page.locator(".math").count():
        page.wait_for_selector("mjx-container", state="attached")
    page.wait_for_timeout(300)


def violations(page, rules):
    """What axe finds on the page as it stands, ``[(rule, elements)]``."""
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    found = page.evaluate("async options => (await axe.run(document, options)).violations", options)
    return [(each["id"], [node["html"][:160] for node in each["nodes"][:3]]) for each in found]


def switch(page, theme):
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)


def faults(page, address, axe, with_axe=True):
    """Everything that is wrong with an open page."""
    settle(page)
    yield from (("asks", url) for url in page.asked if not url.startswith((address, "data:")))
    yield from (("console", text) for text in page.said)
    if (wide := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
        yield "scrolls sideways by", wide
    if unset := page.evaluate(UNSET_FORMULAS):
        yield "formulas not set", unset
    if not with_axe:
        return
    if page.url.removeprefix(address).startswith(GENERATED):
        page.evaluate(KEEP_THE_START)
    page.evaluate(ONE_OF_A_KIND)
    page.evaluate(axe)
    yield from violations(page, RULES)
    switch(page, "dark")
    yield from (
        ("dark", *each) for each in violations(page, ["color-contrast", "link-in-text-block"])
    )


@pytest.mark.parametrize("name", all_pages())
def test_page(name, open_page, address, axe):
    problems = []
    for width in WIDTHS:
        page = open_page(f"{address}{name}.html", width=width, reduced_motion="reduce")
        with_axe = width == 1280 or not name.startswith(
            "reference/"
        )  # long, and alike at any width
        problems += [(width, *fault) for fault in faults(page, address, axe, with_axe)]
        page.close()
    assert not problems, "\n".join(map(str, problems))


def test_the_search_for_faults_bites(open_page, address, axe):
    page = open_page(f"{address}index.html", reduced_motion="reduce")
    insert = "html => document.querySelector('.bd-article h1').insertAdjacentHTML('afterend', html)"
    page.evaluate(insert, FAULTS)
    found = [fault[0] for fault in faults(page, address, axe)]
    assert {"image-alt", "color-contrast", "scrolls sideways by", "asks"} <= set(found)


def test_a_pale_colour_of_one_kind_is_found(open_page, address, axe):
    page = open_page(f"{address}02_policy_gradient.html", reduced_motion="reduce")
    settle(page)
    page.evaluate(ONE_OF_A_KIND)
    page.evaluate(axe)
    for kind in ("n", "c1"):
        style = f".highlight .{kind} {{ color: #ccc !important }}"
        sheet = page.add_style_tag(content=style)
        [(rule, elements)] = violations(page, ["color-contrast"])
        assert rule == "color-contrast" and f'<span class="{kind}">' in elements[0]
        sheet.evaluate("each => each.remove()")
