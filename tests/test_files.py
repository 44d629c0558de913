import errno
import os
import stat

import pytest

from nextbar import files
from nextbar.errors import OutputError
from nextbar.files import folder_written_whole, write_bytes_atomically, write_json_atomically


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("durable", [False, True])
def test_bytes_are_written_and_replace_what_was_there(tmp_path, durable):
    path = tmp_path / "new" / "file.bin"
    write_bytes_atomically(path, b"old", durable=durable)
    write_bytes_atomically(path, b"new", durable=durable)
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file.bin"]


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError) as caught:
        write_bytes_atomically(path, b"new")
    assert str(caught.value) == (
        f"{path} could not be written: No space left on device; is there space on the disk?"
    )
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file.bin"]


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    path = tmp_path / ("n" * 251 + ".mid")
    write_bytes_atomically(path, b"data")
    assert path.read_bytes() == b"data"


def test_writing_onto_a_folder_or_below_a_file_says_so(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="a folder of that name is in the way"):
        write_bytes_atomically(tmp_path / "folder", b"data")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of this path is a file, not a folder"):
        write_bytes_atomically(tmp_path / "file" / "x" / "y", b"data")


def test_no_permission_says_so(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.Path, "mkdir", fail)
    with pytest.raises(OutputError) as caught:
        write_bytes_atomically(tmp_path / "file", b"data")
    assert str(caught.value) == (
        f"{tmp_path / 'file'} could not be written: no permission to write there;"
        " choose another place"
    )


def test_json_has_sorted_keys_and_one_form(tmp_path):
    write_json_atomically(tmp_path / "a.json", {"b": [1], "a": "é\udcff"})
    expected = '{\n  "a": "é\\udcff",\n  "b": [\n    1\n  ]\n}\n'
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == expected


def test_files_and_folders_get_ordinary_permissions(tmp_path):
    umask = os.umask(0o022)
    try:
        write_bytes_atomically(tmp_path / "file", b"")
        with folder_written_whole(tmp_path / "folder"):
            pass
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o755


def test_a_folder_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "folder"
    with folder_written_whole(path) as beside:
        (beside / "a").write_text("1")
        assert not path.exists()
        assert beside.parent == path.parent
    assert names(path) == ["a"]
    assert names(path.parent) == ["folder"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_folder_whose_writing_fails_leaves_what_was_there_and_nothing_else(tmp_path, failure):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()

    def fail(beside):
        (beside / "new").touch()
        raise failure

    with pytest.raises(failure), folder_written_whole(path, replace=True) as beside:
        fail(beside)
    assert names(path) == ["old"]
    assert names(tmp_path) == ["folder"]


def test_a_full_disk_while_a_folder_is_written_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="No space left"), folder_written_whole(tmp_path / "x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names(tmp_path) == []


def test_an_existing_folder_is_replaced_only_where_that_is_allowed(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(OutputError) as caught, folder_written_whole(path):
        pytest.fail("nothing may be written")
    assert str(caught.value) == f"{path} exists already; choose another name, or remove it first"
    with folder_written_whole(path, replace=True) as beside:
        (beside / "new").touch()
    assert names(path) == ["new"]
    assert names(tmp_path) == ["folder"]


def test_an_empty_folder_is_no_obstacle_and_a_file_always_is(tmp_path):
    (tmp_path / "empty").mkdir()
    with folder_written_whole(tmp_path / "empty") as beside:
        (beside / "a").touch()
    assert names(tmp_path / "empty") == ["a"]
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="exists already"),
        folder_written_whole(tmp_path / "file", replace=True),
    ):
        pytest.fail("nothing may be written")


def test_a_folder_that_cannot_be_moved_into_place_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    rename = os.rename

    def fail_to_move_in(source, target):
        if target == path and "partial" in str(source) and (source / "new").exists():
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_to_move_in)
    with (
        pytest.raises(OutputError, match="Input/output error"),
        folder_written_whole(path, replace=True) as beside,
    ):
        (beside / "new").touch()
    assert names(path) == ["old"]
    assert names(tmp_path) == ["folder"]
