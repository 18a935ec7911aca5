"""What the checker finds in a forged log of roles, accounts and areas; built from the events alone."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.registry import Members
from gridbourse.audit.core.roles import ADMIN, ADMIN_REMOVAL, AGGREGATOR, GATEWAY, OPERATOR
from gridbourse.audit.flexibility.token import Tokens
from gridbourse.chain.encoding.arguments import NOBODY

ADMIN_KEY, OTHER, THIEF, ALICE, FRESH = (f"0x{digit * 40}" for digit in "abcde")
POINT = b"p" * 32
TOKEN = 77


def event(name: str, /, **values: Any) -> Event:
    return Event("ParticipantRegistry", name, values, f"log of {name}", 1)


class Registry:
    """The registry's log as it is told, of a sealed market with one participant."""

    def __init__(self) -> None:
        self.findings = Findings()
        self.members = Members(self.findings)
        self.offices = self.members.offices
        self.grant(ADMIN, ADMIN_KEY)
        self.grant(OPERATOR, ADMIN_KEY)
        self.offices.connected = True
        self.members.area_added(event("AreaAdded", area=0, name=b"street"))
        self.register(ALICE)
        self.offices.seal(event("Sealed"))

    def register(self, account: str, area: int = 0) -> None:
        number = 8 + len(self.members.participants)
        self.members.registered(
            event(
                "ParticipantRegistered", participant=number, account=account, meteringPoint=POINT,
                area=area, zone=0, capacityWh=1_000, fromPeriod=5,
            )
        )  # fmt: skip

    def propose(self, role: bytes, account: str) -> None:
        self.offices.proposed(event("RoleProposed", role=role, account=account))

    def grant(self, role: bytes, account: str) -> None:
        self.members.role_granted(event("RoleGranted", role=role, account=account))

    def revoke(self, role: bytes, account: str, by: str = ADMIN_KEY) -> None:
        self.offices.revoked(event("RoleRevoked", role=role, account=account, sender=by))

    def account(self, name: str, **values: Any) -> Event:
        return event(f"Account{name}", participant=8, **values)

    @property
    def found(self) -> list[str]:
        return [str(difference) for difference in self.findings.differences]


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_what_is_proposed_may_be_given_and_taken(registry: Registry) -> None:
    registry.propose(GATEWAY, OTHER)
    registry.grant(GATEWAY, OTHER)
    registry.revoke(GATEWAY, OTHER)
    registry.propose(OPERATOR, OTHER)
    registry.grant(OPERATOR, OTHER)
    registry.revoke(OPERATOR, ADMIN_KEY)
    assert registry.found == []
    assert registry.offices.holders[OPERATOR] == {OTHER}


def test_a_role_that_nobody_proposed_is_found(registry: Registry) -> None:
    registry.grant(GATEWAY, THIEF)
    assert "never proposed" in registry.found[-1]
    registry.propose(GATEWAY, OTHER)
    registry.offices.withdrawn(event("RoleProposalWithdrawn", role=GATEWAY, account=OTHER))
    registry.grant(GATEWAY, OTHER)
    registry.grant(GATEWAY, OTHER)
    assert len(registry.found) == 3
    registry.offices.withdrawn(event("RoleProposalWithdrawn", role=GATEWAY, account=OTHER))
    assert len(registry.found) == 4


def test_the_last_operator_stays(registry: Registry) -> None:
    registry.revoke(OPERATOR, ADMIN_KEY)
    assert "was the last" in registry.found[-1]


def test_an_admin_is_removed_only_as_proposed(registry: Registry) -> None:
    for account in (OTHER, THIEF):
        registry.propose(ADMIN, account)
        registry.grant(ADMIN, account)
    registry.propose(ADMIN_REMOVAL, THIEF)
    registry.revoke(ADMIN, THIEF)
    registry.revoke(ADMIN, ADMIN_KEY)  # by itself
    assert registry.found == []
    registry.revoke(ADMIN, OTHER, by=ADMIN_KEY)
    assert "never proposed" in registry.found[0]


def test_a_participant_with_an_office_is_found(registry: Registry) -> None:
    registry.propose(GATEWAY, ALICE)
    registry.grant(GATEWAY, ALICE)
    assert "is a participant's" in registry.found[-1]
    registry.register(ADMIN_KEY)
    assert "holds a role" in registry.found[-1]


def test_a_seal_of_a_registry_that_nothing_binds_is_found() -> None:
    registry = Registry()
    registry.offices.connected = False
    registry.offices.seal(event("Sealed"))
    assert "not connected" in registry.found[-1]


def test_a_replaced_account_is_followed(registry: Registry) -> None:
    registry.propose(AGGREGATOR, ALICE)
    registry.grant(AGGREGATOR, ALICE)
    registry.members.account_proposed(registry.account("Proposed", account=FRESH, by=ALICE))
    registry.members.account_replaced(
        registry.account("Replaced", formerAccount=ALICE, account=FRESH)
    )
    registry.revoke(AGGREGATOR, ALICE, by=FRESH)
    registry.grant(AGGREGATOR, FRESH)
    assert registry.found == []
    assert registry.members.account_number(FRESH) == 8
    assert registry.members.account_number(ALICE) is None
    assert registry.members.aggregators == {8}


def test_a_replaced_account_that_comes_back_is_found(registry: Registry) -> None:
    registry.members.account_proposed(registry.account("Proposed", account=FRESH, by=ALICE))
    registry.members.account_replaced(
        registry.account("Replaced", formerAccount=ALICE, account=FRESH)
    )
    assert registry.found == []
    registry.register(ALICE)
    assert "was replaced before" in registry.found[-1]


@pytest.fixture
def tokens(registry: Registry) -> Tokens:
    """1,000 Wh with 40,000 µEUR at the account that Alice's key was replaced at."""
    common = SimpleNamespace(
        members=registry.members,
        findings=registry.findings,
        transfers=SimpleNamespace(waiting=lambda _: []),
    )
    found = Tokens(cast(Common, common), "FlexibilityMarket")
    found.wh[TOKEN, ALICE], found.claims[TOKEN, ALICE] = 1_000, 40_000
    registry.members.account_proposed(registry.account("Proposed", account=FRESH, by=ALICE))
    registry.members.account_replaced(
        registry.account("Replaced", formerAccount=ALICE, account=FRESH)
    )
    return found


@pytest.mark.parametrize(("receiver", "named"), [(FRESH, False), (OTHER, True), (NOBODY, True)])
def test_tokens_that_a_replaced_key_moves_are_found(
    registry: Registry, tokens: Tokens, receiver: str, named: bool
) -> None:
    registry.register(OTHER)
    before = len(registry.found)
    moved = {"from": ALICE, "to": receiver, "id": TOKEN}
    tokens.moved(event("TransferSingle", **moved, value=1_000))
    tokens.claim_moved(event("ClaimMoved", **moved, amountMicroEur=40_000))
    found = registry.found[before:]
    assert any("by an account that was replaced" in each for each in found) == named
    assert len(found) == named
    if not named:
        assert (tokens.wh[TOKEN, FRESH], tokens.claims[TOKEN, FRESH]) == (1_000, 40_000)
        assert tokens.kept_micro_eur == 40_000


def _operator_proposes(registry: Registry) -> None:
    registry.members.account_proposed(registry.account("Proposed", account=FRESH, by=ADMIN_KEY))


def _thief_withdraws(registry: Registry) -> None:
    registry.members.account_proposed(registry.account("Proposed", account=FRESH, by=ALICE))
    registry.members.account_withdrawn(registry.account("Withdrawn", account=FRESH, by=THIEF))


def _replaced_after_a_veto(registry: Registry) -> None:
    registry.members.account_proposed(registry.account("Proposed", account=FRESH, by=ALICE))
    registry.members.account_withdrawn(registry.account("Withdrawn", account=FRESH, by=ALICE))
    registry.members.account_replaced(
        registry.account("Replaced", formerAccount=ALICE, account=FRESH)
    )


def _replaced_by_another(registry: Registry) -> None:
    registry.members.account_proposed(registry.account("Proposed", account=FRESH, by=ALICE))
    registry.members.account_replaced(
        registry.account("Replaced", formerAccount=ALICE, account=THIEF)
    )


def _taken_out_by_a_stranger(registry: Registry) -> None:
    registry.members.left(registry.account("", untilPeriod=9, by=THIEF))


@pytest.mark.parametrize(
    "forge",
    [
        _operator_proposes,
        _thief_withdraws,
        _replaced_after_a_veto,
        _replaced_by_another,
        _taken_out_by_a_stranger,
    ],
)
def test_an_account_nobody_proposed_is_found(
    registry: Registry, forge: Callable[[Registry], None]
) -> None:
    forge(registry)
    assert registry.found != []


def test_the_operator_proposes_for_who_is_suspended(registry: Registry) -> None:
    registry.members.suspended(event("ParticipantSuspended", participant=8))
    assert registry.members.participants[8].held_back
    _operator_proposes(registry)
    assert registry.found == []


def test_an_area_closed_over_its_members_is_found(registry: Registry) -> None:
    registry.members.area_added(event("AreaAdded", area=1, name=b"mistake"))
    registry.members.area_ended(event("AreaEnded", area=1, fromPeriod=9))
    assert registry.found == []
    assert [registry.members.is_open(1, period) for period in (8, 9)] == [True, False]
    registry.members.area_ended(event("AreaEnded", area=0, fromPeriod=9))
    assert "[8] are members" in registry.found[-1]
    registry.members.area_ended(event("AreaEnded", area=1, fromPeriod=10))
    assert "no area, or one that is closed" in registry.found[-1]


def test_who_leaves_by_itself_is_not_who_is_taken_out(registry: Registry) -> None:
    registry.members.left(registry.account("", untilPeriod=9, by=ALICE))
    gone = registry.members.participants[8]
    assert (gone.profile & 0xF, gone.held_back) == (3, False)
    other = Registry()
    other.members.left(other.account("", untilPeriod=9, by=ADMIN_KEY))
    taken = other.members.participants[8]
    assert (taken.profile & 0xF, taken.held_back) == (7, True)
    assert registry.found == other.found == []
