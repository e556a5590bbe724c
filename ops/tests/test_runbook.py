"""Each alert says where its page is, and each page is of an alert."""

from __future__ import annotations

import re
from pathlib import Path

OPS = Path(__file__).parents[1]
RULES = "".join(path.read_text() for path in sorted((OPS / "prometheus" / "rules").glob("*.yml")))
PAGES = {path.stem: path.read_text() for path in (OPS / "runbook").glob("*.md")}


def alerts() -> set[str]:
    return set(re.findall(r"- alert: (\w+)", RULES))


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    assert alerts() == PAGES.keys()
    assert set(re.findall(r"runbook: ops/runbook/(\w+)\.md", RULES)) == alerts()
    assert RULES.count("runbook: ") == RULES.count("- alert: ")


def test_pages_say_what_it_means_where_to_look_and_what_to_do() -> None:
    for name, text in PAGES.items():
        assert text.startswith(f"# {name}\n"), name
        for part in ("**What it means.**", "## What to look at", "## What to do"):
            assert part in text, (name, part)


def test_links_between_pages_lead_somewhere() -> None:
    for name, text in PAGES.items():
        for target in re.findall(r"\]\((\w+)\.md\)", text):
            assert target in PAGES, (name, target)


def test_tests_of_rules_name_each_alert() -> None:
    tests = "".join(path.read_text() for path in (OPS / "prometheus" / "tests").glob("*.yml"))
    assert set(re.findall(r'alertname="(\w+)"', tests)) == alerts()
