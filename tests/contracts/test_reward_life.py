"""Rewards lived at random beside the model: goods, vouchers and stock as well as money."""

import pytest

from gridbourse.model.crowdsale import campaign as model
from tests.contracts.campaigns import EVIDENCE, anchors
from tests.contracts.refusal import ask
from tests.contracts.test_campaign_life import ABOUT, HELD, CampaignLife, P

GOODS = ((100, 6), (7, 30))
GIVING = "fund fund pick pick wait conclude"
TAKING = "hand_over hand_over receive receive"


class RewardLife(CampaignLife):
    """Goods beside the money: stock and vouchers, none of them created or lost."""

    about = ABOUT | {
        P.OPEN: GIVING,
        P.SUCCEEDED: f"pick {TAKING} {TAKING} confirm built abandon wait",
        P.BUILT: f"{TAKING} pick confirm operate abandon withdraw",
        P.OPERATING: f"{TAKING} close withdraw",
        P.CLOSED: TAKING,
        P.ABANDONED: "refund hand_over withdraw",
    }

    def make(self, terms, rules):
        by = {"from": self.market.operator}
        self.contract = self.market.contracts.RewardCampaign.deploy(anchors(self.market), terms, by)
        for price, stock in GOODS:
            self.contract.list(EVIDENCE, price, stock, self.owner.sends)
        goods = [model.Good(price, stock) for price, stock in GOODS]
        self.model = model.Reward(rules, "owner", "attester", goods=goods)

    def some(self):
        """Somebody, a good, and how many."""
        return self.somebody(), self.random.choice((0, 0, 1, 1, 1, 2)), self.random.randint(0, 5)

    def pick(self):
        who, good, count = self.some()
        self.tick()
        self.both("pick", who, self.model.pick, (who, good, count), good, count)

    def hand_over(self):
        (who, good, count), by = self.some(), self.random.choice(("owner", "owner", "attester"))
        self.tick()
        stated = (by, who, good, count)
        self.both("handOver", by, self.model.hand_over, stated, self.accounts[who], good, count)

    def receive(self):
        who, good, count = self.some()
        self.tick()
        self.both(
            "confirmReceipt", who, self.model.confirm_receipt, (who, good, count), good, count
        )

    def of_kind(self):
        m, c = self.model, self.contract
        places = [(i, good) for i in HELD for good in range(len(GOODS))]
        for good, (_, stock) in enumerate(GOODS):
            assert m.goods[good].left + sum(m.vouchers[i, good].picked for i in HELD) == stock
        left = [(price, left) for _, price, left in c.goods()]
        assert left == [(good.price, good.left) for good in m.goods]
        found = ask(*((c.voucherOf, self.accounts[i], good) for i, good in places))
        known = [m.vouchers[place] for place in places]
        assert [tuple(map(int, voucher)) for voucher in found] == [
            (voucher.picked, voucher.handed_over, voucher.received) for voucher in known
        ]
        asked = [(c.spokenForMicroEur, account) for account in self.accounts]
        return asked, [m.spoken_for[i] for i in HELD]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fate", ["open", "exactly"])
def test_rewards_live_as_the_model_does(market, fate, seed):
    RewardLife(market, fate, seed).live(60)
