"""Process in which a market is added by the list of `gridbourse.market_kinds` alone: an entry, and its files.

    python tests/fixture_market/run.py SCENARIO OUT START

It stands for a new contract with the code of `OverTheCounter.sol`, so that nothing is compiled.
"""

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from gridbourse import market_kinds
from gridbourse.market_kinds import LAYERS, MarketKind

HERE = Path(__file__).parent


def main(scenario: str, out: str, start: str) -> int:
    """Replay two periods, and have the run audited."""
    market_kinds.KINDS["swaps"] = MarketKind("swaps", "Swaps", "Swaps", "#000000", 0)
    for layer in LAYERS:
        import_module(layer).__path__.append(str(HERE / layer))

    from gridbourse.chain.node import compiler

    found = compiler.load_artifacts()
    found["Swaps"] = replace(found["OverTheCounter"], name="Swaps")
    for module in [*sys.modules.values()]:
        if getattr(module, "load_artifacts", None) is compiler.load_artifacts:
            module.load_artifacts = lambda: found

    from gridbourse.report.record import RunRecord
    from scripts import check, replay

    for module in [*sys.modules.values()]:
        if hasattr(module, "load_artifacts"):
            module.load_artifacts = lambda: found
    replay.main(
        scenario, "--network", "devnet-child", "--out", out, "--start", start, "--periods", "2"
    )
    code = check.main(out)
    trades = RunRecord.load(Path(out) / "record").trades
    traded = trades[trades["market"] == "swaps"][["wh", "price_micro_eur_per_wh"]]
    print(traded.to_numpy().tolist())
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
