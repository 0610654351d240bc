"""The command line without a server: help, usage errors, configuration errors, exit codes."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from watchd.cli import COMMANDS, main
from watchd.config import SETTINGS


@pytest.fixture
def watchd(monkeypatch, capsys):
    """Runs a command in this process."""

    def run(*arguments, **environ):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    monkeypatch.setenv("WATCHD_DATA_DIR", "/nonexistent/data")
    return run


def refused(result, code, *parts):
    status, out, err = result
    assert (status, out) == (code, "")
    assert err.startswith("watchd: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


def test_help_names_every_command_and_the_exit_codes(watchd):
    code, out, _ = watchd("--help")
    assert code == 0
    assert "Exit status" in out
    for command in COMMANDS:
        assert f"  {command} " in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(watchd, command):
    code, out, _ = watchd(command, "--help")
    assert code == 0
    assert out.startswith(f"Usage: watchd {command}")


def test_the_help_of_serve_names_every_setting_and_its_default(watchd):
    text = " ".join(watchd("serve", "--help")[1].split())
    for setting in SETTINGS.values():
        assert setting.flag in text
        assert f"[env {setting.variable}; default: {setting.default}]" in text


def test_version(watchd):
    code, out, _ = watchd("version")
    assert code == 0
    assert out.startswith("watchd ")


@pytest.mark.parametrize(
    "arguments", [["nope"], ["serve", "--nope"], ["compact"], ["compact", "x"], ["log", "--since", "-1"], ["restore"], []]
)
def test_a_command_line_that_makes_no_sense_is_2(watchd, arguments):
    code, out, err = watchd(*arguments)
    assert (code, out) == (2, "")
    assert "Usage: watchd" in err


def test_a_configuration_that_makes_no_sense_is_2(watchd, tmp_path):
    refused(watchd("serve", "--bind", "x"), 2, "--bind", "ADDR:PORT")
    refused(watchd("serve", "--insecure-http", "0.0.0.0:0"), 2, "loopback")
    refused(watchd("serve", "--config", tmp_path / "none"), 2, "No such file")
    (tmp_path / "watchd.toml").write_text('bnid = "x"\n')
    refused(watchd("serve", "--config", tmp_path / "watchd.toml"), 2, 'did you mean "bind"')
    refused(watchd("log", WATCHD_CONFIG=str(tmp_path / "watchd.toml")), 2, 'did you mean "bind"')
    refused(watchd("serve", WATCHD_CONFIG="", WATCHD_RETAIN_AGE="soon"), 2, "WATCHD_RETAIN_AGE", "duration")


@pytest.mark.parametrize("command", [["log"], ["verify"], ["compact", "head"], ["backup", "file"]])
def test_a_data_directory_that_is_not_there_is_1(watchd, tmp_path, command):
    refused(watchd(*command, "--data-dir", tmp_path / "none"), 1, "no data directory")
    assert not (tmp_path / "none").exists()


def test_a_command_leaves_the_signals_of_its_process_as_they_were(watchd, tmp_path):
    before = signal.getsignal(signal.SIGPIPE)
    watchd("log", "--data-dir", tmp_path / "none")
    assert signal.getsignal(signal.SIGPIPE) == before


def test_a_directory_without_a_log_is_1(watchd, tmp_path):
    refused(watchd("verify", "--data-dir", tmp_path), 1, "holds no log")
    refused(watchd("compact", "head", "--data-dir", tmp_path), 1, "no server has run here")
    (tmp_path / "kubeconfig").write_text("{}")
    refused(watchd("compact", "head", "--data-dir", tmp_path), 1, "not a kubeconfig")


def test_memory_has_no_data_directory(watchd, monkeypatch):
    monkeypatch.delenv("WATCHD_DATA_DIR")
    refused(watchd("log", WATCHD_MEMORY="true"), 1, "in memory")


def test_a_restore_of_what_is_no_backup_is_1(watchd, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 100)
    refused(watchd("restore", "--data-dir", tmp_path / "data", tmp_path / "file"), 1, "no backup")
    refused(watchd("restore", "--data-dir", tmp_path / "data", tmp_path / "none"), 1, "No such file")
    assert not (tmp_path / "data" / "data.mdb").exists()


def test_help_and_version_load_no_server():
    code = (
        "import sys; from watchd.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print([m for m in ('attrs', 'trio', 'lmdb', 'watchd.config', 'watchd.server') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_pytest_plugin_loads_no_server():
    code = "import sys, watchd.pytest_plugin; print([m for m in ('trio', 'quart', 'lmdb', 'watchd.testing') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
