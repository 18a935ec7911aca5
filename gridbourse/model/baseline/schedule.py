"""The declared schedule as a baseline, and why a false one does not pay.

Who declares a schedule holds it as a contract with its supplier: withdrawal bought at the retail
price, injection sold at the feed-in tariff. An activation moves the contract by what is delivered;
whatever the meter shows beside it is imbalance, and a penalty on top (`Reward.schedule`).

With penalty = f × the activation's price and q the probability, as the seller sees it when it
declares, that a period is activated: a Wh of false schedule wins at most the price where activated
and loses f times the price where not, and the energy itself wins nothing on either side as long as
feed-in ≤ retail. So no false schedule is worth more than the true one while q ≤ f / (1 + f). Without
such a bound none of these rules can hold: what somebody would have done is known to nobody else
(Muthirayan, Baeyens, Chakraborty, Poolla, Khargonekar 2019, arXiv:1901.02923, also by random selection and
penalties; Wang, Tang 2021, PES General Meeting, on what remains). A schedule that is kept where it is
not activated is a true one, for whatever reason it was made.
"""

from fractions import Fraction

import numpy as np

from gridbourse.model.baseline.delivery import Delivery, Direction, Reward, reward_micro_eur
from gridbourse.model.baseline.errors import BaselineError
from gridbourse.model.baseline.evidence import Ints
from gridbourse.model.settlement import Prices, settle, without_market


class UntruthfulTerms(BaselineError):
    """Terms under which a false schedule could pay."""


def truthful_share(reward: Reward) -> Fraction:
    """The greatest share of offered periods that may be activated: f / (1 + f); 0 without `schedule`."""
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
    """All a seller with a declared schedule gets in each period (− pays), µEUR; shapes (periods,)."""
    position_wh = declared_wh + delivery.delivered_wh * direction.value
    no_cap = np.full_like(metered_wh, np.iinfo(np.int64).max)
    bought = without_market(position_wh, prices).supplier
    imbalance = settle(metered_wh, position_wh, no_cap, prices).supplier
    return reward_micro_eur(delivery, reward) - bought - imbalance
