"""Compile ``contracts/`` once and keep the result in ``build/artifacts.json``.

The compiler's version and settings are those of ``brownie-config.yaml``, so that brownie's tests
and our deployments run the same bytecode.
"""

import hashlib
import json
import logging
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import solcx
import yaml

from gridbourse.chain.node.solc import CHECKOUT, find_solc
from gridbourse.errors import GridbourseError

MAX_DEPLOYED_BYTES = 24_576  # EIP-170
CACHE_FORMAT = 2
KINDS_OF_CODE = ("bytecode", "deployedBytecode")  # creation code, and what it leaves on chain

log = logging.getLogger(__name__)


class CompileError(GridbourseError):
    """The contracts do not compile, or a contract cannot be deployed as it is."""


@dataclass(frozen=True)
class CompilerSettings:
    """What decides the bytecode besides the sources."""

    solc: str
    evm_version: str
    optimizer_runs: int
    remappings: tuple[str, ...]


@dataclass(frozen=True)
class Artifact:
    """One compiled contract. An interface or abstract contract has an empty ``bytecode``."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str  # creation code, "0x…"
    deployed_size: int  # bytes of runtime code
    source: str  # path below the root, such as "contracts/market/call_auction/CallAuction.sol"


def compiler_settings(checkout: Path = CHECKOUT) -> CompilerSettings:
    """The settings of ``brownie-config.yaml``."""
    config = yaml.safe_load((checkout / "brownie-config.yaml").read_text())["compiler"]
    return CompilerSettings(
        solc=str(config["solc"]["version"]),
        evm_version=config["evm_version"],
        optimizer_runs=config["solc"]["optimizer"]["runs"],
        remappings=tuple(config["solc"]["remappings"]),
    )


def uncompiled(root: Path = CHECKOUT, settings: CompilerSettings | None = None) -> int:
    """How many source files a compilation is due for; 0 when what is compiled is of these sources."""
    try:
        kept = json.loads(_cache(root).read_text())["fingerprint"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        kept = None
    fresh = kept == _fingerprint(root, settings or compiler_settings())
    return 0 if fresh else len(_sources(root))


def load_artifacts(
    root: Path = CHECKOUT, settings: CompilerSettings | None = None
) -> dict[str, Artifact]:
    """Artifacts by contract name, compiled anew only when a source or a setting has changed."""
    settings = settings or compiler_settings()
    cache = _cache(root)
    try:
        kept = json.loads(cache.read_text())
        if kept["fingerprint"] == _fingerprint(root, settings):
            return {name: Artifact(**fields) for name, fields in kept["artifacts"].items()}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # none yet, or written by another version: compile
    return compile_contracts(root, settings)


def compile_contracts(
    root: Path = CHECKOUT, settings: CompilerSettings | None = None
) -> dict[str, Artifact]:
    """Compile every ``contracts/**/*.sol`` below ``root`` and refresh the cache.

    Imports are read below ``root``, so ``root/node_modules`` must hold the packages. Raises
    :class:`CompileError` with solc's own messages, for a name used twice, for a contract over
    24,576 bytes, and for one that needs a library linked. Warnings go to the log.
    """
    settings = settings or compiler_settings()
    fingerprint = _fingerprint(root, settings)
    sources = {unit: {"content": text} for unit, text in _sources(root).items()}
    if not sources:
        raise CompileError(f"no Solidity source below {root / 'contracts'}")
    output = _run_solc(root, settings, sources)
    for note in output.get("errors", []):
        if note.get("sourceLocation", {}).get("file") in sources:  # packages are not ours to mend
            log.warning(note["formattedMessage"].rstrip())

    artifacts: dict[str, Artifact] = {}
    for unit in sources:
        for name, contract in output["contracts"].get(unit, {}).items():
            if name in artifacts:
                first = artifacts[name].source
                raise CompileError(f"{name} is in {first} and in {unit}: rename one")
            artifacts[name] = _artifact(name, unit, contract)
    _name_parameters(artifacts)
    _write(
        _cache(root),
        {"fingerprint": fingerprint, "artifacts": {n: asdict(a) for n, a in artifacts.items()}},
    )
    return artifacts


def _run_solc(root: Path, settings: CompilerSettings, sources: dict[str, Any]) -> dict[str, Any]:
    code = ["object", "linkReferences"]
    wanted = ["abi", *(f"evm.{kind}.{part}" for kind in KINDS_OF_CODE for part in code)]
    request = {
        "language": "Solidity",
        "sources": sources,
        "settings": {
            "evmVersion": settings.evm_version,
            "optimizer": {"enabled": True, "runs": settings.optimizer_runs},
            "remappings": list(settings.remappings),
            "outputSelection": {"*": {"*": wanted}},
        },
    }
    solc = find_solc(settings.solc)
    try:
        return solcx.compile_standard(request, base_path=root, solc_binary=solc)
    except solcx.exceptions.SolcError as error:
        raise CompileError(str(getattr(error, "message", error)).strip()) from error


def _artifact(name: str, unit: str, contract: dict[str, Any]) -> Artifact:
    creation = contract["evm"]["bytecode"]
    for libraries in creation["linkReferences"].values():
        raise CompileError(
            f"{name} in {unit} needs {', '.join(libraries)} linked: make its functions internal"
        )
    size = len(contract["evm"]["deployedBytecode"]["object"]) // 2
    if size > MAX_DEPLOYED_BYTES:
        raise CompileError(
            f"{name} in {unit} is {size:,} bytes, over the {MAX_DEPLOYED_BYTES:,} of EIP-170"
        )
    bytecode = f"0x{creation['object']}" if creation["object"] else ""
    return Artifact(name, contract["abi"], bytecode, size, unit)


def _name_parameters(artifacts: dict[str, Artifact]) -> None:
    """Of functions that only pass their call on, whose parameters solc wants without names: those of the
    contract or interface that has the same function with names."""
    functions = [
        entry
        for artifact in artifacts.values()
        for entry in artifact.abi
        if entry["type"] == "function" and entry["inputs"]
    ]
    named = {
        _signature(entry): [each["name"] for each in entry["inputs"]]
        for entry in functions
        if all(each["name"] for each in entry["inputs"])
    }
    for entry in functions:
        names = named.get(_signature(entry), [])
        for each, name in zip(entry["inputs"], names, strict=False):
            each["name"] = each["name"] or name


def _signature(entry: dict[str, Any]) -> tuple[str, ...]:
    return entry["name"], *(each["type"] for each in entry["inputs"])


def _sources(root: Path) -> dict[str, str]:
    """Source units by their path below ``root``; that path also enters the metadata hash."""
    files = sorted((root / "contracts").rglob("*.sol"))
    return {file.relative_to(root).as_posix(): file.read_text() for file in files}


def _fingerprint(root: Path, settings: CompilerSettings) -> str:
    """Changes whenever the bytecode could: sources, settings, locked packages."""
    packages = root / "package-lock.json"
    locked = packages.read_text() if packages.exists() else ""
    everything = [CACHE_FORMAT, asdict(settings), _sources(root), locked]
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()


def _cache(root: Path) -> Path:
    return root / "build" / "artifacts.json"


def _write(path: Path, content: dict[str, Any]) -> None:
    """In one step, since two processes may compile at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
        json.dump(content, file)
    os.replace(file.name, path)
