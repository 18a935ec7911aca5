"""The end: the rebuilt market against the chain's own storage, and the identities of both."""

from gridbourse.audit.core.money import Position
from gridbourse.audit.core.rules import Rules
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import State
from gridbourse.model.house_accounts import MARGIN_ACCOUNT


def compare_end(rebuilt: Rebuilt, rules: Rules, state: State) -> None:
    """Every balance, and every position and price of every area."""
    findings, money = rebuilt.findings, rebuilt.money
    for account in sorted({*state.balances, *money.free}):
        where = f"µEUR, account {account}"
        findings.compare(
            "balance", where, state.balances.get(account, 0), money.free.get(account, 0)
        )
    waiting = {who: credit for who, credit in money.waiting.items() if credit}
    for who in sorted({*state.waiting, *waiting}):
        where = f"credit that waits, µEUR, participant {who}"
        findings.compare("balance", where, state.waiting.get(who, 0), waiting.get(who, 0))
    going = {number: tuple(each) for number, each in rebuilt.withdrawals.under_way.items()}
    for number in sorted({*state.under_way, *going}):
        where = f"(account, recipient, µEUR, ready at) under way, withdrawal {number}"
        findings.compare("balance", where, state.under_way.get(number), going.get(number))
    for area in range(len(rebuilt.members.areas)):
        _compare_area(rebuilt, rules, state, area)
    _compare_identities(rebuilt, state)


def _compare_area(rebuilt: Rebuilt, rules: Rules, state: State, area: int) -> None:
    """Positions and prices of an area, and its energy identity."""
    findings, money = rebuilt.findings, rebuilt.money
    positions, prices_told = state.positions.get(area, {}), state.prices.get(area, {})
    there = sorted(period for its_area, period in money.activated_periods if its_area == area)
    newest = {period % rules.ring_size: period for period in there}
    for period in sorted({*positions, *money.positions}):
        if period not in positions and newest.get(period % rules.ring_size) != period:
            continue  # a later period has its place in storage
        of_period = positions.get(period, {})
        traded = {w for w in money.positions[period] if rebuilt.members.area_of(w) == area}
        for who in sorted({*of_period, *traded}):
            where = f"(sold, bought) Wh, period {period}, participant {who}"
            chain = tuple(of_period.get(who, Position()))
            findings.compare("position", where, chain, tuple(money.position(period, who)))
    books = rebuilt.pool.books.values() if rebuilt.pool else ()
    prices = {book.period: book.price for book in books if book.area == area}
    for period in sorted({*prices_told, *prices}):
        where = f"at the end, µEUR per Wh, period {period}"
        findings.compare("price", where, prices_told.get(period), prices.get(period))
    for period in sorted(rebuilt.metering.finished_in(area) & set(positions)):
        sold, bought = (sum(side) for side in zip((0, 0), *positions[period].values(), strict=True))
        house = rebuilt.metering.energy[area, period].house_wh
        where = f"sold Wh = bought Wh, and bought by DSO and TSO, period {period}"
        findings.compare("identity", where, sold, bought + house)


def _compare_identities(rebuilt: Rebuilt, state: State) -> None:
    findings, money = rebuilt.findings, rebuilt.money
    for name, chain, found in (
        ("currency held", state.currency_held, money.currency_held),
        ("deposits", state.deposits, money.deposits),
        ("withdrawals", state.withdrawals, money.withdrawals),
    ):
        findings.compare("money", f"{name}, µEUR", chain, found)
    in_accounts = sum(state.balances.values()) + sum(state.waiting.values())
    in_accounts += sum(amount for _, _, amount, _ in state.under_way.values())
    elsewhere = sum(money.holds.values()) + sum(money.open_trades.values())
    deals, auctions = rebuilt.over_the_counter, rebuilt.aggregator_auction
    margins = deals.margins_left if deals else 0
    bonds = auctions.bonds_micro_eur if auctions else 0
    flexibility = rebuilt.flexibility
    kept = flexibility.kept_micro_eur if flexibility else 0
    for name, left, right in (
        (
            "margin account = margins left of all deals, bonds of sealed answers, flexibility",
            state.balances.get(MARGIN_ACCOUNT, 0),
            margins + bonds + kept,
        ),
        (
            "accounts + what waits or is set aside + holds + open trades = currency held",
            in_accounts + elsewhere,
            state.currency_held,
        ),
        (
            "currency held = deposits - withdrawals",
            state.currency_held,
            state.deposits - state.withdrawals,
        ),
        ("the same, rebuilt", money.total(), money.deposits - money.withdrawals),
    ):
        findings.compare("identity", f"{name}, µEUR", left, right)
