"""Context in which a market is rebuilt, besides its own rules."""

from typing import NamedTuple

from gridbourse.audit.core.agents import Agents
from gridbourse.audit.core.context import Common
from gridbourse.audit.core.modules import Modules


class RebuildContext(NamedTuple):
    """Ground that a market stands on; chain_id and address are those of its contract."""

    common: Common
    modules: Modules
    agents: Agents
    chain_id: int
    address: str
