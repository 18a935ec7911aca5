"""Whatever a forger changes in the log of the markets of checked trades, the checker names it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_utils import keccak

from gridbourse.audit.core.findings import Difference
from gridbourse.chain.deployment.record import MARKETS
from gridbourse.chain.encoding.arguments import NOBODY
from gridbourse.chain.node.compiler import load_artifacts
from tests.audit.forging import altered, changed_fields, dropped, entry_of, logs_of, plus, repeated
from tests.audit.mixed_market import MixedMarket

Content = dict[str, Any]
Made = tuple[MixedMarket, Path]


def no_aggregators(content: Content) -> None:
    """A forgery: nobody was given the role."""
    role = "0x" + keccak(text="AGGREGATOR").hex()
    for log in logs_of(content, "ParticipantRegistry", "RoleGranted"):
        if log["topics"][1] == role:
            content["logs"].remove(log)


FORGERIES = {
    "a trade's energy": (
        altered("OrderBook", "OrdersMatched", lambda v: v["trades"].append(v["trades"].pop() + 65536)),
        "trade",
        "participant",
    ),
    "a trade's price": (
        altered("OrderBook", "OrdersMatched", plus("trades", 1, at=0)), "trade", "participant",
    ),
    "lost trades": (dropped("OrderBook", "OrdersMatched", 1), "group", "group 0"),
    "trades twice": (repeated("OrderBook", "OrdersMatched"), "market time", "order"),
    "a place in the queue": (
        altered("OrderBook", "OrderRested", plus("position", 1), 3), "order", "position",
    ),
    "energy at rest": (altered("OrderBook", "OrderRested", plus("wh", 1)), "trade", "participant"),
    "an order below the least": (
        altered("OrderBook", "OrderRested", lambda v: v.update(wh=4)), "order", "participant",
    ),
    "a lost remainder": (dropped("OrderBook", "OrderKilled"), "order", "block"),
    "another ending": (altered("OrderBook", "OrderKilled", plus("ending", -1)), "order", "ending"),
    "a lost cancellation": (dropped("OrderBook", "OrderCancelled"), "trade", "participant"),
    "a smaller order": (altered("OrderBook", "OrderReduced", plus("wh", -1)), "trade", "participant"),
    "an order that is not gone": (
        altered("OrderBook", "OrderGone", plus("order", -(5 << 28))), "order", "at rest",
    ),
    "another's order left out": (
        altered("OrderBook", "OrderLeftOut", plus("order", 1 << 90)), "order", "participant left out",
    ),
    "an order left out for nothing": (
        altered("OrderBook", "OrderLeftOut", lambda v: v.update(reason=b"")), "order", "by no error",
    ),
    "an answer left out that is beyond the limit": (
        altered("AggregatorAuction", "AnswerLeftOut", plus("word", 30 << 121)), "auction answer", "beyond",
    ),
    "an order released": (altered("OrderBook", "BookReleased", plus("orders", 1, at=0)), "order", "released"),
    "a root": (
        altered("OrderBook", "GroupSealed", lambda v: v.update(root=bytes(20))), "group", "group 0",
    ),
    "a seal": (dropped("OrderBook", "GroupSealed"), "group", "not sealed in the log"),
    "trades of a seal": (altered("OrderBook", "GroupSealed", plus("count", -1)), "group", "group 0"),
    "a rejection": (altered("OrderBook", "GroupDecided", plus("rejected", 1)), "fill", "group 0"),
    "a verdict": (altered("GridOracle", "TradesJudged", plus("rejected", 1)), "verdict", "group 0"),
    "a lost verdict": (dropped("GridOracle", "TradesJudged"), "verdict", "has not judged"),
    "a lost decision": (dropped("OrderBook", "GroupDecided"), "settlement", "OrderBook is not booked"),
    "a cap with a verdict": (
        altered("GridOracle", "TradesJudged", plus("groups", 1, at=0)), "commitment", "area",
    ),
    "a cap on the schedule": (
        altered("GridOracle", "ScheduleCapped", plus("groups", 1 << 28, at=0)), "cap", "shrunk",
    ),
    "a raised cap": (
        altered("GridOracle", "ScheduleCapped", plus("groups", -(1 << 28), at=0)), "cap", "shrunk",
    ),
    "caps on what has flown": (repeated("GridOracle", "ScheduleCapped"), "market time", "caps"),
    "lost caps": (dropped("GridOracle", "ScheduleCapped"), "cap", "no caps in the log"),
    "a booked trade": (
        altered("ClearingHouse", "TradesBooked", plus("fills", 1, at=3), 1), "fill", "entry 3",
    ),
    "a booked payment": (
        altered("ClearingHouse", "TradesBooked", plus("payments", 1, at=2), 1), "payment", "entry 2",
    ),
    "a booking": (dropped("ClearingHouse", "TradesBooked", 1), "fill", "entry 0"),
    "a pairing": (altered("BilateralMarket", "Paired", plus("trade", 1)), "scenario", "middle"),
    "another's pairing": (
        altered("BilateralMarket", "Paired", plus("trade", 1 << 76)), "trade", "offer 0",
    ),
    "more than is left": (
        altered("BilateralMarket", "Paired", plus("trade", 400 << 16)), "pairing", "offer 0",
    ),
    "an offer's price": (
        altered("BilateralMarket", "Paired", plus("trade", 90)), "pairing", "beyond a limit",
    ),
    "another offer": (altered("BilateralMarket", "Paired", plus("offer", 1)), "pairing", "offer 1"),
    "a source": (
        altered("ParticipantRegistry", "SourcesAttested", lambda v: v.update(sources=2), -2),
        "pairing",
        "of another source",
    ),
    "a listing": (dropped("BilateralMarket", "Listed"), "listing", "number"),
    "energy of a listing": (
        altered("BilateralMarket", "Listed", lambda v: v["draft"].__setitem__(2, 300)),
        "pairing",
        "more than is left",
    ),
    "a wish for another source": (
        altered("BilateralMarket", "Listed", lambda v: v["draft"].__setitem__(6, 4), 2),
        "pairing",
        "of another source",
    ),
    "a withdrawal": (
        altered("BilateralMarket", "ListingWithdrawn", plus("wh", 1)), "listing", "withdrawn",
    ),
    "a release": (
        altered("BilateralMarket", "ListingsReleased", plus("until", 9)), "listing", "not on the board",
    ),
    "a subscription": (
        altered("BilateralMarket", "Subscribed", plus("untilPeriod", 1)), "subscription", "fee",
    ),
    "a lost subscription": (dropped("BilateralMarket", "Subscribed"), "listing", "not subscribed"),
    "a fee": (
        altered("ClearingHouse", "Transferred", plus("amountMicroEur", 1), -1), "transfer", "Counter",
    ),
    "a lost transfer": (dropped("ClearingHouse", "Transferred"), "transfer", "OverTheCounter"),
    "a transfer for nothing": (repeated("ClearingHouse", "Transferred"), "transfer", "no event"),
    "a deal": (
        altered("OverTheCounter", "DealConcluded", lambda v: v["concluded"].__setitem__(2, 1)),
        "deal",
        "block",
    ),
    "a deal nobody concluded": (dropped("OverTheCounter", "DealConcluded"), "deal", "not concluded"),
    "a performed period": (
        altered("OverTheCounter", "DealPerformed", plus("trade", 1)), "scenario", "no contract",
    ),
    "a lost period": (dropped("OverTheCounter", "DealPerformed"), "group", "not in the log"),
    "what a default costs": (
        altered("OverTheCounter", "Defaulted", plus("owedMicroEur", 1)), "default", "owed",
    ),
    "what one of two owes": (
        altered("OverTheCounter", "Defaulted", plus("owedMicroEur", 1), -1), "default", "one of two",
    ),
    "what the margin paid": (
        altered("OverTheCounter", "Defaulted", plus("paidMicroEur", 1)), "default", "paid",
    ),
    "margins given back": (
        altered("OverTheCounter", "Closed", plus("sellerMicroEur", 1)), "deal", "margins left",
    ),
    "a deal closed twice": (repeated("OverTheCounter", "Closed"), "deal", "not concluded, or closed"),
    "a default of who is held back": (
        dropped("ParticipantRegistry", "ParticipantReinstated", -1), "default", "keeps it from performing",
    ),
    "a default that was none": (
        dropped("CallAuction", "OrderPlaced", -3), "default", "could do its part",
    ),
    "a bond back for nothing": (
        dropped("ParticipantRegistry", "ParticipantSuspended", -2), "seal", "keeps it from answering",
    ),
    "an auction's quantity": (
        altered("AggregatorAuction", "AuctionPosted", plus("wh", -100)), "award", "Wh",
    ),
    "an auction for another": (
        altered("AggregatorAuction", "AuctionPosted", plus("aggregator", -1)), "auction", "not an",
    ),
    "a dearer answer": (
        altered("AggregatorAuction", "Answered", plus("tick", 40), 1), "award", "margin",
    ),
    "an answer beyond the limit": (
        altered("AggregatorAuction", "Answered", plus("tick", 90), 1), "auction answer", "beyond",
    ),
    "a lost batch of answers": (dropped("AggregatorAuction", "AnswersBrought"), "award", "margin"),
    "answers another brings": (
        altered("AggregatorAuction", "AnswersBrought", lambda v: v.update(by=NOBODY)),
        "auction answer",
        "nobody who may bring it",
    ),
    "a lost seal": (dropped("AggregatorAuction", "AnswerCommitted"), "seal", "nothing"),
    "another answer than sealed": (
        altered("AggregatorAuction", "AnswerRevealed", plus("wh", 1)), "seal", "block",
    ),
    "a bond": (
        altered("AggregatorAuction", "BondForfeited", plus("amountMicroEur", 1)), "seal", "bond",
    ),
    "a bond for nothing": (dropped("AggregatorAuction", "BondForfeited"), "transfer", "no event"),
    "a clearing": (altered("AggregatorAuction", "AuctionCleared", plus("volumeWh", 1)), "award", "Wh"),
    "an award": (
        altered("AggregatorAuction", "Awarded", plus("trades", 1 << 16, at=0)), "trade", "auction 0",
    ),
    "an award of another": (
        altered("AggregatorAuction", "Awarded", plus("trades", 1 << 76, at=0)), "trade", "auction 0",
    ),
    "a lost award": (dropped("AggregatorAuction", "Awarded"), "trade", "auction 0"),
    "an end": (dropped("AggregatorAuction", "AuctionEnded"), "settlement", "is not booked"),
    "a contract": (dropped("Portfolios", "ContractAccepted"), "scenario", "contracts"),
    "terms of a contract": (
        altered("Portfolios", "ContractProposed", lambda v: v["terms"].__setitem__(6, 900)),
        "scenario",
        "contracts of aggregators",
    ),
    "a contract ended too soon": (
        altered("Portfolios", "ContractEnded", plus("untilPeriod", -9)), "contract", "NoticeTooShort",
    ),
    "an aggregator's role": (
        no_aggregators,
        "contract",
        "NotAnAggregator",
    ),
    "a market in service": (
        altered("ClearingHouse", "ModuleAuthorised", lambda v: v.update(permissions=2), 1),
        "scenario",
        "in service",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_log_is_named(
    mixed_logs: Content, differences: Callable[[Content], list[Difference]], name: str
) -> None:
    forgery, what, place = FORGERIES[name]
    forgery(mixed_logs)
    found = [*map(str, differences(mixed_logs))]
    assert any(line.startswith(f"{what}: ") and place in line for line in found), found


UNBOUND = {
    # what a participant wishes, and nothing later contradicts
    ("OrderBook", "OrderKilled"): {"tick"},
    ("OrderBook", "OrderGone"): {"order", "period"},
    # it changed nothing: another order of the participant would have been refused as well
    ("OrderBook", "OrderLeftOut"): {"order"},
    ("OrderBook", "CollateralKept"): {"sellWh", "buyWh", "period", "participant"},
    ("BilateralMarket", "Listed"): {"draft.wh", "draft.limitMicroEurPerWh"},
    ("AggregatorAuction", "AuctionPosted"): {"tick"},
    ("Portfolios", "ContractEnded"): {"untilPeriod"},
    # answered anew before anything came of it
    ("AggregatorAuction", "Answered"): {"participant", "tick", "wh"},
    # how many groups one call took
    ("AggregatorAuction", "Awarded"): {"untilGroup"},
    # hashes of what is off the chain, by whom nobody else can say
    ("OverTheCounter", "QuoteRequested"): {"participant", "commitment"},
    ("OverTheCounter", "Quoted"): {"participant", "commitment"},
    # it had no effect: another offer would have been as stale, and by more energy too
    ("BilateralMarket", "PairingStale"): {"offer", "wh"},
    # where the DSO's power flow is published, and by which algorithm
    ("GridOracle", "TradesJudged"): {"algorithm", "report"},
    ("GridOracle", "ScheduleCapped"): {"algorithm", "report"},
}
"""Fields of the first such event that an honest log could have otherwise; all others are bound."""
TOLD = [
    *(
        (contract, entry["name"])
        for contract in MARKETS[1:]
        if contract != "FlexibilityMarket"  # tests/replay/test_flexibility.py
        for entry in load_artifacts()[contract].abi
        if entry["type"] == "event" and entry["name"] != "EIP712DomainChanged"
    ),
    *(
        ("Portfolios", entry["name"])
        for entry in load_artifacts()["Portfolios"].abi
        if entry["type"] == "event" and entry["name"] != "EIP712DomainChanged"
    ),
    ("GridOracle", "TradesJudged"),
    ("GridOracle", "ScheduleCapped"),
    ("ClearingHouse", "Transferred"),
]


@pytest.mark.parametrize(("contract", "name"), TOLD, ids=".".join)
def test_every_field_is_bound(
    every_market: Made,
    mixed_logs: Content,
    differences: Callable[[Content], list[Difference]],
    contract: str,
    name: str,
) -> None:
    """One value of one log changed at a time."""
    address = every_market[0].market.record.contracts[contract].address.lower()
    told = logs_of(mixed_logs, contract, name)
    log = next(log for log in told if log["address"].lower() == address)
    at = mixed_logs["logs"].index(log)
    unseen = set()
    for field, forged in changed_fields(log, entry_of(contract, name)):
        logs = [*mixed_logs["logs"][:at], forged, *mixed_logs["logs"][at + 1 :]]
        if not differences({"logs": logs}):
            unseen.add(field)
    assert unseen == UNBOUND.get((contract, name), set())
