"""A process that registers people on a devnet, and ends without a word behind its n-th transaction.

python -m tests.onboarding.killed_onboarding N register --network URL ...
"""

import os
import sys

from gridbourse.chain.node.transactions import Chain
from scripts import onboard

left = int(sys.argv[1])
send = Chain.send


def dying(chain, account, call, step, units=1):
    global left
    receipt = send(chain, account, call, step, units)
    left -= 1
    if left == 0:
        os._exit(9)
    return receipt


if __name__ == "__main__":
    Chain.send = dying
    sys.exit(onboard.main(*sys.argv[2:]))
