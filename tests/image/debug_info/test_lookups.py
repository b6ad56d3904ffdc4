"""The results of symbol searches that are kept for the next run."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.boot.stop.kernel_probe import ANY_STRING, PROBED, SymbolsAndStrings
from pvhdbg.errors import SymbolMissing
from pvhdbg.image.debug_info.symbols import Symbols
from pvhdbg.image.facts import read_facts
from tests.cli.shell import pvhdbg
from tests.image.builder import Symbol, elf, load, symbol_sections

BUILD_ID = "0123456789abcdef"
FIRST, SECOND = Symbol("first", 0xFFFFFFFF81000010, 4), Symbol("second", 0xFFFFFFFF81000020, 4)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    path = tmp_path / "kernel"
    path.write_bytes(elf([load(vaddr=0xFFFFFFFF81000000)], symbol_sections([FIRST, SECOND])))
    return path


def address(kernel: Path, cache: Path | None, name: str, build_id: str | None = BUILD_ID) -> int | None:
    """Do what a run does: look up a symbol, and keep the result."""
    with closing(Symbols(str(kernel), build_id, cache)) as symbols:
        found = symbols.address(name) if name in symbols else None
        if symbols.lookups is not None:
            symbols.lookups.save()
        return found


def only_file(cache: Path) -> Path:
    (path,) = cache.iterdir()
    return path


def test_a_name_that_was_looked_up_before_needs_no_search(
    kernel: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [address(kernel, cache, name) for name in ("first", "absent")]
    monkeypatch.setattr(Symbols, "_search", lambda *_: pytest.fail("a search"))

    assert [FIRST.value, None] == expected == [address(kernel, cache, name) for name in ("first", "absent")]


def test_an_address_that_was_looked_up_before_needs_no_search(
    kernel: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names() -> list[tuple[str, int] | None]:
        with closing(Symbols(str(kernel), BUILD_ID, cache)) as symbols:
            found = [symbols.enclosing(place) for place in (FIRST.value, SECOND.value + 2)]
            symbols.lookups.save()  # type: ignore[union-attr]  # the cache is a folder
            return found

    expected = names()
    monkeypatch.setattr(Symbols, "_copy", lambda _: pytest.fail("the symbol table is copied"))

    assert [("first", 0), ("second", 2)] == expected == names()


@pytest.mark.parametrize("place", [f"@{FIRST.value:x} 99", f"@{FIRST.value:x} 2", f"@{FIRST.value:x} 0", ""])
def test_a_wrong_place_of_an_address_gives_no_wrong_name(place: str, kernel: Path, cache: Path) -> None:
    with closing(Symbols(str(kernel), BUILD_ID, cache)) as symbols:
        if place and symbols.lookups is not None:
            name, _, number = place.partition(" ")
            symbols.lookups[name] = int(number)

        assert ("first", 0) == symbols.enclosing(FIRST.value)


def test_a_real_kernels_addresses_are_those_of_a_search(debian_vmlinux: Path, cache: Path) -> None:
    image = read_facts(str(debian_vmlinux))

    def addresses(folder: Path | None) -> dict[str, int]:
        found = {}
        with closing(Symbols(image.elf, image.build_id, folder)) as symbols:
            both = SymbolsAndStrings(symbols, image, symbols.lookups)
            for name in PROBED:
                try:
                    found[name] = both.address(name)
                except SymbolMissing:
                    continue
            if symbols.lookups is not None:
                symbols.lookups.save()
        return found

    searched = addresses(None)

    assert [searched, searched] == [addresses(cache), addresses(cache)]
    assert {"xen_prepare_pvh", "pvh_bootparams"} <= searched.keys()
    assert all(name in only_file(cache).read_text("ascii") for name in PROBED)


def test_a_file_that_was_written_to_is_searched_again(kernel: Path, cache: Path) -> None:
    assert None is address(kernel, cache, "third")

    third = Symbol("third", 0xFFFFFFFF81000030, 4)
    kernel.write_bytes(elf([load()], symbol_sections([third, FIRST])))

    assert third.value == address(kernel, cache, "third")
    assert FIRST.value == address(kernel, cache, "first")


def test_a_file_that_is_written_to_while_it_is_open_gives_no_new_symbols(kernel: Path, cache: Path) -> None:
    with closing(Symbols(str(kernel), BUILD_ID, cache)) as symbols:
        kernel.write_bytes(elf([load()], symbol_sections([SECOND._replace(name="first")])))
        missing = "first" not in symbols

        assert (True, None) == (missing, symbols.lookups)
        assert None is symbols.enclosing(FIRST.value)


def test_nothing_is_kept_without_a_build_id_or_a_folder(kernel: Path, cache: Path) -> None:
    for build_id, folder in ((None, cache), ("0" * 65, cache), (BUILD_ID, None)):
        assert FIRST.value == address(kernel, folder, "first", build_id)

    assert [] == [*cache.iterdir()]


WRONG: dict[str, Callable[[str], str]] = {
    "another symbol": lambda text: text.replace(row(text), row(text, "second").replace("second", "first")),
    "past the end": lambda text: text.replace(row(text), "123456789 first"),
    "beyond 64 bits": lambda text: text.replace(row(text), f"{'9' * 40} first"),
    "not a number": lambda text: text.replace(row(text), "\xb2 first"),
    "negative": lambda text: text.replace(row(text), "-1 first"),
    "no name": lambda text: text.replace(row(text), row(text).split()[0]),
    "truncated": lambda text: "- first\n".join((text.partition("\n")[0] + "\n", "")),
    "another version": lambda text: text.replace("pvhdbg ", "pvhdbg 9.", 1).replace("1 first", "- first"),
    "another file": lambda text: text.replace(BUILD_ID, BUILD_ID[::-1]).replace("1 first", "- first"),
    "too long": lambda text: text.partition("\n")[0] + "\n- first" * 10_000 + "\nend 10000\n",
    "empty": lambda _: "",
    "binary": lambda _: "\0\xff" * 1000,
}


def row(text: str, name: str = "first") -> str:
    """Return the line of a name: its place and the name."""
    return next(line for line in text.splitlines() if line.endswith(f" {name}"))


@pytest.mark.parametrize("damage", WRONG.values(), ids=WRONG)
def test_a_damaged_or_wrong_file_gives_no_wrong_address(
    kernel: Path, cache: Path, damage: Callable[[str], str]
) -> None:
    for name in ("second", "first"):
        address(kernel, cache, name)
    path = only_file(cache)
    before = path.read_text("latin-1")
    path.write_text(damage(before), "latin-1")

    assert before != path.read_text("latin-1")
    assert [FIRST.value, SECOND.value] == [address(kernel, cache, name) for name in ("first", "second")]


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "nothing"])
def test_what_is_not_a_regular_file_is_ignored(kernel: Path, cache: Path, tmp_path: Path, kind: str) -> None:
    address(kernel, cache, "first")
    path = only_file(cache)
    text = path.read_text("ascii")
    path.write_text(text.replace(row(text), "- first"), "ascii")
    hidden = path.rename(tmp_path / "hidden")
    if kind == "link":
        path.symlink_to(hidden)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()

    assert FIRST.value == address(kernel, cache, "first")


def test_the_file_counts_if_it_is_where_it_belongs(kernel: Path, cache: Path) -> None:
    address(kernel, cache, "first")
    path = only_file(cache)
    text = path.read_text("ascii")
    path.write_text(text.replace(row(text), "- first"), "ascii")

    assert None is address(kernel, cache, "first")


def test_the_files_and_their_names_are_limited(kernel: Path, cache: Path) -> None:
    for number in range(70):
        (cache / f"{number}").touch()
        os.utime(cache / f"{number}", (number, number))
    with closing(Symbols(str(kernel), BUILD_ID, cache)) as symbols:
        for name in ("first", *(f"name{number}" for number in range(1100)), "x" * 129, "two\nlines"):
            assert (name == "first") == (name in symbols)
        assert symbols.lookups is not None
        symbols.lookups.save()
    kept = {path.name for path in cache.iterdir()}

    assert 64 == len(kept)
    assert {"69", "7"} <= kept
    assert not {"6", "0"} & kept
    (written,) = (cache / name for name in kept if name.startswith(BUILD_ID))
    assert 1024 + 2 == len(written.read_text("ascii").splitlines())


def test_a_folder_that_is_gone_or_full_changes_nothing(
    kernel: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FIRST.value == address(kernel, tmp_path / "absent", "first")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    assert FIRST.value == address(kernel, cache, "first")
    assert [] == [*cache.iterdir()]


def test_a_run_gives_the_same_document_with_and_without_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    documents = []
    for place in (tmp_path / "file", tmp_path, tmp_path):
        monkeypatch.setenv("XDG_CACHE_HOME", str(place))
        documents.append(pvhdbg("dump", "--format", "json").document["stops"])

    assert documents[0] == documents[1] == documents[2]
    assert 1 == len([*(tmp_path / "pvhdbg" / "symbols").iterdir()])


def test_a_string_that_is_not_at_its_offset_is_searched_again(cache: Path) -> None:
    image, found = read_facts(str(guest.ELF)), []
    for _ in range(2):
        with closing(Symbols(image.elf, image.build_id, cache)) as symbols:
            found.append(SymbolsAndStrings(symbols, image, symbols.lookups).address(ANY_STRING))
            assert symbols.lookups is not None
            symbols.lookups.save()
        path = only_file(cache)
        text = path.read_text("ascii")
        path.write_text(text.replace(row(text, ANY_STRING), f"0 {ANY_STRING}"), "ascii")

    assert found[0] == found[1] != image.to_vaddr(0)
