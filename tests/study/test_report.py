"""``evaluate --report``: one page that needs nothing else, whatever the cases are called."""

import csv
import json
import re
import zipfile
from importlib.util import find_spec
from pathlib import Path

import dice_semimetric_study
import numpy as np
import pytest
from dice_semimetric_study import CaseError, Options, pair_up
from dice_semimetric_study.cases.layout import find_cases
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.page import page
from dice_semimetric_study.results.page.charts import histogram
from dice_semimetric_study.results.page.page import ends_of, mean_of
from dice_semimetric_study.results.page.planes import read_plane
from dice_semimetric_study.results.registry import ALL_SCORES, VOLUME_SCORES
from dice_semimetric_study.results.text import form_of
from html_pages import HTMLRows, Page, require_alone
from study_files import data_folder, load, masks, save, study

AWKWARD = ("case 1", "käse_二", '</script><script>alert("1")</script>\n<i>&amp;', "a'\"\u202eb")


def evaluate(root: Path, *options: str) -> int:
    sides = ["--pred", str(root / "pred"), "--ref", str(root / "ref"), "--out", str(root / "out")]
    report = ["--report", str(root / "report.html"), "--no-pictures", "--resamples", "100"]
    return main(["evaluate", *sides, *report, *options])


def cells(page: Page) -> list[list[str]]:
    """Return the rows of the table of cases."""
    body = (
        page.source.split('<table id="table" class="sortable">')[1]
        .split("<tbody>")[1]
        .split("</tbody>")[0]
    )
    part = HTMLRows()
    part.feed(body)
    return part.rows


def test_it_needs_nothing_else_and_says_what_is_in_the_tables(tmp_path: Path) -> None:
    study(tmp_path, tasks=("task01", "task02"), raters=4)
    assert evaluate(tmp_path) == 0
    page = Page(tmp_path / "report.html")
    assert page.all("html")[0][0]["lang"] == "en"
    assert "against" in page.all("title")[0][1]
    assert page.all("svg")
    require_alone(page)
    with (tmp_path / "out/cases.csv").open(encoding="utf-8", newline="") as file:
        known = list(csv.DictReader(file))
    rows = cells(page)
    assert [r[:2] for r in rows] == [[k["case"], k["task"]] for k in known]
    for row, line in zip(rows, known, strict=True):
        for text, name in zip(row[4:], ALL_SCORES, strict=True):
            assert float(text) == pytest.approx(float(line[name]), rel=6e-5, abs=6e-5)
    data = json.loads(page.all("script", type="application/json")[0][1])
    for case, line in zip(data["cases"], known, strict=True):
        wanted = [float(line[f"dice@0.{k}"]) for k in range(1, 10)]
        assert case["curve"] == pytest.approx(wanted, abs=6e-5)
        assert [data["raters"][r[0]] for r in case["raters"]] == ["01", "02", "03", "04"]
    summary = json.loads((tmp_path / "out/summary.json").read_text())["overall"]
    assert mean_of(summary, "bdice") in page.source
    assert f"95 % CI {ends_of(summary, 'ece_soft')}" in page.source
    assert len(page.all("article")) == 6
    run = json.loads((tmp_path / "out/run.json").read_text())
    listed = set(page.all("pre")[0][1].splitlines())
    assert listed == {f"{f['sha256']}  {f['path']}" for i in run["inputs"] for f in i["files"]}


def test_the_model_stands_among_the_raters(tmp_path: Path) -> None:
    study(tmp_path, tasks=("task01", "task02"), raters=4)
    assert evaluate(tmp_path) == 0
    page = Page(tmp_path / "report.html")
    (section,) = [text for attributes, text in page.all("section", id="among")]
    rows = json.loads((tmp_path / "out/among_raters.json").read_text())
    assert len(rows) == 9
    for row in rows:
        for name in ("model", "raters", "difference"):
            assert format(row[name], form_of((row["low"], row["high"]))) in section
    form = form_of((rows[6]["low"], rows[6]["high"]))
    assert f"agrees with a rater by {rows[6]['model']:{form}}" in section
    verdicts = [text for _, text in page.all("li") if "of the difference" in text]
    assert [text.split(",")[0].split(" the")[0] for text in verdicts] == [
        "By Dice",
        "By BDice",
        "By ECE over marked pixels",
    ]
    assert "all below 0, and the adjusted p is 0.750: neither is clearly better" in verdicts[2]
    assert "Brier score of the more likely label" in page.source
    bars = [float(a["width"]) for a, _ in page.all("rect") if a["class"] in ("worse", "better")]
    assert bars == pytest.approx([100 * row[k] for row in rows for k in ("worse", "better")])
    assert ("#among", "Model among the raters") in [(a["href"], t) for a, t in page.all("a")]
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    for part in (summary["overall"], *summary["tasks"].values()):
        for name in VOLUME_SCORES:
            assert mean_of(part, name) in page.source
            assert ends_of(part, name) in page.source


def test_against_each_rater(tmp_path: Path) -> None:
    study(tmp_path, raters=3)
    assert evaluate(tmp_path) == 0
    page = Page(tmp_path / "report.html")
    (section,) = [text for a, text in page.all("section", id="raters")]
    with (tmp_path / "out/raters.csv").open(encoding="utf-8", newline="") as file:
        known = list(csv.DictReader(file))
    for name in ("dice", "bdice", "ece_soft", "model_dice", "rater_dice"):
        for rater in ("01", "02", "03"):
            values = [float(r[name]) for r in known if r["rater"] == rater]
            assert f"{np.mean(values):.4f}" in section


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("0", ""),
        ("1", "worst"),
        ("2", "worst best"),
        ("3", "worst median best"),
        ("5", "worst 2of7 3of7 median best"),
        ("all", "worst 2of7 3of7 median 5of7 6of7 best"),
        ("99", "worst 2of7 3of7 median 5of7 6of7 best"),
    ],
)
def test_the_number_of_pictures(tmp_path: Path, wanted: str, shown: str) -> None:
    study(tmp_path, cases=[f"c{k}" for k in range(7)])
    assert evaluate(tmp_path, "--pictures", wanted) == 0
    page = Page(tmp_path / "report.html")
    ranks = [
        t.strip().replace(" ", "") for a, t in page.all("span") if "rank" in a.get("class", "")
    ]
    assert ranks == shown.split()
    assert len(page.all("article")) == len(ranks)


def test_the_histogram_counts_and_links_its_worst(tmp_path: Path) -> None:
    study(tmp_path, cases=[f"c{k}" for k in range(12)])
    assert evaluate(tmp_path, "--pictures", "1") == 0
    page = Page(tmp_path / "report.html")
    counts = [
        int(t.split(": ")[1].split()[0])
        for _, t in page.all("title")
        if t.endswith((" case", " cases"))
    ]
    assert sum(counts) == 12
    with (tmp_path / "out/cases.csv").open(encoding="utf-8", newline="") as file:
        known = [(float(row["bdice"]), i) for i, row in enumerate(csv.DictReader(file))]
    worst = [i for _, i in sorted(known)][:3]
    links = [a["href"] for a, _ in page.all("a") if a["href"].startswith(("#row", "#picture"))]
    assert links == 2 * ["#picture-0", *(f"#row-{i}" for i in worst[1:])]
    ids = {a["id"] for _, a in page.elements if "id" in a}
    assert {link.removeprefix("#") for link in links} <= ids


def test_a_faulty_case_stands_in_the_table(tmp_path: Path) -> None:
    _, pred = study(tmp_path)
    (pred / "case02/task01.nii.gz").unlink()
    assert evaluate(tmp_path) == 1
    *good, bad = cells(Page(tmp_path / "report.html"))
    assert [row[0] for row in good] == ["case01", "case03"]
    assert bad[:2] == ["case02there is no prediction", "task01"]
    assert {text.strip() for text in bad[2:]} == {"–"}
    assert len(bad) == len(good[0])


def test_without_several_raters_there_is_nothing_among_them(tmp_path: Path) -> None:
    study(tmp_path, raters=1)
    assert evaluate(tmp_path) == 0
    page = Page(tmp_path / "report.html")
    assert not page.all("section", id="among")
    assert "#among" not in page.source


def test_lines_and_bars_stand_where_the_numbers_are(tmp_path: Path) -> None:
    study(tmp_path)
    assert evaluate(tmp_path) == 0
    page = Page(tmp_path / "report.html")
    (chart,) = [a for a, _ in page.all("svg") if "data-chart" in a]
    means = json.loads((tmp_path / "out/summary.json").read_text())["overall"]["dice_at_threshold"]
    x, y = ([float(v) for v in chart[f"data-{n}"].split()] for n in "xy")
    drawn = [a for a, _ in page.all("circle", **{"class": "mean"})]
    for k, (circle, mean) in enumerate(zip(drawn, means, strict=True), start=1):
        level = x[0] + (float(circle["cx"]) - x[2]) / (x[3] - x[2]) * (x[1] - x[0])
        value = y[0] + (float(circle["cy"]) - y[2]) / (y[3] - y[2]) * (y[1] - y[0])
        assert level == pytest.approx(k / 10, abs=1e-3)
        assert value == pytest.approx(mean, abs=1e-3)
    pixels = sum(int(a.split()[0]) for _, a in page.all("title") if re.fullmatch(r"\d+ pixels", a))
    assert pixels > 3 * 480  # those of all cases, and again those in doubt


def test_names_are_text_wherever_they_stand(tmp_path: Path) -> None:
    names = [n.replace("/", "∕") for n in AWKWARD]
    study(tmp_path, cases=names, flat=True)
    (tmp_path / f"pred/{names[3]}_task01.nii.gz").unlink()
    odd = "</title><script>alert(2)<"
    (tmp_path / "o.toml").write_text(f'[regions]\n"{odd}" = [1]\n', encoding="utf-8")
    for path in (tmp_path / "pred").iterdir():
        data, _ = load(path)
        save(path, (data > 0.5).astype(np.uint8))
    assert evaluate(tmp_path, "--regions", str(tmp_path / "o.toml")) == 1
    page = Page(tmp_path / "report.html")
    assert len(page.all("script")) == 2
    assert not page.all("i")
    text = page.all("main")[0][1]
    assert 'alert("1")' in text
    assert "\\n<i>&amp;" in text
    assert odd in text
    assert "\\u202e" in text
    assert "\u202e" not in page.source
    assert "there is no prediction" in text


def test_raters_names_do_not_end_the_data(tmp_path: Path) -> None:
    a, b = masks(1, raters=2)
    for name, mask in (("<!--<script", a), ("<b>&'\"", b)):
        save(tmp_path / f"ref/x/task01_seg{name}.nii.gz", mask.astype(np.uint8))
    save(tmp_path / "pred/x/task01.nii.gz", a.astype(np.float32))
    assert evaluate(tmp_path) == 0
    page = Page(tmp_path / "report.html")
    (script,) = page.all("script", type="application/json")
    assert "<" not in script[1]
    assert json.loads(script[1])["raters"] == ["<!--<script", "<b>&'\""]
    assert not page.all("b", **{"class": "x"})
    assert len(page.all("article")) == 1


@pytest.mark.parametrize(("cases", "named"), [(0, 0), (1, 1), (5, 1), (8, 2), (40, 5)])
def test_a_quarter_of_the_cases_at_most_are_the_worst(cases: int, named: int) -> None:
    values = [*np.linspace(0.9, 0.5, cases).tolist(), np.nan]
    places = [w["place"] for w in histogram(values).worst]
    assert places == list(range(cases - 1, cases - 1 - named, -1))


def test_a_slice_larger_than_a_slab_is_not_drawn(tmp_path: Path) -> None:
    study(tmp_path)
    assert evaluate(tmp_path, "--slab", "100") == 0
    page = Page(tmp_path / "report.html")
    assert not page.all("image")
    assert "No pictures: a slice of 480 pixels is larger than --slab 100" in page.source


def test_a_case_that_changed_and_images_that_do_not_fit(tmp_path: Path) -> None:
    ref, pred = study(tmp_path, cases=("a", "b", "c"), shape=(20, 24, 3))
    save(ref / "a/image.nii.gz", np.zeros((20, 24, 3, 2), np.int16))
    (ref / "b/image.nii.gz").unlink()
    assert evaluate(tmp_path) == 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "the case has no image" in text
    (pred / "c/task01.nii.gz").unlink()
    pairs, _ = pair_up(find_cases(ref), find_cases(pred))
    assert read_plane(pairs[0], "", Options()).image is not None
    (pred / "b/task01.nii.gz").write_bytes(b"")
    with pytest.raises(CaseError, match="is empty"):
        read_plane(pairs[1], "", Options())


@pytest.mark.parametrize("case", ["all faulty", "one", "empty and skipped"])
def test_few_cases(tmp_path: Path, case: str) -> None:
    _, pred = study(tmp_path, cases=("a",))
    more: list[str] = []
    if case == "all faulty":
        (pred / "a/task01.nii.gz").write_bytes(b"")
    if case == "empty and skipped":
        more = ["--empty", "skip"]
        save(pred / "a/task01.nii.gz", np.zeros((20, 24), np.float32))
        for r in (1, 2, 3):
            path = tmp_path / f"ref/a/task01_seg0{r}.nii.gz"
            save(path, np.zeros((20, 24), np.uint8))
    assert evaluate(tmp_path, *more) == (case == "all faulty")
    page = Page(tmp_path / "report.html")
    assert len(page.all("article")) == (case == "one")
    assert ("No case was scored" in page.source) == (case == "all faulty")
    if case == "empty and skipped":
        assert cells(page)[0][4:7] == ["–"] * 3


def test_a_large_study_of_many_structures_stays_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for c in range(12):
        labels = rng.integers(0, 13, (20, 24), np.uint8)
        save(tmp_path / f"ref/c{c}/task01.nii.gz", labels)
        save(tmp_path / f"pred/c{c}/task01.nii.gz", np.roll(labels, c // 6, axis=0))
    regions = "".join(f"r{k} = [{k}]\n" for k in range(1, 13))
    (tmp_path / "r.toml").write_text("[regions]\n" + regions)
    assert evaluate(tmp_path, "--regions", str(tmp_path / "r.toml"), "--jobs", "2") == 0
    page = Page(tmp_path / "report.html")
    assert len(page.all("article")) == 3 * 8
    assert "Without pictures: r" in page.source
    assert len(cells(page)) == 144
    assert len(page.source) < 3_000_000
    before = (tmp_path / "report.html").read_bytes()
    assert evaluate(tmp_path, "--regions", str(tmp_path / "r.toml"), "--resume") == 0
    assert (tmp_path / "report.html").read_bytes() == before


def test_usage(tmp_path: Path, capsys, monkeypatch) -> None:
    study(tmp_path)
    assert evaluate(tmp_path, "--report", str(tmp_path)) == 2
    assert "must be the name of a file" in capsys.readouterr().err
    file = tmp_path / "file"
    file.write_text("")
    assert evaluate(tmp_path, "--report", str(file / "report.html")) == 2
    assert "cannot write to" in capsys.readouterr().err
    monkeypatch.setattr(page, "find_spec", lambda n: None if n == "jinja2" else find_spec(n))
    assert evaluate(tmp_path) == 2
    assert "--report needs Jinja2: pip install" in capsys.readouterr().err
    assert not (tmp_path / "out/cases.csv").exists()


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_contrast_is_that_of_wcag_aa() -> None:
    sheet = (Path(page.__file__).parent / "templates/page.css").read_text()
    tones = re.findall(r"\.h\d \{ background: (#[0-9a-f]{6}); color: (#[0-9a-f]{6}); \}", sheet)
    assert len(tones) == 20  # of heat maps, light and dark
    for colours in tones:
        pair = sorted(map(luminance, colours))
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, colours
    light, dark = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)
    for block in (light, dark):
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
        for ink in ("ink", "quiet", "accent", "bad"):
            for ground in ("ground", "panel"):
                pair = sorted(luminance(colours[n]) for n in (ink, ground))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, ground)
        for line in ("accent", "gap", "bar", "count"):
            if line != "bar":  # the bars are marked by points and lines besides
                pair = sorted(luminance(colours[n]) for n in (line, "ground"))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 3, line


def test_the_wheel_has_the_page(tmp_path: Path) -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel")
    root = Path(__file__).resolve().parents[2]
    built = next(
        wheel.WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    )
    names = zipfile.ZipFile(built).namelist()
    folder = Path(dice_semimetric_study.__file__).parent
    templates = [p for p in folder.glob("**/templates/*") if p.is_file()]
    assert len(templates) >= 8
    for path in templates:
        assert f"dice_semimetric_study/{path.relative_to(folder).as_posix()}" in names


def test_real_nodules(tmp_path: Path) -> None:
    data = data_folder()
    argv = ["--pred", str(data / "lidc4-predictions/dml_soft"), "--out", str(tmp_path / "out")]
    argv += ["--ref", str(data / "lidc4-nodules/lidc-nodule/Testing")]
    report = tmp_path / "report.html"
    assert main(["evaluate", *argv, "--no-pictures", "--report", str(report)]) == 0
    page = Page(report)
    assert len(cells(page)) == 87
    assert "0.865" in page.source
    assert [t.strip() for a, t in page.all("h4")] == [
        "worst case049",
        "median case066",
        "best case018",
    ]
    assert report.stat().st_size < 500_000
