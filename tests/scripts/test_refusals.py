"""Bad input: exit code 2, one line that names it, no traceback, nothing left behind."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gridbourse.chain.deployment import record as deployments
from gridbourse.chain.node import connect
from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.chain.node.devnet import Devnet, free_port
from scripts import check, crowdsale, deploy, devnet, replay, run, settle, status

SCENARIO = CHECKOUT / "scenarios" / "rural3.toml"
NOBODY = "http://127.0.0.1:1"
"""A port nobody listens on, and the same in every process that collects these tests."""
Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def own_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records and standing devnets are those of this test alone; there is none at first."""
    folder = tmp_path / "deployments"
    monkeypatch.setattr(deployments, "FOLDER", folder)
    monkeypatch.setattr(connect, "devnet_folder", lambda: folder / "devnet")
    monkeypatch.setattr(devnet, "devnet_folder", lambda: folder / "devnet")
    monkeypatch.setattr(connect, "DEFAULT_PORT", free_port())
    monkeypatch.delenv("GRIDBOURSE_SECRET", raising=False)
    return folder


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Refused:
    """The one line by which a command is refused. Any exception but ours would come through."""

    def line(script: object, *arguments: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.setattr("sys.argv", ["script", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            run(script.main)  # type: ignore[attr-defined]
        assert end.value.code == 2
        said = capfd.readouterr()
        assert said.out == ""
        (only,) = said.err.splitlines()
        assert sorted(tmp_path.rglob("*")) == before, "nothing is left behind"
        return only

    return line


def scenario_with(folder: Path, former: str, wanted: str) -> Path:
    text = SCENARIO.read_text().replace('folder = "rural3"', f'folder = "{SCENARIO.parent}/rural3"')
    assert text.count(former) == 1
    path = folder / "scenario.toml"
    path.write_text(text.replace(former, wanted))
    return path


@pytest.mark.parametrize("script", [replay, deploy])
def test_a_scenario_that_is_not_there(refused: Refused, tmp_path: Path, script: object) -> None:
    line = refused(script, tmp_path / "none.toml")
    assert "none.toml: is missing" in line
    presets = sorted(file.stem for file in SCENARIO.parent.glob("*.toml"))
    assert line.endswith(f"; presets: {', '.join(presets)}")


@pytest.mark.parametrize("script", [replay, deploy])
@pytest.mark.parametrize(
    "meant", ["rural3", "rural3.tml", "scenarios/rurl3.toml", "scenarios/rural3"]
)
def test_a_preset_that_is_not_there_suggests_the_one_that_is(
    refused: Refused, script: object, meant: str
) -> None:
    assert refused(script, meant).endswith("; did you mean scenarios/rural3.toml?")


@pytest.mark.parametrize("script", [replay, deploy])
@pytest.mark.parametrize(
    ("former", "wanted", "said"),
    [
        ("[market]", "[market", "is not TOML"),
        ('pricing = "uniform"', 'pricing = "guess"', "market.pricing: 'guess' is not one of"),
        ("pv_factor = 4.0", "pv_factor = 4.0\nsunshine = 1", "sunshine: is not a key"),
    ],
)
def test_a_scenario_that_is_none(
    refused: Refused, tmp_path: Path, script: object, former: str, wanted: str, said: str
) -> None:
    line = refused(script, scenario_with(tmp_path, former, wanted))
    assert line.startswith("ScenarioError: ")
    assert said in line


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--periods", "0", "periods: 0 is not in 1.."),
        ("--periods", "100000", "periods: 100000 from 2016-07-24T00:00Z on are more than the 384"),
        ("--pv-factor", "-1", "pv_factor: -1 is not in 0..inf"),
        ("--pv-factor", "nan", "pv_factor: nan"),
        ("--season", "spring", "season: 'spring' is not one of"),
        ("--start", "tomorrow", "start: 'tomorrow' is not a time"),
        ("--start", "2016-07-24T10:30", "has no offset from UTC"),
        ("--start", "2016-07-24T10:31Z", "is not the start of a period"),
        ("--start", "2019-01-01T00:00Z", "is outside of the data"),
        ("--curve-period", "7", "curve_period: 7 is not in"),
    ],
)
def test_an_option_that_the_scenario_can_not_have(
    refused: Refused, tmp_path: Path, option: str, value: str, said: str
) -> None:
    out = tmp_path / "out"
    line = refused(replay, SCENARIO, "--network", "embedded", "--out", out, option, value)
    assert said in line


def test_a_folder_that_can_not_be_one(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    line = refused(replay, "--network", "embedded", "--out", tmp_path / "file")
    assert "file: cannot be the folder of a run" in line


@pytest.mark.parametrize("script", [replay, deploy, status, settle])
@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("mainnet", "NetworkError: network 'mainnet' is none of: embedded, devnet"),
        (NOBODY, f"NetworkError: no node answers at {NOBODY}"),
        ("devnet", "start a devnet: .venv/bin/python -m scripts.devnet up"),
        ("ftp://127.0.0.1", "is none of"),
    ],
)
def test_a_network_that_is_not_there(
    refused: Refused, tmp_path: Path, script: object, network: str, said: str
) -> None:
    out = ["--out", tmp_path / "out"] if script is replay else []
    assert said in refused(script, "--network", network, *out)


@pytest.mark.parametrize("script", [deploy, status, settle])
@pytest.mark.parametrize("network", ["embedded", "devnet-child"])
def test_a_network_that_would_be_gone(refused: Refused, script: object, network: str) -> None:
    assert "ends with its command" in refused(script, "--network", network)


@pytest.mark.parametrize("script", [status, settle])
def test_a_node_without_a_record(refused: Refused, node: str, script: object) -> None:
    line = refused(script, "--network", node)
    assert line.startswith("DeploymentError: no deployment record ")
    assert line.endswith("make one: .venv/bin/python -m scripts.deploy")


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("mainnet", "NetworkError: network 'mainnet' is none of: embedded, devnet"),
        ("embedded", "ends with its command"),
    ],
)
def test_a_campaign_on_a_network_that_is_not_there(
    refused: Refused, network: str, said: str
) -> None:
    assert said in refused(crowdsale, "fund", "roof", "1", "--by", "P0001", "--network", network)


def test_a_campaign_without_a_market(refused: Refused, node: str) -> None:
    assert "-m scripts.deploy" in refused(crowdsale, "status", "--network", node)


@pytest.mark.parametrize("script", [status, settle])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"chain_id": 1}, "chain id: the record is of 1, the chain is 31337"),
        ({"genesis_hash": "0x12"}, "genesis hash: the record is of 0x12"),
        ({}, "ParticipantRegistry: no code at 0x11"),
        ({"contracts": {}}, "ParticipantRegistry: the record has no address of it"),
        ({"contracts": 7}, "not a deployment record"),
    ],
)
def test_a_record_of_another_chain(
    refused: Refused, node: str, own_records: Path, script: object, fields: dict, said: str
) -> None:
    genesis = connect.connect(node).eth.get_block(0)["hash"].to_0x_hex()
    somewhere = {"address": "0x" + "11" * 20, "arguments": [], "block": 1}
    record = {
        "chain_id": 31337, "genesis_hash": genesis, "commit": "", "compiler": {}, "scenario": {},
        "contracts": dict.fromkeys(deployments.CONTRACTS, somewhere),
    }  # fmt: skip
    own_records.mkdir()
    deployments.record_path(node).write_text(json.dumps(record | fields))

    assert said in refused(script, "--network", node)


def test_a_port_in_use(refused: Refused) -> None:
    with Devnet() as taken:
        line = refused(devnet, "up", "--port", taken.port)
    assert line.startswith(f"PortInUseError: port {taken.port} on 127.0.0.1 is in use")


@pytest.mark.parametrize(
    ("content", "said"),
    [({}, "no such folder"), ({"deployment.json": "{}"}, "not a deployment record")],
)
def test_a_folder_that_no_run_has_left(
    refused: Refused, tmp_path: Path, content: dict[str, str], said: str
) -> None:
    folder = tmp_path / "run"
    for name, text in content.items():
        folder.mkdir()
        (folder / name).write_text(text)
    assert said in refused(check, folder)


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        (devnet, ["up", "--port", "0"]),
        (devnet, ["up", "--port", "70000"]),
        (devnet, ["sideways"]),
        (devnet, []),
        (replay, ["--periods", "many"]),
        (replay, ["--pricing", "free"]),
        (status, ["--verbose"]),
        (check, []),
    ],
)
def test_a_command_line_that_is_none(
    script: object, arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        script.main(*arguments)  # type: ignore[attr-defined]
    assert end.value.code == 2
    said = capfd.readouterr().err
    assert said.startswith("usage: ")
    assert "error: " in said.splitlines()[-1]
