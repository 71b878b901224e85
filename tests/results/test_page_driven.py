"""The page as a reader uses it: a real browser, driven by chromedriver with wheel, mouse and keys, seen as pixels."""

import dataclasses
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsd_mri.results.page import write_page
from rsd_mri.results.reconstruction import PosteriorPart, PriorUse
from rsd_mri.scan.facts import Facts
from rsd_mri.scan.scan import Geometry

selenium = pytest.importorskip("selenium")
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, Keys  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="no Chromium with chromedriver"),
]

ROWS, COLUMNS = 40, 32
BRIGHT, STEM, EMPTY, UNSURE = (9, 12), (16, 9), (30, 9), (32, 22)
"""[row, column]: the bar of the L, its stem, no object, no object but a large spread."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (
        "headless", "no-sandbox", "disable-quic", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", "use-angle=swiftshader", "enable-unsafe-swiftshader",
        "window-size=1600,1100", f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(f"--{option}")
    driver = Chrome(options=options, service=Service(DRIVER, log_output=os.devnull))
    yield driver
    driver.quit()


@pytest.fixture
def page(tmp_path, a_reconstruction) -> Path:
    """An L, dimmer in the third slice and in the second sample, at half brightness by CG-SENSE."""
    magnitude = a_reconstruction().magnitude.copy()
    magnitude[2] *= 0.25
    std = np.zeros_like(magnitude)
    std[:, 30:36, 20:26] = 1e-5
    geometry = Geometry(
        (1.0, 1.0, 5.0), 0.0, (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0),
        tuple((0.0, 0.0, 5.0 * i) for i in range(3)),
    )  # fmt: skip
    main = dataclasses.replace(
        a_reconstruction(), magnitude=magnitude, geometry=geometry,
        posterior=PosteriorPart(np.stack([magnitude, 0.5 * magnitude, magnitude]), std),
        prior=PriorUse("brain.safetensors", "c0ffee" * 10, 0.9 * magnitude, 0.1 * magnitude),
    )  # fmt: skip
    other = dataclasses.replace(a_reconstruction(method="cg-sense"), magnitude=0.5 * magnitude, geometry=geometry)
    return write_page(tmp_path / "page.html", [main, other])


class Reader:
    """Hands and eyes in front of the page."""

    def __init__(self, browser: Chrome, page: Path) -> None:
        self.browser = browser
        browser.get(page.as_uri())
        self.wait(lambda: self.ask("document.body.dataset.ready") == "yes")
        self.panels = browser.find_elements("css selector", "figure canvas")

    def ask(self, what: str, *arguments: object) -> object:
        return self.browser.execute_script(f"return {what}", *arguments)

    def wait(self, until: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, "the page did not get there"
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def hold(self, key: str) -> None:
        ActionChains(self.browser).key_down(key).perform()

    def release(self, key: str) -> None:
        ActionChains(self.browser).key_up(key).perform()

    def wheel(self, amount: int, panel: int = 0) -> None:
        over = ScrollOrigin.from_element(self.panels[panel])
        ActionChains(self.browser).scroll_from_origin(over, 0, amount).perform()

    def drag(self, x: float, y: float, begin: float = 0.0, key: str | None = None) -> None:
        """From `begin` of the width right of the middle, by shares of the panel."""
        canvas = self.panels[0]
        width, height = canvas.size["width"], canvas.size["height"]
        act = ActionChains(self.browser)
        act = act.key_down(key) if key else act
        act = act.move_to_element_with_offset(canvas, int(begin * width), 0).click_and_hold()
        act = act.move_by_offset(int(x * width), int(y * height)).release()
        (act.key_up(key) if key else act).perform()

    def picture(self, element: object = None) -> np.ndarray:
        """What is on the screen [row, column, RGB]."""
        png = (self.panels[0] if element is None else element).screenshot_as_png  # type: ignore[attr-defined]
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)

    def look(self, place: tuple[int, int], panel: int = 0) -> np.ndarray:
        """The colour of a pixel of the image, not zoomed."""
        seen = self.picture(self.panels[panel])
        scale = min(seen.shape[0] / ROWS, seen.shape[1] / COLUMNS)
        top, left = (seen.shape[0] - ROWS * scale) / 2, (seen.shape[1] - COLUMNS * scale) / 2
        return seen[int(top + (place[0] + 0.5) * scale), int(left + (place[1] + 0.5) * scale)]

    def label(self, panel: int = 0) -> str:
        return self.panels[panel].get_attribute("aria-label")

    def slice(self) -> str:
        return self.browser.find_element("id", "slice-number").text


@pytest.fixture
def reader(browser, page) -> Reader:
    return Reader(browser, page)


def test_it_draws_what_was_reconstructed_and_always_says_what_it_is_not_for(reader):
    assert reader.look(BRIGHT)[0] > 200 and 90 < reader.look(STEM)[0] < 160 and reader.look(EMPTY)[0] < 20
    assert 90 < reader.look(BRIGHT, panel=1)[0] < 150, "CG-SENSE, in the same window"
    unsure = reader.look(UNSURE, panel=2)
    assert unsure[0] > unsure[2] + 40 or unsure.min() > 100, "a colour of the map of uncertainty"
    difference = reader.look(BRIGHT, panel=3)
    assert difference[0] > difference[2] + 80, "orange: brighter than CG-SENSE"
    note = reader.browser.find_element("css selector", "header .never")
    reader.ask("scrollTo(0, document.body.scrollHeight)")
    assert note.text == "Research use only. Not for diagnostic use."
    top, bottom = reader.ask("(({top, bottom}) => [top, bottom])(arguments[0].getBoundingClientRect())", note)
    assert 0 <= top < bottom <= reader.ask("innerHeight"), "in sight at the end of the page too"


def test_the_wheel_and_keys_turn_slices(reader):
    assert reader.slice() == "2 of 3"
    bright = reader.look(BRIGHT)[0]
    reader.wheel(100)
    assert reader.slice() == "3 of 3" and reader.look(BRIGHT)[0] < 0.5 * bright
    reader.wheel(-100)
    assert reader.slice() == "2 of 3"
    reader.press(Keys.ARROW_UP)
    assert reader.slice() == "1 of 3"


def test_dragging_changes_the_window(reader):
    before = reader.look(BRIGHT)[0], reader.look(STEM)[0]
    reader.drag(0.3, 0.0)
    wider = reader.look(BRIGHT)[0]
    assert wider < before[0] - 20
    reader.press("r")
    reader.drag(0.0, -0.2)
    assert reader.look(STEM)[0] > before[1] + 20, "up: a lower level, a brighter image"
    reader.press("r")
    assert (reader.look(BRIGHT)[0], reader.look(STEM)[0]) == before


def test_zoom_and_pan(reader):
    whole = reader.picture()
    scale = min(whole.shape[0] / ROWS, whole.shape[1] / COLUMNS)
    middle = np.array(whole.shape[:2]) / 2
    stem = scale * (np.array(STEM) + 0.5 - (ROWS / 2, COLUMNS / 2))

    def red(picture: np.ndarray, place: np.ndarray) -> float:
        return picture[int(place[0]), int(place[1]), 0]

    reader.press("z", "z", "z")
    zoomed = reader.picture()
    # A place of the picture lies so many times further from the middle.
    farther = middle + 1.25**3 * stem
    assert abs(red(zoomed, farther) - red(whole, middle + stem)) < 12
    reader.drag(0.0, 0.1, key=Keys.SHIFT)
    panned = reader.picture()
    assert abs(red(panned, farther + (int(0.1 * whole.shape[0]), 0)) - red(zoomed, farther)) < 12
    assert np.abs(panned - zoomed).mean() > 1
    reader.press("r")
    np.testing.assert_array_equal(reader.picture(), whole)


def test_swipe_and_switch_compare(reader):
    plain = reader.look(BRIGHT)[0]
    reader.press("s")
    assert reader.look(BRIGHT)[0] < 0.7 * plain, "left of the divider: CG-SENSE"
    reader.drag(-0.4, 0.0)
    assert reader.look(BRIGHT)[0] == plain, "the divider was dragged past it"
    reader.press("s")
    reader.hold(" ")
    assert reader.look(BRIGHT)[0] < 0.7 * plain and reader.label().startswith("CG-SENSE")
    reader.release(" ")
    assert reader.look(BRIGHT)[0] == plain and reader.label().startswith("Posterior mean")


def test_the_swipe_tells_the_value_of_the_side_pointed_at(reader):
    def value() -> float:
        return float(reader.browser.find_element("css selector", "figcaption .value").text.split("]")[1])

    def point(x: float) -> None:
        canvas = reader.panels[0]
        width, scale = canvas.size["width"], min(canvas.size["height"] / ROWS, canvas.size["width"] / COLUMNS)
        up = int((BRIGHT[0] + 0.5 - ROWS / 2) * scale)
        ActionChains(reader.browser).move_to_element_with_offset(canvas, int(x * width), up).perform()

    point(-0.1)
    whole = value()
    reader.press("s")
    point(-0.1)
    assert value() == pytest.approx(0.5 * whole, rel=0.02), "CG-SENSE is half as bright"
    caption = reader.browser.find_element("css selector", "figcaption").text
    assert "Left of the line: CG-SENSE. Right: Posterior mean." in caption
    reader.press("[", "[", "[", "[")
    point(-0.09)
    assert value() == pytest.approx(whole, rel=0.02), "the line has moved past the place"


def test_keys_act_on_the_panel_in_focus(reader):
    before = [reader.look(BRIGHT, i) for i in (0, 3)]
    reader.ask("arguments[0].focus()", reader.panels[3])
    for _ in range(25):
        reader.press(Keys.ARROW_RIGHT)
    np.testing.assert_array_equal(reader.look(BRIGHT), before[0])
    assert reader.look(BRIGHT, 3)[0] < before[1][0] - 20, "a wider window of the difference"
    reader.press("e")
    assert [panel.is_displayed() for panel in reader.panels] == [False, False, False, True]
    reader.press("e")
    assert all(panel.is_displayed() for panel in reader.panels)
    reader.press("r", "z", "z")
    zoomed = reader.picture()
    ActionChains(reader.browser).key_down(Keys.SHIFT).send_keys(Keys.ARROW_UP).key_up(Keys.SHIFT).perform()
    assert np.abs(reader.picture() - zoomed).mean() > 1 and reader.slice() == "2 of 3", "moved, the slice kept"


def test_a_slider_in_focus_leaves_the_letters_to_the_page(reader):
    reader.ask("document.getElementById('slice').focus()")
    reader.press(Keys.ARROW_RIGHT)
    assert reader.slice() == "3 of 3"
    reader.press("f")
    reader.wait(lambda: reader.label().startswith("Sample"))


def test_uncertainty_lies_over_the_image_as_strong_as_the_slider_says(reader):
    slider = reader.browser.find_element("id", "overlay")
    stem, colours = reader.look(STEM), []
    for share in (0.0, 0.4, 0.9):
        reader.ask("(arguments[0].value = arguments[1], arguments[0].dispatchEvent(new Event('input')))", slider, share)
        colours.append(reader.look(UNSURE)[0])
        np.testing.assert_array_equal(reader.look(STEM), stem)
    assert colours[0] < 20 and colours[0] + 30 < colours[1] < colours[2] - 30


def test_samples_play_pause_and_turn_one_by_one(reader):
    pause = reader.browser.find_element("id", "pause")
    assert not pause.is_enabled()
    reader.press("f")
    seen = set()
    reader.wait(lambda: seen.add(reader.label().split(",")[0]) or len(seen) == 3)
    assert seen == {f"Sample {i} of 3" for i in (1, 2, 3)}
    assert pause.text == "Pause"
    pause.click()
    assert pause.text == "Play"
    still = reader.label()
    time.sleep(0.6)
    assert reader.label() == still, "paused at four samples a second"
    while not reader.label().startswith("Sample 2"):
        reader.press(".")
    second = reader.look(BRIGHT)[0]
    reader.press(",")
    assert reader.label().startswith("Sample 1") and second < 0.7 * reader.look(BRIGHT)[0]
    reader.press("f")
    assert reader.label().startswith("Posterior mean")


def test_measured_and_prior_part_can_be_chosen(reader):
    select = reader.browser.find_elements("css selector", "figure select")[1]
    names = [option.text for option in select.find_elements("tag name", "option")]
    for name, share in (("Measured part", 0.9), ("Prior part", None)):
        select.find_elements("tag name", "option")[names.index(name)].click()
        assert reader.label(1).startswith(name)
        if share is not None:
            assert reader.look(STEM, 1)[0] == pytest.approx(share * reader.look(STEM)[0], abs=4)


def test_three_planes_draw_the_image_with_its_uncertainty(reader):
    button = reader.browser.find_element("id", "three")
    if not button.is_displayed():
        pytest.skip("this browser has no WebGL, or nilearn carries no NiiVue")
    button.click()
    planes = reader.browser.find_element("id", "planes")
    reader.wait(lambda: planes.get_attribute("data-ready") == "yes")
    canvas = reader.browser.find_element("id", "gl")
    name = reader.browser.find_element("id", "planes-name")
    reader.wait(lambda: reader.picture(canvas).max() > 150)

    def coloured() -> float:
        seen = reader.picture(canvas)
        return float((seen[..., 0] - seen[..., 2] > 60).mean())

    assert name.text == "Posterior mean" and coloured() < 1e-3
    reader.press("u")
    reader.wait(lambda: "uncertainty" in name.text)
    reader.wait(lambda: coloured() > 3e-3)
    reader.press("u", "c")
    reader.wait(lambda: name.text == "CG-SENSE")


@pytest.fixture
def movie(tmp_path, a_reconstruction) -> Path:
    """Four frames, each brighter than the one before it; CG-SENSE does not move."""
    one = a_reconstruction()
    frames = [
        dataclasses.replace(
            one, magnitude=(0.25 * (n + 1)) * one.magnitude, frame={"phase": n}, posterior=None, prior=None,
            facts=Facts(moment=50.0 * n, triggered=True), residual=one.residual + n,
        )
        for n in range(4)
    ]  # fmt: skip
    still = [dataclasses.replace(one, method="cg-sense", title="CG-SENSE", frame=f.frame) for f in frames]
    return write_page(tmp_path / "movie.html", [frames, still])


def test_arrows_and_play_turn_the_frames_of_a_movie(browser, movie):
    reader = Reader(browser, movie)
    number = browser.find_element("id", "frame-number")
    seen = []
    for n in range(4):
        assert number.text == f"{n + 1} of 4" and f"frame {n + 1} of 4" in reader.label()
        assert f"{1.02 + n:.2f}" in browser.find_element("id", "state").text
        seen.append(reader.look(BRIGHT)[0])
        still = reader.look(BRIGHT, panel=1)[0]
        reader.press(Keys.ARROW_RIGHT)
    assert number.text == "1 of 4", "round and round"
    assert (np.diff(seen) > 30).all() and still == pytest.approx(seen[-1], abs=3)
    reader.press(Keys.ARROW_LEFT)
    assert number.text == "4 of 4"
    assert browser.find_element("id", "rate-number").text == "20 a second", "as fast as it was"
    reader.press("m")
    passed = set()
    reader.wait(lambda: passed.add(number.text) or len(passed) == 4)
    reader.press("m")
    stopped = number.text
    time.sleep(0.3)
    assert number.text == stopped
    before = reader.look(BRIGHT)[0] - reader.look(STEM)[0]
    reader.press("w", "w", "w")
    contrast = reader.look(BRIGHT)[0] - reader.look(STEM)[0]
    assert contrast < 0.9 * before and number.text == stopped, "the width of the window has keys of its own"


def test_a_page_without_frames_has_no_slider_of_time(reader):
    assert not reader.browser.find_element("id", "frame").is_displayed()
