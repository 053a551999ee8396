"""The report as a person uses it: in Chromium, on a desk and on a phone, by mouse and by keys."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dice_semimetric_study.cli import main
from study_files import study

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("there is no chromium with its chromedriver", allow_module_level=True)

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-prefers-reduced-motion",  # a click would miss what still scrolls
)
NAMES = ["case2", "case10", *(f"more{k}" for k in range(3)), "i<x"]
LONG = "long-" + "name" * 30


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("report")
    ref, pred = study(root, cases=[*NAMES, LONG], tasks=("task01", "task02"))
    (pred / "more2/task02.nii.gz").unlink()
    argv = ["--pred", str(pred), "--ref", str(ref), "--out", str(root / "out"), "--no-pictures"]
    assert main(["evaluate", *argv, "--report", str(root / "report.html")]) == 1
    return (root / "report.html").as_uri()


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desk", "phone"])
def browser(request: Any, page: str, tmp_path: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        width, height = request.param
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(page)
        yield driver
        assert driver.get_log("browser") == []  # neither errors nor a blocked request
    finally:
        driver.quit()


def column(browser: Any, index: int) -> list[str]:
    script = "return [...document.querySelectorAll('#table tbody tr')].filter(r => !r.hidden)"
    return browser.execute_script(f"{script}.map(r => r.cells[{index}].textContent)")


def numbers(browser: Any, index: int) -> list[float]:
    """Return the numbers of a column, behind which stands the one case without."""
    *found, none = column(browser, index)
    assert none == "–"
    return [float(text) for text in found]


def head(browser: Any, index: int) -> Any:
    return browser.find_elements("css selector", "#table thead th")[index]


def test_the_page_fits_and_asks_for_nothing(browser: Any) -> None:
    wide, seen = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= seen
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.find_elements("css selector", "main > section")
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    colour = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(colour)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    assert browser.execute_script(colour) != light


def test_sorting_by_mouse_and_by_keys(browser: Any) -> None:
    names = column(browser, 0)
    head(browser, 4).find_element("tag name", "button").click()
    up = numbers(browser, 4)
    assert up == sorted(up)
    assert head(browser, 4).get_attribute("aria-sort") == "ascending"
    button = head(browser, 4).find_element("tag name", "button")
    button.send_keys("\ue007")  # Enter
    assert numbers(browser, 4) == sorted(up, reverse=True)
    assert head(browser, 4).get_attribute("aria-sort") == "descending"
    head(browser, 0).find_element("tag name", "button").send_keys(" ")
    assert head(browser, 4).get_attribute("aria-sort") == "none"
    natural = column(browser, 0)
    assert natural[:4] == ["case2", "case2", "case10", "case10"]
    assert sorted(natural) == sorted(names)


def test_filtering(browser: Any) -> None:
    total = len(column(browser, 0))
    box = browser.find_element("id", "find")
    box.send_keys("MORE")
    found = column(browser, 0)
    assert set(found) == {"more0", "more1", "more2", "more2there is no prediction"}
    browser.find_element("css selector", "#which option:nth-child(3)").click()
    assert set(column(browser, 1)) == {"task02"}
    assert column(browser, 0) == ["more0", "more1", "more2there is no prediction"]
    assert browser.find_element("id", "count").text == f"3 of {total} shown"
    box.clear()
    box.send_keys("i<x")
    assert column(browser, 0) == ["i<x"]


def test_one_group_of_scores_at_a_time(browser: Any) -> None:
    def shown() -> list[str]:
        heads = browser.find_elements("css selector", "#table thead th:not([hidden])")
        cells = browser.find_elements(
            "css selector", "#table tbody tr:first-child > :not([hidden])"
        )
        assert len(cells) == len(heads)
        return [h.get_attribute("textContent") for h in heads][4:]

    assert shown() == [
        "BDice",
        "Dice",
        "Jaccard",
        "ECE, all pixels",
        "ECE, marked pixels",
        "ECE, near marks",
    ]
    browser.find_element("xpath", "//*[@id='columns']/option[.='Volume']").click()
    assert [name.split()[0] for name in shown()] == [
        *["volume"] * 2,
        *["relative"] * 2,
        *["volume", "normal"],
    ]
    browser.find_element("css selector", "#columns option:nth-child(2)").click()
    names = ["ACE, all pixels", "ACE, marked pixels", "ECE by rater, all pixels"]
    assert shown()[:3] == names


def test_opening_a_case(browser: Any) -> None:
    shown = browser.find_element("css selector", "#table tr[data-shown]")
    cells = [c.get_attribute("textContent") for c in shown.find_elements("css selector", "th, td")]
    button = shown.find_element("css selector", "th button")
    button.send_keys("\ue007")
    dialog = browser.find_element("id", "dialog")
    assert dialog.get_attribute("open")
    assert cells[0] in browser.find_element("id", "dialog-title").text
    assert cells[1] in browser.find_element("id", "dialog-title").text
    assert cells[4] in dialog.text
    assert "Against each rater alone" in dialog.text
    svgs = dialog.find_elements("css selector", "svg[role=img]")
    assert len(svgs) == 4
    assert all(s.get_attribute("aria-label") and s.size["width"] > 100 for s in svgs)
    line = dialog.find_element("css selector", "path.one").get_attribute("d")
    assert line.count("L") == 8
    toggle = dialog.find_element("css selector", "[data-toggle='1']")
    toggle.send_keys(" ")
    assert toggle.get_attribute("aria-pressed") == "false"
    hidden = dialog.find_elements("css selector", "path.off")
    assert {p.get_attribute("data-rater") for p in hidden} == {"1"}
    before = browser.find_element("id", "dialog-title").text
    dialog.find_element("css selector", "[data-step='1']").click()
    assert browser.find_element("id", "dialog-title").text != before
    browser.switch_to.active_element.send_keys("\ue00c")  # Escape
    assert not dialog.get_attribute("open")
    focused = browser.switch_to.active_element
    assert focused.tag_name == "button"
    assert focused.find_element("xpath", "ancestor::table").get_attribute("id") == "table"


def test_printing_shows_every_structure(browser: Any) -> None:
    browser.execute_script("document.querySelectorAll('.print-open').forEach(d => d.open = false)")
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert not browser.find_elements("css selector", ".print-open:not([open])")
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert not browser.find_elements("css selector", ".print-open[open]")
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {})["data"]
    assert len(pdf) > 20_000


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the pages of the other commands, of raters with long names."""
    root = tmp_path_factory.mktemp("pages")
    ref, pred = map(str, study(root, cases=[*NAMES, LONG], raters=10))
    sides = ["--pred", pred, "--ref", ref]
    argv = {
        "agreement": [ref],
        "fuse": [ref, "--method", "staple"],
        "compare": ["--pred", f"a={pred}", f"{LONG}={pred}", f"b={pred}", "--ref", ref],
        "calibrate": ["--fit-pred", pred, "--fit-ref", ref, *sides, "--method", "temperature"],
    }
    for name, options in argv.items():
        where = ["--out", str(root / name), "--report", str(root / f"{name}.html"), "--quiet"]
        assert main([name, *options, *where]) == 0
    return [(root / f"{name}.html").as_uri() for name in argv]


def test_the_other_pages_fit_and_sort_by_keys(browser: Any, others: list[str]) -> None:
    for page in others:
        browser.get(page)
        wide, seen = browser.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= seen, page
        assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
        script = "return [...document.querySelector('table.sortable').tBodies[0].rows]"
        last = "document.querySelector('table.sortable').tHead.rows[0].cells.length - 1"
        numbers = f"{script}.map(r => parseFloat(r.cells[{last}].textContent))"
        heads = browser.find_elements(
            "css selector", "table.sortable:first-of-type thead th:last-child button"
        )
        heads[0].send_keys("\ue007")
        up = browser.execute_script(numbers)
        heads[0].send_keys(" ")
        down = browser.execute_script(numbers)
        known = [n for n in up if n is not None]
        assert known == sorted(known)
        assert [n for n in down if n is not None] == sorted(known, reverse=True)
        first = browser.execute_script(
            "document.querySelector('.skip').focus(); return document.activeElement.textContent"
        )
        assert first == "Skip to the contents"
