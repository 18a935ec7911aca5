"""Keys, roles, modules and areas of a deployed market: proposed in public, carried out after a delay.

    python -m scripts.offices status

**A key is lost.** The operator suspends the participant and proposes its new account, which takes over
after a week, by its own signature. A holder of the present key can object until then. A participant that
still has its key, and only changes it, proposes by itself (--by P0002 or its --keystore); nobody needs to be
suspended.

    python -m scripts.offices member suspend P0002
    python -m scripts.offices account propose P0002 ADDRESS
    python -m scripts.offices account take P0002 --keystore FILE
    python -m scripts.offices member reinstate P0002

**A key is stolen.** Suspend at once: the thief orders nothing. It can still announce withdrawals, which
holder and thief alike can cancel (`scripts.withdraw status`), propose an account of its own, which the
operator withdraws each time, and object to the operator's proposal each time: a holder of
the key is never removed against its will. Where the thief does not give up, take the participant
out (`scripts.onboard leave`) and register its metering point anew. If it is a role's key: drop the role at
once with an admin's key, and propose it for a new account.

    python -m scripts.offices account withdraw P0002
    python -m scripts.offices role drop METER_ORACLE ADDRESS

**A role moves** to another account, behind the timelock. ADMIN and OPERATOR are taken up by the account
that gets them, so with its --keystore; an admin is removed by proposing ADMIN_REMOVAL before `role drop
ADMIN`, or gives its role up itself. After that the keystore in the folder of the market's keys is
another, and the service that signs with it has to be restarted.

    python -m scripts.offices role propose METER_ORACLE ADDRESS
    python -m scripts.offices role give METER_ORACLE ADDRESS
    python -m scripts.offices role drop METER_ORACLE ADDRESS

**An area is closed** once it has no members: periods after its last open one do not wait
for it.

    python -m scripts.offices area close NAME

**A pledged metering point changes hands.** The holder's successor declares that it takes over what is
pledged to investors; the operator removes the holder, and registers the successor.

    python -m scripts.offices pledge take-over P0002 --keystore FILE

DSO, METER_ORACLE, GRID_ORACLE and VERIFIER are those of the area named, and so are points.
ADDRESS has its checksum, or is public/NAME or a party of the deployment such as dso or "meter oracle".
The operator signs, unless --keystore or --by names another party.
"""

import argparse

from web3 import Web3

from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.node.refusals import PERMISSIONS
from scripts import command_parser, parse, run
from scripts.offices_steps import STEPS, Office, show_status
from scripts.party import add_party_options, party_at

SUBJECTS = {
    "account": "another account for a participant whose key is lost or stolen",
    "member": "keep a participant from ordering",
    "role": "roles, given behind the timelock and taken at once",
    "module": "contracts that move money and energy",
    "area": "market areas",
    "pledge": "export that is promised to investors, when its point changes hands",
}


def main(*args: str, web3: Web3 | None = None) -> int:
    """One step on `web3` when given, else on the network the arguments name."""
    options = parse(_parser(), args)
    with party_at(options, web3, FIRST_AREA) as (market, numbers, key):
        options.act(Office(market, numbers, key), options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("offices", __doc__)
    everywhere = argparse.ArgumentParser(add_help=False)
    add_party_options(everywhere, "the first one")
    everywhere.add_argument("--by", metavar="WHO", help="who signs: a point, public/NAME or a"
                            " party of the deployment")  # fmt: skip
    subjects = parser.add_subparsers(required=True, metavar="SUBJECT")
    shown = subjects.add_parser(
        "status", parents=[everywhere], help="who holds what, and what is proposed"
    )
    shown.set_defaults(act=show_status)
    for subject, what in SUBJECTS.items():
        steps = subjects.add_parser(subject, help=what, description=what)
        named = steps.add_subparsers(dest="step", required=True, metavar="STEP")
        for step, (act, words, does) in STEPS[subject].items():
            added = named.add_parser(step, parents=[everywhere], help=does, description=does)
            added.set_defaults(act=act)
            _add_words(added, words)
    return parser


def _add_words(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> None:
    for word in words:
        if word == "permission":
            parser.add_argument(word, nargs="+", help=", ".join(PERMISSIONS.values()))
        else:
            parser.add_argument(word, metavar=word.upper())


if __name__ == "__main__":
    run(main)
