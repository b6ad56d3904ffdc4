"""The contrast of every color on the default palettes of well-known terminals, in 256 and in 16 colors."""

from __future__ import annotations

import pytest

from pvhdbg.tui.app import colors
from pvhdbg.tui.app.colors import AUTO, DARK, LIGHT

LEAST = 4.5
BACKGROUNDS = {
    DARK: {"xterm, reversed": "#000000", "VGA": "#000000", "Solarized dark": "#002b36"},
    LIGHT: {"xterm": "#ffffff", "Solarized light": "#fdf6e3"},
}
"""The default backgrounds. Source: xterm's app-defaults, the VGA palette, https://ethanschoonover.com/solarized."""
SIXTEEN = {
    "xterm, reversed": {"ansigreen": "#00cd00", "ansicyan": "#00cdcd"},
    "VGA": {"ansigreen": "#00aa00", "ansicyan": "#00aaaa"},
    "Solarized dark": {"ansigreen": "#859900", "ansicyan": "#2aa198"},
}
"""The dark palettes' values of the only colors that a terminal with 16 colors gets."""
CUBE = {"00", "5f", "87", "af", "d7", "ff"}
"""The levels of the 216 colors that no palette changes."""


def luminance(color: str) -> float:
    """Return the relative luminance. Source: WCAG 2.1."""
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def used(theme: str) -> set[tuple[str, str]]:
    """Return the colors of a theme, each with the background that the style sets, or an empty string."""
    pairs = set()
    for words in colors.styles(theme).values():
        front = [word for word in words.split() if word.startswith(("#", "ansi"))]
        back = [word.removeprefix("bg:") for word in words.split() if word.startswith("bg:")]
        assert len(front) <= 1
        assert len(back) <= len(front)
        pairs |= {(front[0], "".join(back))} if front else set()
    return pairs


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLORFGBG", raising=False)


def test_the_formula_gives_the_known_extremes() -> None:
    assert round(contrast("#000000", "#ffffff"), 2) == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_every_color_has_contrast_on_the_backgrounds_of_its_theme(theme: str) -> None:
    pairs = used(theme)

    assert 5 == len(pairs)
    for front, _ in pairs:
        assert {front[at : at + 2] for at in (1, 3, 5)} <= CUBE
        for name, back in BACKGROUNDS[theme].items():
            assert contrast(front, back) >= LEAST, (front, name)


def test_without_a_known_background_a_color_has_a_background_of_its_own() -> None:
    pairs = used(AUTO)

    assert pairs
    assert all(contrast(front, back) >= LEAST for front, back in pairs)


def test_a_terminal_with_16_colors_gets_only_those_with_contrast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")
    pairs = used(DARK)

    assert {("ansigreen", ""), ("ansicyan", "")} == pairs == used(AUTO)
    assert set() == used(LIGHT)
    for name, palette in SIXTEEN.items():
        assert all(contrast(palette[front], BACKGROUNDS[DARK][name]) >= LEAST for front, _ in pairs), name


@pytest.mark.parametrize(
    ("value", "theme"),
    [("15;0", DARK), ("0;15", LIGHT), ("0;default;15", LIGHT), ("7;8", DARK), ("x", AUTO), ("", AUTO)],
)
def test_the_background_is_taken_from_colorfgbg(value: str, theme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORFGBG", value)

    assert theme == colors.background()
    assert colors.styles(AUTO) == colors.styles(theme)
