"""Money on its way out of a deployed market, and credits on their way in.

A withdrawal takes money out of its account at once and pays it after the dispute window, less what the
account then owes. A credit waits while the supplier's money does not reach for it.
"""

from typing import NamedTuple

from eth_account.signers.local import LocalAccount

from gridbourse.chain.deployment.market import Market
from gridbourse.chain.operations.event_log import events
from gridbourse.model.house_accounts import is_participant

CREDITS_A_CALL = 100
"""Credits paid in one transaction."""


class Withdrawal(NamedTuple):
    """One that is under way; ready_at: block time, unix seconds, from which on it can be finished."""

    number: int
    account: int
    recipient: str
    micro_eur: int
    ready_at: int
    by_module: bool


class Finished(NamedTuple):
    """Result of an ended withdrawal, µEUR: paid out, and kept for what its account owed."""

    paid: int
    kept: int


def announce(market: Market, by: LocalAccount, account: int, micro_eur: int) -> int:
    """Set money of a participant, or of a named account, aside; the withdrawal's number.

    Reverted for more than may leave the account, and for who does not hold it.
    """
    house, step = market.house, "withdraw"
    if is_participant(account):
        receipt = house.write(by, step, "withdraw", micro_eur)
    else:
        receipt = house.write(by, step, "withdrawHouse", account, micro_eur)
    number: int = house.events_in(receipt, "WithdrawalAnnounced")[0]["id"]
    return number


def finish(market: Market, by: LocalAccount, number: int) -> Finished:
    """Pay a withdrawal whose window is over; anyone may. Reverted before that."""
    receipt = market.house.write(by, "withdraw", "finishWithdrawal", number)
    [found] = market.house.events_in(receipt, "WithdrawalFinished")
    return Finished(found["paidMicroEur"], found["keptMicroEur"])


def finish_due(market: Market, by: LocalAccount, recipient: str) -> int:
    """Pay a recipient, such as a campaign, everything whose window is over; µEUR paid."""
    now = market.chain.w3.eth.get_block("latest")["timestamp"]
    due = [one for one in under_way(market) if one.recipient == recipient and one.ready_at <= now]
    return sum(finish(market, by, one.number).paid for one in due)


def cancel(market: Market, by: LocalAccount, number: int) -> None:
    """Put the money back into its account."""
    market.house.write(by, "withdraw", "cancelWithdrawal", number)


def under_way(market: Market) -> list[Withdrawal]:
    """Every withdrawal that was announced and has not ended, by number."""
    begins, *ends = "WithdrawalAnnounced", "WithdrawalFinished", "WithdrawalCancelled"
    if market.log is not None:
        announced = market.log.open_subjects("ClearingHouse", begins, ends)
    else:
        there: dict[int, None] = {}
        for name, values in events(market, market.house, begins, *ends):
            if name == begins:
                there[values["id"]] = None
            else:
                there.pop(values["id"], None)
        announced = list(there)
    return [Withdrawal(number, *market.house.read("withdrawalOf", number)) for number in announced]


def may_leave(market: Market, account: int) -> int:
    """Amount that may be withdrawn from an account now, µEUR."""
    amount: int = market.house.read("spendableOf", account)
    return amount


def pay_waiting(market: Market, by: LocalAccount) -> dict[int, int]:
    """Pay credits that wait, those that wait longest first, as far as there is cover; µEUR by participant."""
    house = market.house
    if not house.read("waitingMicroEur"):
        return {}
    waited = dict.fromkeys(
        values["participant"] for _, values in events(market, house, "CreditWaits")
    )
    numbers = [who for who in waited if house.read("waitingOf", who)]
    paid: dict[int, int] = {}
    for start in range(0, len(numbers), CREDITS_A_CALL):
        page = numbers[start : start + CREDITS_A_CALL]
        receipt = house.write(by, "pay waiting", "payWaiting", page, units=len(page))
        told = house.events_in(receipt, "WaitingPaid")
        if not told:
            break
        for values in told:
            paid[values["participant"]] = values["amountMicroEur"]
    return paid
