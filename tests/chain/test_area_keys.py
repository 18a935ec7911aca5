"""Each area has its own DSO, oracles and participants; the deployment's parties serve all."""

from gridbourse.chain.keys.accounts import DEVELOPMENT_SECRET, Keyring
from gridbourse.chain.keys.area_keys import OF_THE_DEPLOYMENT, AreaKeys

WHOLE = Keyring(DEVELOPMENT_SECRET)
EAST, WEST = AreaKeys(WHOLE, "east"), AreaKeys(WHOLE, "west")


def test_the_deployments_parties_are_the_same_everywhere():
    for name in OF_THE_DEPLOYMENT:
        assert {EAST.address(name), WEST.address(name)} == {WHOLE.address(name)}


def test_an_areas_parties_are_its_own_also_where_two_points_have_one_name():
    for name in ("dso", "grid oracle", "meter oracle", "verifier", "participant/P1"):
        addresses = {keys[name].address for keys in (EAST, WEST, WHOLE)}
        assert len(addresses) == 3
        assert EAST.address(name) == EAST[name].address
