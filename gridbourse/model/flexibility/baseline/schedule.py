"""Declared schedule as a baseline, and why a false one does not pay.

A schedule is a contract of the participant with its supplier: withdrawal bought at the retail
price, injection sold at the feed-in tariff. An activation moves the contract by what is delivered;
any other deviation on the meter is imbalance, with a penalty on top (`Reward.schedule`).

With penalty = f × the activation's price and q the probability, as the seller sees it when it
declares, that a period is activated: a Wh of false schedule wins at most the price where activated
and loses f times the price where not, and the energy itself wins nothing on either side as long as
feed-in ≤ retail. So no false schedule is worth more than the true one while q ≤ f / (1 + f). Without
such a bound none of these rules can hold: only the participant knows what it would have done
(Muthirayan, Baeyens, Chakraborty, Poolla, Khargonekar 2019, arXiv:1901.02923, also by random selection and
penalties; Wang, Tang 2021, PES General Meeting, on what remains). A schedule that is kept where it is
not activated is a true one, for whatever reason it was made.

On the chain there is no contract with the supplier; a schedule is declared for the flexibility market
alone, and energy is settled as for any participant: a Wh delivered earns the price and nothing else, and it
moves the seller's position. Upwards the seller thus gives the energy away, downwards it is given the energy.
Each offer is called with probability q = f / (1 + f), drawn after it can no longer be changed; an offer
not called stands by, and its schedule is verified all the same (`LotTerms`). Let x > 0 Wh of schedule be
false in the direction offered, r Wh be the most the offer can be awarded, b be the base of penalties and
bond: the price p upwards, p + c downwards, with c the product's compensation. The bond is at least r·b·f.

The draw has two parts: a seed of the buyer and a salt of the agent that brought the offer, hashed together
with the participant's number. Both are committed before either is revealed. A seller that chooses its salt,
by whatever rule, does not know the seed, and its draw is q for it; a buyer that chooses its seed does not
know the salts. One honest side is enough. The following holds for any lots of
all other offers, and so in the mean over them too:

- r is what the offer would have been awarded had it been called, or more: the smaller of its quantity and
  the quantity requested, zero where its price would have been too high. A seller standing by thus has at
  least as much at stake as it could have won, and never more than was requested.
- The seed is revealed first. Its buyer then knows no salt and nothing of the lot, and can only take back its
  request: that costs the most the request might have cost. A salt is revealed by the agent that knows its
  own lot. Withheld, it costs the bond of r, r·b·f at the ceiling: the most that any outcome could have cost,
  while the best that it avoids is the penalty; and no other offer's lot depends on it.
- The recipient of a penalty does not matter to the payer. The buyer gets damages for what it bought and did
  not get, r·b·f over all awards at most, which is no more than it requested; the rest is the supplier's. So
  neither the choice of those that stand by nor an ordinary error of anybody earns a buyer anything.
- A missing reading costs r·b·f, whatever the schedule: no lie gains by not being seen. Where no meter of an
  area is read nothing is paid and nothing lost, and the seller cannot choose that outcome.

Then:

- x ≤ r. Called, the lie adds at most x·p and, downwards, x Wh worth at most e = retail price + import
  fee each; upwards it costs energy worth at least feed-in tariff − export fee. Standing by, it costs
  x·b·f. Expected upwards q·p·x − (1 − q)·f·p·x = 0 less the energy; downwards
  q·(p + e)·x − (1 − q)·f·(p + c)·x = q·(e − c)·x.
- x > r. No more than r counts as delivered, and standing by costs the bond: the same with r for x.
- x < 0. Less is found than was delivered, and standing by costs as well.

So no false schedule is expected to earn anything while feed-in tariff ≥ export fee and, downwards,
c ≥ retail price + import fee (`LotTerms.require_truthful`). Each part is needed: with the price alone as
base, a seller that offers downwards at 0 risks nothing and is given energy; a bond at the seller's own price
is too small where a uniform price is paid; and a schedule certain to be called is never verified.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from gridbourse.model.flexibility.baseline.delivery import (
    Delivery,
    Direction,
    Reward,
    deliver,
    penalty_micro_eur,
    reward_micro_eur,
)
from gridbourse.model.flexibility.baseline.errors import BaselineError
from gridbourse.model.flexibility.baseline.evidence import Ints
from gridbourse.model.settlement import Prices, settle, without_market


class UntruthfulTerms(BaselineError):
    """Terms under which a false schedule could pay."""


def truthful_share(reward: Reward) -> Fraction:
    """Greatest share of offered periods that may be activated: f / (1 + f); 0 without `schedule`."""
    if not reward.schedule:
        return Fraction(0)
    return Fraction(reward.penalty_percent, 100 + reward.penalty_percent)


def require_truthful(reward: Reward, activated_share: Fraction) -> None:
    """UntruthfulTerms where a period is activated more often than `truthful_share` allows."""
    most = truthful_share(reward)
    if activated_share > most:
        rule = "everything off the schedule" if reward.schedule else "shortfall alone"
        raise UntruthfulTerms(
            f"reward: with a penalty of {reward.penalty_percent} % on {rule}, activated_share "
            f"{activated_share} must not be above {most}"
        )


def statement_micro_eur(
    declared_wh: Ints, metered_wh: Ints, delivery: Delivery, direction: Direction,
    prices: Prices, reward: Reward,
) -> Ints:  # fmt: skip
    """Total income of a seller with a declared schedule in each period (− pays), µEUR; shapes (periods,)."""
    position_wh = declared_wh + delivery.delivered_wh * direction.value
    no_cap = np.full_like(metered_wh, np.iinfo(np.int64).max)
    bought = without_market(position_wh, prices).supplier
    imbalance = settle(metered_wh, position_wh, no_cap, prices).supplier
    return reward_micro_eur(delivery, reward) - bought - imbalance


@dataclass(frozen=True)
class LotTerms:
    """Terms of an offer on a declared schedule in the flexibility market; prices µEUR per Wh.

    price: paid if called.  ceiling: of the request, by which the bond is measured.  compensation: of the
    product; it is part of penalties and bond downwards, where the seller is given the energy.
    """

    direction: Direction
    price_micro_eur_per_wh: int
    ceiling_micro_eur_per_wh: int
    penalty_percent: int
    compensation_micro_eur_per_wh: int

    @property
    def called_share(self) -> Fraction:
        """Probability that the lot calls an offer."""
        return Fraction(self.penalty_percent, 100 + self.penalty_percent)

    def bond_micro_eur(self, offered_wh: int) -> int:
        """Bond of an offer, and the most it can lose."""
        return self._penalty(offered_wh, self.ceiling_micro_eur_per_wh)

    def reward_micro_eur(self, delivered_wh: int, off_wh: int, offered_wh: int) -> int:
        """Pay less penalty."""
        penalty = self._penalty(off_wh, self.price_micro_eur_per_wh)
        paid = delivered_wh * self.price_micro_eur_per_wh
        return paid - min(penalty, self.bond_micro_eur(offered_wh))

    def require_truthful(self, prices: Prices) -> None:
        """UntruthfulTerms under prices at which a false schedule could pay."""
        if self.ceiling_micro_eur_per_wh < self.price_micro_eur_per_wh:
            raise UntruthfulTerms(
                f"bond: measured by {self.ceiling_micro_eur_per_wh} µEUR/Wh,"
                f" below the price of {self.price_micro_eur_per_wh}"
            )
        if (fee := int(np.max(prices.export_fee))) > prices.feed_in:
            raise UntruthfulTerms(
                f"feed-in: {prices.feed_in} µEUR/Wh is below the export fee {fee}"
            )
        worth = prices.retail + int(np.max(prices.import_fee))
        if self.direction is Direction.DOWN and self.compensation_micro_eur_per_wh < worth:
            raise UntruthfulTerms(
                f"compensation: {self.compensation_micro_eur_per_wh} µEUR/Wh downwards is below the"
                f" {worth} that energy is worth to who is given it"
            )

    def _penalty(self, wh: int, price: int) -> int:
        down = self.direction is Direction.DOWN
        base = price + (self.compensation_micro_eur_per_wh if down else 0)
        return penalty_micro_eur(wh, base, self.penalty_percent)


def lot_micro_eur(
    terms: LotTerms, prices: Prices, position_wh: int, schedule_wh: int, offered_wh: int,
    called_wh: int, standing_by_wh: int, called_share: Fraction | None = None,
) -> Fraction:  # fmt: skip
    """Expected income of a seller in a period, settlement included, µEUR.

    position_wh: sold (+) or bought elsewhere; called_wh, standing_by_wh: net reading, + injects, if
    the lot calls it and if not; called_share: None = that of the lot.
    """
    delivery = deliver(
        np.array([offered_wh]), np.array([schedule_wh]), np.array([called_wh]), terms.direction
    )
    delivered, off = int(delivery.delivered_wh[0]), int(delivery.shortfall_wh[0])
    off += abs(int(delivery.beside_wh[0]))
    moved_wh = position_wh + terms.direction.value * delivered
    called = terms.reward_micro_eur(delivered, off, offered_wh) + _settled(
        called_wh, moved_wh, prices
    )
    beside = abs(standing_by_wh - schedule_wh)
    standing_by = terms.reward_micro_eur(0, beside, offered_wh) + _settled(
        standing_by_wh, position_wh, prices
    )
    share = terms.called_share if called_share is None else called_share
    return share * called + (1 - share) * standing_by


def _settled(metered_wh: int, position_wh: int, prices: Prices) -> int:
    no_cap = np.array([np.iinfo(np.int64).max])
    return int(settle(np.array([metered_wh]), np.array([position_wh]), no_cap, prices).delta[0])
