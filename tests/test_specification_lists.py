"""Lists of SPECIFICATION.md and contracts/README.md name what the code has, all of it and no more."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
LIBRARIES = CHECKOUT / "contracts" / "libraries"
PAGES = {
    "SPECIFICATION.md": r"\n2\.7 Accounts of the house are (.*?);",
    "contracts/README.md": r"\nNamed accounts share the participants' numbering: (.*?);",
}


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.DOTALL)
    assert match, f"nothing reads as {pattern}"
    return match.group(1)


def page(name: str) -> str:
    return (CHECKOUT / name).read_text("utf-8")


def roles_of_the_code() -> set[str]:
    source = (LIBRARIES / "Roles.sol").read_text("utf-8")
    return set(re.findall(r'constant \w+ = keccak256\("(\w+)"\)', source))


def test_the_roles_are_those_of_the_code() -> None:
    listed = re.findall(r"`(\w+)`", found(r"\n1\.1 Roles are (.*?);", page("SPECIFICATION.md")))
    assert len(listed) == len(set(listed))
    assert set(listed) == roles_of_the_code()


def test_each_role_has_a_row_in_the_contracts_readme() -> None:
    table = found(r"\n## Roles\n(.*?)\n## ", page("contracts/README.md"))
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == roles_of_the_code()


@pytest.mark.parametrize("name", PAGES)
def test_the_house_accounts_are_those_of_the_code(name: str) -> None:
    source = (LIBRARIES / "HouseAccounts.sol").read_text("utf-8")
    numbers = {who: int(at) for who, at in re.findall(r"constant (\w+) = (\d+);", source)}
    first = numbers.pop("FIRST_PARTICIPANT")
    listed = dict(re.findall(r"(\d+)\s+([^,]+?)(?:,| and |$)", found(PAGES[name], page(name))))
    assert sorted(map(int, listed)) == sorted(numbers.values()) == list(range(1, first))
    assert {
        who: who.lower() in listed[str(at)].lower() for who, at in numbers.items()
    } == dict.fromkeys(numbers, True)
