"""Reports and pictures in a real Chromium: hostile text is harmless, keys reach everything, text has contrast."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pvhdbg.boot.record.replay import load
from pvhdbg.boot.who.answer import Answer, Code, Writer
from pvhdbg.cli.command.manual import PAGES_DIR
from pvhdbg.cli.command.teaching import boots
from pvhdbg.teaching.tour import chapter, handout
from pvhdbg.views.page.picture import picture_page
from pvhdbg.views.page.report import report
from pvhdbg.views.pictures.drawing import CHARACTER
from pvhdbg.views.pictures.table import PICTURES
from tests.browser import Browser, browser
from tests.paths import RECORDINGS_DIR
from tests.teaching.tour.recorded import recorded_boots
from tests.views.hostile import COMMAND_LINE, answers, hostile

ENOUGH = 4.5
"""The contrast of text that WCAG 2.2 asks for at level AA."""
FAINT = """
(() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => numbers(color).slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const ratio = (one, two) => {
    const [a, b] = [light(one), light(two)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = getComputedStyle(node).backgroundColor;
      if ((numbers(color)[3] ?? 1) === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const under = (text) => {
    const at = text.getBoundingClientRect(), x = at.x + at.width / 2, y = at.y + at.height / 2;
    const holds = (box) => { const it = box.getBoundingClientRect();
      return it.left <= x && x <= it.right && it.top <= y && y <= it.bottom; };
    const boxes = [...text.parentElement.querySelectorAll(":scope > rect")].filter((box) => holds(box)
      && getComputedStyle(box).fill !== "none" && box.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING);
    return getComputedStyle(boxes.at(-1)).fill;
  };
  const found = [];
  let seen = 0;
  for (const node of document.querySelectorAll("body *")) {
    const words = [...node.childNodes].filter((it) => it.nodeType === 3).map((it) => it.data).join("").trim();
    const isHidden = ["SCRIPT", "STYLE", "title", "desc"].includes(node.tagName) || !node.getClientRects().length;
    if (!words || isHidden) continue;
    const isDrawn = node.tagName === "text";
    const style = getComputedStyle(node);
    const contrast = ratio(isDrawn ? style.fill : style.color, isDrawn ? under(node) : behind(node));
    seen += 1;
    if (contrast < LEAST) found.push(`${words.slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return { found, seen };
})()
""".replace("LEAST", str(ENOUGH))
FOCUS = (
    "(() => { const it = document.activeElement; return [it.tagName, it.getAttribute('href') "
    "|| it.getAttribute('aria-label') || it.textContent, it.matches(':focus-visible')]; })()"
)
TAB, ENTER = ("Tab", 9), ("Enter", 13, "\r")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a page of each kind: reports, and each picture of a guest that died."""
    died = load(RECORDINGS_DIR / "linux-6.1-died.json")
    normal = load(RECORDINGS_DIR / "linux-6.1-microvm-initrd.json")._replace(who=answers())
    code = Code(0x1000, "init_pvh_bootparams", (), "pvh.c:1")
    copied = [Writer("cpu", code, "mov", 0, 4, b"", f"start_info.field{number}", "register") for number in range(6)]
    named = (Answer(f"boot_params.field{number}", 0, 4, (writer,), ()) for number, writer in enumerate(copied))
    asked = died._replace(who=(*answers(), *named))
    texts = {"report": report(normal), "died": report(died), "hostile": report(hostile())}
    for name, picture in PICTURES.items():
        run = asked if name == "who" else died
        texts[name] = picture_page(picture.draw(run), picture.as_text(run), "vmlinux")
    texts["handout"] = handout.html(chapter.read_all(boots.CHAPTERS), recorded_boots())
    folder = tmp_path_factory.mktemp("pages")
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def opened(chromium: Browser, path: Path, width: int = 1200, scheme: str = "light") -> Browser:
    chromium.show(width, 900, scheme)
    chromium.requests.clear()
    chromium.refused.clear()
    chromium.open(path)
    return chromium


@pytest.mark.parametrize("place", ["manual", "page"])
def test_a_picture_of_text_keeps_its_spaces(chromium: Browser, pages: dict[str, Path], place: str) -> None:
    page = opened(chromium, PAGES_DIR / "screen.svg" if place == "manual" else pages["segments"])
    script = "[...document.querySelectorAll('text')].filter((it) => !it.children.length)"

    assert [] == page.run(f"{script}.filter((it) => it.getNumberOfChars() != it.textContent.length).map(String)")
    assert page.run(f"{script}.filter((it) => it.textContent.includes('  ')).length") > 0


def test_hostile_text_does_nothing(chromium: Browser, pages: dict[str, Path]) -> None:
    page = opened(chromium, pages["hostile"])

    assert ([pages["hostile"].as_uri()], []) == (list(page.requests.values()), page.refused)
    assert page.run("document.title").startswith("Boot report: </text></svg><script>")
    assert [0, 1] == page.run("['img', 'script'].map((tag) => document.querySelectorAll(tag).length)")
    assert COMMAND_LINE.decode() in page.run("document.body.innerText")
    assert 4 == page.run("document.querySelectorAll('#tools button').length")


def test_the_browser_refuses_a_script_that_is_not_the_reports_own(
    chromium: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    text = pages["report"].read_text("utf-8")
    hole = '<script>document.title = "owned"</script><img src="http://127.0.0.1/x" onerror="document.title = 1"></main>'
    (tmp_path / "hole.html").write_text(text.replace("</main>", hole), "utf-8")
    page = opened(chromium, tmp_path / "hole.html")

    assert page.run("document.title").startswith("Boot report: ")
    assert 4 == page.run("document.querySelectorAll('#tools button').length")
    assert [(tmp_path / "hole.html").as_uri()] == list(page.requests.values())
    assert ["http://127.0.0.1/x"] == page.refused


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "died", "handout", *PICTURES])
def test_all_text_has_contrast(chromium: Browser, pages: dict[str, Path], name: str, scheme: str) -> None:
    page = opened(chromium, pages[name], scheme=scheme)
    page.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    answer: dict[str, Any] = page.run(FAINT)

    assert answer["seen"] > 10
    assert [] == answer["found"]


def test_a_printed_page_has_light_colors(chromium: Browser, pages: dict[str, Path]) -> None:
    page = opened(chromium, pages["report"], scheme="dark")
    dark = page.run("getComputedStyle(document.body).backgroundColor")
    page.show(1200, 900, "dark", media="print")

    assert ["rgb(20, 24, 31)", "rgb(255, 255, 255)", "rgb(255, 255, 255)"] == [
        dark,
        page.run("getComputedStyle(document.body).backgroundColor"),
        page.run("getComputedStyle(document.querySelector('svg > .page')).fill"),
    ]
    assert "none" == page.run("getComputedStyle(document.getElementById('tools')).display")


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("name", ["report", "died", "hostile", *PICTURES])
def test_a_page_fits_the_window(chromium: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    page = opened(chromium, pages[name], width)
    page.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")

    assert page.run("document.documentElement.scrollWidth") <= width


def test_the_tab_key_reaches_everything_and_shows_where_it_is(chromium: Browser, pages: dict[str, Path]) -> None:
    page = opened(chromium, pages["report"])
    wanted = page.run(
        "[...document.querySelectorAll('a, button, summary, [tabindex=\"0\"]')]"
        ".filter((it) => it.checkVisibility({ contentVisibilityAuto: true })).length"
    )
    reached = []
    for _ in range(wanted):
        page.press(*TAB)
        reached.append(page.run(FOCUS))

    assert wanted > 30
    assert [] == [it for it in reached if it[0] == "BODY" or not it[2]]
    assert {"A", "BUTTON", "SUMMARY", "DIV"} == {it[0] for it in reached}


def tab_to(page: Browser, words: str) -> None:
    """Press Tab until the element with this text or target has the focus."""
    for _ in range(300):
        page.press(*TAB)
        if page.run(FOCUS)[1] == words:
            return
    pytest.fail(f"the Tab key does not reach {words}")


def test_the_keyboard_steps_from_stage_to_stage(chromium: Browser, pages: dict[str, Path]) -> None:
    page = opened(chromium, pages["report"])
    tab_to(page, "Next stage")
    page.press(*ENTER)
    first = page.run("document.activeElement.parentElement.id")
    page.run("document.querySelectorAll('#tools button')[1].focus()")
    page.press(*ENTER)
    second = page.run("document.activeElement.parentElement.id")
    page.run("document.querySelectorAll('#tools button')[0].focus()")
    page.press(*ENTER)

    assert ["stop-0-entry", "stop-1-prepare"] == [first, second]
    assert "stop-0-entry" == page.run("document.activeElement.parentElement.id")


def test_the_keyboard_opens_and_closes_what_is_folded(chromium: Browser, pages: dict[str, Path]) -> None:
    page = opened(chromium, pages["report"])
    tab_to(page, "Explanation of PVH126")
    page.press(*ENTER)

    assert page.run("document.activeElement.parentElement.open") is True


@pytest.mark.parametrize("source", ["#who/boot_params.hdr.cmd_line_ptr", "#stop-0-entry/all/cmdline"])
def test_a_link_followed_with_the_keyboard_shows_its_target(
    chromium: Browser, pages: dict[str, Path], source: str
) -> None:
    page = opened(chromium, pages["report"])
    tab_to(page, source)
    page.press(*ENTER)
    top = page.run("document.querySelector(':target').getBoundingClientRect().top")
    height = page.run("innerHeight")

    assert 0 <= top < height
    assert page.run("decodeURIComponent(location.hash)") == source


def test_without_scripts_everything_is_readable(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.run_scripts(on=False)
    try:
        page = opened(chromium, pages["report"])
        words = page.run("document.body.innerText")
        drawn = page.run("document.querySelector('svg[aria-labelledby~=handover-title]').textContent")
        tools = page.run("getComputedStyle(document.getElementById('tools')).display")
    finally:
        chromium.run_scripts(on=True)

    assert "none" == tools
    assert "hvm_modlist_entry[1] at 0x7b7c" in drawn
    assert "structures lie in unreserved RAM" in words


SEARCHED = {"stages": "xen_prepare_pvh", "who": "init_pvh_bootparams"}
"""Words in the pictures that have no addresses."""


@pytest.mark.parametrize("name", PICTURES)
def test_the_text_of_a_picture_can_be_searched(chromium: Browser, pages: dict[str, Path], name: str) -> None:
    page = opened(chromium, pages[name])

    assert page.run(f"window.find('{SEARCHED.get(name, '0x')}')") is True


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_is_wider_than_the_space_that_the_drawing_gives_it(
    chromium: Browser, pages: dict[str, Path], name: str
) -> None:
    page = opened(chromium, pages[name])
    texts = "[...document.querySelectorAll('svg text')].filter((it) => !it.classList.contains('title'))"
    widths = page.run(f"{texts}.map((it) => [it.textContent, it.getComputedTextLength()])")

    assert len(widths) > 5
    assert [] == [words for words, width in widths if width > len(words) * CHARACTER]
