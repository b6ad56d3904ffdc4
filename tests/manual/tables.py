"""Generate the tables of the manual from the tables in the program. `make manual` writes them into the pages."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.checks.run import rules
from pvhdbg.cli.command.manual import PAGES_DIR
from pvhdbg.cli.command.teaching import boots
from pvhdbg.cli.command.teaching.lab import EXERCISES
from pvhdbg.cli.options import COMMANDS as SHELL
from pvhdbg.cli.options import parser_of, session_parser
from pvhdbg.commands import COMMANDS
from pvhdbg.guest_profiles.table import OTHER, PROFILES
from pvhdbg.teaching.lab import lab_file
from pvhdbg.teaching.tour import chapter
from pvhdbg.tui.draw.keys import KEYS
from pvhdbg.tui.lines.signs import ASCII, UNICODE, Signs
from pvhdbg.tui.views.table import VIEWS
from pvhdbg.views.explain import glossary, guest_topics, lookup
from pvhdbg.views.rows import picture_text
from pvhdbg.vmm_profiles import table as vmms
from pvhdbg.vmm_profiles.profile import EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pvhdbg.guest_profiles.profile import GuestProfile

INDEX = Path(lookup.INDEX)
OF_ALL = ("help", "ascii")
"""The options of every command, which the text of the page describes."""

SHARED_GROUPS = ("boot options", "machine options", "tools")
SHELL_SESSION = "open the full-screen interface; without KERNEL, boot the teaching guest"

_GENERATED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    for path in sorted(PAGES_DIR.glob("*.md")):
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
    INDEX.write_text("".join(lookup.index_lines()), encoding="utf-8")


def with_tables(page: str) -> str:
    """Return a page with its tables generated again."""
    return _GENERATED.sub(lambda part: f"{part[1]}{TABLES[part[2]]()}{part[3]}", page)


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def chapters() -> str:
    """Return the chapters of the tour."""
    known = chapter.read_all(boots.CHAPTERS)
    return "".join(f"| {number}. {shown.title} | {shown.about} |\n" for number, shown in enumerate(known, 1))


def commands() -> str:
    rows = [("`pvhdbg [KERNEL] [-- QEMU ARGS…]`", SHELL_SESSION)]
    rows += [(f"`{usage(name)}`", command.help) for name, command in SHELL.items()]
    return table(("command", "what it does"), rows)


def usage(name: str) -> str:
    """Return a command with its positional arguments: `pvhdbg attach WHERE [KERNEL]`."""
    words = [_positional(action) for action in parser_of(name)._actions if not action.option_strings]
    return " ".join(["pvhdbg", name, *words])


def _positional(action: argparse.Action) -> str:
    word = str(action.metavar)
    return {"?": f"[{word}]", "*": f"[{word}…]"}.get(str(action.nargs), word)


def options() -> str:
    """Return the options of the commands that boot a kernel, group by group."""
    shared = [action for group in _groups("dump", shared=True) for action in group._group_actions]
    return table(("option", "what it does"), [_option(action) for action in shared if action.option_strings])


def own_options() -> str:
    """Return the options that only some commands have; `pvhdbg` is the one without a command."""
    rows = [
        (f"`{name}`", *_option(action))
        for name in ("pvhdbg", *SHELL)
        for group in _groups(name, shared=False)
        for action in group._group_actions
        if action.option_strings and action.dest not in OF_ALL
    ]
    return table(("command", "option", "what it does"), rows)


def _groups(command: str, *, shared: bool) -> list[argparse._ArgumentGroup]:
    parser = parser_of(command) if command in SHELL else session_parser()
    groups = parser._action_groups
    return [group for group in groups if (group.title in SHARED_GROUPS) is shared]


def _option(action: argparse.Action) -> tuple[str, str]:
    values = "|".join(map(str, action.choices)) if action.choices else str(action.metavar or "")
    names = ", ".join(f"{name} {values}".strip() for name in action.option_strings)
    return f"`{names}`", str(action.help)


def pvh_commands() -> str:
    rows = [
        (f"`{command.name} {command.usage}`".replace(" `", "`"), _first_line(command.help))
        for command in COMMANDS.values()
    ]
    return table(("command", "what it does"), rows)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def keys() -> str:
    rows = [(key.key, key.scope, key.help) for key in KEYS if not key.action.startswith("view ")]
    return table(("key", "where", "what it does"), rows)


def _all(signs: Signs) -> tuple[str, ...]:
    """Return all signs of one character, in the order in which their meanings are listed."""
    groups = (signs.stages, signs.findings, signs.runs)
    return (
        *(sign for group in groups for sign in group.values()),
        signs.cursor,
        signs.current,
        signs.breakpoint,
        signs.slider,
    )


def signs() -> str:
    in_ascii: dict[str, dict[str, None]] = {}
    for sign, in_its_place in (*zip(_all(UNICODE), _all(ASCII), strict=True), *picture_text.SIGNS.values()):
        in_ascii.setdefault(sign, {})[in_its_place] = None
    rows = [(sign, " / ".join(in_ascii[sign]), meaning) for sign, meaning in glossary.SIGNS]
    return table(("sign", "in ASCII", "meaning"), rows)


def views() -> str:
    return table(("key", "view", "what it shows"), [(view.key, view.name, view.about) for view in VIEWS])


def rule_table() -> str:
    return table(("code", "severity", "defect"), _rules())


def guests() -> str:
    """Return the guests, with their stages and where the facts are from."""
    rows = [
        (
            f"`{profile.name}`",
            profile.title,
            "<br>".join(_stages_of(profile)),
            "" if profile is OTHER else guest_topics.tried(profile),
        )
        for profile in PROFILES
    ]
    return table(("name", "guest", "stages after `entry`", "facts"), rows)


def _stages_of(profile: GuestProfile) -> Iterator[str]:
    for stage in profile.stages:
        yield f"`{stage.name}`: {'return from ' * stage.returns}`{stage.function}`"


def _rules() -> Iterator[tuple[str, ...]]:
    for code, rule in rules().items():
        yield code, ", ".join((rule.severity, *rule.other_severities)), rule.name


def vmm_table() -> str:
    """Return the profiles with what distinguishes them most."""
    return table(
        ("name", "VMM", "start_info", "version", "map entries", "rsdp_paddr", "command line", "CR0", "CS"), _vmms()
    )


def _vmms() -> Iterator[tuple[str, ...]]:
    for name in vmms.NAMES:
        profile = vmms.profile(name)
        layout = profile.layout
        title = f"{profile.title} {profile.source_version}".rstrip()
        if layout is None:
            yield (f"`{name}`", title, *("as the firmware makes it" for _ in range(7)))
            continue
        places, code = layout.places(EXAMPLE), layout.cpu.cs
        yield (
            f"`{name}`",
            title,
            f"{places.start_info:#x}",
            str(layout.version),
            f"{len(layout.memory_map(EXAMPLE))} ({layout.map_form})",
            f"{layout.rsdp_paddr:#x}",
            "no limit" if layout.cmdline_room is None else f"{layout.cmdline_room} bytes",
            f"{layout.cpu.cr0:#x}",
            f"{code.selector:#x}, limit {code.limit:#x}",
        )


def labs() -> str:
    rows = [(str(lab.number), lab.title, lab.about) for lab in lab_file.read_all(EXERCISES)]
    return table(("lab", "title", "what it is about"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "chapters": chapters,
    "labs": labs,
    "commands": commands,
    "options": options,
    "own_options": own_options,
    "pvh_commands": pvh_commands,
    "keys": keys,
    "signs": signs,
    "views": views,
    "rules": rule_table,
    "guests": guests,
    "vmms": vmm_table,
}

if __name__ == "__main__":
    main()
