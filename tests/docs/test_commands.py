"""Every command and every option is in the reference."""

from __future__ import annotations

import argparse
import re

import pytest

from pacskit.cli.parser import build_parser
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "reference" / "command-line.md"


def commands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction))
    return dict(action.choices)


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_reference_has_the_command_and_its_options(name: str) -> None:
    text = PAGE.read_text("utf-8")
    shared = text[text.index("## What the commands") : text.index("## echo")]
    section = text[text.index(f"## {name}\n") :].split("\n## ")[0] + shared
    options = {option for action in commands()[name]._actions for option in action.option_strings}
    missing = [option for option in options if option.startswith("--") and f"`{option}`" not in section]
    assert [option for option in missing if option != "--help"] == []


def test_the_reference_has_no_other_options() -> None:
    known = {option for one in commands().values() for action in one._actions for option in action.option_strings}
    assert set(re.findall(r"`(--[a-z-]+)`", PAGE.read_text("utf-8"))) <= known
