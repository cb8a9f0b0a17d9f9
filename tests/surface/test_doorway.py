import os
import socket
import stat
from pathlib import Path

import pytest

from lhbackupd.surface.doorway import ControlError, NoDirectory, doorway


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        return client.connect_ex(str(path)) == 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def left_behind(path: Path) -> None:
    """What a killed daemon leaves: a socket's file that nobody listens to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
        old.bind(str(path))


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_owner_and_group_may_connect_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with doorway(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(before)


def test_nobody_can_connect_before_the_mode_is_set(path: Path) -> None:
    with doorway(path) as listener:
        assert not connects(path), "it does not listen yet"
        listener.listen()
        assert connects(path)


def test_the_file_is_gone_when_the_daemon_is(path: Path) -> None:
    with doorway(path):
        pass
    assert not path.exists()


def test_a_socket_that_a_killed_daemon_left_is_replaced(path: Path) -> None:
    left_behind(path)
    with doorway(path) as listener:
        listener.listen()
        assert connects(path)


def test_a_second_daemon_leaves_the_first_ones_socket_alone(path: Path) -> None:
    with doorway(path) as listener:
        listener.listen()
        with pytest.raises(ControlError, match="another daemon listens on the control socket"), doorway(path):
            pass
        assert connects(path)


def test_a_listener_whose_queue_is_full_listens_all_the_same(path: Path) -> None:
    with doorway(path) as listener:
        listener.listen(0)
        waiting = []
        while not waiting or waiting[-1].connect_ex(str(path)) == 0:
            waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            waiting[-1].setblocking(False)
        with pytest.raises(ControlError, match="another daemon listens"), doorway(path):
            pass
        for client in waiting:
            client.close()


def test_at_the_end_a_file_that_somebody_put_in_its_place_stays(path: Path) -> None:
    with doorway(path):
        other = path.with_name("other.sock")
        left_behind(other)
        other.rename(path)
    assert path.exists()


def test_a_file_that_is_no_socket_is_not_deleted(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ControlError, match="there is a file that is no socket"), doorway(path):
        pass
    assert path.read_text() == "precious"


def test_a_missing_directory_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NoDirectory, match="there is no directory"), doorway(tmp_path / "run" / "control.sock"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ControlError, match="Permission denied"), doorway(tmp_path / "control.sock"):
        pass


def test_what_else_is_in_the_way_is_one_line_with_the_systems_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ControlError, match="Not a directory") as caught, doorway(tmp_path / "file" / "control.sock"):
        pass
    assert not isinstance(caught.value, NoDirectory)
