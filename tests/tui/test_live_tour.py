"""The tour over a live machine, on a real terminal, from a chapter with all stages to the last card."""

from __future__ import annotations

import re
from pathlib import Path

from pvhdbg.cli.command.teaching import boots
from pvhdbg.teaching.tour import chapter
from tests.tui import tmux
from tests.tui.tmux import quit_by

CHAPTERS = chapter.read_all(boots.CHAPTERS)
FIRST = 10
"""The number of the first chapter here: from it on, each boot of the tour is started. Other tests go to every card."""
CARDS = [(number, card) for number, known in enumerate(CHAPTERS, 1) for card in known.cards if number >= FIRST]
_SPACE = re.compile(r" Space: (more|answer|go on|the end) ")


def test_space_alone_goes_through_the_tour_and_the_machine_goes_along(tmp_path: Path) -> None:
    with tmux.shell(tmp_path, size=(130, 40)) as shell:
        shell.start("tour", str(FIRST))
        for number, card in CARDS:
            title = f" {number}/{len(CHAPTERS)} "
            shell.wait(title)
            shell.wait(card.title)
            text = shell.wait_gone("the guest is running to stage")
            assert card.stage in text
            while (word := _SPACE.search(text)) is not None and word[1] in ("more", "answer"):
                shell.keys("Space")
                text = shell.wait_gone(f" Space: {word[1]} ")
            shell.keys("Space")
        shell.wait("this is the end of the tour")
        quit_by(shell)

        assert "0" == shell.status()
        assert [] == shell.leftovers()

        shell.start("tour")
        text = shell.wait(CARDS[-1][1].title)
        shell.keys("BSpace")
        shell.wait(CARDS[-2][1].title)
        shell.keys("T")
        shell.wait_gone(CARDS[-2][1].title)
        shell.keys("t")
        shell.wait(CARDS[-2][1].title)
        quit_by(shell)
