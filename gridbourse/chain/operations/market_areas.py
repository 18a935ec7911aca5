"""Market areas that open and close, and what binds a metering point whoever holds it.

Bindings of `Places.sol` and `ExportPledges.sol`.
"""

from typing import NamedTuple

from eth_account.signers.local import LocalAccount

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.deployment.record import PLEDGES
from gridbourse.chain.encoding.arguments import label
from gridbourse.chain.operations.event_log import events
from gridbourse.chain.operations.proposals import Log
from gridbourse.errors import GridbourseError
from gridbourse.text import meant


class PlaceError(GridbourseError):
    """An area of which there is none, or more than one."""


class Area(NamedTuple):
    """A market area; closed_from: first delivery period it is no part of, 0 = open."""

    number: int
    name: str
    closed_from: int


class Pledge(NamedTuple):
    """What of a metering point's export is promised to campaigns, and who said to take it over.

    permille: of all it exports; successors: accounts that may be registered there.
    """

    point: bytes
    permille: int
    successors: tuple[str, ...]


def areas(market: Market, log: Log) -> list[Area]:
    """Every area there ever was, by number."""
    registry = market.registry
    return [
        Area(
            values["area"],
            values["name"].rstrip(b"\0").decode(errors="replace"),
            registry.read("closedFrom", values["area"]),
        )
        for values in log["AreaAdded"]
    ]


def area_named(market: Market, log: Log, name: str) -> Area:
    """An area by its name or number; PlaceError where none has it, or more than one."""
    there = areas(market, log)
    found = [each for each in there if each.name == name]
    found = found or [each for each in there if str(each.number) == name]
    if len(found) == 1:
        return found[0]
    if found:
        numbers = ", ".join(str(each.number) for each in found)
        raise PlaceError(f"area {name!r}: {len(found)} have this name; give the number: {numbers}")
    near = meant(name, (each.name for each in there))
    hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(e.name for e in there)}"
    raise PlaceError(f"area {name!r} is none; {hint}")


def open_area(market: Market, by: LocalAccount, name: str) -> int:
    """Open a market area; its number. ArgumentError for a name beyond 32 bytes."""
    receipt = market.registry.write(by, "open area", "addArea", label("addArea", name))
    number: int = market.registry.events_in(receipt, "AreaAdded")[0]["area"]
    return number


def close_area(market: Market, by: LocalAccount, number: int) -> int:
    """Close an area without members for good; the first delivery period it is no part of."""
    receipt = market.registry.write(by, "close area", "closeArea", number)
    period: int = market.registry.events_in(receipt, "AreaEnded")[0]["fromPeriod"]
    return period


def pledges_of(market: Market) -> Bound:
    """The contract that has what is pledged."""
    address = market.record.contracts[PLEDGES].address
    return Bound(market.chain, market.chain.bind(PLEDGES, address))


def state_take_over(market: Market, by: LocalAccount, point: bytes, takes_over: bool) -> None:
    """Say whether `by` takes over what is pledged of a metering point, should it come to be there."""
    pledges_of(market).write(by, "take over", "stateTakeOver", point, takes_over)


def pledged(market: Market) -> list[Pledge]:
    """Every metering point whose export is promised now."""
    contract = pledges_of(market)
    promised: dict[bytes, dict[str, None]] = {}
    for name, values in events(market, contract, "Pledged", "TakeOverStated"):
        there = promised.setdefault(values["meteringPoint"], {})
        if name == "TakeOverStated":
            there[values["account"]] = None
    return [
        Pledge(point, permille, _successors(contract, point, list(stated)))
        for point, stated in promised.items()
        if (permille := contract.read("pledgedPermille", point))
    ]


def _successors(contract: Bound, point: bytes, stated: list[str]) -> tuple[str, ...]:
    return tuple(each for each in stated if contract.read("takesOver", point, each))
