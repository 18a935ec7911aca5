"""The two markets of partners off the chain: files of deals, and both contracts through their classes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from eth_utils import keccak

from gridbourse.chain.bindings.bilateral import Draft, Listing, PairingCall
from gridbourse.chain.bindings.checked_trades import CheckedTrades, TradeDesk
from gridbourse.chain.bindings.over_the_counter import Deal, DealError
from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.deploy import deploy
from gridbourse.chain.deployment.market import FIRST_AREA, Market
from gridbourse.chain.deployment.markets import bilateral
from gridbourse.chain.deployment.settings import MarketSettings
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Chain, Reverted
from gridbourse.model.call_auction import Band
from gridbourse.model.over_the_counter import DealTerms, Margins, TermsError
from gridbourse.model.trade import TradeWord
from tests.chain.street import fund
from tests.chains import forgotten

MTU, FIRST = 900, 1_630_368
P = FIRST + 1
RETAIL, FEED_IN, CAPACITY_WH = 300, 80, 5_000
PURSE = 10_000_000
REPORT = keccak(text="published power flow")
NEVER = (1 << 40) - 1
TERMS = DealTerms(8, 9, P, 2, 1_000, 150, 300_000, 140_000, b"salt" * 8)
DEAL = Deal(TERMS, FIRST_AREA, NEVER)


@dataclass
class Street:
    """A market with four people, numbered from 8."""

    market: Market

    def key(self, number: int):
        return self.market.keys[f"participant/{number}"]

    @property
    def desks(self) -> list[TradeDesk]:
        markets: list[CheckedTrades] = [self.market.bilateral, self.market.over_the_counter]
        return [TradeDesk("desk", market, self.market.grid) for market in markets]

    def advance_to(self, period: int) -> None:
        """The period's gate closes, and the one before is being delivered."""
        self.market.clock.advance_to(self.market.keys["operator"], period * MTU)

    def signatures(self, deal: Deal):
        domain = self.market.over_the_counter.domain
        return [deal.sign(self.key(n), domain) for n in (deal.terms.seller, deal.terms.buyer)]


@pytest.fixture(scope="module")
def empty_street() -> Iterator[Street]:
    settings = MarketSettings(
        MTU, 0, Band(FEED_IN, 4, 50), ("street",), horizon_periods=4, ring_size=6,
        markets=("BilateralMarket", "OverTheCounter"),
        rules={"bilateral": bilateral.Rules(subscription_micro_eur_per_period=5)},
    )  # fmt: skip
    with session("devnet-child") as w3:
        market = deploy(Chain(w3, load_artifacts()), Keyring.for_chain(w3), settings)
        street, keys = Street(market), market.keys
        market.tariff.write(
            keys["supplier"], "set-up", "setEnergyPrices", FIRST_AREA, 0, RETAIL, FEED_IN
        )
        rows = [
            Registration(
                street.key(n).address, keccak(text=f"{n}"), FIRST_AREA, 0, CAPACITY_WH, FIRST
            )
            for n in range(8, 12)
        ]  # fmt: skip
        market.registry.register(keys["operator"], rows)
        fund(market, range(8, 12), PURSE)
        street.advance_to(FIRST)
        yield street


@pytest.fixture
def street(empty_street) -> Iterator[Street]:
    """As it was before the test."""
    with forgotten(empty_street.market.chain):
        yield empty_street


# --- the file of a deal ------------------------------------------------------------------------


def test_a_deal_comes_back_from_its_file():
    assert Deal.from_json(DEAL.to_json()) == DEAL
    assert TERMS.salt.hex() in DEAL.to_json()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"wh": None}, "wh None must be an integer"),
        ({"wh": 1.0}, "wh 1.0 must be an integer"),
        ({"count": True}, "count True must be an integer"),
        ({"salt": "0xzz"}, "salt '0xzz' must be hexadecimal"),
        ({"salt": 7}, "salt 7 must be hexadecimal"),
        ({"price": 7}, "price: fields"),
        ({"area": 256}, "area 256 must be an integer of 8 bits"),
        ({"expiry": -1}, "expiry -1 must be"),
        ({"count": 1 << 16}, "count 65536 must be an integer of 16 bits"),
        ({"seller_margin_micro_eur": 1 << 64}, "of 64 bits"),
    ],
)
def test_a_bad_file_is_refused_by_field_and_rule(change, says):
    text = json.dumps(json.loads(DEAL.to_json()) | change)

    with pytest.raises(DealError, match=says):
        Deal.from_json(text)


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "{}"])
def test_what_is_no_deal_is_refused(text):
    with pytest.raises(DealError, match="deal: "):
        Deal.from_json(text)


@pytest.mark.parametrize("change", [{"wh": 0}, {"buyer": 8}, {"salt": "0x00"}])
def test_terms_keep_to_the_rules_of_the_model(change):
    with pytest.raises(TermsError):
        Deal.from_json(json.dumps(json.loads(DEAL.to_json()) | change))


# --- over the counter --------------------------------------------------------------------------


def test_a_deal_goes_from_quote_to_verdict(street):
    otc, operator = street.market.over_the_counter, street.market.keys["operator"]
    request = otc.request(street.key(9), keccak(text="a wish and a salt"))
    otc.quote(street.key(8), request, DEAL.terms_hash())
    digest = otc.conclude(operator, DEAL, *street.signatures(DEAL))
    assert digest == DEAL.digest(otc.domain)
    assert otc.verify(DEAL) == TERMS.margins

    assert otc.perform(street.key(8), DEAL, P) == []
    assert otc.trades(P) == [TradeWord(8, 9, 1_000, 150).pack()]
    desk = street.desks[1]
    (group,) = desk.sealed(P)
    assert group.trades == (TradeWord(8, 9, 1_000, 150),)
    desk.judge(P, group, [], {}, REPORT)
    assert street.market.grid.booked_wh(P) == {8: (1_000, 0), 9: (0, 1_000)}
    assert otc.perform(operator, DEAL, P + 1) == []
    (group,) = desk.sealed(P + 1)
    desk.judge(P + 1, group, [0], {}, REPORT)
    assert street.market.grid.booked_wh(P + 1) == {}

    street.advance_to(P + 1)
    assert otc.booked(P)
    assert otc.close(operator, DEAL) == TERMS.margins
    with pytest.raises(DealError, match="closed on the chain"):
        otc.verify(DEAL)


def test_a_default_names_who_could_not(street):
    otc = street.market.over_the_counter
    otc.conclude(street.key(8), DEAL, *street.signatures(DEAL))
    free = street.market.house.balances(12)[9]
    street.market.house.write(street.key(9), "withdraw", "withdraw", free)

    assert otc.perform(street.key(8), DEAL, P) == [9]
    assert otc.verify(DEAL) == Margins(300_000, 140_000 - (150 - FEED_IN) * 1_000)


@pytest.mark.parametrize(
    "other",
    [
        replace(DEAL, terms=replace(TERMS, wh=1_001)),
        replace(DEAL, terms=replace(TERMS, salt=b"pepper!!" * 4)),
        replace(DEAL, area=1),
        replace(DEAL, expiry=NEVER - 1),
    ],
    ids=["wh", "salt", "area", "expiry"],
)
def test_a_file_with_other_terms_is_not_that_of_the_chain(street, other):
    otc = street.market.over_the_counter
    otc.conclude(street.key(8), DEAL, *street.signatures(DEAL))

    with pytest.raises(DealError, match="not concluded with these terms on the chain"):
        otc.verify(other)
    with pytest.raises(Reverted, match="NoDeal"):
        otc.perform(street.key(8), other, P)


# --- neighbours --------------------------------------------------------------------------------


def test_a_board_goes_from_subscription_to_verdict(street):
    market, operator = street.market.bilateral, street.market.keys["operator"]
    with pytest.raises(Reverted, match="NotSubscribed"):
        market.list_drafts(street.key(8), P, [Draft(8, False, 900, 100)])
    for number in range(8, 12):
        assert market.subscribe(street.key(number), 3) == P + 3
    drafts = [Draft(8, False, 900, 100), Draft(9, True, 500, 200), Draft(10, True, 600, 210, 8)]
    for draft in (*drafts, Draft(11, False, 70, 90)):
        market.list_drafts(street.key(draft.participant), P, [draft])
    market.withdraw(street.key(11), P, [3])
    market.pair(operator, P, [PairingCall(0, 1, 500, 100), PairingCall(0, 2, 300, 100)], 1)

    assert market.board(P) == [
        Listing(0, Draft(8, False, 100, 100)),
        Listing(1, Draft(9, True, 0, 200)),
        Listing(2, Draft(10, True, 300, 210, 8)),
        Listing(3, Draft(11, False, 0, 90)),
    ]
    desk = street.desks[0]
    first, second = desk.sealed(P)
    assert (first.trades, second.trades) == (
        (TradeWord(8, 9, 500, 100),),
        (TradeWord(8, 10, 300, 100),),
    )
    desk.judge(P, first, [0], {}, REPORT)
    assert desk.sealed(P) == [second]
    desk.judge(P, second, [], {}, REPORT)
    street.advance_to(P)
    market.release(operator, P, 3)
    assert [listing.draft.wh for listing in market.board(P)] == [0, 0, 0, 0]
    assert street.market.house.balances(12)[9] == PURSE - 3 * 5
    assert street.market.grid.booked_wh(P) == {8: (300, 0), 10: (0, 300)}
