"""Rows that a batch leaves out: they change nothing, and the error that refused each names whose it is."""

from collections.abc import Iterable
from typing import Final

from eth_utils import keccak

from gridbourse.audit.core.findings import Findings

SELECTOR, WORD = 4, 32
_OF_PARTICIPANT: Final = (
    "NoMandate(uint256,uint256,uint256)",
    "NotItsAggregator(uint256,uint256,uint256,bool)",
    "ParticipantNotActive(uint256,uint256)",
    "InDebt(uint256,int256)",
    "InsufficientMoney(uint256,int256,uint256)",
    "AboveConnectionCapacity(uint256,uint256,uint256)",
    "AboveAgentLimit(uint256,uint256,uint256)",
    "StaleSequence(uint256,uint256,uint256)",
    "SignatureExpired(uint256,uint256,uint256)",
    "SignerIsNotParticipant(uint256,address,address)",
    "TooManyOrders(uint256,uint256)",
)
"""Errors that name the participant first, which may not act, or not any more."""
_OF_OTHERS: Final = (
    "LevelFull(uint256)",
    "TickFull(uint256,uint256,uint256,uint256)",
    "CreditNotCovered(uint256,uint256,int256)",
    "TowardsItself(uint256,uint256)",
)
"""Errors of shared limits: a tick, the supplier's cover, their agent."""


def _selectors(signatures: Iterable[str]) -> frozenset[bytes]:
    return frozenset(keccak(text=signature)[:SELECTOR] for signature in signatures)


_NAMES_WHO: Final = _selectors(_OF_PARTICIPANT)
_KNOWN: Final = _NAMES_WHO | _selectors(_OF_OTHERS)


def require_left_out(
    findings: Findings, what: str, where: str, participant: int, reason: bytes
) -> None:
    """Require that a row of the participant was left out by an error that leaves rows out.

    reason: the error as the contract has it, selector and values.
    """
    selector, first = reason[:SELECTOR], reason[SELECTOR : SELECTOR + WORD]
    findings.require(what, where, selector in _KNOWN, "left out by no error that leaves one out")
    if selector in _NAMES_WHO:
        named = int.from_bytes(first, "big")
        findings.compare(what, f"participant left out, {where}", named, participant)
