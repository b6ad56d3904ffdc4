from pathlib import Path

import pytest

from pvhdbg.abi.e820 import E820_DATA
from pvhdbg.boot.stop.kernel_probe import string_at
from pvhdbg.image.facts import read_facts
from tests import kernels
from tests.kernels import fetch, rfc

# What CHANGES looks for, and what it must leave alone.
ENLIGHTEN = """\
static void __init init_pvh_bootparams(bool xen_guest)
{
}

void __init xen_prepare_pvh(void)
{
	init_pvh_bootparams(xen_guest);
}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / rfc.ENLIGHTEN).parent.mkdir(parents=True)
    (tmp_path / rfc.ENLIGHTEN).write_text(ENLIGHTEN)
    return tmp_path


def test_the_function_of_the_kernel_stays_and_ours_is_called(tree: Path) -> None:
    rfc.change(tree)

    assert """\
static void __init __maybe_unused init_pvh_bootparams(bool xen_guest)
{
}

#include "rfc.c"
void __init xen_prepare_pvh(void)
{
	rfc_init_bootparams(xen_guest);
}
""" == (tree / rfc.ENLIGHTEN).read_text()


def test_our_file_goes_beside_the_one_that_includes_it(tree: Path) -> None:
    rfc.change(tree)

    assert (rfc.HERE / "rfc.c").read_bytes() == (tree / rfc.ENLIGHTEN).with_name("rfc.c").read_bytes()


def test_a_source_that_the_change_was_not_written_for_is_an_error(tree: Path) -> None:
    (tree / rfc.ENLIGHTEN).write_text(ENLIGHTEN.replace("(xen_guest);", "(&guest);"))

    with pytest.raises(fetch.FetchError, match=r"is there 0 times$"):
        rfc.change(tree)


def test_a_tool_that_fails_is_an_error_in_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(fetch.FetchError, match=r"exit 2: last$"):
        rfc.run("sh", "-c", "echo first >&2; echo last >&2; exit 2", cwd=tmp_path)


def test_a_tool_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(fetch.FetchError, match=r"^no-such-tool is not installed$"):
        rfc.run("no-such-tool", cwd=tmp_path)


def test_without_a_kernel_built_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(kernels.MissingError, match="`make test` builds it where apt offers"):
        kernels.rfc_vmlinux()


def test_of_two_kernels_the_one_of_the_newer_source_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for version in ("6.1.99-1", "6.1.192-2"):
        rfc.folder(version).mkdir(parents=True)

    assert rfc.folder("6.1.192-2") / "vmlinux" == kernels.rfc_vmlinux()


def test_a_kernel_of_another_change_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rfc.folder("6.1.192-2").mkdir(parents=True)
    monkeypatch.setattr(rfc, "CHANGES", ())

    with pytest.raises(kernels.MissingError):
        kernels.rfc_vmlinux()


def test_the_built_kernel_has_the_name_in_what_is_loaded_of_it(rfc_vmlinux: Path) -> None:
    image, data = read_facts(str(rfc_vmlinux)), rfc_vmlinux.read_bytes()
    at = string_at(data, image, E820_DATA)
    place = image.physical(at or 0)
    segment = next(each for each in image.segments if place is not None and each.paddr <= place < each.end)
    offset = (at or 0) - segment.vaddr + segment.offset

    assert E820_DATA + b"\0" == data[offset : offset + 10]
    assert (image.release or "").endswith("-rfc")
