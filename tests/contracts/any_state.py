"""What has to hold of every state a market can be in.

All money is there, whatever any one key signs next; and anyone can end every period. A question is asked
by doing: on a state of the chain that is thrown away again. Transactions go straight to the node, because
brownie would wait for ever for those that were undone.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from brownie import web3
from web3.exceptions import ContractLogicError

from gridbourse.chain.encoding.lanes import BID, OFFER, group_words, order_lane, pack_readings
from tests.contracts.market import (
    BOOKED,
    CLEARED,
    DSO,
    OPEN,
    OPERATOR,
    READING_WINDOW,
    ROUNDING,
    SPREAD,
    SUPPLIER,
    VERDICT_WINDOW,
    Market,
)

GAS_LIMIT = 16_777_216  # EIP-7825: no transaction may take more


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens to the chain in here has not happened."""
    web3.provider.make_request(
        "anvil_autoImpersonateAccount", [True]
    )  # the node signs for everyone
    state = web3.provider.make_request("evm_snapshot", [])["result"]
    try:
        yield
    finally:
        web3.provider.make_request("evm_revert", [state])


def attempt(method: Any, *arguments: Any, by: Any) -> bool:
    """Sends a transaction; whether it went through. One that needs more gas than there is, fails."""
    call = {"from": str(by), "to": method._address, "data": method.encode_input(*arguments)}
    try:
        sent = web3.eth.send_transaction(call | {"gas": GAS_LIMIT, "gasPrice": 0})
    except (ValueError, ContractLogicError):
        return False  # the node says beforehand that it is refused
    return web3.eth.wait_for_transaction_receipt(sent)["status"] == 1


def pass_time(seconds: int) -> None:
    web3.provider.make_request("evm_increaseTime", [seconds])
    web3.provider.make_request("evm_mine", [])


# --- liveness ----------------------------------------------------------------------------------


def require_anyone_can_end(market: Market, period: int, areas: Iterable[int]) -> None:
    """A stranger ends a delivered period, no oracle helping, once the windows of its steps are over."""
    anyone, settlement = market.stranger, market.settlement
    with undone():
        for area in areas:
            if market.auction.sessionOf(area, period)["phase"] == OPEN:
                assert attempt(market.auction.clear, area, period, by=anyone), (period, area)
            attempt(settlement.awaitReadings, area, period, by=anyone)
        pass_time(max(VERDICT_WINDOW, READING_WINDOW) + 1)
        for area in areas:
            if market.auction.sessionOf(area, period)["phase"] == CLEARED:
                attempt(market.auction.expire, area, period, by=anyone)
            if market.auction.sessionOf(area, period)["phase"] != BOOKED:
                assert attempt(market.auction.book, area, period, 100, by=anyone), (period, area)
        for area in areas:
            if not settlement.progressOf(area, period)["done"]:
                assert attempt(settlement.settle, area, period, 100, by=anyone), (period, area)
        place = period % market.house.ringSize()
        assert all(market.house.periodAt(area, place)["settled"] for area in areas)
        require_sound(market)


# --- solvency ----------------------------------------------------------------------------------


def require_sound(market: Market) -> None:
    ledger = market.ledger()
    assert ledger.money_sum == 0
    assert ledger.gap <= 0, ledger
    assert market.currency.balanceOf(market.house) >= ledger.deposits - ledger.withdrawals


def require_sound_whatever_a_key_signs(market: Market, periods: list[int]) -> None:
    """Lets each key do its worst from here: all money is still there."""
    for worst in (_meter_oracle, _grid_oracle, _supplier, _dso, _treasurer, _operator, _gateway):
        with undone():
            worst(market, periods)
            require_sound(market)


def _meter_oracle(market: Market, periods: list[int]) -> None:
    """All that connections carry, one half of them out and the other in, and settles on it."""
    key, anyone = market.meter_oracle, market.stranger
    for period in periods:
        for area in {m.area for m in market.members}:
            members = market.in_area(area)
            readings = {m.number: (-1) ** m.number * market.capacity for m in members}
            first, packed = pack_readings(readings)
            version = market.meters.versionOf(area, period) + 1
            attempt(market.meters.submit, area, period, version, first, packed, by=key)
            attempt(market.settlement.settle, area, period, 100, by=anyone)


def _grid_oracle(market: Market, periods: list[int]) -> None:
    for period in periods:
        for area in {m.area for m in market.members}:
            attempt(market.grid.accept, *market.judged(period, area), by=market.grid_oracle)
            attempt(market.auction.book, area, period, 1, by=market.stranger)


def _supplier(market: Market, periods: list[int]) -> None:
    """Takes all it may out, and sells energy at once for what it never was worth."""
    house, key = market.house, market.supplier
    attempt(house.withdrawHouse, SUPPLIER, house.spendableOf(SUPPLIER), by=key)
    attempt(market.tariff.setEnergyPrices, 0, max(periods) + 8, 400, 400, by=key)


def _dso(market: Market, _: list[int]) -> None:
    house = market.house
    attempt(house.withdrawHouse, DSO, house.spendableOf(DSO), by=market.dso)


def _treasurer(market: Market, periods: list[int]) -> None:
    """Unlimited credit for everybody, who orders as much as goes."""
    for member in market.members:
        attempt(market.house.setCreditLimit, member.number, 2**48 - 1, by=market.treasurer)
        order = (max(periods) + 2, BID, 30, market.capacity)
        attempt(market.auction.place, *order, by=member.account)


def _operator(market: Market, _: list[int]) -> None:
    """Takes the house's accounts, revokes the pool, and suspends everybody."""
    house, key = market.house, market.operator
    for account in (OPERATOR, ROUNDING, SPREAD):
        attempt(house.withdrawHouse, account, house.spendableOf(account), by=key)
    attempt(house.revokeModule, market.auction, by=key)
    for member in market.members:
        attempt(market.registry.suspend, member.number, by=key)


def _gateway(market: Market, periods: list[int]) -> None:
    """Sells and buys all that everybody has, on both sides of the same tick."""
    period = max(periods) + 2
    for area in {m.area for m in market.members}:
        lanes = {
            m.number: order_lane(OFFER if m.number % 2 else BID, 30, 10_000, 250)
            for m in market.members
            if m.area == area
        }
        attempt(market.auction.placeBatch, area, period, group_words(lanes), by=market.gateway)


def everybody_takes(market: Market) -> None:
    """All take out all they may, at once, and wait for the window: nobody comes too late."""
    house, window = market.house, market.dispute_window
    with undone():
        before = house.withdrawals()
        parties: dict[int, Any] = {
            DSO: market.dso,
            SUPPLIER: market.supplier,
            **dict.fromkeys((OPERATOR, ROUNDING, SPREAD), market.operator),
        }
        takes: list[Callable[[], bool]] = [
            *(
                lambda m=m: attempt(house.withdraw, house.balanceOf(m.number), by=m.account)
                for m in market.members
                if house.balanceOf(m.number) >= 0  # who owes has nothing to take
            ),
            *(
                lambda a=a, by=by: attempt(house.withdrawHouse, a, house.spendableOf(a), by=by)
                for a, by in parties.items()
            ),
        ]
        for take in takes:
            assert take()
        pass_time(window + 1)
        for number in range(1, house.withdrawals() + 1):
            if house.withdrawalOf(number)["recipient"] != "0x" + 40 * "0":
                assert attempt(house.finishWithdrawal, number, by=market.stranger), number
        assert house.withdrawals() == before + len(takes)
        assert house.setAsideMicroEur() == 0
