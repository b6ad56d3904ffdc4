from pathlib import Path

import pytest

from pvhdbg.abi.e820 import E820_DATA
from pvhdbg.boot.stop.kernel_probe import link_address, string_offset
from pvhdbg.image.facts import read_facts
from tests import kernels
from tests.kernels import fetch, rfc

# The lines that PATCHES changes, and lines that it must not change.
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


def test_the_kernels_own_function_stays_and_ours_is_called(tree: Path) -> None:
    rfc.patch(tree)

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


def test_rfc_c_is_copied_next_to_the_file_that_includes_it(tree: Path) -> None:
    rfc.patch(tree)

    assert (rfc.HERE / "rfc.c").read_bytes() == (tree / rfc.ENLIGHTEN).with_name("rfc.c").read_bytes()


def test_a_source_that_does_not_match_the_patches_is_an_error(tree: Path) -> None:
    (tree / rfc.ENLIGHTEN).write_text(ENLIGHTEN.replace("(xen_guest);", "(&guest);"))

    with pytest.raises(fetch.FetchError, match=r"matches 0 times$"):
        rfc.patch(tree)


def test_the_error_for_a_failing_tool_is_the_last_line_of_its_output(tmp_path: Path) -> None:
    with pytest.raises(fetch.FetchError, match=r"exit 2: last$"):
        rfc.run("sh", "-c", "echo first >&2; echo last >&2; exit 2", cwd=tmp_path)


def test_a_missing_tool_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(fetch.FetchError, match=r"^no-such-tool is not installed$"):
        rfc.run("no-such-tool", cwd=tmp_path)


def test_the_error_for_a_missing_kernel_says_how_to_build_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(kernels.MissingError, match="`make test` builds it if apt offers"):
        kernels.rfc_vmlinux()


def test_the_kernel_of_the_newest_source_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for version in ("6.1.99-1", "6.1.192-2"):
        rfc.folder(version).mkdir(parents=True)

    assert rfc.folder("6.1.192-2") / "vmlinux" == kernels.rfc_vmlinux()


def test_a_kernel_built_with_other_patches_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rfc.folder("6.1.192-2").mkdir(parents=True)
    monkeypatch.setattr(rfc, "PATCHES", ())

    with pytest.raises(kernels.MissingError):
        kernels.rfc_vmlinux()


def test_the_module_name_is_in_a_loaded_segment_of_the_kernel(rfc_vmlinux: Path) -> None:
    image, data = read_facts(str(rfc_vmlinux)), rfc_vmlinux.read_bytes()
    found = string_offset(data, image, E820_DATA)
    assert found is not None
    vaddr = link_address(image, found)
    assert vaddr is not None
    paddr = image.to_paddr(vaddr)
    assert paddr is not None
    segment = next(segment for segment in image.segments if segment.paddr <= paddr < segment.end)
    offset = vaddr - segment.vaddr + segment.offset

    assert E820_DATA + b"\0" == data[offset : offset + 10]
    assert (image.release or "").endswith("-rfc")
