"""A development chain that stays up between commands: up, status, down."""

import argparse
from pathlib import Path

from web3 import Web3

from gridbourse.chain.node.connect import NetworkError, connect
from gridbourse.chain.node.devnet import (
    BLOCK_GAS_LIMIT,
    DEFAULT_PORT,
    HARDFORK,
    DevnetError,
    devnet_folder,
    read_record,
    start_standing,
    stop_standing,
)
from gridbourse.commands import command, next_line
from scripts import command_parser, parse, run

NOT_RUNNING = 1


def main(*args: str, web3: Web3 | None = None) -> int:
    """Entry of ``python -m scripts.devnet``; it makes its own connection, ``web3`` is not used."""
    options = parse(_parser(), args)
    if options.command == "up":
        return _up(options.port, options.state)
    return _down() if options.command == "down" else _status()


def _up(port: int, state: Path | None) -> int:
    record = read_record(devnet_folder())
    if record and record.alive():
        raise DevnetError(f"a devnet is already up at {record.rpc_url} (pid {record.pid})")
    record = start_standing(port, devnet_folder(), state)
    print(
        f"devnet up at {record.rpc_url} (chain {record.chain_id}, {HARDFORK},"
        f" {BLOCK_GAS_LIMIT:,} gas a block, pid {record.pid})\n"
        f"{next_line(command('deploy', '--network', 'devnet'))}\n"
        f"Stop     {command('devnet', 'down')}"
    )
    return 0


def _down() -> int:
    record = stop_standing(devnet_folder())
    print(f"devnet at {record.rpc_url} stopped" if record else "no devnet on record")
    return 0


def _status() -> int:
    record = read_record(devnet_folder())
    if record is None or not record.alive():
        print("no devnet is up" if record is None else f"the devnet at {record.rpc_url} has ended")
        return NOT_RUNNING
    try:
        block = connect(record.rpc_url).eth.block_number
    except NetworkError as error:
        raise DevnetError(f"pid {record.pid} runs, but {error}") from error
    print(
        f"devnet up at {record.rpc_url}, chain {record.chain_id}, block {block}, pid {record.pid}"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("devnet", __doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start it in the background")
    up.add_argument("--port", type=_port, default=DEFAULT_PORT, help="default: %(default)s")
    up.add_argument("--state", type=Path, help="file to load the chain from and save it to")
    commands.add_parser("down", help="stop it")
    commands.add_parser("status", help="say whether it is up; exit code 1 when it is not")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 1 << 16:
        raise argparse.ArgumentTypeError(f"{port} is no port: 1 to {(1 << 16) - 1}")
    return port


if __name__ == "__main__":
    run(main)
