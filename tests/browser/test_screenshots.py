"""Covers `screenshots.py`: the README's pictures can be taken, on the agents that ship, only quicker."""

from __future__ import annotations

import re
import shutil
from base64 import b64encode
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.screenshots import take
from tests.browser.smallpng import repacked
from tests.support.commands import ROOT
from tests.support.served import orchestrator, paced_agents


def test_all_pictures_are_taken(browser: Browser, tmp_path: Path) -> None:
    folder = paced_agents(tmp_path, analyst=120, optimist=120, skeptic=5, moderator=120)
    shutil.copytree(ROOT / "agents_config" / "panels", folder / "panels")
    with orchestrator("--config", str(folder)) as address:
        pictures = take(browser, address, tmp_path / "pictures", alive_chars=20)
    names = ["welcome", "alive", "stopped", "ended", "dark", "phone", "sideways", "zoomed", "panel"]
    assert [picture.stem for picture in pictures] == names
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size > 20_000, "more than an empty page"


SAME_PIXELS = """async (pictures) => {
    const [one, other] = await Promise.all(pictures.map(async (base64) => {
        const image = new Image();
        image.src = `data:image/png;base64,${base64}`;
        await image.decode();
        const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
        canvas.drawImage(image, 0, 0);
        return canvas.getImageData(0, 0, image.width, image.height).data;
    }));
    return one.length > 100_000 && one.length === other.length && one.every((byte, n) => byte === other[n]);
}"""


def test_packing_a_picture_changes_no_pixel(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 300, "height": 200})
    page.set_content("<h1 style='background: linear-gradient(red, 30%, blue)'>A picture</h1>some words")
    picture = page.screenshot()
    small = repacked(picture)
    assert len(small) < len(picture)
    assert page.evaluate(SAME_PIXELS, [b64encode(each).decode() for each in (picture, small)])
    page.close()


def test_the_readme_shows_pictures_that_are_there() -> None:
    shown = re.findall(r"tests/browser/pictures/[\w.]+", (ROOT / "README.md").read_text())
    assert len(shown) >= 4
    for picture in shown:
        assert (ROOT / picture).stat().st_size < 150_000
