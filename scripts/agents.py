"""Permissions of a participant's agents: mandate, limits of trades, money put at risk.

    python -m scripts.agents status --by P0002
    python -m scripts.agents mandate yes --by P0002
    python -m scripts.agents limit 1.5 4 --by P0002
    python -m scripts.agents limit none none --by P0002
    python -m scripts.agents allow gateway 3.50 --by P0002
    python -m scripts.agents allow P0118 0 --by P0002

WHO is a metering point of the deployment; a participant with a key of its own gives --keystore instead.
A mandate lets the gateway order in the participant's name, with its whole connection until `limit` sets how
far it, or an aggregator whose contract lets it trade, may raise what the connection promises in a delivery
period: kWh sold, kWh bought. `allow` sets how much an agent may put at risk by offers of flexibility in
each period: nothing until then.
"""

import argparse
from collections.abc import Callable

from eth_account.signers.local import LocalAccount
from rich.console import Console
from rich.table import Table
from web3 import Web3

from gridbourse.chain.bindings.portfolios import GATEWAY_BIT, Agents
from gridbourse.chain.deployment.market import Market
from gridbourse.commands import command, next_line, quoted
from gridbourse.crowdsale.desk import Desk
from gridbourse.crowdsale.display import euro
from gridbourse.crowdsale.errors import CrowdsaleError
from gridbourse.model.trade import MOST_WH
from scripts import command_parser, parse, run, said_again
from scripts.party import add_party_options, amount, party_at

GATEWAY = "gateway"
Options = argparse.Namespace


class Principal:
    """Participant at a deployed market, with its key."""

    def __init__(self, market: Market, desk: Desk, who: str | None) -> None:
        self.market, self._desk = market, desk
        self.key: LocalAccount = desk.party(who)
        self.number: int = market.registry.read("numberOf", self.key.address)

    def mandated(self) -> int:
        """Number of the gateway with its mandate; 0: none."""
        found: int = self.market.registry.read("profileOf", self.number)[3]
        return found

    def gateway(self) -> int:
        """Number of the deployment's gateway."""
        account = self.market.keys[GATEWAY].address
        found: int = self.market.registry.read("gatewayNumberOf", account)
        return found

    def limits(self) -> tuple[int, int]:
        """Limits of its agents on what its connection promises: Wh sold, Wh bought."""
        sell_wh, buy_wh = self.market.registry.read("agentLimitsOf", self.number)
        return sell_wh, buy_wh

    def agents(self) -> Agents:
        """CrowdsaleError where the deployment has no market that asks for allowances."""
        if self.market.agents is None:
            raise CrowdsaleError("allow: this deployment has no market in which agents risk money")
        return self.market.agents

    def agent(self, name: str) -> int:
        """Number of an agent in the contract: the gateway, or a participant by its point."""
        if name == GATEWAY:
            return GATEWAY_BIT | self.gateway()
        return self._desk.number_of(name)


def main(*args: str, web3: Web3 | None = None) -> int:
    """One step on `web3` when given, else on the network the arguments name."""
    options = parse(_parser(), args)
    with party_at(options, web3) as (market, numbers, key):
        desk = Desk(market, numbers, key)
        STEPS[options.command](Principal(market, desk, options.by), options)
    return 0


def _status(principal: Principal, options: Options) -> None:
    out, facts = Console(highlight=False), Table.grid(padding=(0, 2))
    gateway = principal.mandated()
    facts.add_row("Mandate", f"gateway {gateway}" if gateway else "nobody")
    sell, buy = map(_shown, principal.limits())
    facts.add_row("Agents may promise", f"{sell} sold, {buy} bought, in a delivery period")
    if principal.market.agents is not None:
        agent = GATEWAY_BIT | principal.gateway()
        allowed = principal.market.agents.read("allowanceOf", principal.number, agent)
        facts.add_row("Gateway may risk", f"{euro(allowed)} EUR in a delivery period")
    out.print(f"participant {principal.number}")
    out.print(facts)


def _mandate(principal: Principal, options: Options) -> None:
    gateway = principal.gateway() if options.given == "yes" else 0
    principal.market.registry.write(principal.key, "mandate", "giveMandate", gateway)
    out = Console(highlight=False)
    if gateway:
        sell, buy = map(_shown, principal.limits())
        out.print(f"gateway {gateway} orders in its name: up to {sell} sold, {buy} bought a period")
        _say_next(out, "limit KWH KWH", options, "how far it may go: sold, bought")
    else:
        out.print("nobody orders in its name; what stands already it cancels itself")


def _limit(principal: Principal, options: Options) -> None:
    pair = (options.sell, options.buy)
    principal.market.registry.write(principal.key, "limit", "limitAgents", *pair)
    sell, buy = map(_shown, principal.limits())
    out = Console(highlight=False)
    out.print(f"agents may bring its connection to {sell} sold, {buy} bought, in a delivery period")
    _say_next(out, "status", options, "what it lets others do")


def _allow(principal: Principal, options: Options) -> None:
    agents, agent = principal.agents(), principal.agent(options.agent)
    agents.allow(principal.key, agent, options.amount)
    out = Console(highlight=False)
    out.print(f"{options.agent} may put {euro(options.amount)} EUR at risk in a delivery period")


def _shown(wh: int) -> str:
    return (
        "all it carries" if wh == MOST_WH else f"{wh / 1_000:,.3f}".rstrip("0").rstrip(".") + " kWh"
    )


def _say_next(out: Console, step: str, options: Options, remark: str) -> None:
    by = ("--by", options.by) if options.keystore is None else ("--keystore", options.keystore)
    words = (*step.split(), by[0], quoted(by[1]), *said_again(options))
    out.print(next_line(command("agents", *words), remark), soft_wrap=True)


STEPS: dict[str, Callable[[Principal, Options], None]] = {
    "status": _status,
    "mandate": _mandate,
    "limit": _limit,
    "allow": _allow,
}


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("agents", __doc__)
    everywhere = argparse.ArgumentParser(add_help=False)
    add_party_options(everywhere)
    everywhere.add_argument("--by", metavar="WHO", help="the participant, by its metering point")
    steps = parser.add_subparsers(dest="command", required=True, metavar="STEP")

    def step(name: str, what: str) -> argparse.ArgumentParser:
        return steps.add_parser(name, help=what, description=what, parents=[everywhere])

    step("status", "what the participant lets others do")
    step("mandate", "let the gateway order in its name, or not").add_argument(
        "given", choices=("yes", "no")
    )
    limit = step("limit", "how far agents may bring what its connection promises, a period")
    limit.add_argument("sell", type=_energy, metavar="KWH_SOLD", help="or none: no limit")
    limit.add_argument("buy", type=_energy, metavar="KWH_BOUGHT", help="or none: no limit")
    allow = step("allow", "how much an agent may put at risk by flexibility, a period")
    allow.add_argument("agent", metavar="AGENT", help="gateway, or an aggregator's metering point")
    allow.add_argument("amount", type=_money, metavar="EUR", help="0 takes all of it back")
    return parser


def _money(text: str) -> int:
    return 0 if text == "0" else amount(text)


def _energy(text: str) -> int:
    """kWh as Wh; argparse's own error for another text."""
    if text == "none":
        return MOST_WH
    try:
        wh = round(float(text) * 1_000)
    except (ValueError, OverflowError):
        wh = -1
    if not 0 <= wh <= MOST_WH:
        most = MOST_WH / 1_000
        raise argparse.ArgumentTypeError(f"{text!r} is neither none nor kWh from 0 to {most:,.3f}")
    return wh


if __name__ == "__main__":
    run(main)
