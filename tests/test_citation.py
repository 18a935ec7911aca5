"""CITATION.cff is what the Citation File Format 1.2.0 asks for, SECURITY.md knows each role."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text("utf-8"))
    return content


def test_the_required_keys_are_there(citation: dict[str, Any]) -> None:
    assert citation["cff-version"] == "1.2.0"
    assert all(citation[key] for key in ("message", "title", "abstract", "authors"))
    assert all(author["name"] for author in citation["authors"])


def test_version_and_license_are_those_of_the_package(citation: dict[str, Any]) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {key: citation[key] for key in ("title", "version", "license")} == {
        "title": project["name"],
        "version": project["version"],
        "license": project["license"],
    }


def test_the_trust_model_names_each_role() -> None:
    roles = re.findall(
        r'keccak256\("(\w+)"\)', (CHECKOUT / "contracts/libraries/Roles.sol").read_text("utf-8")
    )
    page = (CHECKOUT / "SECURITY.md").read_text("utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == sorted(roles)
