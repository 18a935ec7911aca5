"""Awards of flexibility requests, followed through the sums that they give back."""

from __future__ import annotations

from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.reservations import Reservations
from gridbourse.audit.core.transfers import Transfer, Transfers
from gridbourse.audit.flexibility.posted_request import PostedRequest
from gridbourse.audit.flexibility.requests import Requests
from gridbourse.model.flexibility import market as model
from gridbourse.model.flexibility.products import Way
from gridbourse.model.house_accounts import MARGIN_ACCOUNT, SUPPLIER_ACCOUNT
from gridbourse.model.trade import TradeWord


class Awards:
    """Offers of cleared requests in participant order, each as far as the log has come."""

    def __init__(
        self,
        market: str,
        requests: Requests,
        transfers: Transfers,
        reservations: Reservations,
        findings: Findings,
    ) -> None:
        """market: name of the contract, whose transfers tell how far an award has come."""
        self._market, self._requests, self._transfers = market, requests, transfers
        self._reservations, self._findings = reservations, findings

    def follow_unseen(self, but: PostedRequest | None = None) -> None:
        """Follow pages without a trade, which leave no event, by the sums they gave back."""
        for (_, period), board in self._requests.boards.items():
            for asked in board:
                done = asked is but or asked.awarded
                if (asked.cleared is not None or asked.is_void) and not done:
                    where = f"request {asked.number}, period {period}"
                    self.follow(asked, period, where, 0, exactly=True)

    def follow(
        self, asked: PostedRequest, period: int, where: str, trades: int, exactly: bool = False
    ) -> list[TradeWord]:
        """Go on through the offers as far as trades and sums given back reach; the trades.

        exactly: compare amounts too, where the sums may be of another request.
        """
        legs = {} if asked.cleared is None else {leg.participant: leg for leg in asked.cleared.legs}
        offering = asked.offering
        due: list[TradeWord] = []
        while asked.next_offer < len(offering):
            who = offering[asked.next_offer]
            wh, leg = asked.offers[who].wh, legs.get(who)
            stays = leg is not None and leg.stands_by
            won = 0 if leg is None or stays else leg.wh
            if won and len(due) == trades:
                break
            moves = self._given_back(asked, who, leg)
            waiting = self._transfers.waiting(self._market)
            if moves and not (waiting and _begins(waiting[0], moves[0], exactly)):
                break
            lost, told = self._forfeited(asked, who), asked.forfeited.pop(who, 0)
            asked.next_offer += 1
            self._findings.compare(
                "lot", f"µEUR for a salt, participant {who}, {where}", told, lost
            )
            self._requests.move(where, *moves)
            self._reservations.give_back(period, who, asked.energy(wh - won))
            if not stays:
                self._requests.free(asked, period, who, wh, won)
            if leg is not None:
                asked.legs[who] = leg
            if won:
                asked.waiting += 1
                due.append(self._trade(asked, who, won, leg.price_micro_eur_per_wh if leg else 0))
        return due

    def _forfeited(self, asked: PostedRequest, who: int) -> int:
        """Sum that an offer loses because its salt was withheld, µEUR."""
        if asked.cleared is None:
            return 0
        outcome = asked.cleared.outcomes[asked.next_offer]
        withheld = outcome is model.Outcome.WITHHELD
        return self._requests.bond_of_withheld(asked, asked.offers[who].wh) if withheld else 0

    def _given_back(
        self, asked: PostedRequest, who: int, leg: model.Leg | None
    ) -> list[tuple[int, int, int]]:
        """Transfers of the part of a bond that goes back, and of that forfeited by a salt withheld."""
        wh = asked.offers[who].wh
        lost = self._forfeited(asked, who)
        kept = lost if leg is None else self._requests.bond(asked, leg.wh)
        back = self._requests.bond(asked, wh) - kept
        return [
            move
            for move in ((MARGIN_ACCOUNT, who, back), (MARGIN_ACCOUNT, SUPPLIER_ACCOUNT, lost))
            if move[2]
        ]

    @staticmethod
    def _trade(asked: PostedRequest, who: int, wh: int, price: int) -> TradeWord:
        if asked.request.way is Way.DOWN:
            return TradeWord(asked.buyer, who, wh, price)
        return TradeWord(who, asked.buyer, wh, price)


def _begins(told: Transfer, due: tuple[int, int, int], exactly: bool) -> bool:
    """True where a transfer is the one due, by parties and, where exactly, by amount."""
    return tuple(told) == due if exactly else tuple(told)[:2] == due[:2]
