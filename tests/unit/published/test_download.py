"""Downloads against a server of this machine: whole and right, or one clear error and nothing left behind."""

import hashlib
import socket

import pytest
from published_files import serving

from pesforge.errors import DataError
from pesforge.published import download as module
from pesforge.published.download import download

CONTENT = b'[{"energy": -1.5}]'
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PATH = "/Si/test.json"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with serving({PATH: CONTENT, "/page.json": b"<html>maintenance</html>"}) as running:
        yield running


def fails(url, tmp_path, **options):
    """The message of a download that must leave nothing behind but what was there before."""
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(DataError) as caught:
        download(url, tmp_path / "Si_test.json", **{"sha256": None, "record": tmp_path / "record", **options})
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    message = str(caught.value)
    assert message.startswith(url)
    assert "object at 0x" not in message
    return message


def test_the_first_download_records_its_digest_and_later_ones_must_have_it(server, tmp_path):
    target, record = tmp_path / "fetch" / "Si_test.json", tmp_path / "store" / "Si_test.sha256"
    assert download(server.url + PATH, target, sha256=None, record=record) == DIGEST
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o444 == 0o444
    assert record.read_text().split()[0] == DIGEST
    assert download(server.url + PATH, target, sha256=None, record=record) == DIGEST
    server.files[PATH] = b'[{"energy": -1.6}]'
    with pytest.raises(DataError, match=r"at the first download, see .*Si_test\.sha256") as caught:
        download(server.url + PATH, target, sha256=None, record=record)
    assert hashlib.sha256(server.files[PATH]).hexdigest() in str(caught.value)
    assert DIGEST in str(caught.value)
    assert target.read_bytes() == CONTENT
    assert record.read_text().split()[0] == DIGEST
    assert sorted(path.name for path in target.parent.iterdir()) == ["Si_test.json"]


def test_a_digest_of_the_study_is_what_counts(server, tmp_path):
    message = fails(server.url + PATH, tmp_path, sha256="0" * 64)
    assert "by `published.sha256`" in message
    assert DIGEST in message
    assert download(server.url + PATH, tmp_path / "a.json", sha256=DIGEST, record=tmp_path / "record") == DIGEST


def test_a_missing_file_is_named_with_the_answer_of_the_server(server, tmp_path):
    message = fails(server.url + "/Si/tset.json", tmp_path)
    assert "404" in message
    assert "published.base_url" in message


def test_a_server_that_is_down(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    message = fails(f"http://127.0.0.1:{port}{PATH}", tmp_path)
    assert "no connection to the server" in message
    assert "published.folder" in message


def test_a_connection_that_breaks_off(server, tmp_path):
    server.cut.add(PATH)
    assert "the connection broke in the middle of the file" in fails(server.url + PATH, tmp_path)


def test_a_server_that_is_silent(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    server.silent.add(PATH)
    assert "no answer within" in fails(server.url + PATH, tmp_path)


def test_a_page_instead_of_the_file_pins_no_digest(server, tmp_path):
    assert "no JSON" in fails(server.url + "/page.json", tmp_path)
